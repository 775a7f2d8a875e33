#ifndef VISOR_ENGINE_RUNNER_HPP
#define VISOR_ENGINE_RUNNER_HPP

#include "visor/async/signal.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/retry.hpp"
#include "visor/engine/served_queues.hpp"
#include "visor/engine/start_backoff.hpp"
#include "visor/engine/workers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor::detail {

/// Claims jobs while slots are free, runs their handlers, and reports how they ended. Results wait for others for a moment and travel with
/// the next claim: one transaction for both.
template <store Store, timekeeper Clock>
class runner {
  using job_ptr = std::shared_ptr<running_job<Clock>>;

 public:
  explicit runner(shared_node<Store, Clock>& shared)
      : node_(shared),
        name_(std::make_shared<std::string const>(shared.settings.name)),
        queues_(shared.settings.queues, shared.settings.capabilities),
        workers_(std::make_shared<workers<Clock>>(shared.executor, shared.clock, report_ends())),
        work_(shared.strand, shared.clock),
        gather_(shared.strand, shared.clock),
        cancels_(shared.strand, shared.clock),
        done_(shared.strand, shared.clock) {}

  runner(runner const&) = delete;
  runner& operator=(runner const&) = delete;
  ~runner() {
    alive_.reset();
    workers_->close();
  }

  std::function<void()> on_lost_lease;
  std::function<void()> on_unknown_claim;  ///< the outcome of a claim is unknown

  void add(job_type type) {
    check(type);
    auto name = type.name;
    type_limit_record limits(name, type.options.limits);
    if (!types_.emplace(name, std::make_shared<job_type const>(std::move(type))).second)
      throw error(errc::already_exists, "job type " + name + " is registered already");
    node_.types.push_back(std::move(limits));
  }

  /// Serves the lanes of those types that this node runs, also of types whose limits were lifted: jobs may be left there.
  void serve(std::vector<type_limit_record> const& limited) {
    for (auto const& limits : limited) {
      auto const type = types_.find(limits.type);
      if (type == types_.end()) continue;
      auto const& capability = type->second->options.capability;
      if (!capability.empty() && std::ranges::find(node_.settings.capabilities, capability) == node_.settings.capabilities.end()) continue;
      queues_.serve_limited(limits.type, capability);
    }
  }

  /// Notes that there may be work in any queue.
  void wake() {
    look_again();
    work_.notify();
    may_cancel_ = true;
    cancels_.notify();
  }

  /// Takes no more work; `run` ends when no job runs, or when the deadline for handlers has passed.
  void drain() {
    drain_began_ = node_.clock.elapsed();
    work_.notify();
    gather_.notify();
  }

  /// Stops waiting for handlers.
  void abandon() {
    node_.log(log_level::warning, "stopping at once: ", running_.size(), " jobs are told to stop");
    abandoned_ = true;
    stop_all(stop_reason::shutdown);
    work_.notify();
  }

  /// Stops handlers because the lease may end soon. A job that completes until then counts, if the lease is renewed after all; others are
  /// released.
  /// \param left until the lease ends
  void lease_ending(duration left) { stop_all(stop_reason::lease_ending, left); }

  /// Disowns all running jobs. They may run elsewhere by now, and this node may get the same jobs again: the results of these runs do not
  /// count.
  void lease_lost() {
    stop_all(stop_reason::lease_lost);
    disowned_.insert(disowned_.end(), running_.begin(), running_.end());
    running_.clear();
    node_.counters.refused += ended_.size() + withheld_.size();
    ended_.clear();
    back_.clear();
    withheld_.clear();
    withheld_back_.clear();
    take_arrived();
    look_again();
  }

  /// The leases under which this node knows that it has jobs.
  std::vector<lease_id> leases() const {
    std::set<lease_id> known;
    for (auto const& claimed : arrived_) known.insert(claimed.lease);
    for (auto const& job : running_) known.insert(job->lease);
    for (auto const& done : ended_) known.insert(done.lease);
    for (auto const& back : back_) known.insert(back.lease);
    for (auto const& done : withheld_) known.insert(done.lease);
    for (auto const& back : withheld_back_) known.insert(back.lease);
    return {known.begin(), known.end()};
  }

  /// Whether results are left that the store did not take in time, or handlers that ignored the request to stop.
  bool owes_results() const { return !ended_.empty() || !withheld_.empty() || !running_.empty(); }

  /// The jobs whose results the store did not take.
  std::vector<job_id> unwritten() const {
    std::vector<job_id> jobs;
    jobs.reserve(ended_.size() + withheld_.size());
    for (auto const& done : ended_) jobs.push_back(done.job);
    for (auto const& done : withheld_) jobs.push_back(done.job);
    return jobs;
  }

  /// The loop: runs until draining, and then until everything is reported.
  task<> run() {
    boost::asio::co_spawn(node_.strand, watch_cancels(), [this](std::exception_ptr) {
      watching_ = false;
      done_.notify();
    });
    failure_pause pause;
    while (!(node_.draining && settled())) {
      if (node_.draining) enforce_drain_deadline();
      co_await wait_for_batch();
      if (look_again_at_ && node_.clock.elapsed() >= *look_again_at_) look_again();
      take_up_withheld();
      auto const wanted = wants();
      if (node_.claim_outcome_unknown || (ended_.empty() && back_.empty() && wanted.empty())) {
        bool const is_stuck = node_.claim_outcome_unknown || !withheld_.empty() || !withheld_back_.empty();
        if (is_stuck && node_.draining && drain_deadline_passed()) break;
        co_await work_.wait_for(idle_wait());
        continue;
      }
      std::string trouble;
      bool unknown = false;
      auto done = std::exchange(ended_, {});
      ended_.reserve(done.size());  // the next batch is about as large
      auto const back = std::exchange(back_, {});
      auto const held = node_.lease;  // the member may change while the store reads it
      queues_.asking(wanted);
      try {
        co_await name_children(done);
        auto result = co_await node_.store.exchange(held, done, back, wanted);
        tell_of(result.refused);
        for (auto const& each : result.remarks) tell_of(each);
        if (held.epoch == node_.lease.epoch && !node_.lost) withhold(result.unwritten, done, back);
        // Jobs that were claimed under a lease that was lost meanwhile run again, on the node that recovers them.
        if (!node_.lost && held.epoch == node_.lease.epoch) take(std::move(result), wanted);
        pause.reset();
      } catch (error const& failure) {
        node_.look_at(failure);
        trouble = failure.what();
        unknown = failure.code() == errc::outcome_unknown;
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (trouble.empty()) continue;
      node_.log(log_level::warning, "claiming and completing jobs: ", trouble);
      look_again();
      if (held.epoch == node_.lease.epoch && !node_.lost) {
        // The store accepts a result again that it has already written. It may have made a claim that this node does not know of.
        ended_.insert(ended_.begin(), done.begin(), done.end());
        back_.insert(back_.begin(), back.begin(), back.end());
        if (unknown && !wanted.empty() && on_unknown_claim) on_unknown_claim();
      }
      if (node_.draining) {
        enforce_drain_deadline();  // the call may have taken longer than the time left to handlers
        if (drain_deadline_passed()) break;
      }
      co_await work_.wait_for(pause.next());
    }
    over_ = true;
    cancels_.notify();
    while (watching_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  // --- claiming -------------------------------------------------------------------------------------------------------------------

  std::vector<claim_request> wants() {
    if (node_.draining || node_.drain_requested || node_.ending || node_.lost) return {};
    if (held_bytes_ >= most_held_bytes) {
      if (!std::exchange(is_full_, true))
        node_.log(log_level::warning, "the jobs that run hold ", held_bytes_ / 1024 / 1024,
                  " MiB of payloads: no more are claimed until some have ended");
      return {};
    }
    is_full_ = false;
    auto const most = start_backoff_.most_jobs(node_.clock.elapsed(), static_cast<std::size_t>(node_.slots()));
    if (!most) return queues_.requests();
    look_again_by(*start_backoff_.changes_at());
    return queues_.requests(*most);
  }

  /// \param when by `elapsed()`
  void look_again_by(duration when) { look_again_at_ = std::min(look_again_at_.value_or(when), when); }

  void look_again() {
    look_again_at_.reset();
    queues_.look_again();
  }

  /// Waits up to `completion_delay` for more results to share the transaction. Returns at once when there are at least as many results as
  /// jobs that may still end, or `completion_batch_size` of them.
  task<> wait_for_batch() {
    if (ended_.empty() || is_batch_full() || node_.settings.completion_delay == duration{0} || node_.draining) co_return;
    co_await gather_.wait_for(node_.settings.completion_delay);
  }

  bool is_batch_full() const {
    std::size_t others = running_.size();
    for (auto const& claimed : arrived_) others += claimed.jobs.size();
    return ended_.size() >= std::min(others, completion_batch_size);
  }

  /// The longest wait for `work_`. Other sources of work notify it; only the deadlines of a shutdown, and the time to look again, do not.
  duration idle_wait() const {
    if (!node_.draining && !look_again_at_) return std::chrono::hours{1};
    if (!node_.draining) return std::max<duration>(*look_again_at_ - node_.clock.elapsed(), std::chrono::milliseconds{1});
    auto const end = stop_signalled_ ? stop_signalled_at_ + grace() : drain_began_ + node_.settings.drain_timeout;
    return std::max<duration>(std::min(end - node_.clock.elapsed(), node_.settings.poll_interval), std::chrono::milliseconds{5});
  }

  /// Gives ids to children that have none, once, so that a completion can be repeated.
  task<> name_children(std::vector<job_result>& done) {
    std::vector<new_job*> unnamed;
    for (auto& each : done)
      for (auto& child : each.children)
        if (child.id == 0) unnamed.push_back(&child);
    if (unnamed.empty()) co_return;
    auto ids = co_await node_.store.reserve_ids(unnamed.size());
    for (auto* const child : unnamed) child->id = ids.take();
  }

  /// Logs refused results, also where the node knew before the reply that its lease was lost.
  void tell_of(std::vector<job_id> const& refused) {
    node_.counters.refused += refused.size();
    for (auto const id : refused) node_.log(log_level::warning, "job ", id, ": its lease was lost, the result is refused");
  }

  void tell_of(remark const& about) {
    if (about.job == 0)
      node_.log(log_level::error, about.text);
    else
      node_.log(log_level::error, "job ", about.job, ": ", about.text);
  }

  /// Holds results back that the database refuses in every form, permanently as it seems. They are tried again, but seldom, so that they do
  /// not block other results.
  void withhold(std::vector<remark> const& unwritten, std::vector<job_result>& done, std::vector<release> const& back) {
    for (auto const& each : unwritten) {
      auto const at = std::ranges::find(done, each.job, &job_result::job);
      auto const released = std::ranges::find(back, each.job, &release::job);
      if (at != done.end()) withheld_.push_back(std::move(*at));
      if (released != back.end()) withheld_back_.push_back(*released);
      withheld_until_ = node_.clock.elapsed() + between_tries;
      node_.log(log_level::error, "job ", each.job, ": the database refuses its result in every form, which is tried again in ",
                between_tries, ": ", each.text);
    }
  }

  void take_up_withheld() {
    if (withheld_.empty() && withheld_back_.empty()) return;
    if (node_.clock.elapsed() < withheld_until_) {
      look_again_by(withheld_until_);
      return;
    }
    ended_.insert(ended_.end(), withheld_.begin(), withheld_.end());
    back_.insert(back_.end(), withheld_back_.begin(), withheld_back_.end());
    withheld_.clear();
    withheld_back_.clear();
  }

  void take(exchange_result result, std::vector<claim_request> const& wanted) {
    if (!result.lease_current) {
      if (on_lost_lease) on_lost_lease();
      return;
    }
    queues_.answered(wanted, result.claims);
    if (result.next_in) look_again_by(node_.clock.elapsed() + *result.next_in);
    if (result.claims.empty()) return;
    for (auto& claimed : result.claims) {
      node_.counters.claimed += claimed.jobs.size();
      queues_.take(claimed.queue, claimed.jobs.size());
      arrived_.push_back(std::move(claimed));
    }
    // Posted, so that the next exchange with the store can begin before these jobs start.
    boost::asio::post(node_.strand, [this, alive = std::weak_ptr(alive_)] {
      if (!alive.lock()) return;
      for (auto& claimed : take_arrived())
        for (auto& job : claimed.jobs) start(claimed.lease, std::move(job));
    });
  }

  /// Takes the claimed jobs that have not started. They no longer count: each of them takes a slot for itself when it starts.
  std::vector<claim> take_arrived() {
    for (auto const& claimed : arrived_) queues_.leave(claimed.queue, claimed.jobs.size());
    return std::exchange(arrived_, {});
  }

  // --- running --------------------------------------------------------------------------------------------------------------------

  /// Releases a job whose type this node does not know. From now on the job waits in the lane of its type, which only nodes with that
  /// type serve.
  void leave_to_others(lease_id lease, claimed_job const& claimed) {
    queue_name const from(claimed.queue);
    bool const has_lane = from.is_limited() || claimed.type.find('*') != std::string::npos;
    if (unknown_types_.insert(claimed.type).second)
      node_.log(log_level::warning, "job ", claimed.id, " is of type ", claimed.type,
                ", which this node does not know: its jobs are left to nodes that do");
    if (has_lane)  // it is in a lane already, or its type's name cannot be that of a lane
      back_.emplace_back(lease, claimed.id, unknown_type_delay);
    else
      back_.emplace_back(lease, claimed.id, duration{0}, lane_of(claimed.queue, claimed.type));
    work_.notify();
  }

  void start(lease_id lease, claimed_job claimed) {
    if (node_.draining || node_.ending) {  // the drain began while the claim was under way
      back_.emplace_back(lease, claimed.id);
      work_.notify();
      return;
    }
    auto const type = types_.find(claimed.type);
    if (type == types_.end()) return leave_to_others(lease, claimed);
    if (auto const& limits = type->second->options.limits; limits.any()) {
      queue_name const from(claimed.queue);
      if (!from.is_limited()) {  // the program that added the job did not know of the limits
        back_.emplace_back(lease, claimed.id, duration{0}, queue_of(from.queue, from.capability, limits, claimed.type));
        queues_.look_again_for(claimed.type);
        work_.notify();
        return;
      }
    }
    queues_.take(claimed.queue, 1);
    auto const limit = type->second->options.output_limit.value_or(node_.settings.output_limit);
    auto const job = std::make_shared<running_job<Clock>>(std::move(claimed), name_, node_.lease, lease, type->second, limit);
    job->context.limit_payloads(node_.settings.payload_limit);
    job->running_index = running_.size();
    running_.push_back(job);
    held_bytes_ += job->context.payload().size();
    if (running_.size() == 1) cancels_.notify();
    node_.log(log_level::info, "job ", job->context.id(), " ", job->type->name, " started, attempt ", job->context.attempt());
    if (auto const timeout = job->type->options.timeout; timeout > duration{0}) {
      job->deadline.emplace(node_.strand, node_.clock);
      arm(job, timeout);
    }
    workers_->run(job);
  }

  /// Returns the callback for the workers. A handler that ignores the request to stop may outlive the engine.
  std::function<void()> report_ends() {
    return [this, strand = node_.strand, alive = std::weak_ptr(alive_)] {
      boost::asio::post(strand, [this, alive] {
        if (!alive.lock()) return;
        for (auto const& job : workers_->take_ended()) ended(job);
      });
    };
  }

  /// Checks after `wait` whether the job has used up its timeout.
  void arm(job_ptr const& job, duration wait) {
    auto expired = [this, alive = std::weak_ptr(alive_), weak = std::weak_ptr(job)](boost::system::error_code failure) {
      auto const still = weak.lock();
      if (failure || !still || !alive.lock()) return;
      if (!still->deadline) return;  // the job has ended
      auto const timeout = still->type->options.timeout;
      auto const now = node_.clock.elapsed();
      auto const left = workers_->started(still).value_or(now) + timeout - now;
      if (left > duration{0}) return arm(still, left);  // waits may end early, and the job may have started late
      stop(still, stop_reason::timed_out);
    };
    job->deadline->async_wait_for(wait, std::move(expired));
  }

  void stop(job_ptr const& job, stop_reason why, duration limit = duration::max()) {
    // Once: the handler's reaction to the first reason must not be cut off.
    if (job->context.request_stop(why, limit)) workers_->interrupt(job);
  }

  void stop_all(stop_reason why, duration limit = duration::max()) {
    for (auto const& job : running_) stop(job, why, limit);
  }

  /// Removes a job that has ended. \return whether it counts: it was not disowned
  bool forget(job_ptr const& job) {
    held_bytes_ -= job->context.payload().size();
    if (std::erase(disowned_, job) != 0) return false;
    std::swap(running_[job->running_index], running_.back());
    running_[job->running_index]->running_index = job->running_index;
    running_.pop_back();
    return true;
  }

  void ended(job_ptr const& job) {
    auto const& context = job->context;
    job->deadline.reset();
    queues_.leave(context.queue(), 1);
    if (auto const type = queue_name(context.queue()).type; !type.empty()) queues_.look_again_for(type);
    bool const disowned = !forget(job);
    attempt_end end;
    end.stopped = context.why_stopped();
    std::string reason;
    std::optional<duration> again_in;  // the job was not started
    duration not_before{};             // before a retry
    if (job->failure) {
      end.returned = false;
      try {
        std::rethrow_exception(job->failure);
      } catch (permanent_failure const& thrown) {
        end.permanent = true;
        reason = thrown.what();
      } catch (not_started const& thrown) {
        reason = thrown.what();
        if (!disowned && end.stopped == stop_reason::none)
          again_in = start_backoff_.refuse(context.id(), thrown.why(), node_.clock.elapsed(), running_.size(), node_.random());
      } catch (retry_later const& thrown) {
        not_before = thrown.after();
        reason = thrown.what();
      } catch (std::exception const& thrown) {
        reason = thrown.what();
      } catch (...) {
        reason = "the handler threw something that is not a std::exception";
      }
    }
    if (again_in) {
      release_unstarted(*job, *again_in, reason);
      return;
    }
    start_backoff_.accept(context.id());
    if (disowned) end.stopped = stop_reason::lease_lost;
    bool const is_unused = !job->was_called && (end.stopped == stop_reason::shutdown || end.stopped == stop_reason::lease_ending);
    auto const decided = classify_attempt(end, context.counted_attempt(), context.max_attempts());
    if (is_unused) {
      ++node_.counters.released;
      back_.emplace_back(job->lease, context.id());
    } else if (decided.keep) {
      report(*job, decided, std::move(reason), not_before);
    } else {
      ++node_.counters.refused;
      node_.log(log_level::warning, "job ", context.id(), " ", context.type(),
                " ended after its lease was lost: its result does not count");
    }
    work_.notify();
    if (is_batch_full()) gather_.notify();
  }

  void release_unstarted(running_job<Clock> const& job, duration delay, std::string const& reason) {
    ++node_.counters.released;
    back_.emplace_back(job.lease, job.context.id(), delay);
    node_.log(log_level::warning, "job ", job.context.id(), " ", job.context.type(), " was not started and is released for ",
              std::chrono::round<std::chrono::milliseconds>(delay), ": ", reason);
    work_.notify();
    if (is_batch_full()) gather_.notify();
  }

  /// \param not_before the shortest pause before a retry
  void report(running_job<Clock>& job, attempt_disposition const& decided, std::string reason, duration not_before) {
    auto& context = job.context;
    job_result done;
    done.lease = job.lease;
    done.job = context.id();
    done.attempt = context.attempt();
    done.started_at = job.started_at;
    done.finished_at = job.finished_at;
    done.outcome = decided.outcome;
    done.state = decided.state;
    done.schedule = context.schedule();
    bool const released = decided.outcome == outcome::released;
    if (released)
      done.retry_after = duration{0};
    else if (decided.retry)
      done.retry_after = std::max(retry_delay(job.type->options.backoff, context.counted_attempt(), node_.random()), not_before);
    if (decided.outcome == outcome::timed_out) reason = "stopped after its timeout of " + to_string(job.type->options.timeout);
    if (decided.outcome == outcome::cancelled) reason = "cancelled while running";
    if (decided.outcome == outcome::completed) done.children = context.take_children();
    if (!done.children.empty()) done.otherwise = without_children(job, done);
    if (decided.outcome != outcome::completed) done.error = shortened(to_storable_text(std::move(reason)), longest_error);
    if (auto output = context.take_output(); !output.empty()) done.output = to_storable_text(std::move(output));

    duration const took = std::chrono::round<std::chrono::milliseconds>(job.took);
    if (decided.outcome == outcome::completed) {
      ++node_.counters.completed;
      node_.log(log_level::info, "job ", done.job, " ", context.type(), " completed after ", took);
    } else if (released) {
      ++node_.counters.released;
      node_.log(log_level::warning, "job ", done.job, " ", context.type(), " was told to stop after ", took,
                context.why_stopped() == stop_reason::shutdown ? ", as this node stops" : ", as the lease of this node may end",
                ", and is released: ", *done.error);
    } else if (decided.retry) {
      ++node_.counters.retried;
      node_.log(log_level::warning, "job ", done.job, " ", context.type(), " failed after ", took, ", attempt ", context.counted_attempt(),
                " of ", context.max_attempts(), ", again in ", std::chrono::round<std::chrono::milliseconds>(*done.retry_after), ": ",
                *done.error);
    } else {
      ++node_.counters.ended_badly;
      bool const cancelled = decided.outcome == outcome::cancelled;
      node_.log(cancelled ? log_level::info : log_level::error, "job ", done.job, " ", context.type(), " is ",
                boost::describe::enum_to_string(done.state, "?"), " after ", took, ": ", *done.error);
    }
    ended_.push_back(std::move(done));
  }

  /// Returns the result to write where the database refuses the children of this job: as if the handler had thrown.
  std::shared_ptr<job_result const> without_children(running_job<Clock>& job, job_result const& completed) {
    auto failed = std::make_shared<job_result>(completed);
    failed->children.clear();
    auto const& context = job.context;
    attempt_end thrown;
    thrown.returned = false;
    auto const decided = classify_attempt(thrown, context.counted_attempt(), context.max_attempts());
    failed->outcome = decided.outcome;
    failed->state = decided.state;
    if (decided.retry) failed->retry_after = retry_delay(job.type->options.backoff, context.counted_attempt(), node_.random());
    return failed;
  }

  // --- cancelling -----------------------------------------------------------------------------------------------------------------

  /// Polls for cancel requests while jobs run: once in a poll interval, and whenever the store changed. It does not poll for each job that
  /// starts: a request between claim and start waits no longer than a later one.
  task<> watch_cancels() {
    duration asked_at{};
    while (!over_) {
      duration const rest = running_.empty() ? std::chrono::hours{1} : asked_at + node_.settings.poll_interval - node_.clock.elapsed();
      if (rest > duration{0} && (running_.empty() || !may_cancel_)) {
        co_await cancels_.wait_for(rest);
        continue;
      }
      asked_at = node_.clock.elapsed();
      may_cancel_ = false;
      try {
        auto const wanted = co_await node_.store.cancel_requests();
        for (auto const& job : running_)
          if (std::ranges::find(wanted, job->context.id()) != wanted.end()) stop(job, stop_reason::cancelled);
      } catch (std::exception const& failure) {
        node_.log(log_level::warning, "looking for cancelled jobs: ", failure.what());
      }
    }
  }

  // --- draining -------------------------------------------------------------------------------------------------------------------

  bool settled() const {
    return withheld_.empty() && withheld_back_.empty() && arrived_.empty() && ((running_.empty() && disowned_.empty()) || gave_up_) &&
           ended_.empty() && back_.empty();
  }

  bool drain_deadline_passed() const { return node_.clock.elapsed() - drain_began_ >= node_.settings.drain_timeout + grace(); }

  /// The time for handlers that were told to stop. It is never zero, so that the attempts of those that end at once are not lost with this
  /// node.
  duration grace() const { return std::max<duration>(node_.settings.stop_grace, std::chrono::milliseconds{20}); }

  /// Enforces the deadlines of a drain. Handlers are told to stop when `drain_timeout` is over, and left behind when they ignore that too.
  void enforce_drain_deadline() {
    auto const since = node_.clock.elapsed() - drain_began_;
    if (!(running_.empty() && disowned_.empty()) && since >= node_.settings.drain_timeout && !abandoned_) {
      node_.log(log_level::warning, running_.size() + disowned_.size(), " jobs did not end within ", node_.settings.drain_timeout,
                " (drain_timeout) and are told to stop");
      abandoned_ = true;
      stop_all(stop_reason::shutdown);
    }
    if (abandoned_ && !stop_signalled_) {
      stop_signalled_ = true;
      stop_signalled_at_ = node_.clock.elapsed();
    }
    if (stop_signalled_ && !gave_up_ && node_.clock.elapsed() - stop_signalled_at_ >= grace()) {
      if (auto const left = running_.size() + disowned_.size(); left != 0)
        node_.log(log_level::error, left, " jobs ignore that they are told to stop and are left behind");
      gave_up_ = true;
    }
  }

  static constexpr std::size_t most_held_bytes = 256 * 1024 * 1024;  ///< of payloads, however many slots there are
  static constexpr std::size_t longest_error = 8 * 1024;             ///< bytes of an attempt's error: lists and log lines show it
  static constexpr std::chrono::seconds unknown_type_delay{30};
  static constexpr std::chrono::seconds between_tries{10};   ///< to write a refused result
  static constexpr std::size_t completion_batch_size = 100;  ///< results that make a full batch

  std::shared_ptr<int> alive_ = std::make_shared<int>();
  shared_node<Store, Clock>& node_;
  std::shared_ptr<std::string const> name_;
  served_queues queues_;
  start_backoff start_backoff_;
  std::shared_ptr<workers<Clock>> workers_;
  std::unordered_map<std::string, std::shared_ptr<job_type const>> types_;
  std::set<std::string> unknown_types_;  ///< already reported in the log
  std::vector<claim> arrived_;           ///< not started yet
  std::vector<job_ptr> running_;         ///< or wait for a worker
  std::vector<job_ptr> disowned_;        ///< run on although their lease was lost
  std::vector<job_result> ended_;
  std::vector<release> back_;
  std::vector<job_result> withheld_;    ///< the database refused them
  std::vector<release> withheld_back_;  ///< the same
  duration withheld_until_{};           ///< by `elapsed()`
  signal<Clock> work_;
  signal<Clock> gather_;
  signal<Clock> cancels_;
  signal<Clock> done_;
  std::size_t held_bytes_ = 0;             ///< payloads of running jobs, including disowned ones
  bool is_full_ = false;                   ///< so many bytes that no more jobs are claimed
  std::optional<duration> look_again_at_;  ///< by `elapsed()`: then jobs may be claimable that are not yet
  duration drain_began_{};
  duration stop_signalled_at_{};
  bool abandoned_ = false;
  bool stop_signalled_ = false;
  bool gave_up_ = false;
  bool watching_ = true;
  bool over_ = false;       ///< no more results are reported
  bool may_cancel_ = true;  ///< a cancellation may have been requested since the last poll
};

}  // namespace visor::detail

#endif
