// expect: a handler is called with \(job_context&, Payload const&\)
#include "visor/handler/typed.hpp"

struct send_report {
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (pages))

visor::handler const handler = visor::make_handler<send_report>([](visor::job_context&, int) -> visor::task<> { co_return; });
