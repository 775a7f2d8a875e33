#ifndef VISOR_JOBS_HPP
#define VISOR_JOBS_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/time.hpp"
#include "visor/handler/payload.hpp"
#include "visor/settings/job_type_options.hpp"
#include "visor/settings/queue_name.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/store.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// \file Jobs as values. A program includes this where it makes jobs, and needs neither a driver nor the engine there.
namespace visor {

/// Declares the job type of a payload, once, for the program that runs its jobs and for programs that only add them. A program specializes
/// it for each payload:
///
/// \code
/// template <>
/// struct visor::job_type_of<send_report> {
///   static constexpr std::string_view name = "send-report";
///   static constexpr int max_attempts = 3;
/// };
/// \endcode
///
/// `name` is required: a text, stored with each job. All members of `job_type_options` are optional, as static members of the same names:
/// `queue` (a text), `priority`, `max_attempts`, `capability` (a text), `limits`, `timeout`, `backoff`, `output_limit`, `unknown_fields`,
/// `max_lost`. A member that is absent has the default of `job_type_options`.
template <class Payload>
struct job_type_of;

namespace detail {

template <class Payload>
concept has_job_type = requires {
  { job_type_of<Payload>::name } -> std::convertible_to<std::string_view>;
};

/// Returns the name and the options that `job_type_of` declares.
template <class Payload>
std::string job_type_name() {
  static_assert(has_job_type<Payload>,
                "visor: declare the job type of this payload: template <> struct visor::job_type_of<Payload> { static constexpr "
                "std::string_view name = \"...\"; };");
  if constexpr (has_job_type<Payload>)
    return std::string(std::string_view(job_type_of<Payload>::name));
  else
    return {};
}

template <class Payload>
job_type_options declared_options() {
  job_type_options result;
  if constexpr (has_job_type<Payload>) {
    using type = job_type_of<Payload>;
    if constexpr (requires { type::queue; }) result.queue = type::queue;
    if constexpr (requires { type::priority; }) result.priority = type::priority;
    if constexpr (requires { type::max_attempts; }) result.max_attempts = type::max_attempts;
    if constexpr (requires { type::capability; }) result.capability = type::capability;
    if constexpr (requires { type::limits; }) result.limits = type::limits;
    if constexpr (requires { type::timeout; }) result.timeout = type::timeout;
    if constexpr (requires { type::backoff; }) result.backoff = type::backoff;
    if constexpr (requires { type::output_limit; }) result.output_limit = type::output_limit;
    if constexpr (requires { type::unknown_fields; }) result.unknown_fields = type::unknown_fields;
    if constexpr (requires { type::max_lost; }) result.max_lost = type::max_lost;
  }
  return result;
}

template <class Payload, class... Args>
concept braced_from = requires { Payload{std::declval<Args>()...}; };

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class Payload>
inline constexpr bool is_destroyed_twice = std::is_aggregate_v<Payload> && !std::is_trivially_destructible_v<Payload>;
#else
template <class Payload>
inline constexpr bool is_destroyed_twice = false;
#endif

}  // namespace detail

/// One job to add: a payload, and options for this job alone. An option that is not set follows `job_type_of<Payload>`.
///
/// The payload is made inside of this object, from the arguments of the constructor. So no temporary aggregate stands in a `co_await`
/// expression, which GCC 12 would destroy twice:
///
/// \code
/// co_await scheduler.async_enqueue(visor::job<send_report>("ops@example.com", 12));
/// \endcode
///
/// \tparam Payload a described struct (`visor/handler/payload.hpp`) whose `job_type_of` is declared
/// Thread-safety: that of a value.
template <class Payload>
class [[nodiscard]] job {
 public:
  /// Makes the payload, as `Payload{args...}`: a number that would be narrowed does not compile.
  template <class... Args>
    requires(detail::braced_from<Payload, Args...> && !(sizeof...(Args) == 1 && (std::same_as<std::remove_cvref_t<Args>, job> && ...)) &&
             !(detail::is_destroyed_twice<Payload> && sizeof...(Args) == 1 && (std::same_as<Args, Payload> && ...)))
  explicit job(Args&&... args) : payload_{std::forward<Args>(args)...} {}

  /// Takes a payload that is a temporary, for compilers without the fault.
  template <class Temporary>
    requires(detail::is_destroyed_twice<Payload> && std::same_as<Temporary, Payload>)
  [[deprecated(
      "GCC 12 destroys a braced temporary twice within a co_await expression: pass what it is made of, as in "
      "visor::job<Payload>(first, second), or a variable")]] explicit job(Temporary&& payload)
      : payload_(std::forward<Temporary>(payload)) {}

  /// Sets the earliest start, by the clock of the database. Default: as soon as a node has a free slot.
  job& run_at(instant when) {
    run_at_ = when;
    return *this;
  }
  /// Sets the queue. A node that serves none of that name does not run the job.
  job& queue(std::string name) {
    queue_ = std::move(name);
    return *this;
  }
  /// Sets the priority: lower runs first; -32768 to 32767.
  job& priority(int value) {
    priority_ = value;
    return *this;
  }
  /// Sets the number of attempts, from 1.
  job& max_attempts(int count) {
    max_attempts_ = count;
    return *this;
  }
  /// Sets the key for the limits of the type by key, such as the name of a customer.
  job& key(std::string text) {
    key_ = std::move(text);
    return *this;
  }

  Payload const& payload() const noexcept { return payload_; }

  /// Returns the job as a store takes it, without an id.
  /// \param payload_limit bytes of the payload as JSON
  /// \throws visor::error `invalid_argument` for a payload that JSON or a database cannot store, or that is too long, and for options out
  /// of
  ///   range
  new_job to_record(std::size_t payload_limit = json_limits::bytes) const {
    auto const options = detail::declared_options<Payload>();
    new_job result;
    result.type = detail::job_type_name<Payload>();
    auto const name = [&] { return "job type " + result.type; };
    result.payload = to_payload(payload_);
    detail::check_payload_size(result.payload, payload_limit, "payload_limit", name);
    result.priority = priority_.value_or(options.priority);
    result.max_attempts = max_attempts_.value_or(options.max_attempts);
    result.max_lost = options.max_lost;
    result.run_at = run_at_;
    using narrow = std::numeric_limits<std::int16_t>;
    if (result.priority < narrow::min() || result.priority > narrow::max())
      throw error(errc::invalid_argument, name() + ": the priority is " + std::to_string(result.priority) + ": allowed is -32768 to 32767");
    if (result.max_attempts < 1)
      throw error(errc::invalid_argument, name() + ": max_attempts is " + std::to_string(result.max_attempts) + ": allowed is 1 and more");
    if (queue_ && !is_queue_name(*queue_)) throw error(errc::invalid_argument, name() + ": the queue of a job has a name without + * , :");
    result.queue = queue_of(queue_.value_or(options.queue), options.capability, options.limits, result.type, key_);
    return result;
  }

 private:
  Payload payload_;
  std::optional<instant> run_at_;
  std::optional<std::string> queue_;
  std::optional<int> priority_;
  std::optional<int> max_attempts_;
  std::string key_;
};

}  // namespace visor

#endif
