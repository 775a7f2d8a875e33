// expect: no matching (function for call to .*job<send_report>::job|constructor)
#include "visor/jobs.hpp"

struct send_report {
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (pages))

#ifdef VISOR_CONTROL
visor::job<send_report> const made(2);
#else
visor::job<send_report> const made(2.5);
#endif
