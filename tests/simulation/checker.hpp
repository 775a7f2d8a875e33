#ifndef VISOR_TESTS_SIMULATION_CHECKER_HPP
#define VISOR_TESTS_SIMULATION_CHECKER_HPP

#include "simulation/cluster.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace visor_test {

/// What was seen in a run, or in many: that nothing was wrong says something only where there was occasion for it.
struct occasions {
  double minutes = 0;
  std::size_t jobs = 0;
  std::size_t runs = 0;
  std::size_t fires = 0;
  std::size_t lost_attempts = 0;
  std::size_t dead_jobs = 0;
  std::size_t cancelled_jobs = 0;
  std::size_t overlaps = 0;            ///< runs of a job that began while an earlier one, whose lease was lost, went on
  std::size_t numbers_used_again = 0;  ///< attempts that were given back and began anew under the same number
  std::size_t lost_leases = 0;         ///< which the node itself noticed
  std::size_t undisturbed_stops = 0;
  std::size_t recoveries_in_time = 0;  ///< of crashed nodes, while nothing was wrong with another one
  visor::duration longest_recovery{};  ///< of those, from the end of the lease
  visor::simulated_counts counts;

  void add(occasions const& more) {
    minutes += more.minutes;
    jobs += more.jobs;
    runs += more.runs;
    fires += more.fires;
    lost_attempts += more.lost_attempts;
    dead_jobs += more.dead_jobs;
    cancelled_jobs += more.cancelled_jobs;
    overlaps += more.overlaps;
    numbers_used_again += more.numbers_used_again;
    lost_leases += more.lost_leases;
    undisturbed_stops += more.undisturbed_stops;
    recoveries_in_time += more.recoveries_in_time;
    longest_recovery = std::max(longest_recovery, more.longest_recovery);
    for (auto const member : each_count) counts.*member += more.counts.*member;
  }

  static constexpr std::size_t visor::simulated_counts::* each_count[] = {
      &visor::simulated_counts::calls,           &visor::simulated_counts::refused,       &visor::simulated_counts::unanswered,
      &visor::simulated_counts::overdue,         &visor::simulated_counts::slow,          &visor::simulated_counts::unheard,
      &visor::simulated_counts::crashes,         &visor::simulated_counts::pauses,        &visor::simulated_counts::suspensions,
      &visor::simulated_counts::stops,           &visor::simulated_counts::clock_steps,   &visor::simulated_counts::recoveries,
      &visor::simulated_counts::refused_results, &visor::simulated_counts::refused_leases};
};

/// Compares what handlers did with what is in the store at the end. What is demanded is what docs/reliability.md promises.
class checker {
 public:
  /// How long after the end of a lease others may take to put back what it held, where nothing is wrong with them.
  static constexpr visor::duration recovery_limit{500ms};

  explicit checker(cluster& checked) : cluster_(checked), world_(checked.world), runs_(checked.world.runs()) {
    visor::job_filter all;
    all.limit = static_cast<std::size_t>(-1);
    for (auto& view : world_.ask(world_.store().jobs(all))) {
      auto const id = view.job.id;
      attempts_.emplace(id, world_.ask(world_.store().attempts(id)));
      jobs_.emplace(id, std::move(view));
    }
    for (auto const& run : runs_) runs_of_[run.job].push_back(&run);
  }

  /// \param problems what is wrong already; more is added
  occasions check(std::vector<std::string>& problems) {
    problems_.swap(problems);
    check_presence();
    for (auto const& [id, job] : jobs_) {
      check_end(job, attempts_.at(id));
      check_overlaps("job " + std::to_string(id), runs_of_[id], true);
    }
    check_runs();
    check_fires();
    check_slots();
    for (auto const& process : world_.processes()) check_process(process);
    seen_.minutes = std::chrono::duration<double, std::ratio<60>>(world_.clock().elapsed()).count();
    seen_.jobs = jobs_.size();
    seen_.runs = runs_.size();
    seen_.counts = world_.counts();
    problems_.swap(problems);
    return seen_;
  }

 private:
  void wrong(std::string what) { problems_.push_back(std::move(what)); }
  static std::string name(visor::job_id job, int attempt) { return "job " + std::to_string(job) + ", attempt " + std::to_string(attempt); }
  visor::simulated_process const& process_of(visor::simulated_run const& which) const { return world_.processes()[which.process]; }

  template <class Span>
  static bool is_during(std::vector<Span> const& spans, visor::instant from, visor::instant until) {
    return std::ranges::any_of(spans, [&](auto const& span) { return span.from <= until && span.until >= from; });
  }

  /// Nothing lost, no phantom.
  void check_presence() {
    for (auto const id : world_.acknowledged())
      if (!jobs_.contains(id)) wrong("job " + std::to_string(id) + " was acknowledged and is not there");
    for (auto const& [id, job] : jobs_)
      if (!job.job.schedule && !cluster_.enqueued.contains(id)) wrong("job " + std::to_string(id) + " was never asked for");
    for (auto const& [id, _] : runs_of_)
      if (!jobs_.contains(id)) wrong("job " + std::to_string(id) + " ran and is not there");
  }

  /// Exactly one end, which follows from the attempts, and those are numbered without a gap.
  void check_end(visor::job_view const& job, std::vector<visor::attempt_record> const& attempts) {
    auto const what = "job " + std::to_string(job.job.id) + " (" + job.job.type + ")";
    if (attempts.empty()) return wrong(what + " has no attempt");
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      if (attempts[i].number != static_cast<int>(i) + 1) wrong(what + ": attempt " + std::to_string(i + 1) + " is missing or there twice");
      if (attempts[i].final_state.has_value() != (i + 1 == attempts.size())) wrong(what + " does not end with its last attempt alone");
    }
    auto const& last = attempts.back();
    if (last.final_state != job.state) return wrong(what + " is not in the state of its last attempt");
    bool right = false;
    switch (job.state) {
      case visor::job_state::completed: right = last.outcome == visor::outcome::completed; break;
      case visor::job_state::failed: right = last.outcome == visor::outcome::failed && job.job.type == "hopeless"; break;
      case visor::job_state::dead:
        right = last.number >= job.job.max_attempts && last.outcome != visor::outcome::completed;
        ++seen_.dead_jobs;
        break;
      case visor::job_state::cancelled:
        right = cluster_.cancelled.contains(job.job.id) || job.job.schedule == "in-turn";
        ++seen_.cancelled_jobs;
        break;
      default: break;
    }
    if (!right)
      wrong(what + " ended as number " + std::to_string(static_cast<int>(job.state)) + " of the states, which it should not have");
  }

  /// What was accepted ran, once, under that epoch, and ended so; a number is used again only for what was given back.
  void check_runs() {
    std::map<std::pair<visor::job_id, int>, std::vector<visor::simulated_run const*>> accepted;
    for (auto const& each : runs_) {
      if (!jobs_.contains(each.job)) continue;
      auto const& attempts = attempts_.at(each.job);
      if (each.attempt > static_cast<int>(attempts.size())) {
        wrong(name(each.job, each.attempt) + " ran and is not there");
        continue;
      }
      auto const& attempt = attempts[static_cast<std::size_t>(each.attempt) - 1];
      if (attempt.node == process_of(each).node && attempt.epoch == each.epoch) {
        accepted[{each.job, each.attempt}].push_back(&each);
        continue;
      }
      ++seen_.numbers_used_again;
      if (!process_of(each).asked_to_stop)
        wrong(name(each.job, each.attempt) + " ran on " + process_of(each).node + " under epoch " + std::to_string(each.epoch) +
              ", which neither gave it back nor has it");
    }
    for (auto const& [_, attempts] : attempts_)
      for (auto const& attempt : attempts) {
        auto const found = accepted.find({attempt.job, attempt.number});
        check_attempt(attempt, found == accepted.end() ? std::vector<visor::simulated_run const*>() : found->second);
      }
  }

  void check_attempt(visor::attempt_record const& attempt, std::vector<visor::simulated_run const*> const& ran) {
    auto const what = name(attempt.job, attempt.number);
    if (ran.size() > 1) return wrong(what + " ran " + std::to_string(ran.size()) + " times under one epoch");
    if (attempt.outcome == visor::outcome::lost) {
      ++seen_.lost_attempts;
      if (!ran.empty()) check_lost(attempt, *ran.front());
      return check_loss(attempt);
    }
    if (!attempt.node) return;  // cancelled before it ran
    if (ran.empty()) return wrong(what + " is recorded and never ran");
    if (!ran.front()->ended) return wrong(what + " is recorded and did not end");
    if (ran.front()->returned != (attempt.outcome == visor::outcome::completed)) wrong(what + " is recorded as what it was not");
  }

  /// A node that runs does not begin what was taken from it, and has told it to stop by then.
  void check_lost(visor::attempt_record const& attempt, visor::simulated_run const& ran) {
    auto const lost_at = attempt.finished_at;
    auto const what = name(attempt.job, attempt.number) + " on " + *attempt.node;
    if (ran.began > lost_at && !may_not_know(ran, ran.began)) wrong(what + " began after it had been lost");
    auto const limit = std::max(knows_by(ran, lost_at), ran.began);
    auto const end = ran.ended ? ran.ended : process_of(ran).ended;
    bool const is_told = ran.told_to_stop && *ran.told_to_stop <= limit;
    if (!is_told && !(end && *end <= limit)) wrong(what + " was lost and not told to stop by " + visor::to_string(limit));
  }

  /// A lease is lost only where something was wrong with its node; and after a crash others take over in time.
  void check_loss(visor::attempt_record const& attempt) {
    auto const what = name(attempt.job, attempt.number);
    for (auto const& holder : world_.processes()) {
      auto const lease = std::ranges::find(holder.leases, attempt.epoch, &visor::simulated_lease::epoch);
      if (holder.node != attempt.node || lease == holder.leases.end()) continue;
      if (holder.how != visor::simulated_process::end::crashed && holder.how != visor::simulated_process::end::failed &&
          holder.pauses.empty() && holder.troubles.empty())
        wrong(what + " was lost by " + holder.node + ", with which nothing was wrong");
      if (holder.how == visor::simulated_process::end::crashed && lease + 1 == holder.leases.end() && *holder.ended < lease->until)
        check_recovery(attempt, lease->until);
      return;
    }
    wrong(what + " was lost by a node that never had it");
  }

  void check_recovery(visor::attempt_record const& attempt, visor::instant until) {
    auto const limit = until + recovery_limit;
    auto const from = until - 2 * cluster_.settings.lease_ttl - 20s;  // of the calls that are overdue too
    auto const could = [&](visor::simulated_process const& other) {
      if (cluster_.settings.exclusive || other.leases.empty() || other.started > from || (other.ended && *other.ended <= limit))
        return false;
      if (other.asked_to_stop && *other.asked_to_stop <= limit) return false;
      return !is_during(other.pauses, from, limit) && !is_during(other.troubles, from, limit);
    };
    if (std::ranges::none_of(world_.processes(), could)) return;
    ++seen_.recoveries_in_time;
    auto const took = attempt.finished_at - until;
    seen_.longest_recovery = std::max(seen_.longest_recovery, took);
    if (attempt.finished_at > limit)
      wrong(name(attempt.job, attempt.number) + " was recovered " + visor::to_string(took) + " after the lease of " + *attempt.node +
            " had ended");
  }

  /// Whether a run may be beside one that began after it.
  bool is_excused(visor::simulated_run const& before, visor::simulated_run const& after) const {
    if (before.told_to_stop && *before.told_to_stop <= after.began) return true;
    return may_not_know(before, after.began) || may_not_know(after, after.began);
  }

  /// Whether the process of a run may not know at `when` that its lease is lost: it is paused, or goes on just then.
  bool may_not_know(visor::simulated_run const& which, visor::instant when) const {
    return std::ranges::any_of(process_of(which).pauses, [&](auto const& pause) {
      return pause.from <= when && when <= pause.until + time_to_notice(process_of(which), pause);
    });
  }

  /// After a pause a process sees at once that its lease is over; but not by a clock that stood still, then only when it next asks the
  /// store, or when it hears nothing from it for as long as its lease is good for.
  visor::duration time_to_notice(visor::simulated_process const& process, visor::simulated_pause const& pause) const {
    if (!pause.suspended) return 0s;
    auto const& settings = cluster_.settings;
    bool const asks = !is_during(process.troubles, pause.from - settings.lease_ttl, pause.until + settings.lease_ttl);
    return (asks ? settings.heartbeat_interval : settings.lease_ttl) + 100ms;
  }

  /// Until when the process of a run must have told it to stop, if its lease was lost at that time.
  visor::instant knows_by(visor::simulated_run const& which, visor::instant lost_at) const {
    auto result = lost_at;
    for (auto const& pause : process_of(which).pauses) {
      auto const earliest = pause.suspended ? lost_at - cluster_.settings.lease_ttl : lost_at;
      if (pause.until >= earliest && pause.from <= result)
        result = std::max(result, pause.until + time_to_notice(process_of(which), pause));
    }
    return result;
  }

  /// Of runs that must come one after another, none begins before the one before it has ended.
  void check_overlaps(std::string const& of, std::vector<visor::simulated_run const*> const& runs, bool counted) {
    for (std::size_t i = 0; i < runs.size(); ++i)
      for (std::size_t j = i + 1; j < runs.size(); ++j) {
        auto const& before = *runs[i];
        auto const& after = *runs[j];
        auto const end = before.ended ? before.ended : process_of(before).ended;
        if (before.job == after.job && !counted) continue;
        if (end && *end <= after.began) continue;
        if (counted) ++seen_.overlaps;
        if (!is_excused(before, after))
          wrong(of + ": " + name(after.job, after.attempt) + " began on " + process_of(after).node + " at " +
                visor::to_string(after.began) + " while " + name(before.job, before.attempt) + " ran on " + process_of(before).node +
                " and was not told to stop");
      }
  }

  /// One fire for each instant, and one job for each fire.
  void check_fires() {
    std::map<std::pair<std::string, visor::instant>, visor::job_id> fired;
    visor::schedule_filter all;
    for (auto const& schedule : world_.ask(world_.store().schedules(all))) {
      auto const fires = world_.ask(world_.store().fires(schedule.id, static_cast<std::size_t>(-1)));
      seen_.fires += fires.size();
      for (auto const& fire : fires)
        if (fire.job && !fired.emplace(std::pair(fire.schedule, fire.planned_at), *fire.job).second) wrong(schedule.id + " fired twice");
      for (auto const& [id, period] : cluster_.steady)
        if (id == schedule.id) check_steady(schedule, fires, period);
    }
    for (auto const& [id, job] : jobs_) {
      if (!job.job.schedule) continue;
      auto const found = fired.find({*job.job.schedule, *job.job.planned_at});
      if (found == fired.end() || found->second != id)
        wrong("job " + std::to_string(id) + " is the second of the fire of " + *job.job.schedule + " at " +
              visor::to_string(*job.job.planned_at));
      else
        fired.erase(found);
    }
    for (auto const& [fire, id] : fired) wrong("the job " + std::to_string(id) + " of a fire of " + fire.first + " is not there");
    for (auto const& id : cluster_.one_at_a_time) {
      std::vector<visor::simulated_run const*> in_turn;
      for (auto const& each : runs_)
        if (auto const job = jobs_.find(each.job); job != jobs_.end() && job->second.job.schedule == id) in_turn.push_back(&each);
      check_overlaps(id, in_turn, false);
    }
  }

  void check_steady(visor::schedule_record const& schedule, std::vector<visor::fire_record> const& fires, visor::duration period) {
    if (fires.size() < 3) return wrong(schedule.id + " fired " + std::to_string(fires.size()) + " times");
    for (std::size_t i = 0; i + 1 < fires.size(); ++i)
      if (fires[i].planned_at - fires[i + 1].planned_at != period)
        wrong(schedule.id + " did not fire between " + visor::to_string(fires[i + 1].planned_at) + " and " +
              visor::to_string(fires[i].planned_at));
    if (schedule.updated_at - fires.front().planned_at > period + 1s)  // that is when it was paused
      wrong(schedule.id + " last fired for " + visor::to_string(fires.front().planned_at) + " and was active until " +
            visor::to_string(schedule.updated_at));
  }

  /// A process runs no more at once than it has slots.
  void check_slots() {
    std::map<std::size_t, std::vector<std::pair<visor::instant, int>>> changes;
    for (auto const& each : runs_) {
      changes[each.process].emplace_back(each.began, 1);
      if (each.ended) changes[each.process].emplace_back(*each.ended, -1);
    }
    int const slots = cluster_.settings.queues.front().slots;
    for (auto& [number, all] : changes) {
      std::ranges::sort(all);  // an end before a beginning at the same time
      int now = 0;
      for (auto const& [when, change] : all)
        if ((now += change) > slots)
          return wrong(world_.processes()[number].node + " ran more than its slots at " + visor::to_string(when));
    }
  }

  /// A node that was asked to stop, and with which nothing was wrong, stops in time and loses nothing.
  void check_process(visor::simulated_process const& which) {
    seen_.lost_leases += which.lost_leases;
    if (which.how != visor::simulated_process::end::stopped || !which.asked_to_stop || which.leases.empty()) return;
    auto const from = *which.asked_to_stop - cluster_.settings.lease_ttl - 20s;
    if (is_during(which.troubles, from, *which.ended) || is_during(which.pauses, from, *which.ended)) return;
    ++seen_.undisturbed_stops;
    auto const took = *which.ended - *which.asked_to_stop;
    if (took > cluster_.settings.drain_timeout + cluster_.settings.stop_grace + 1s)
      wrong(which.node + " took " + visor::to_string(took) + " to stop");
    for (auto const& [_, attempts] : attempts_)
      for (auto const& attempt : attempts)
        if (attempt.outcome == visor::outcome::lost && attempt.finished_at >= *which.asked_to_stop && attempt.node == which.node &&
            attempt.epoch == which.leases.back().epoch)
          wrong(which.node + " drained and lost " + name(attempt.job, attempt.number));
  }

  cluster& cluster_;
  visor::simulation& world_;
  std::vector<visor::simulated_run> const& runs_;
  std::map<visor::job_id, visor::job_view> jobs_;
  std::map<visor::job_id, std::vector<visor::attempt_record>> attempts_;
  std::map<visor::job_id, std::vector<visor::simulated_run const*>> runs_of_;
  std::vector<std::string> problems_;
  occasions seen_;
};

struct verdict_of_seed {
  occasions seen;
  std::vector<std::string> problems;
  std::uint64_t trace = 0;
};

/// A run of one seed, and what is wrong with it.
inline verdict_of_seed try_seed(std::uint64_t seed, std::function<void(std::string_view)> log = {}) {
  verdict_of_seed result;
  try {
    cluster tried(seed, std::move(log));
    result.problems = tried.run();
    result.seen = checker(tried).check(result.problems);
    result.trace = tried.world.trace();
  } catch (std::exception const& failure) {
    result.problems.push_back(failure.what());
  }
  return result;
}

/// What came of many seeds.
struct verdict_of_seeds {
  occasions seen;
  std::map<std::uint64_t, std::vector<std::string>> problems;  ///< by seed
  double seconds = 0;
};

/// Tries as many seeds at the same time as there are processors; none of them knows of the others.
/// \param most_failures stops when so many seeds have found something
inline verdict_of_seeds try_seeds(std::uint64_t first, std::uint64_t count, std::size_t most_failures = 3) {
  verdict_of_seeds result;
  std::mutex mutex;
  std::uint64_t next = first;
  auto const began = std::chrono::steady_clock::now();
  auto const work = [&] {
    std::unique_lock lock{mutex};
    while (next < first + count && result.problems.size() < most_failures) {
      auto const seed = next++;
      lock.unlock();
      auto const found = try_seed(seed);
      lock.lock();
      result.seen.add(found.seen);
      if (!found.problems.empty()) result.problems.emplace(seed, found.problems);
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) others.emplace_back(work);
  work();
  for (auto& each : others) each.join();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace visor_test

#endif
