// expect: this type cannot be in a payload: describe it with BOOST_DESCRIBE_STRUCT
#include "visor/handler/typed.hpp"

struct address {
  int number = 1;
};
struct send_report {
  address to;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (to))

visor::handler const handler =
    visor::make_handler<send_report>([](visor::job_context&, send_report const&) -> visor::task<> { co_return; });
