#ifndef VISOR_TESTS_SUPPORT_RUN_HPP
#define VISOR_TESTS_SUPPORT_RUN_HPP

#include "visor/async/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace visor_test {

/// Runs a task to its end on `io`, with whatever else is pending there, and gives its value or throws what it threw. The context
/// is restarted first, so it may be used again and again; work that the task left behind stays pending.
/// \throws std::logic_error when the context ran out of work before the task ended: it waits for something that nobody will do
inline void run(boost::asio::io_context& io, visor::task<> work) {
  std::exception_ptr failure;
  bool ended = false;
  io.restart();
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown) {
    failure = std::move(thrown);
    ended = true;
  });
  while (!ended && io.run_one() != 0) {
  }
  if (!ended) throw std::logic_error("the task never ended");
  if (failure) std::rethrow_exception(failure);
}

namespace detail {

// So that `co_spawn`, which is slow to compile, is there once and not for every type of result.
template <class T>
visor::task<> keep(visor::task<T> work, std::optional<T>& value) {
  value.emplace(co_await std::move(work));
}

}  // namespace detail

template <class T>
T run(boost::asio::io_context& io, visor::task<T> work) {
  std::optional<T> value;
  run(io, detail::keep(std::move(work), value));
  return std::move(*value);
}

/// Runs a task on a context that the thread keeps: a thread that completed the task may still be leaving that context when the
/// task has ended. Not from inside a task that this runs.
template <class T>
T run(visor::task<T> work) {
  thread_local boost::asio::io_context io{1};
  return run(io, std::move(work));
}

}  // namespace visor_test

#endif
