#ifndef VISOR_HANDLER_TYPED_HPP
#define VISOR_HANDLER_TYPED_HPP

#include "visor/async/run_on.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/payload.hpp"
#include "visor/handler/stopped.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace visor {
namespace detail {

template <class Payload>
Payload read_payload(job_context const& job) {
  auto const said = [&job](error const& failure) { return "payload of job type " + job.type() + ": " + failure.message(); };
  try {
    return from_payload<Payload>(job.payload(), job.unknown_fields());
  } catch (payload_mismatch const& failure) {
    if (job.unknown_fields() == unknown_fields::refuse) throw permanent_failure(said(failure));
    throw not_started(said(failure));
  } catch (error const& failure) {
    throw permanent_failure(said(failure));
  }
}

template <class Function, class... Arguments>
concept called_with =
    std::invocable<Function const&, job_context&, Arguments const&...> || std::invocable<Function const&, Arguments const&...>;

/// Calls a user's function, with the job if the function takes it.
template <class Function, class... Payload>
  requires called_with<Function, Payload...>
decltype(auto) call_user(Function const& function, job_context& job, Payload const&... payload) {
  if constexpr (std::invocable<Function const&, job_context&, Payload const&...>)
    return function(job, payload...);
  else
    return function(payload...);
}

template <class Function, class Payload>
struct user_function {
  static constexpr bool fits = called_with<Function, Payload>;
  static auto call(Function const& function, job_context& job) { return call_user(function, job, read_payload<Payload>(job)); }
};
template <class Function>
struct user_function<Function, void> {
  static constexpr bool fits = called_with<Function>;
  static auto call(Function const& function, job_context& job) { return call_user(function, job); }
};

template <class Function, class Payload>
using user_result = decltype(user_function<Function, Payload>::call(std::declval<Function const&>(), std::declval<job_context&>()));

/// The payload lives in this coroutine, so that the user's coroutine may refer to it.
template <class Payload, class Function>
task<> run_coroutine(std::shared_ptr<Function const> function, job_context& job) {
  if constexpr (std::is_void_v<Payload>) {
    auto work = call_user(*function, job);
    co_await std::move(work);
  } else {
    Payload const payload = read_payload<Payload>(job);
    auto work = call_user(*function, job, payload);
    co_await std::move(work);
  }
}

template <class Payload, class Function>
task<> run_function(std::shared_ptr<Function const> function, job_context& job, boost::asio::any_io_executor threads) {
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  auto const call = [&function, &job] {
    if (job.stop_requested()) throw stopped(job, "the function was not started");
    user_function<Function, Payload>::call(*function, job);
  };
  auto running = run_on(std::move(threads), call);
  co_await std::move(running);
}

template <class Payload, class Function>
constexpr void check_user_function() {
  static_assert(std::is_void_v<Payload> || payload_struct<Payload> || std::is_same_v<Payload, boost::json::value>,
                "visor: a payload is a struct that is described with BOOST_DESCRIBE_STRUCT, or a boost::json::value");
  static_assert(user_function<Function, Payload>::fits,
                "visor: a handler is called with (job_context&, Payload const&), (Payload const&), or, where no payload type is named, "
                "with (job_context&) or (); it must be callable when const, since it runs many jobs at once");
}

}  // namespace detail

/// Makes a handler of a coroutine.
///
/// \tparam Payload the payload of the job, a described struct (`visor/handler/payload.hpp`) or `boost::json::value`; `void`: the payload is
/// not read
/// \param function returns `visor::task<>` and takes `(job_context&, Payload const&)`, `(Payload const&)`, `(job_context&)` or nothing. It
/// lives as long as any run of it, runs on `job_context::executor()` and must not block that. References to the job and the payload are
/// valid until it returns. It may run many jobs at the same time.
///
/// A payload that does not fit ends the job without another attempt (`permanent_failure`), with a message such as `payload of job type
/// send-report: field "pages": expected a number, found "x"`; see `from_payload` for missing and unknown fields. A payload of another
/// version of the program (`payload_mismatch`) is released to the queue instead, unless `job_type_options::unknown_fields` says otherwise.
/// Exceptions of the function are passed on.
template <class Payload = void, class Function>
handler make_handler(Function function) {
  detail::check_user_function<Payload, Function>();
  if constexpr (detail::user_function<Function, Payload>::fits) {
    static_assert(std::is_same_v<detail::user_result<Function, Payload>, task<>>,
                  "visor: a handler that is no coroutine may block: give make_handler the executor of a thread pool as well; a coroutine "
                  "returns visor::task<>");
    auto const shared = std::make_shared<Function const>(std::move(function));
    return [shared](job_context& job) { return detail::run_coroutine<Payload>(shared, job); };
  } else {
    return {};
  }
}

/// Makes a handler of a coroutine, as above, or of a function that returns `void` and may block. Such a function is called on `threads`,
/// which must outlive the run. `job_context::stop_requested()` tells it that its job has to stop. It is not called when its turn on
/// `threads` comes only after that.
/// \param threads an executor, or a function that returns one and is called for each run: threads that start only when they are needed
template <class Payload = void, class Function, class Threads>
handler make_handler(Function function, [[maybe_unused]] Threads threads) {
  detail::check_user_function<Payload, Function>();
  if constexpr (!detail::user_function<Function, Payload>::fits) {
    return {};
  } else if constexpr (std::is_void_v<detail::user_result<Function, Payload>>) {
    auto const shared = std::make_shared<Function const>(std::move(function));
    return [shared, threads = std::move(threads)](job_context& job) {
      if constexpr (std::invocable<Threads const&>)
        return detail::run_function<Payload>(shared, job, threads());
      else
        return detail::run_function<Payload>(shared, job, threads);
    };
  } else {
    static_assert(std::is_same_v<detail::user_result<Function, Payload>, task<>>,
                  "visor: a handler returns void or visor::task<>; failure is told by an exception");
    return make_handler<Payload>(std::move(function));
  }
}

}  // namespace visor

#endif
