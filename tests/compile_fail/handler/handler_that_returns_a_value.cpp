// expect: a handler returns void or visor::task<>
#include "visor/handler/typed.hpp"

#include <boost/asio/system_executor.hpp>

visor::handler const handler = visor::make_handler([](visor::job_context&) { return 1; }, boost::asio::system_executor());
