// expect: literal: .*it is empty.*there must be 5 fields, or 6 with seconds first, or 7 with the year last.*unexpected character.*a value is missing.*a value is above the maximum of its field.*a value is below the minimum of its field.*unknown name.*a step must be at least 1.*a step is longer than its field.*the years run backwards.*L needs its day of the week.*needs a number from 1 to 5.*it never fires, no year has such a day.*unknown nickname.*@every needs a length of time
// Each of these is refused with its reason, in this order.
#include "visor/cron/expression.hpp"

using namespace visor;

#ifndef VISOR_CONTROL
constexpr auto empty = ""_cron;
constexpr auto field_count = "0 2 * *"_cron;
constexpr auto unexpected_character = "1abc * * * *"_cron;
constexpr auto value_missing = "1,,2 * * * *"_cron;
constexpr auto value_above = "0 24 * * *"_cron;
constexpr auto value_below = "0 0 0 * *"_cron;
constexpr auto unknown_name = "0 0 * * MOON"_cron;
constexpr auto step_zero = "*/0 * * * *"_cron;
constexpr auto step_above = "*/90 * * * *"_cron;
constexpr auto reversed_years = "0 0 0 1 1 * 2030-2020"_cron;
constexpr auto bare_last = "0 0 * * L"_cron;
constexpr auto bad_occurrence = "0 0 * * 1#6"_cron;
constexpr auto never = "0 0 31 2 *"_cron;
constexpr auto unknown_nickname = "@dayly"_cron;
constexpr auto bad_period = "@every 5"_cron;
#endif
int main() {}
