#ifndef VISOR_ASYNC_WITH_TIMEOUT_HPP
#define VISOR_ASYNC_WITH_TIMEOUT_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <exception>
#include <type_traits>
#include <utility>

namespace visor::detail {

template <timekeeper Clock>
task<> sleep_for(boost::asio::any_io_executor executor, Clock clock, duration length) {
  duration const until = clock.elapsed() + length;
  typename Clock::timer timer(std::move(executor), clock);
  while (clock.elapsed() < until) {  // a wait may end early
    auto sleep = timer.async_wait_for(until - clock.elapsed(), boost::asio::use_awaitable);
    co_await std::move(sleep);
  }
}

/// Awaits an operation for at most `length`. After that it cancels the operation (terminal) and awaits its end.
/// \return the result of the operation, or a default value after the timeout; for an operation without a result, true when it ended in time
/// \throws the exception of the operation, if it ended in time
template <class T = void, timekeeper Clock>
task<std::conditional_t<std::is_void_v<T>, bool, T>> with_timeout(boost::asio::any_io_executor executor, Clock clock, duration length,
                                                                  task<T> work) {
  auto group = boost::asio::experimental::make_parallel_group(
      boost::asio::co_spawn(executor, std::move(work), boost::asio::deferred),
      boost::asio::co_spawn(executor, sleep_for(executor, clock, length), boost::asio::deferred));
  auto waiting = group.async_wait(boost::asio::experimental::wait_for_one(), boost::asio::use_awaitable);
  if constexpr (std::is_void_v<T>) {
    auto const ended = co_await std::move(waiting);
    if (std::get<0>(ended)[0] != 0) co_return false;
    if (std::get<1>(ended)) std::rethrow_exception(std::get<1>(ended));
    co_return true;
  } else {
    auto ended = co_await std::move(waiting);
    if (std::get<0>(ended)[0] != 0) co_return T();
    if (std::get<1>(ended)) std::rethrow_exception(std::get<1>(ended));
    co_return std::move(std::get<2>(ended));
  }
}

}  // namespace visor::detail

#endif
