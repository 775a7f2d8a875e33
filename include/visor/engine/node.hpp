#ifndef VISOR_ENGINE_NODE_HPP
#define VISOR_ENGINE_NODE_HPP

#include "visor/async/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/engine/process.hpp"
#include "visor/settings/node_settings.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// Counters of one node since its start.
struct engine_counters {
  std::uint64_t fires = 0;  ///< planned instants that this node acted on
  std::uint64_t claimed = 0;
  std::uint64_t completed = 0;
  std::uint64_t retried = 0;
  std::uint64_t ended_badly = 0;  ///< failed, dead or cancelled
  std::uint64_t refused = 0;      ///< results that came after the lease was lost
  std::uint64_t released = 0;     ///< jobs put back unrun
  std::uint64_t lost_leases = 0;
};

/// The identity and the random seed of an engine. A simulation supplies them, so that every run is the same; otherwise the engine finds
/// them out itself.
struct engine_origin {
  process_identity identity;
  std::uint64_t seed = 0;
};

namespace detail {

/// The words behind the number of schedules that a log line leaves out.
constexpr std::string_view more_schedules(std::size_t number) noexcept { return number == 1 ? " more schedule" : " more schedules"; }

/// The state that the parts of one engine share. Mutable members are used on the strand only.
template <store Store, timekeeper Clock>
struct shared_node {
  shared_node(boost::asio::any_io_executor on, Store& with, node_settings set, Clock time, log_sink sink, std::optional<engine_origin> from)
      : executor(std::move(on)),
        strand(boost::asio::make_strand(executor)),
        store(with),
        settings(std::move(set)),
        clock(std::move(time)),
        sink_(std::move(sink)),
        random_(from ? from->seed : std::random_device()()) {
    settings.check();
    identity = from ? from->identity : process_identity::current();
    if (!from) identity.engine = number_.emplace().value();
    if (settings.name.empty()) {
      settings.name = identity.host + "-" + std::to_string(identity.pid);
      if (identity.engine > 1) settings.name += "-" + std::to_string(identity.engine);
    }
  }

  /// Writes one line made of the parts: texts, numbers, instants, durations. Costs nothing without a sink.
  template <class... Parts>
  void log(log_level level, Parts const&... parts) const {
    if (!sink_) return;
    std::string line;
    (append(line, parts), ...);
    sink_(level, line);
  }

  /// Ends the node on a failure of the store that no retry can repair.
  void look_at(error const& failure) const {
    if (failure.code() == errc::replaced && on_replaced) on_replaced(failure);
  }

  /// Uniform in [0, 1).
  double random() { return std::uniform_real_distribution<double>()(random_); }

  /// Any number but 0, which stands for none.
  std::int64_t random_number() { return std::uniform_int_distribution<std::int64_t>(1)(random_); }

  int slots() const {
    int all = 0;
    for (auto const& queue : settings.queues) all += queue.slots;
    return all;
  }

  boost::asio::any_io_executor executor;
  boost::asio::strand<boost::asio::any_io_executor> strand;
  Store& store;
  node_settings settings;
  Clock clock;
  process_identity identity;
  std::vector<type_limit_record> types;  ///< the job types that it runs, with their limits
  node_claim claim;                      ///< on the store, where the node is exclusive and the store has node claims
  node_lease lease;
  bool draining = false;
  bool drain_requested = false;          ///< it was requested to take no more work
  bool ending = false;                   ///< the lease ends if the next heartbeat fails: no claims
  bool lost = false;                     ///< the lease is lost: no claims and no fires until the node has joined again
  bool claim_outcome_unknown = false;    ///< the outcome of a claim is unknown: no exchanges until the node continues under another epoch
  std::uint64_t membership_version = 0;  ///< changes when other nodes join, leave or restart
  engine_counters counters;
  std::function<void(error const&)> on_replaced;

 private:
  static void append(std::string& line, std::string_view part) { line += part; }
  static void append(std::string& line, std::integral auto number) { line += std::to_string(number); }
  static void append(std::string& line, instant when) { line += to_string(when); }
  static void append(std::string& line, duration length) { line += to_string(length); }

  std::optional<engine_number> number_;
  log_sink sink_;
  std::mt19937_64 random_;
};

/// The pause after a failure. It grows with each consecutive failure, so that retries do not overload a store that is away.
class failure_pause {
 public:
  duration next() {
    auto const length = pause_;
    pause_ = std::min<duration>(pause_ * 2, std::chrono::seconds{2});
    return length;
  }
  void reset() { pause_ = first; }

 private:
  static constexpr duration first{std::chrono::milliseconds{50}};
  duration pause_{first};
};

}  // namespace detail
}  // namespace visor

#endif
