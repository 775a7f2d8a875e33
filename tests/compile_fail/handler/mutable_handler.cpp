// expect: it must be callable when const
#include "visor/handler/typed.hpp"

visor::handler const handler = visor::make_handler([count = 0](visor::job_context&) mutable -> visor::task<> {
  ++count;
  co_return;
});
