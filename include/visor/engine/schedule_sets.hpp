#ifndef VISOR_ENGINE_SCHEDULE_SETS_HPP
#define VISOR_ENGINE_SCHEDULE_SETS_HPP

#include "visor/async/signal.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/set_steps.hpp"
#include "visor/store/check_text.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace visor::detail {

/// The schedules of this node's file and program. It declares them, and brings the store to the declarations of all living nodes: at the
/// start and whenever these change. Every node does so for its own sets, so there is no leader. When only an older version is left, its
/// definitions are restored.
template <store Store, timekeeper Clock>
class schedule_sets {
 public:
  explicit schedule_sets(shared_node<Store, Clock>& shared)
      : node_(shared),
        changed_(shared.strand, shared.clock),
        pause_(shared.strand, shared.clock),
        first_done_(shared.strand, shared.clock),
        done_(shared.strand, shared.clock) {}

  /// Adds a schedule to the set of its origin. From any thread.
  /// \return whether the node runs already: then `wake` makes it declare the set again
  bool add(schedule_record schedule) {
    check_text(schedule);
    if (schedule.id.empty()) throw error(errc::invalid_argument, "a schedule has no id");
    if (schedule.expression.empty() && !schedule.next_at)
      throw error(errc::invalid_argument, "schedule " + schedule.id + " has neither an expression nor an instant");
    if (!schedule.expression.empty()) occurrences(schedule);
    std::scoped_lock const lock(mutex_);
    if (is_known(schedule.id)) throw error(errc::already_exists, "there is a schedule " + schedule.id + " already");
    if (is_started_) {
      late_.push_back(std::move(schedule));
    } else {
      ids_.insert(schedule.id);
      of(schedule.origin).schedules.push_back(std::move(schedule));
    }
    return is_started_;
  }

  void declare(schedule_set set) {
    auto& own = of(set.origin);
    own.set = std::move(set);
  }

  void start() {
    {
      std::scoped_lock const lock(mutex_);
      for (auto& [_, own] : own_) prepare(own);
      ids_ = {};  // the schedules are sorted by id from now on
      is_started_ = true;
    }
    running_ = true;
    boost::asio::co_spawn(node_.strand, loop(), [this](std::exception_ptr) {
      running_ = is_waited_for_ = false;
      first_done_.notify();
      done_.notify();
    });
  }

  /// Notes that another node may have joined or left.
  void wake() { changed_.notify(); }

  /// \pre draining
  void drain() {
    changed_.notify();
    pause_.notify();
  }

  /// Waits until the store has the declared schedules, at most for `longest`: stored schedules must not wait without limit.
  task<> wait_for_first(duration longest) {
    auto const end = node_.clock.elapsed() + longest;
    while (is_waited_for_ && node_.clock.elapsed() < end) co_await first_done_.wait_for(end - node_.clock.elapsed());
  }

  /// \pre draining, and woken
  task<> finished() {
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  /// One set of this node.
  struct own_set {
    schedule_set set;
    std::vector<schedule_record> schedules;  ///< by id, with their digests
    std::string digest;                      ///< of the manifest
    int parts = 0;
    std::vector<std::string> basis;        ///< the declarations of living nodes, when the store was last brought to them
    std::uint64_t membership_version = 0;  ///< the node's `membership_version` then: a change means that others may have changed schedules
  };

  static constexpr std::chrono::seconds between_looks{5};
  static constexpr std::chrono::seconds shortest_wait{1};  ///< between looks, however often it is woken
  static constexpr std::chrono::seconds longest_rest{2};   ///< the time that a draining node gets to finish its steps
  static constexpr std::size_t parts_at_once = 10;
  static constexpr std::size_t most_lines = 50;  ///< of each kind in the log; the rest with `schedule diff`

  own_set& of(origin from) {
    auto const [at, is_new] = own_.try_emplace(from);
    if (is_new) at->second.set.origin = from;
    return at->second;
  }

  static void prepare(own_set& own) {
    std::ranges::sort(own.schedules, {}, &schedule_record::id);
    for (auto& each : own.schedules) {
      each.origin = own.set.origin;
      each.set_name = own.set.name;
      each.digest = definition_digest(each);
    }
    auto const all = manifest_of(own.schedules, instant());
    own.digest = all.digest(own.set);
    own.parts = static_cast<int>((own.schedules.size() + manifest::part_size - 1) / manifest::part_size);
  }

  /// \pre the mutex is held
  bool is_known(std::string const& id) const {
    if (!is_started_) return ids_.contains(id);
    auto const has_id = [&id](auto const& own) { return std::ranges::binary_search(own.second.schedules, id, {}, &schedule_record::id); };
    return std::ranges::any_of(own_, has_id) || std::ranges::find(late_, id, &schedule_record::id) != late_.end();
  }

  /// Takes the schedules that were added while the node runs into their sets, which are then declared again.
  void take_up_late() {
    std::scoped_lock const lock(mutex_);
    if (late_.empty()) return;
    for (auto& each : late_) of(each.origin).schedules.push_back(std::move(each));
    late_.clear();
    for (auto& [_, own] : own_) prepare(own);
    declared_under_.reset();
  }

  task<> loop() {
    failure_pause pause;
    for (bool is_first = true; is_first || !node_.draining; is_first = false) {  // at least once, also by a node told to stop at once
      duration wait = std::max<duration>(between_looks, node_.settings.poll_interval);
      std::string trouble;
      try {
        if (!node_.lost) co_await look();
        pause.reset();
      } catch (error const& failure) {
        if (failure.code() != errc::lease_lost) trouble = failure.what();  // the membership handles a lost lease
        wait = pause.next();
      } catch (std::exception const& failure) {
        trouble = failure.what();
        wait = pause.next();
      }
      if (!trouble.empty()) node_.log(log_level::warning, "declaring schedules: ", trouble);
      if (trouble.empty() && declared_under_ && is_waited_for_) {
        is_waited_for_ = false;
        first_done_.notify();
      }
      auto const slept_from = node_.clock.elapsed();
      if (!node_.draining) co_await changed_.wait_for(wait);
      duration const rest = std::min<duration>(shortest_wait, wait) - (node_.clock.elapsed() - slept_from);
      if (rest > duration{0} && !node_.draining) co_await pause_.wait_for(rest);
    }
  }

  /// Declares the sets if they are not declared under this epoch, and checks whether the store has the declared schedules.
  task<> look() {
    take_up_late();
    if (declared_under_ != node_.lease.epoch) {
      co_await declare();
    } else if (node_.settings.exclusive && is_brought()) {
      co_return;  // there is no other node
    }
    for (auto& [_, own] : own_) {
      auto living = co_await node_.store.declared(own.set);
      auto const membership_version = node_.membership_version;
      if (living == own.basis && membership_version == own.membership_version) continue;
      co_await bring(own, std::move(living));
      own.membership_version = membership_version;
    }
  }

  /// Whether the store was brought to the declarations since this node declared its sets.
  bool is_brought() const {
    return std::ranges::none_of(own_, [](auto const& each) { return each.second.basis.empty(); });
  }

  /// Whether steps may go on. A node that drains still finishes its start, but does not take long over it.
  bool may_go_on() {
    if (!node_.draining) return true;
    if (!drains_since_) drains_since_ = node_.clock.elapsed();
    return node_.clock.elapsed() - *drains_since_ < longest_rest;
  }

  task<> declare() {
    auto const held = node_.lease;
    std::vector<set_declaration> sets;
    sets.reserve(own_.size());
    for (auto const& [_, own] : own_) sets.emplace_back(own.set, own.digest, own.parts);
    for (int attempt = 0; !co_await node_.store.declare(held, sets); ++attempt) {
      if (attempt == 3) throw error(errc::conflict, "the manifests of schedules do not stay in the store: it is tried again");
      for (auto const& [_, own] : own_) co_await write_manifest(own);
    }
    declared_under_ = held.epoch;
    for (auto& [_, own] : own_) own.basis.clear();  // while the sets were not declared, others may have removed their schedules
  }

  task<> write_manifest(own_set const& own) {
    auto const now = co_await node_.store.now();
    auto fresh = manifest_of(own.schedules, now);
    auto const all = co_await known_manifest(node_.store, own.set, std::move(fresh));
    auto const parts = all.parts();
    for (std::size_t first = 0; first < parts.size(); first += parts_at_once) {
      auto const some = std::span(parts).subspan(first, std::min(parts_at_once, parts.size() - first));
      co_await node_.store.put_manifest(own.digest, static_cast<int>(first), some);
    }
  }

  /// \param living the digests of the manifests that nodes declare
  task<> bring(own_set& own, std::vector<std::string> living) {
    // Where the manifest is none of them, this node has lost its lease. Steps that fail after some attempts are repeated at the next look.
    for (int attempt = 0; attempt < 5 && may_go_on() && std::ranges::binary_search(living, own.digest); ++attempt) {
      auto const outcome = co_await try_to_bring(own, living);
      if (outcome) co_await report(own, *outcome);
      if (outcome && outcome->passed_over == 0) {
        own.basis = std::move(living);
        co_return;
      }
      living = co_await node_.store.declared(own.set);
    }
  }

  task<std::optional<set_outcome>> try_to_bring(own_set const& own, std::vector<std::string> const& living) {
    manifest mine;
    std::vector<manifest> others;
    if (living.size() > 1) {
      for (auto const& digest : living) {
        auto read = co_await read_manifest(node_.store, digest);
        if (digest == own.digest)
          mine = std::move(read);
        else
          others.push_back(std::move(read));
      }
    }
    set_plan plan;
    {
      auto const stored = co_await node_.store.schedule_digests(own.set.origin);
      plan = plan_set(own.set, own.schedules, mine, others, stored);
    }
    std::function<bool()> const is_allowed = [this] { return may_go_on(); };
    co_return co_await take_steps(node_.store, own.set, living, own.schedules, plan, is_allowed);
  }

  task<> report(own_set const& own, set_outcome const& outcome) {
    auto const list = [&](log_level level, std::vector<std::string> const& ids, std::string_view done, std::string_view one,
                          std::string_view several) {
      for (std::size_t i = 0; i < std::min(ids.size(), most_lines); ++i) node_.log(level, "schedule ", ids[i], " was ", done, one);
      if (ids.size() <= most_lines) return;
      auto const more = ids.size() - most_lines;
      node_.log(level, more, more_schedules(more), more == 1 ? " was " : " were ", done, more == 1 ? one : several);
    };
    list(log_level::info, outcome.changed, "changed", ", as this node declares it", ", as this node declares them");
    list(log_level::warning, outcome.removed, "removed", ": no living node declares it, and this one declares its set without it",
         ": no living node declares them, and this one declares their set without them");
    for (std::size_t i = 0; i < std::min(outcome.taken.size(), most_lines); ++i) co_await report_taken(outcome.taken[i]);
    if (outcome.taken.size() > most_lines) {
      auto const more = outcome.taken.size() - most_lines;
      node_.log(log_level::warning, more, more_schedules(more), more == 1 ? " was" : " were", " not added for the same reason");
    }
    for (std::size_t i = 0; i < std::min(outcome.refused.size(), most_lines); ++i)
      node_.log(log_level::error, "schedule ", outcome.refused[i].id, " is not stored, all others run: ", outcome.refused[i].text);
    if (outcome.refused.size() > most_lines) {
      auto const more = outcome.refused.size() - most_lines;
      node_.log(log_level::error, more, more_schedules(more), more == 1 ? " is" : " are", " not stored for such reasons");
    }
    if (outcome.left != 0)
      node_.log(log_level::warning, outcome.left, outcome.left == 1 ? " schedule was" : " schedules were",
                " not changed: a node of a newer version lives and declares ", outcome.left == 1 ? "it" : "them", " otherwise");
    if (outcome.added + outcome.changed.size() + outcome.removed.size() != 0)
      node_.log(log_level::info, "schedules: ", outcome.added, " added, ", outcome.changed.size(), " changed, ", outcome.removed.size(),
                " removed, ", outcome.unchanged + outcome.left, " as before",
                own.set.name == default_set ? std::string() : " (set " + own.set.name + ")");
  }

  task<> report_taken(std::string const& id) {
    auto const theirs = co_await node_.store.find_schedule(id);
    std::string why = "there was one of this id a moment ago: restart this node, or run visor schedule apply";
    if (theirs && theirs->origin == origin::user)
      why = theirs->owner.value_or("a user") +
            " created one of this id: give this one another id, or cancel that one (visor schedule cancel " + id +
            ") and then restart this node or run visor schedule apply";
    else if (theirs)
      why = std::string(theirs->origin == origin::code ? "a program" : "a file") + " declares one of this id in the set " +
            theirs->set_name.value_or(default_set) + ": give this one another id, and restart this node";
    node_.log(log_level::warning, "schedule ", id, " is not added, and all others run: ", why);
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> changed_;
  signal<Clock> pause_;  // ended by a drain
  signal<Clock> first_done_;
  signal<Clock> done_;
  std::mutex mutex_;                     // guards the next four, against `add` from other threads
  std::map<origin, own_set> own_;        // changed on the strand only, and read there without the mutex
  std::unordered_set<std::string> ids_;  // of the schedules in `own_`, before the start
  std::vector<schedule_record> late_;    // added since the start, and not declared yet
  bool is_started_ = false;
  std::optional<std::int64_t> declared_under_;  // the epoch
  std::optional<duration> drains_since_;        // by `elapsed()`, when the drain was first noticed
  bool is_waited_for_ = true;
  bool running_ = false;
};

}  // namespace visor::detail

#endif
