#ifndef VISOR_ASYNC_RUN_ON_HPP
#define VISOR_ASYNC_RUN_ON_HPP

#include "visor/async/completion_poster.hpp"
#include "visor/async/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace visor::detail {

/// A function and the result of its call.
template <class Function>
struct blocking_call {
  using value_type = std::invoke_result_t<Function&>;
  using kept_type = std::conditional_t<std::is_void_v<value_type>, bool, value_type>;

  Function function;
  std::optional<kept_type> value;
  std::exception_ptr failure;

  explicit blocking_call(Function&& code) : function(std::move(code)) {}

  void run() noexcept {
    try {
      if constexpr (std::is_void_v<value_type>)
        function();
      else
        value.emplace(function());
    } catch (...) {
      failure = std::current_exception();
    }
  }

  value_type take() {
    // Moved, so that the exception is destroyed on the thread of the caller.
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if constexpr (!std::is_void_v<value_type>) return std::move(*value);
  }
};

struct initiate_blocking_call {
  template <class Handler, class Call>
  void operator()(Handler&& handler, boost::asio::any_io_executor threads, std::shared_ptr<Call> call) const {
    boost::asio::post(threads, [call = std::move(call), poster = completion_poster(std::forward<Handler>(handler))]() mutable {
      call->run();
      call.reset();
      poster.complete();
    });
  }
};

/// Calls a function that may block on the threads of `threads`, and returns to the caller's executor with its result or its exception. The
/// call cannot be interrupted: the caller disables cancellation first.
template <class Function>
task<std::invoke_result_t<Function&>> run_on(boost::asio::any_io_executor threads, Function function) {
  auto const call = std::make_shared<blocking_call<Function>>(std::move(function));
  auto waiting = boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void()>(initiate_blocking_call(),
                                                                                           boost::asio::use_awaitable, threads, call);
  co_await std::move(waiting);
  co_return call->take();
}

}  // namespace visor::detail

#endif
