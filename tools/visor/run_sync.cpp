#include "run_sync.hpp"
#include "storage.hpp"

#include <boost/asio/co_spawn.hpp>

namespace visor_program {

void run_to_end(boost::asio::io_context& context, visor::task<> work) {
  std::exception_ptr thrown;
  context.restart();
  boost::asio::co_spawn(context, std::move(work), [&](std::exception_ptr failed) { thrown = std::move(failed); });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
}

void run_sync(visor::task<> work) {
  thread_local boost::asio::io_context context{1};
  run_to_end(context, std::move(work));
}

std::shared_ptr<storage> opened(std::unique_ptr<storage> made) {
  run_sync(made->open());
  return {made.release(), [](storage* used) {
            close_after_use(*used);
            delete used;
          }};
}

}  // namespace visor_program
