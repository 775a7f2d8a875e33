#ifndef VISOR_ENGINE_SERVED_QUEUES_HPP
#define VISOR_ENGINE_SERVED_QUEUES_HPP

#include "visor/settings/node_settings.hpp"
#include "visor/settings/queue_name.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// The queues that a node serves: the free slots of each, and where jobs may wait. In the store, each of these has several *lanes*: the
/// queue itself, and the queues beside it that `queue_name.hpp` describes. Its slots are shared by all of them.
class served_queues {
 public:
  served_queues(std::vector<queue_settings> const& queues, std::vector<std::string> const& capabilities) {
    for (auto const& settings : queues) {
      auto& served = queues_.emplace_back(settings);
      for (auto const& capability : capabilities) served.lanes.emplace_back(queue_of(settings.name, capability));
    }
  }

  /// Also serves the lane of a job type that has limits, or that some node did not know. Nothing changes where it is served already.
  void serve_limited(std::string const& type, std::string_view capability) {
    for (auto& queue : queues_) {
      auto const name = lane_of(queue_of(queue.settings.name, capability), type);
      if (std::ranges::find(queue.lanes, name, &lane::name) == queue.lanes.end()) queue.lanes.emplace_back(name);
    }
  }

  /// Returns the claims to make now. Of the lanes of a queue, one at a time may use all of its free slots for a claim.
  /// \param most the jobs that all queues together may hold
  std::vector<claim_request> requests(std::size_t most = std::numeric_limits<std::size_t>::max()) {
    std::vector<claim_request> wanted;
    std::size_t left = most - std::min(most, busy());
    for (auto& queue : queues_) {
      int const free = std::min(queue.settings.slots - queue.busy, queue.settings.claim_size());
      int const room = static_cast<int>(std::min(static_cast<std::size_t>(std::max(free, 0)), left));
      for (std::size_t i = 0; room > 0 && i < queue.lanes.size(); ++i) {
        std::size_t const at = (queue.turn + i) % queue.lanes.size();
        if (!queue.lanes[at].maybe) continue;
        wanted.emplace_back(queue.lanes[at].name, static_cast<std::size_t>(room), queue.lanes[at].served);
        queue.turn = at + 1;
        left -= static_cast<std::size_t>(room);
        break;
      }
    }
    return wanted;
  }

  /// Notes that these claims are being made. A later notice of work may then mean work that they have not seen.
  void asking(std::vector<claim_request> const& wanted) {
    for (auto const& request : wanted) lane_named(request.queue).maybe = false;
  }

  /// Takes the results of these claims.
  void answered(std::vector<claim_request> const& wanted, std::vector<claim> const& claims) {
    for (auto const& request : wanted) {
      auto const got = std::ranges::find(claims, request.queue, &claim::queue);
      if (got == claims.end()) continue;
      auto& asked = lane_named(request.queue);
      asked.maybe = asked.maybe || got->jobs.size() == request.limit;
      if (!asked.type.empty()) asked.served = got->jobs.back().queue;
    }
  }

  /// Notes that there may be work anywhere.
  void look_again() {
    for (auto& queue : queues_)
      for (auto& each : queue.lanes) each.maybe = true;
  }

  /// The same for a type with limits: where one of its jobs ended, another one may start.
  void look_again_for(std::string_view type) {
    for (auto& queue : queues_)
      for (auto& each : queue.lanes) each.maybe = each.maybe || each.type == type;
  }

  /// Counts jobs that take slots.
  /// \param name of a queue or a lane
  void take(std::string_view name, std::size_t jobs) { queue_named(name).busy += static_cast<int>(jobs); }

  /// Counts jobs that leave their slots.
  void leave(std::string_view name, std::size_t jobs) { queue_named(name).busy -= static_cast<int>(jobs); }

 private:
  struct lane {
    explicit lane(std::string called) : name(std::move(called)), type(queue_name(name).type) {}

    std::string name;
    std::string type;    ///< where it has limits
    std::string served;  ///< among the queues of its keys, the last one that had its turn
    bool maybe = true;   ///< the last claim was full, or work was announced
  };

  struct served_queue {
    explicit served_queue(queue_settings how) : settings(std::move(how)) { lanes.emplace_back(settings.name); }

    queue_settings settings;
    int busy = 0;  ///< jobs that run or are about to
    std::vector<lane> lanes;
    std::size_t turn = 0;  ///< the lane that is asked first
  };

  std::size_t busy() const {
    std::size_t all = 0;
    for (auto const& queue : queues_) all += static_cast<std::size_t>(queue.busy);
    return all;
  }

  served_queue& queue_named(std::string_view name) {
    auto const own = queue_name(name).queue;
    return *std::ranges::find_if(queues_, [&](served_queue const& queue) { return queue.settings.name == own; });
  }

  lane& lane_named(std::string const& name) { return *std::ranges::find(queue_named(name).lanes, name, &lane::name); }

  std::vector<served_queue> queues_;
};

}  // namespace visor::detail

#endif
