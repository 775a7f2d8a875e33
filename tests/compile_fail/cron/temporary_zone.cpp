// expect: (use of deleted function|call to deleted constructor)
// A zone points to its table, which must outlive it.
#include "visor/cron/time_zone.hpp"

#ifdef VISOR_CONTROL
static visor::zone_table const table{"Test/Fixed", std::chrono::seconds{3600}, {}};
visor::time_zone const zone{table};
#else
visor::time_zone const zone{visor::zone_table{"Test/Fixed", std::chrono::seconds{3600}, {}}};
#endif
int main() { return zone.name().empty() ? 1 : 0; }
