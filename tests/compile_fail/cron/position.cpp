// expect: (Field = 2. int Column = 3.*a value is above|a value is above.*value_above, 2, 3>)
// The compiler names the field and the column: 2 and 3.
#include "visor/cron/expression.hpp"

using namespace visor;

#ifdef VISOR_CONTROL
constexpr auto expression = "0 23 * * *"_cron;
#else
constexpr auto expression = "0 24 * * *"_cron;
#endif
int main() { return expression.is_interval() ? 1 : 0; }
