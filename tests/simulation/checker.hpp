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

/// Counts of events in one run, or in many: the absence of faults means something only where a fault was possible.
struct occasions {
  double minutes = 0;
  std::size_t jobs = 0;
  std::size_t runs = 0;
  std::size_t fires = 0;
  std::size_t lost_attempts = 0;
  std::size_t refused_rows = 0;  ///< written without what the store refuses
  std::size_t dead_jobs = 0;
  std::size_t cancelled_jobs = 0;
  std::size_t overlaps = 0;           ///< runs of a job that began while an earlier one, whose lease was lost, went on
  std::size_t released_attempts = 0;  ///< which their node told to stop, and which do not count
  std::size_t lost_leases = 0;        ///< which the node itself noticed
  std::size_t undisturbed_stops = 0;
  std::size_t recoveries_in_time = 0;  ///< of crashed nodes, while nothing was wrong with another one
  std::size_t refused_starts = 0;      ///< runs that did not begin with their work
  std::size_t instants_in_time = 0;    ///< of schedules, while nothing was wrong with some node
  std::size_t displaced = 0;           ///< processes that ended since another one had their name or place
  std::size_t stopped_by_restores = 0;
  visor::duration longest_recovery{};  ///< of those, from the end of the lease
  visor::simulated_counts counts;

  void add(occasions const& more) {
    minutes += more.minutes;
    jobs += more.jobs;
    runs += more.runs;
    fires += more.fires;
    lost_attempts += more.lost_attempts;
    refused_rows += more.refused_rows;
    dead_jobs += more.dead_jobs;
    cancelled_jobs += more.cancelled_jobs;
    overlaps += more.overlaps;
    released_attempts += more.released_attempts;
    lost_leases += more.lost_leases;
    undisturbed_stops += more.undisturbed_stops;
    recoveries_in_time += more.recoveries_in_time;
    refused_starts += more.refused_starts;
    instants_in_time += more.instants_in_time;
    displaced += more.displaced;
    stopped_by_restores += more.stopped_by_restores;
    longest_recovery = std::max(longest_recovery, more.longest_recovery);
    for (auto const member : each_count) counts.*member += more.counts.*member;
  }

  static constexpr std::size_t visor::simulated_counts::* each_count[] = {
      &visor::simulated_counts::calls,           &visor::simulated_counts::refused,        &visor::simulated_counts::unanswered,
      &visor::simulated_counts::overdue,         &visor::simulated_counts::slow,           &visor::simulated_counts::unheard,
      &visor::simulated_counts::crashes,         &visor::simulated_counts::pauses,         &visor::simulated_counts::suspensions,
      &visor::simulated_counts::stops,           &visor::simulated_counts::clock_steps,    &visor::simulated_counts::recoveries,
      &visor::simulated_counts::dropped_lines,   &visor::simulated_counts::store_steps,    &visor::simulated_counts::restores,
      &visor::simulated_counts::refused_results, &visor::simulated_counts::refused_groups, &visor::simulated_counts::refused_leases,
      &visor::simulated_counts::refused_moves};
};

/// Compares the effects of handlers with the final content of the store, by the promises of docs/reliability.md.
class checker {
 public:
  /// How long after the end of a lease others may take to put back its jobs, when they have no faults.
  static constexpr visor::duration recovery_limit{500ms};

  explicit checker(cluster& checked) : cluster_(checked), simulation_(checked.simulated), runs_(checked.simulated.runs()) {
    visor::job_filter all;
    all.limit = static_cast<std::size_t>(-1);
    for (auto& view : simulation_.run_sync(simulation_.store().jobs(all))) {
      auto const id = view.job.id;
      attempts_.emplace(id, simulation_.run_sync(simulation_.store().attempts(id)));
      jobs_.emplace(id, std::move(view));
    }
    for (auto const& run : runs_) runs_of_[run.job].push_back(&run);
    if (!simulation_.restores().empty()) valid_from_ = simulation_.restores().back().told.value_or(visor::instant::max());
  }

  /// \param problems the problems found so far; more are added
  occasions check(std::vector<std::string>& problems) {
    problems_.swap(problems);
    check_presence();
    for (auto const& [id, job] : jobs_) {
      check_end(job, attempts_.at(id));
      check_overlaps("job " + std::to_string(id), runs_of_[id], true);
    }
    check_runs();
    check_fences();
    check_unstarted();
    check_claims();
    check_stuck();
    check_warnings();
    check_fires();
    check_slots();
    check_names();
    check_restores();
    if (cluster_.settings.exclusive) check_exclusive();
    for (auto const& process : simulation_.processes()) check_process(process);
    seen_.minutes = std::chrono::duration<double, std::ratio<60>>(simulation_.clock().elapsed()).count();
    seen_.jobs = jobs_.size();
    seen_.runs = runs_.size();
    seen_.counts = simulation_.counts();
    problems_.swap(problems);
    return seen_;
  }

 private:
  void wrong(std::string what) { problems_.push_back(std::move(what)); }
  static std::string name(visor::job_id job, int attempt) { return "job " + std::to_string(job) + ", attempt " + std::to_string(attempt); }
  visor::simulated_process const& process_of(visor::simulated_run const& which) const { return simulation_.processes()[which.process]; }

  template <class Span>
  static bool is_during(std::vector<Span> const& spans, visor::instant from, visor::instant until) {
    return std::ranges::any_of(spans, [&](auto const& span) { return span.from <= until && span.until >= from; });
  }

  /// The lease under which a process has something of an epoch; null where it never had one.
  static visor::simulated_lease const* lease_of(visor::simulated_process const& process, std::int64_t epoch) {
    auto const at = std::ranges::find(process.leases, epoch, &visor::simulated_lease::epoch);
    return at == process.leases.end() ? nullptr : &*at;
  }

  // A restored backup lacks all that happened since it was made, and numbers are given out twice until visor is told. Events
  // under leases from before that are not compared.

  bool is_before_restore(visor::simulated_run const& run) const {
    auto const* const lease = lease_of(process_of(run), run.epoch);
    return valid_from_ && (lease == nullptr || lease->from < *valid_from_);
  }
  bool is_before_restore(visor::attempt_record const& attempt) const {
    if (!valid_from_) return false;
    if (!attempt.node) return true;  // of a job that was cancelled before it ran
    return std::ranges::none_of(simulation_.processes(), [&](visor::simulated_process const& process) {
      auto const* const lease = process.node == attempt.node ? lease_of(process, *attempt.epoch) : nullptr;
      return lease != nullptr && lease->from >= *valid_from_;
    });
  }

  /// Whether the clock of the store was set in that time.
  bool is_stepped(visor::instant from, visor::instant until) const {
    return std::ranges::any_of(simulation_.store_steps(), [&](auto const& step) { return from <= step.at && step.at <= until; });
  }

  /// Whether an instant by the store's clock may be another one by the true time, or the store's clock was not right at that time.
  bool is_wrong_time(visor::instant stored) const {
    auto const& steps = simulation_.store_steps();
    for (auto step = steps.begin(); step != steps.end(); ++step) {
      if (step->ahead == visor::duration{0}) continue;
      auto const until = step + 1 == steps.end() ? visor::instant::max() - visor::duration{1h} : (step + 1)->at;
      bool const is_of_it = step->at + step->ahead <= stored && stored <= until + step->ahead;
      if (is_of_it || (step->at <= stored && stored <= until)) return true;
    }
    return false;
  }

  /// Whether nothing was wrong with a process, which had been there for a while.
  bool is_well(visor::simulated_process const& which, visor::instant from, visor::instant until) const {
    if (which.leases.empty() || which.leases.front().from > from || (which.ended && *which.ended <= until)) return false;
    if (which.asked_to_stop && *which.asked_to_stop <= until) return false;
    return !is_disturbed(which, from, until);
  }
  static bool is_disturbed(visor::simulated_process const& which, visor::instant from, visor::instant until) {
    return is_during(which.pauses, from, until) || is_during(which.troubles, from, until) || is_during(which.surprises, from, until);
  }

  /// How long earlier faults may have effects, also by calls that are overdue.
  visor::duration aftermath() const { return 2 * cluster_.settings.lease_ttl + 20s; }

  /// Nothing lost, no phantom.
  void check_presence() {
    for (auto const id : simulation_.acknowledged())
      if (!jobs_.contains(id) && !simulation_.forgotten().contains(id))
        wrong("job " + std::to_string(id) + " was acknowledged and is not there");
    for (auto const& [id, job] : jobs_)
      if (!job.job.schedule && !cluster_.enqueued.contains(id)) wrong("job " + std::to_string(id) + " was never asked for");
    for (auto const& [id, runs] : runs_of_)
      if (!jobs_.contains(id) && !std::ranges::all_of(runs, [&](auto const* run) { return is_before_restore(*run); }))
        wrong("job " + std::to_string(id) + " ran and is not there");
  }

  /// A row that the store refuses loses the refused part, and says so; no other row loses anything.
  void check_refusal(std::string const& what, bool refused, visor::attempt_record const& attempt) {
    if (attempt.error.has_value() != refused)
      wrong(what + (refused ? " lost a part of its output and does not say so" : " says that it lost something"));
    if (refused && (!attempt.output || attempt.output->find("10 ?") != 0)) wrong(what + " lost more than the store refused");
    seen_.refused_rows += refused ? 1 : 0;
  }

  void check_unfit() {
    if (!cluster_.has_unfit) return;
    auto const fires = simulation_.run_sync(simulation_.store().fires("unfit", static_cast<std::size_t>(-1)));
    if (fires.empty() && simulation_.restores().empty()) wrong("nothing says that the unfit schedule did not fire");
    for (auto const& fire : fires)
      if (fire.result != visor::fire_result::missed || fire.reason.value_or("").find("refuses its job") == std::string::npos)
        wrong("the unfit schedule has a fire without the reason why it has no job");
    seen_.refused_rows += fires.size();
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
    if (last.outcome == visor::outcome::completed) check_refusal(what, job.job.type == "chatty", last);
    if (last.final_state != job.state) return wrong(what + " is not in the state of its last attempt");
    bool right = false;
    switch (job.state) {
      case visor::job_state::completed: right = last.outcome == visor::outcome::completed; break;
      case visor::job_state::failed: right = last.outcome == visor::outcome::failed && job.job.type == "hopeless"; break;
      case visor::job_state::dead:
        right = is_used_up(job.job, attempts) || is_lost_too_often(job.job, attempts) || is_unmovable(job.job, attempts);
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

  /// All attempts that count failed.
  static bool is_used_up(visor::job_record const& job, std::vector<visor::attempt_record> const& attempts) {
    auto const is_counted = [](visor::attempt_record const& each) {
      return each.outcome != visor::outcome::lost && each.outcome != visor::outcome::released;
    };
    auto const last = attempts.back().outcome;
    bool const has_failed = last == visor::outcome::failed || last == visor::outcome::timed_out;
    return has_failed && std::ranges::count_if(attempts, is_counted) >= job.max_attempts;
  }

  /// It could not be put where it should have been, and says so.
  static bool is_unmovable(visor::job_record const& job, std::vector<visor::attempt_record> const& attempts) {
    auto const reason = attempts.back().error.value_or("");
    return job.type == "stuck" &&
           (reason.starts_with("it cannot be moved: ") || reason.starts_with("it cannot be put back into a queue: "));
  }

  /// A job whose move the store refuses does not run again before the store accepts the move.
  void check_stuck() {
    for (auto const& run : runs_) {
      if (run.type != "stuck" || run.attempt == 1 || is_before_restore(run)) continue;
      if (!cluster_.accepts_moves_from || run.began < *cluster_.accepts_moves_from)
        wrong(name(run.job, run.attempt) + " ran, though the store refused that it is tried again");
    }
  }

  /// Its last attempts were all lost, as many as it tolerates with processes that did not live on.
  bool is_lost_too_often(visor::job_record const& job, std::vector<visor::attempt_record> const& attempts) const {
    auto const is_no_loss = [](visor::attempt_record const& each) { return each.outcome != visor::outcome::lost; };
    auto const end = std::find_if(attempts.rbegin(), attempts.rend(), is_no_loss);
    auto const may_be_fatal = [&](visor::attempt_record const& each) { return !has_lived_on(each, attempts.back().finished_at); };
    auto const fatal = std::count_if(attempts.rbegin(), end, may_be_fatal);
    return fatal > 0 && fatal >= job.max_lost.value_or(visor::default_max_lost);
  }

  /// Whether the process that lost an attempt had joined again by then. Where the store's time or state was changed, that is not known.
  bool has_lived_on(visor::attempt_record const& lost, visor::instant when) const {
    // Nor of a process whose name another one had meanwhile.
    if (valid_from_ || !simulation_.store_steps().empty() || !cluster_.namesakes.empty()) return false;
    return std::ranges::any_of(simulation_.processes(), [&](visor::simulated_process const& each) {
      return each.node == lost.node && lease_of(each, *lost.epoch) != nullptr &&
             std::ranges::any_of(each.leases, [&](visor::simulated_lease const& lease) {
               return lease.epoch > *lost.epoch && lease.from < when && !lease.unheard;
             });
    });
  }

  /// A later run of a job has a larger fence than all before it, whatever their nodes, also after a restored backup of which
  /// visor was told. An attempt that was not begun has used up no fence. A process that cannot know yet that others have its
  /// jobs may begin late: the fence is what tells it apart then.
  void check_fences() {
    for (auto const& [id, runs] : runs_of_) {
      std::int64_t largest = 0;
      for (auto const* const run : runs) {
        if (run->not_started) continue;
        if (run->fence <= largest && !is_untold(*run) && !may_not_know(*run, run->began) && !are_generations_unclear())
          wrong(name(id, run->attempt) + " has the fence " + std::to_string(run->fence) + " behind one with " + std::to_string(largest));
        largest = std::max(largest, run->fence);
      }
    }
  }

  /// Whether two restores of one backup may begin one generation: the time tells them apart, and the clock was wrong.
  bool are_generations_unclear() const {
    auto const& all = simulation_.restores();
    auto const is_same = [](auto const& one, auto const& next) { return one.backed_up == next.backed_up; };
    return !simulation_.store_steps().empty() && std::ranges::adjacent_find(all, is_same) != all.end();
  }

  /// Whether a run is of a lease that was given out while visor did not know of a restored backup.
  bool is_untold(visor::simulated_run const& run) const {
    auto const* const lease = lease_of(process_of(run), run.epoch);
    return std::ranges::any_of(simulation_.restores(), [&](visor::simulated_restore const& each) {
      return run.began >= each.restored && (lease == nullptr || lease->from < each.told.value_or(visor::instant::max()));
    });
  }

  /// Jobs that were not started are released, each time for longer as long as the same process has them.
  void check_unstarted() {
    std::map<std::pair<std::size_t, visor::job_id>, std::vector<visor::simulated_run const*>> in_row;
    for (auto const& run : runs_) {
      auto& before = in_row[{run.process, run.job}];
      if (!run.not_started) {
        before.clear();
        continue;
      }
      ++seen_.refused_starts;
      auto const wait = visor::duration{500ms} * (std::int64_t{1} << std::min<std::size_t>(before.size(), 9)) / 2;
      // It may have been at another node meanwhile, or lost with this one's lease.
      bool const is_next = !before.empty() && before.back()->epoch == run.epoch && before.back()->attempt == run.attempt;
      if (is_next && !is_before_restore(run) && !is_stepped(before.back()->began, run.began) &&
          !has_run_between(run.job, *before.back(), run) && run.began - before.back()->began < wait)
        wrong(name(run.job, run.attempt) + " was tried again " + visor::to_string(run.began - before.back()->began) +
              " after it could not be started for the " + std::to_string(before.size()) + ". time");
      before.push_back(&run);
      if (before.size() == 5) before.clear();  // the last one for want of memory
    }
  }

  bool has_run_between(visor::job_id job, visor::simulated_run const& first, visor::simulated_run const& last) const {
    auto const& runs = runs_of_.at(job);
    return std::ranges::any_of(runs, [&](auto const* run) { return run > &first && run < &last; });
  }

  /// Nodes that do not know a type leave its jobs to those that do: each takes one out of its queue once, but for those that were lost
  /// then.
  void check_claims() {
    if (cluster_.knows_rare.empty()) return;
    std::map<visor::job_id, std::size_t> claims;
    for (auto const& each : simulation_.claims())
      if (!cluster_.knows_rare.contains(simulation_.processes()[each.process].machine)) ++claims[each.job];
    for (auto const& [id, count] : claims) {
      auto const job = jobs_.find(id);
      if (job == jobs_.end() || job->second.job.type != "rare" || !simulation_.restores().empty()) continue;
      if (count > 3 + attempts_.at(id).size())
        wrong("job " + std::to_string(id) + " was claimed " + std::to_string(count) + " times by nodes that do not know its type");
    }
  }

  /// A process that loses a lease because it could not renew it has told its handlers before.
  void check_warnings() {
    auto const& settings = cluster_.settings;
    if (settings.stop_grace == visor::duration{0} || settings.exclusive) return;
    for (auto const& run : runs_) {
      if (!run.told_to_stop || run.why != visor::stop_reason::lease_lost) continue;
      auto const& process = process_of(run);
      auto const* const lease = lease_of(process, run.epoch);
      auto const told = *run.told_to_stop;
      auto const from = told - settings.lease_ttl;
      // When the store says so, the lease has ended by the store's clock, or by a call of which the node did not hear.
      if (lease == nullptr || run.began > from || lease->renewed > from || is_during(process.pauses, from, told)) continue;
      if (is_during(process.surprises, from - 20s, told)) continue;
      wrong(name(run.job, run.attempt) + " was told that the lease of " + process.node + " is lost at " + visor::to_string(told) +
            ", and not that it would end");
    }
  }

  /// Every run is recorded, once, under its epoch, with its outcome.
  void check_runs() {
    std::map<std::pair<visor::job_id, int>, std::vector<visor::simulated_run const*>> accepted;
    for (auto const& each : runs_) {
      if (!jobs_.contains(each.job) || is_before_restore(each)) continue;
      if (each.not_started && !is_used_up(each)) continue;
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
      wrong(name(each.job, each.attempt) + " ran on " + process_of(each).node + " under epoch " + std::to_string(each.epoch) +
            ", which does not have it");
    }
    for (auto const& [_, attempts] : attempts_)
      for (auto const& attempt : attempts) {
        if (is_before_restore(attempt)) continue;
        auto const found = accepted.find({attempt.job, attempt.number});
        check_attempt(attempt, found == accepted.end() ? std::vector<visor::simulated_run const*>() : found->second);
      }
  }

  /// Whether it is the last of the tries to begin a job that are made for want of memory: then it is a failure like any other.
  bool is_used_up(visor::simulated_run const& unstarted) const {
    auto const attempts = attempts_.find(unstarted.job);
    if (attempts == attempts_.end() || unstarted.attempt > static_cast<int>(attempts->second.size())) return false;
    auto const& attempt = attempts->second[static_cast<std::size_t>(unstarted.attempt) - 1];
    auto const& runs = runs_of_.at(unstarted.job);
    auto const is_later = [&](auto const* run) { return run > &unstarted && run->attempt == unstarted.attempt; };
    bool const is_memory = unstarted.type == "unstartable" && unstarted.job % 5 == 0;
    return is_memory && attempt.outcome == visor::outcome::failed && std::ranges::none_of(runs, is_later);
  }

  void check_attempt(visor::attempt_record const& attempt, std::vector<visor::simulated_run const*> const& ran) {
    auto const what = name(attempt.job, attempt.number);
    if (ran.size() > 1) return wrong(what + " ran " + std::to_string(ran.size()) + " times under one epoch");
    if (attempt.outcome == visor::outcome::lost) {
      ++seen_.lost_attempts;
      if (!ran.empty()) check_lost(attempt, *ran.front());
      return check_loss(attempt);
    }
    if (attempt.outcome == visor::outcome::released) ++seen_.released_attempts;
    if (!attempt.node) return;  // cancelled before it ran
    if (ran.empty()) return wrong(what + " is recorded and never ran");
    if (!ran.front()->ended) return wrong(what + " is recorded and did not end");
    if (ran.front()->returned != (attempt.outcome == visor::outcome::completed)) wrong(what + " is recorded as what it was not");
  }

  /// A node does not start a job that was taken from it, and has told a running one to stop by then.
  void check_lost(visor::attempt_record const& attempt, visor::simulated_run const& ran) {
    if (cluster_.settings.exclusive || is_wrong_time(attempt.finished_at)) return;
    auto const lost_at = attempt.finished_at;
    auto const what = name(attempt.job, attempt.number) + " on " + *attempt.node;
    if (is_during(process_of(ran).surprises, lost_at - cluster_.settings.lease_ttl - 20s, lost_at)) return;
    if (ran.began > lost_at && !may_not_know(ran, ran.began)) wrong(what + " began after it had been lost");
    auto const limit = std::max(knows_by(ran, lost_at), ran.began);
    auto const end = ran.ended ? ran.ended : process_of(ran).ended;
    bool const is_told = ran.told_to_stop && *ran.told_to_stop <= limit;
    if (!is_told && !(end && *end <= limit)) wrong(what + " was lost and not told to stop by " + visor::to_string(limit));
  }

  /// A lease is lost only where something was wrong with its node; and after a crash others take over in time.
  void check_loss(visor::attempt_record const& attempt) {
    if (is_wrong_time(attempt.finished_at)) return;
    auto const what = name(attempt.job, attempt.number);
    for (auto const& holder : simulation_.processes()) {
      auto const lease = std::ranges::find(holder.leases, attempt.epoch, &visor::simulated_lease::epoch);
      if (holder.node != attempt.node || lease == holder.leases.end()) continue;
      if (holder.how != visor::simulated_process::end::crashed && holder.how != visor::simulated_process::end::failed &&
          holder.pauses.empty() && holder.troubles.empty() && holder.surprises.empty() && !was_left_behind(attempt, holder))
        wrong(what + " was lost by " + holder.node + ", with which nothing was wrong");
      if (holder.how == visor::simulated_process::end::crashed && lease + 1 == holder.leases.end() && *holder.ended < lease->until)
        check_recovery(attempt, lease->until);
      return;
    }
    wrong(what + " was lost by a node that never had it");
  }

  /// Whether a stopping node no longer waited for a handler that ignores everything: its outcome is unknown. Or the store
  /// refused every form in which the job is released: the node reports that, and leaves with the attempt still open, which is
  /// lost then.
  bool was_left_behind(visor::attempt_record const& attempt, visor::simulated_process const& by) const {
    if (!by.asked_to_stop || attempt.finished_at < *by.asked_to_stop + cluster_.settings.drain_timeout) return false;
    auto const runs = runs_of_.find(attempt.job);
    auto const is_unknown = [&](visor::simulated_run const* run) {
      if (run->attempt != attempt.number) return false;
      bool const is_refused = run->type == "stuck" && run->ended && !run->returned;
      return is_refused || (run->type == "deaf" && (!run->ended || *run->ended >= attempt.finished_at));
    };
    return runs != runs_of_.end() && std::ranges::any_of(runs->second, is_unknown);
  }

  void check_recovery(visor::attempt_record const& attempt, visor::instant until) {
    auto const limit = until + recovery_limit;
    auto const from = until - aftermath();
    if (is_wrong_time(attempt.finished_at) || is_stepped(from, attempt.finished_at)) return;
    auto const could = [&](visor::simulated_process const& other) { return is_well(other, from, limit); };
    if (cluster_.settings.exclusive || std::ranges::none_of(simulation_.processes(), could)) return;
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
    if (cluster_.settings.exclusive) return true;  // by the user's word there is no other node; it hears of one from the store alone
    auto const& process = process_of(which);
    if (is_during(process.surprises, when - cluster_.settings.lease_ttl - 20s, when)) return true;
    return std::ranges::any_of(process.pauses,
                               [&](auto const& pause) { return pause.from <= when && when <= pause.until + time_to_notice(pause); });
  }

  /// After a pause a process sees at once that its lease is over; but not by timers that stood still while its machine was suspended, then
  /// when it next looks at the time.
  visor::duration time_to_notice(visor::simulated_pause const& pause) const {
    return pause.suspended ? std::max<visor::duration>(cluster_.settings.lease_ttl / 32, 20ms) + 100ms : 0ms;
  }

  /// Until when the process of a run must have told it to stop, if its lease was lost at that time.
  visor::instant knows_by(visor::simulated_run const& which, visor::instant lost_at) const {
    auto result = lost_at;
    for (auto const& pause : process_of(which).pauses) {
      auto const earliest = pause.suspended ? lost_at - cluster_.settings.lease_ttl : lost_at;
      if (pause.until >= earliest && pause.from <= result) result = std::max(result, pause.until + time_to_notice(pause));
    }
    return result;
  }

  /// Of runs that must come one after another, none begins before the one before it has ended.
  void check_overlaps(std::string const& of, std::vector<visor::simulated_run const*> const& runs, bool counted) {
    for (std::size_t i = 0; i < runs.size(); ++i)
      for (std::size_t j = i + 1; j < runs.size(); ++j) {
        auto const& before = *runs[i];
        auto const& after = *runs[j];
        if (is_before_restore(before)) continue;
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
    auto const schedules = simulation_.run_sync(simulation_.store().schedules(visor::schedule_filter()));
    for (auto const& id : schedule_ids(schedules)) {
      auto const fires = simulation_.run_sync(simulation_.store().fires(id, static_cast<std::size_t>(-1)));
      seen_.fires += fires.size();
      for (auto const& fire : fires)
        if (fire.job && !fired.emplace(std::pair(fire.schedule, fire.planned_at), *fire.job).second) wrong(id + " fired twice");
    }
    for (auto const* const all : {&cluster_.steady, &cluster_.accounted})
      for (auto const& [id, period] : *all) {
        auto const listed = std::ranges::find(schedules, id, &visor::schedule_record::id);
        if (listed == schedules.end())
          wrong(id + " is not there");
        else
          check_instants(*listed, period, all == &cluster_.steady);
      }
    check_not_computable(schedules);
    check_unfit();
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

  /// Those of the listed schedules and of the retired ones, whose fires remain and which nothing lists.
  std::set<std::string> schedule_ids(std::vector<visor::schedule_record> const& listed) {
    std::set<std::string> result;
    for (auto const& each : listed) result.insert(each.id);
    for (auto const& each : simulation_.run_sync(simulation_.store().schedule_digests(visor::origin::code))) result.insert(each.id);
    return result;
  }

  /// Each instant of a schedule has fired, or is on record as one that did not.
  /// \param makes_up whether it fires for all of them in the end
  void check_instants(visor::schedule_record const& schedule, visor::duration period, bool makes_up) {
    auto fires = simulation_.run_sync(simulation_.store().fires(schedule.id, static_cast<std::size_t>(-1)));
    std::ranges::reverse(fires);
    if (fires.size() < 3) return wrong(schedule.id + " fired " + std::to_string(fires.size()) + " times");
    auto accounted_until = visor::instant::min();
    for (std::size_t i = 0; i + 1 < fires.size(); ++i) {
      bool const is_missed = fires[i].result == visor::fire_result::missed;
      if (is_missed && fires[i].reason.value_or("").empty()) wrong(schedule.id + " did not fire, and nothing says why");
      if (is_missed && makes_up) wrong(schedule.id + " did not fire for " + visor::to_string(fires[i].planned_at));
      if (is_missed) accounted_until = std::max(accounted_until, missed_until(fires[i]).value_or(fires[i + 1].planned_at));
      auto const distance = fires[i + 1].planned_at - fires[i].planned_at;
      // Where the clock was set, the record of what was missed may stand where an instant had fired before.
      bool const is_accounted = !makes_up && (accounted_until >= fires[i + 1].planned_at || !simulation_.store_steps().empty());
      if (distance != period && !is_accounted)
        wrong(schedule.id + " did not fire between " + visor::to_string(fires[i].planned_at) + " and " +
              visor::to_string(fires[i + 1].planned_at));
    }
    if (schedule.updated_at - fires.back().planned_at > period + 1s)  // that is when it was paused
      wrong(schedule.id + " last fired for " + visor::to_string(fires.back().planned_at) + " and was active until " +
            visor::to_string(schedule.updated_at));
    check_in_time(schedule, fires);
  }

  /// The first instant after those that a record is about: none where it does not say.
  static std::optional<visor::instant> missed_until(visor::fire_record const& missed) {
    std::string_view const reason = *missed.reason;
    constexpr std::string_view before = "from then until ";
    auto const at = reason.find(before);
    if (at == reason.npos) return std::nullopt;
    auto const rest = reason.substr(at + before.size());
    return visor::parse_instant(rest.substr(0, rest.find(' ')));
  }

  /// While nothing is wrong with some node, and with the clock of the store, schedules fire in time.
  void check_in_time(visor::schedule_record const& schedule, std::vector<visor::fire_record> const& fires) {
    constexpr visor::duration longest_look{45s};  // until a node sees that the clock was put back
    auto planned = fires.front().planned_at;
    std::map<visor::instant, visor::fire_record const*> by_instant;
    for (auto const& each : fires) by_instant.emplace(each.planned_at, &each);
    auto const period = std::ranges::find(cluster_.accounted, schedule.id, &std::pair<std::string, visor::duration>::first)->second;
    for (; planned + 2s < schedule.updated_at; planned += period) {
      auto const from = planned - longest_look;
      if (is_wrong_time(planned) || is_stepped(from, planned + 2s) || (valid_from_ && from < *valid_from_)) continue;
      auto const can = [&](visor::simulated_process const& each) {
        return is_well(each, from, planned + 2s) && !is_disturbed(each, from - aftermath(), from);
      };
      if (std::ranges::none_of(simulation_.processes(), can)) continue;
      ++seen_.instants_in_time;
      auto const at = by_instant.find(planned);
      bool const is_missed = at == by_instant.end() || at->second->result == visor::fire_result::missed;
      if (is_missed)
        wrong(schedule.id + " was silent at " + visor::to_string(planned));
      else if (at->second->fired_at > planned + 2s && !is_wrong_time(at->second->fired_at))
        wrong(schedule.id + " fired for " + visor::to_string(planned) + " not before " + visor::to_string(at->second->fired_at));
    }
  }

  /// A schedule that no node can compute stops no other schedule, and is on record.
  void check_not_computable(std::vector<visor::schedule_record> const& schedules) {
    if (!cluster_.not_computable) return;
    auto const at = std::ranges::find(schedules, std::string("of the future"), &visor::schedule_record::id);
    if (at == schedules.end() || at->next_at != cluster_.not_computable) return wrong("what no node can compute was changed");
    auto const fires = simulation_.run_sync(simulation_.store().fires(at->id, 10));
    if (fires.size() != 1 || fires[0].result != visor::fire_result::missed || fires[0].planned_at != *cluster_.not_computable ||
        fires[0].reason.value_or("").empty())
      wrong("what no node can compute is not on record, or more than once");
  }

  /// Of the processes with one name, one lives; a process that has lost its name does not take it back.
  void check_names() {
    struct holding {
      visor::simulated_process const* process = nullptr;
      visor::simulated_lease const* lease = nullptr;
    };
    std::map<std::string, std::vector<holding>> names;
    for (auto const& process : simulation_.processes())
      for (auto const& lease : process.leases) names[process.node].push_back({&process, &lease});
    for (auto& [name, all] : names) {
      std::ranges::sort(all, {}, [](holding const& each) { return each.lease->from; });
      for (std::size_t i = 1; i < all.size(); ++i) {
        auto const& [before, held] = all[i - 1];
        auto const& [after, lease] = all[i];
        if (before->address == after->address || lease->unheard || held->unheard) continue;
        if (is_disturbed_by_store(*before, held->from, lease->from)) continue;
        bool const has_left = before->left && *before->left <= lease->from;
        if (!has_left && lease->from < held->until)
          wrong(name + " was taken at " + visor::to_string(lease->from) + " from a process whose lease ended at " +
                visor::to_string(held->until));
        check_displaced(*before, *after);
      }
    }
  }

  bool is_disturbed_by_store(visor::simulated_process const& process, visor::instant from, visor::instant until) const {
    auto const is_between = [&](visor::simulated_restore const& each) { return from <= each.restored && each.restored <= until; };
    return is_stepped(from - cluster_.settings.lease_ttl, until) || is_during(process.surprises, from, until) ||
           std::ranges::any_of(simulation_.restores(), is_between);
  }

  /// A process that goes on after a pause, and finds that another one has its name and renews its lease, ends.
  void check_displaced(visor::simulated_process const& before, visor::simulated_process const& after) {
    if (after.leases.empty() || before.leases.empty() || before.leases.back().from >= after.leases.front().from) return;
    auto const from = after.leases.front().from;
    if (before.ended && *before.ended <= from) return;
    ++seen_.displaced;
    auto const limit = from + aftermath() + 2 * cluster_.settings.lease_ttl;
    if (!is_well(after, from, limit) || is_disturbed(before, from, limit) || (before.asked_to_stop && *before.asked_to_stop < limit))
      return;
    if (!before.ended || *before.ended > limit || before.how != visor::simulated_process::end::failed)
      wrong(before.node + " did not end though another process has its name since " + visor::to_string(from));
  }

  /// Where an older state was restored, no process that had worked on the newer one joins again before visor was told.
  void check_restores() {
    for (auto const& restore : simulation_.restores()) {
      auto const told = restore.told.value_or(visor::instant::max());
      for (auto const& process : simulation_.processes()) {
        if (process.failure.find("restored from a backup") != std::string::npos && process.ended >= restore.restored &&
            process.ended <= told)
          ++seen_.stopped_by_restores;
        bool const knows_more = std::ranges::any_of(process.leases, [&](visor::simulated_lease const& each) {
          return each.from < restore.restored && !each.unheard && each.renewed > restore.backed_up && each.renewed < restore.restored;
        });
        bool const goes_on = std::ranges::any_of(process.leases, [&](visor::simulated_lease const& each) {
          return each.from < restore.restored && restore.restored < each.renewed && each.renewed < told && !each.unheard;
        });
        if (knows_more && goes_on) wrong(process.node + " went on though the store had forgotten its heartbeats");
        for (auto const& lease : process.leases)
          if (knows_more && restore.restored <= lease.from && lease.from < told && !lease.unheard)
            wrong(process.node + " joined again at " + visor::to_string(lease.from) + ", though the store had forgotten it");
      }
    }
  }

  /// The lease of a node that is alone has no end: only another process, which waits for its place, stops its jobs.
  void check_exclusive() {
    for (auto const& run : runs_) {
      if (!run.told_to_stop) continue;
      if (run.why == visor::stop_reason::lease_ending) wrong(name(run.job, run.attempt) + " was told to stop since the lease might end");
      if (run.why != visor::stop_reason::lease_lost) continue;
      auto const& process = process_of(run);
      bool const has_rival = std::ranges::any_of(simulation_.processes(), [&](visor::simulated_process const& other) {
        return &other != &process && other.started <= *run.told_to_stop && (!other.ended || *other.ended >= run.began);
      });
      if (!has_rival && simulation_.restores().empty())
        wrong(name(run.job, run.attempt) + " was told to stop, and there was no other process to take the place of " + process.node);
    }
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
          return wrong(simulation_.processes()[number].node + " ran more than its slots at " + visor::to_string(when));
    }
  }

  /// A node that was asked to stop, and with which nothing was wrong, stops in time and loses nothing.
  void check_process(visor::simulated_process const& which) {
    seen_.lost_leases += which.lost_leases;
    if (which.how != visor::simulated_process::end::stopped || !which.asked_to_stop || which.leases.empty()) return;
    auto const from = *which.asked_to_stop - cluster_.settings.lease_ttl - 20s;
    if (is_disturbed(which, from, *which.ended)) return;
    ++seen_.undisturbed_stops;
    auto const took = *which.ended - *which.asked_to_stop;
    if (took > cluster_.settings.drain_timeout + cluster_.settings.stop_grace + 1s)
      wrong(which.node + " took " + visor::to_string(took) + " to stop");
    for (auto const& [_, attempts] : attempts_)
      for (auto const& attempt : attempts)
        if (attempt.outcome == visor::outcome::lost && !is_before_restore(attempt) && !is_wrong_time(attempt.finished_at) &&
            attempt.finished_at >= *which.asked_to_stop && attempt.node == which.node && attempt.epoch == which.leases.back().epoch &&
            !was_left_behind(attempt, which))
          wrong(which.node + " drained and lost " + name(attempt.job, attempt.number));
  }

  cluster& cluster_;
  visor::simulation& simulation_;
  std::vector<visor::simulated_run> const& runs_;
  std::map<visor::job_id, visor::job_view> jobs_;
  std::map<visor::job_id, std::vector<visor::attempt_record>> attempts_;
  std::map<visor::job_id, std::vector<visor::simulated_run const*>> runs_of_;
  std::optional<visor::instant> valid_from_;  ///< when visor was told of the last restored backup
  std::vector<std::string> problems_;
  occasions seen_;
};

struct seed_result {
  occasions seen;
  std::vector<std::string> problems;
  std::uint64_t trace = 0;
};

/// Runs one seed, and collects the problems.
inline seed_result try_seed(std::uint64_t seed, std::function<void(std::string_view)> log = {}) {
  seed_result result;
  try {
    cluster tried(seed, std::move(log));
    result.problems = tried.run();
    result.seen = checker(tried).check(result.problems);
    result.trace = tried.simulated.trace();
  } catch (std::exception const& failure) {
    result.problems.push_back(failure.what());
  }
  return result;
}

/// The results of many seeds.
struct seed_results {
  occasions seen;
  std::map<std::uint64_t, std::vector<std::string>> problems;  ///< by seed
  double seconds = 0;
};

/// Tries as many seeds at the same time as there are processors; none of them knows of the others.
/// \param most_failures stops when so many seeds have found something
inline seed_results try_seeds(std::uint64_t first, std::uint64_t count, std::size_t most_failures = 3) {
  seed_results result;
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
