// expect: cron literal: it never fires, no year has such a day
// 31 February is refused, 29 February is not.
#include "visor/cron/expression.hpp"

using namespace visor;

#ifdef VISOR_CONTROL
constexpr auto expression = "0 0 29 2 *"_cron;
#else
constexpr auto expression = "0 0 31 2 *"_cron;
#endif
int main() { return expression.is_interval() ? 1 : 0; }
