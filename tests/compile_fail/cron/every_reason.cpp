// expect: empty.*5 fields.*unexpected.*missing.*above.*below.*name.*least 1.*longer.*backwards.*5L.*1 to 5.*H stands.*never.*nick.*@every
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
constexpr auto bad_hash = "H,5 * * * *"_cron;
constexpr auto never = "0 0 31 2 *"_cron;
constexpr auto unknown_nickname = "@dayly"_cron;
constexpr auto bad_period = "@every 5"_cron;
#endif
int main() {}
