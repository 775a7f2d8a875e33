#include "all_headers.hpp"

// Made in the other file, with the engine and the store in it: see compiled_once.cmake.
extern template class visor::scheduler<visor::memory>;

int other_version();

// Both files must agree on every inline function and type: the linker refuses what is defined twice.
int main() {
  boost::asio::io_context io;
  visor::scheduler<visor::memory> scheduler(io, visor::settings());
  scheduler.on("nothing", [](visor::job_context&) -> visor::task<> { co_return; });
  scheduler.stop();
  scheduler.run();
  return other_version() == VISOR_VERSION ? 0 : 1;
}
