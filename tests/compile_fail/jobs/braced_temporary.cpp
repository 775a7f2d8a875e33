// expect: destroys a braced temporary twice
#include "visor/jobs.hpp"

#include <string>

struct send_report {
  std::string to;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (to))

// Other compilers than GCC 12 do not have the fault, and need no warning.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#pragma GCC diagnostic error "-Wdeprecated-declarations"
#elif !defined(VISOR_CONTROL)
#error "destroys a braced temporary twice: not with this compiler"
#endif

#ifdef VISOR_CONTROL
send_report const named{"me"};
visor::job<send_report> const made(named);
#else
visor::job<send_report> const made(send_report{"me"});
#endif
