#ifndef VISOR_TOOLS_ASK_HPP
#define VISOR_TOOLS_ASK_HPP

#include "visor/async/task.hpp"

#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace visor_program {

/// Runs a task to its end on a context that nothing else uses.
void run_to_end(boost::asio::io_context& context, visor::task<> work);

/// Waits for a task. It runs on a context of this thread, which lives as long as the thread: what is opened here is closed here.
void ask(visor::task<> work);

// So that `co_spawn`, which is slow to compile, is there once and not for every type of result.
template <class T>
visor::task<> keep(visor::task<T> work, std::optional<T>& value) {
  value.emplace(co_await std::move(work));
}

/// The same for one that has a result.
template <class T>
T ask(visor::task<T> work) {
  std::optional<T> value;
  ask(keep(std::move(work), value));
  return std::move(*value);
}

/// Closes a store or a database when all that was asked of it has been done and acknowledged: how that ends is of no interest.
template <class Opened>
void close_after_use(Opened& used) {
  try {
    ask(used.close());
  } catch (std::exception const&) {
  }
}

class storage;

/// Opens a store, which is closed when the last one lets go of it.
std::shared_ptr<storage> opened(std::unique_ptr<storage> made);

}  // namespace visor_program

#endif
