// expect: a payload is a struct that is described with BOOST_DESCRIBE_STRUCT
#include "visor/handler/typed.hpp"

struct send_report {
  int pages = 1;
};

visor::handler const handler =
    visor::make_handler<send_report>([](visor::job_context&, send_report const&) -> visor::task<> { co_return; });
