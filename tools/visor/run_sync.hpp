#ifndef VISOR_TOOLS_RUN_SYNC_HPP
#define VISOR_TOOLS_RUN_SYNC_HPP

#include "visor/async/task.hpp"

#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace visor_program {

/// Runs a task to its end on a context that nothing else uses.
void run_to_end(boost::asio::io_context& context, visor::task<> work);

/// Waits for a task. It runs on a context of this thread, which lives as long as the thread: stores opened here are closed
/// here.
void run_sync(visor::task<> work);

// Keeps `co_spawn`, which is slow to compile, in one place instead of once for every type of result.
template <class T>
visor::task<> keep(visor::task<T> work, std::optional<T>& value) {
  value.emplace(co_await std::move(work));
}

/// Waits for a task and returns its result.
template <class T>
T run_sync(visor::task<T> work) {
  std::optional<T> value;
  run_sync(keep(std::move(work), value));
  return std::move(*value);
}

/// Closes a store or a database after all of its operations were acknowledged. Errors of closing do not matter then.
template <class Opened>
void close_after_use(Opened& used) {
  try {
    run_sync(used.close());
  } catch (std::exception const&) {
  }
}

class storage;

/// Opens a store, which is closed when its last owner releases it.
std::shared_ptr<storage> opened(std::unique_ptr<storage> made);

}  // namespace visor_program

#endif
