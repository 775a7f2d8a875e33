// expect: give make_handler the executor of a thread pool
#include "visor/handler/typed.hpp"

visor::handler const handler = visor::make_handler([](visor::job_context&) {});
