#ifndef VISOR_SETTINGS_NODE_SETTINGS_HPP
#define VISOR_SETTINGS_NODE_SETTINGS_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/base/time.hpp"
#include "visor/settings/queue_name.hpp"

#include <boost/describe/class.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace visor {

/// One queue that a node serves.
struct queue_settings {
  std::string name = "default";
  int slots = 10;  ///< jobs of this queue that this node runs at the same time; 1 to 100,000
  queue_settings() = default;
  queue_settings(std::string called, int most) : name(std::move(called)), slots(most) {}

  /// The largest number of jobs that one claim takes. With many slots it is half of them: one half runs while the results of the other half
  /// are written and the next jobs are claimed. With few slots it is all of them. There, one more transaction costs more time than the
  /// overlap saves with handlers that do nothing. It costs more than half a millisecond on PostgreSQL, against two microseconds a job
  /// (docs/performance.md).
  int claim_size() const { return slots < 400 ? slots : slots / 2; }

  friend bool operator==(queue_settings const&, queue_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(queue_settings, (), (name, slots))

/// The settings of one node. `check()` names the field that is out of range.
struct node_settings {
  std::string name;                                         ///< unique among the nodes of a store; empty: made of host and process id
  bool exclusive = true;                                    ///< the only node of its store; always so on SQLite and memory
  duration lease_ttl{std::chrono::seconds{60}};             ///< after so long without a heartbeat, others take its jobs; 1 s to 1 h
  duration heartbeat_interval{std::chrono::seconds{15}};    ///< 10 ms to half of `lease_ttl`
  duration poll_interval{std::chrono::seconds{2}};          ///< longest pause between looks for work of others; 10 ms to 1 h
  duration completion_delay{std::chrono::milliseconds{2}};  ///< how long results wait to share a transaction; 0 to 1 s
  duration drain_timeout{std::chrono::seconds{30}};         ///< time that handlers get to finish at shutdown; 0 to 24 h
  duration stop_grace{std::chrono::seconds{5}};             ///< how long to wait for a handler that was told to stop; 0 to 1 h
  std::vector<queue_settings> queues{queue_settings()};
  std::vector<std::string> capabilities;           ///< of this node, such as `gpu`, for jobs that need them; at most 16
  std::size_t output_limit = 64 * 1024;            ///< bytes kept of an attempt's output; at most 16 MiB
  std::size_t payload_limit = json_limits::bytes;  ///< bytes of a payload that this program adds; 1 KiB to 16 MiB
  int threads = 0;                                 ///< for handlers that are plain functions; 0: one for each slot, at most 64
  node_settings() = default;
  friend bool operator==(node_settings const&, node_settings const&) = default;

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and the range
  void check() const {
    auto const within = [](char const* field, duration value, duration least, duration most) {
      if (value < least || value > most)
        throw error(errc::invalid_argument,
                    std::string(field) + " is " + to_string(value) + ": allowed is " + to_string(least) + " to " + to_string(most));
    };
    using namespace std::chrono_literals;
    within("lease_ttl", lease_ttl, 1s, 1h);
    within("heartbeat_interval", heartbeat_interval, 10ms, lease_ttl / 2);
    within("poll_interval", poll_interval, 10ms, 1h);
    within("completion_delay", completion_delay, 0s, 1s);
    within("drain_timeout", drain_timeout, 0s, 24h);
    within("stop_grace", stop_grace, 0s, 1h);
    auto const count = [](std::string const& field, std::size_t value, std::size_t least, std::size_t most) {
      if (value < least || value > most)
        throw error(errc::invalid_argument, field + " is " + std::to_string(static_cast<std::ptrdiff_t>(value)) + ": allowed is " +
                                                std::to_string(least) + " to " + std::to_string(most));
    };
    count("output_limit", output_limit, 0, 16 * 1024 * 1024);
    count("payload_limit", payload_limit, 1024, json_limits::bytes);
    count("threads", static_cast<std::size_t>(threads), 0, 1024);
    count("the number of queues", queues.size(), 1, 1000);
    for (auto queue = queues.begin(); queue != queues.end(); ++queue) {
      if (queue->name.empty()) throw error(errc::invalid_argument, "a queue has no name");
      if (ends_with_blank(queue->name)) throw error(errc::invalid_argument, "queue '" + queue->name + "': " + blank_at_end);
      if (!is_queue_name(queue->name))
        throw error(errc::invalid_argument, "queue " + queue->name + ": a name of a queue may have none of + * , :");
      auto const same = [&](queue_settings const& other) { return other.name == queue->name; };
      if (std::any_of(queues.begin(), queue, same))
        throw error(errc::invalid_argument, "queue " + queue->name + " is there twice: change the slots of the first");
    }
    count("the number of capabilities", capabilities.size(), 0, 16);
    for (auto const& each : capabilities)
      if (each.empty() || !is_queue_name(each))
        throw error(errc::invalid_argument, "the capability '" + each + "' has no name, or one of + * , : in it");
    for (auto const& each : capabilities)
      if (ends_with_blank(each)) throw error(errc::invalid_argument, "the capability '" + each + "': " + blank_at_end);
    for (auto const& queue : queues) count("slots of queue " + queue.name, static_cast<std::size_t>(queue.slots), 1, 100'000);
  }
};
BOOST_DESCRIBE_STRUCT(node_settings, (),
                      (name, exclusive, lease_ttl, heartbeat_interval, poll_interval, completion_delay, drain_timeout, stop_grace, queues,
                       capabilities, output_limit, payload_limit, threads))

}  // namespace visor

#endif
