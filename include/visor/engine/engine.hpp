#ifndef VISOR_ENGINE_ENGINE_HPP
#define VISOR_ENGINE_ENGINE_HPP

#include "visor/async/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/engine/fire_loop.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/engine/membership.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/runner.hpp"
#include "visor/engine/schedule_review.hpp"
#include "visor/engine/schedule_sets.hpp"
#include "visor/engine/work_poller.hpp"
#include "visor/settings/node_settings.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// One node: fires schedules, claims and runs jobs, renews its lease, and drains when asked to stop.
///
/// The parts:
///
/// - `membership` keeps the node's lease.
/// - `fire_loop` turns due schedules into jobs.
/// - `runner` claims jobs and runs them.
/// - `work_poller` polls for work that other nodes left.
/// - `schedule_sets` brings the store to the schedules that the nodes' files and programs declare.
/// - `schedule_review` checks next instants after the clock was put back.
///
/// Each part is a loop over one decision and one store operation. They share this object's strand, so none of them locks anything.
///
/// \tparam Store any `store`; it is borrowed and must outlive the engine Thread-safety: `stop()`, `wake()` may be called from any thread;
///   the rest before `run()`.
template <store Store, timekeeper Clock = wall_clock>
class engine {
 public:
  /// \param executor where everything runs; the engine makes a strand on it for itself
  /// \param origin none: that of this process
  /// \throws visor::error `invalid_argument` when a setting is out of range
  engine(boost::asio::any_io_executor executor, Store& store, node_settings settings, Clock clock = Clock(), log_sink log = {},
         std::optional<engine_origin> origin = std::nullopt)
      : shared_(std::move(executor), store, std::move(settings), std::move(clock), std::move(log), std::move(origin)),
        membership_(shared_),
        runner_(shared_),
        fires_(shared_),
        work_poller_(shared_),
        sets_(shared_),
        review_(shared_) {
    shared_.on_replaced = [this](error const& why) {
      membership_.lose();  // leases and results of this node mean nothing in another database
      end(why);
    };
    fires_.on_new_work = [this] { runner_.wake(); };
    // Schedules that are already stored must not wait until a hundred thousand schedules of a file are added.
    fires_.before_first_look = [this] { return sets_.wait_for_first(std::chrono::seconds{5}); };
    fires_.on_time = [this](instant now, duration before, duration after) { review_.saw_time(now, before, after); };
    runner_.on_lost_lease = [this] { membership_.lose(); };
    runner_.on_unknown_claim = [this] { membership_.handle_unknown_claim(); };
    membership_.known_leases = [this] { return runner_.leases(); };
    membership_.on_ending_lease = [this](duration left) { runner_.lease_ending(left); };
    membership_.on_lost_lease = [this] { runner_.lease_lost(); };
    membership_.on_end = [this](error why) { end(std::move(why)); };
    membership_.on_retire = [this](error why) { retire(std::move(why)); };
    membership_.on_joined = [this] { look_for_work(); };
    work_poller_.on_ready = [this] { runner_.wake(); };
    work_poller_.on_due = [this](instant when) { fires_.expect(when); };
    work_poller_.on_lanes = [this] { return serve_lanes(); };
  }
  engine(engine const&) = delete;
  engine& operator=(engine const&) = delete;

  /// Registers a job type. \throws visor::error `already_exists`
  void add(job_type type) { runner_.add(std::move(type)); }

  /// Names an object that owns this engine. Requests of other threads that wait for their turn keep that object alive, so the engine may be
  /// released while they wait.
  void keep_by(std::weak_ptr<void> owner) { owner_ = std::move(owner); }

  /// Adds a schedule of the program (`origin::code`) or of its configuration (`origin::config`) to the set that this node declares of that
  /// origin. The engine reconciles the store with the declarations of living nodes when it starts, and whenever another node begins or ends
  /// to declare. Missing schedules are added. A schedule is changed unless a living node declares a definition of it that was first seen
  /// later. A schedule of the set is removed if no living node declares it any more.
  ///
  /// Unlike the other operations before `run()`, this one may also be called while the engine runs, from any thread. The set is then
  /// declared again, with the new schedule.
  /// \throws visor::error for an expression or zone that cannot be used; `already_exists` for an id that was added before
  void add(schedule_record schedule) {
    if (sets_.add(std::move(schedule))) on_strand([this] { sets_.wake(); });
  }

  /// Declares a set, also if no schedule is added to it: then the store's schedules of that set are removed, unless another node declares
  /// them. Without this call, added schedules belong to the set `default`, and an origin without any declares nothing.
  void declare(schedule_set set) { sets_.declare(std::move(set)); }

  /// Runs until `stop()`, then drains and leaves. A draining node claims no more, lets handlers finish within `drain_timeout`, and asks the
  /// rest to stop. It releases unfinished jobs without using up an attempt. A job that ran while its lease was lost is lost with this
  /// node, as if the node had been killed. So is one whose result the store did not take in time. Called once; it cannot be cancelled,
  /// since it has jobs to release: call `stop`. Errors of the store at start are thrown. Later failures of the store are logged and
  /// repeated. The failure to leave is thrown: the node that takes the place of this one takes over its jobs.
  /// \throws visor::error `lease_held` when another node is there and one of the two is exclusive, or has the name of this one. This is
  ///   checked at the start, and when this node has lost its lease.
  /// \throws visor::error `restored` when the database was restored from a backup.
  /// \throws visor::error `superseded` when the tables got another version.
  /// \throws visor::error `replaced` when the database is no longer the one that was opened.
  task<> run() {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    auto work = run_on_strand();
    std::exception_ptr failure;
    try {
      co_await boost::asio::co_spawn(shared_.strand, std::move(work), boost::asio::use_awaitable);
    } catch (...) {
      failure = std::current_exception();
    }
    // Requests that other threads made before the end have had their turn when this one has.
    co_await boost::asio::post(shared_.strand, boost::asio::use_awaitable);
    if (failure) std::rethrow_exception(failure);
  }

  /// Begins to drain. A second call stops waiting for handlers.
  void stop() {
    on_strand([this] {
      if (!shared_.draining) {
        shared_.log(log_level::info, "stopping: no more work is taken, running jobs may finish");
        drain();
      } else {
        runner_.abandon();
      }
    });
  }

  /// Looks for new work now. Rarely needed: the store notifies the engine of new work by itself.
  void wake() {
    if (wake_pending_.exchange(true)) return;
    on_strand([this] {
      wake_pending_ = false;
      look_for_work();
    });
  }

  /// Whether no job runs here any more and `run()` has only to leave the store, which may not answer. From any thread.
  bool has_drained() const noexcept { return has_drained_; }

  /// \pre on the engine's executor, or not running
  engine_counters const& counters() const noexcept { return shared_.counters; }
  std::string const& name() const noexcept { return shared_.settings.name; }
  Store& store() noexcept { return shared_.store; }

 private:
  /// Calls a function on the strand, unless the engine is gone by then.
  template <class Function>
  void on_strand(Function function) {
    boost::asio::post(shared_.strand, [function, owner = owner_.lock(), alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) function();
    });
  }

  /// Ends a node that cannot go on: it drains without waiting for handlers, and `run()` throws.
  void end(error why) {
    if (ended_by_) return;
    retire(std::move(why));
    runner_.abandon();
  }

  /// Lets the node finish its running jobs; then `run()` throws.
  void retire(error why) {
    if (ended_by_) return;
    shared_.log(log_level::error, "this node ends: ", why.what());
    ended_by_ = std::move(why);
    drain();
  }

  void drain() {
    if (std::exchange(shared_.draining, true)) return;
    runner_.drain();
    fires_.wake();
    sets_.drain();
    review_.wake();
    membership_.drain();
  }

  task<> serve_lanes() {
    auto const limits = co_await shared_.store.limits();
    runner_.serve(limits);
  }

  void look_for_work() {
    runner_.wake();
    fires_.wake();
    sets_.wake();
    work_poller_.wake();
  }

  /// Opens the store and joins. Obstacles are waited for. A lock that others hold is waited for without limit, as it is later. A server
  /// that refuses or cuts the connection gets a moment only, since host or port may be wrong.
  /// \return false when the node was told to drain meanwhile
  task<bool> enter() {
    auto const began = shared_.clock.elapsed();
    bool is_open = false;
    detail::failure_pause pause;
    std::string told;
    for (;;) {
      std::optional<error> refused;
      try {
        if (!is_open) co_await shared_.store.open();
        is_open = true;
        co_return co_await membership_.join();
      } catch (error const& thrown) {
        refused = thrown;
      }
      bool const is_new = shared_.clock.elapsed() - began < connect_patience;
      bool const may_pass = refused->code() == errc::busy || (is_new && is_transient(refused->portable_code()));
      if (!may_pass) throw error(*refused);
      if (std::exchange(told, refused->what()) != refused->what())
        shared_.log(log_level::warning, "this node cannot start yet: ", refused->what());
      co_await membership_.pause(std::min<duration>(pause.next(), longest_pause));
      if (!shared_.draining) continue;
      if (!is_open) throw error(*refused);
      co_return false;
    }
  }

  static constexpr std::chrono::seconds connect_patience{5};
  static constexpr std::chrono::seconds longest_pause{1};

  task<> run_on_strand() {
    if (!co_await enter()) co_return;
    std::exception_ptr failure;
    try {
      co_await serve_lanes();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      co_await membership_.leave();
      std::rethrow_exception(failure);
    }
    auto changes = shared_.store.on_change([this] { wake(); });
    membership_.start();
    sets_.start();
    review_.start();
    fires_.start();
    work_poller_.start();
    co_await runner_.run();
    has_drained_ = true;
    co_await fires_.finished();
    co_await sets_.finished();
    co_await review_.finished();
    co_await work_poller_.finished();
    changes.reset();
    std::string unwritten;
    for (auto const job : runner_.unwritten()) unwritten += (unwritten.empty() ? "" : ", ") + std::to_string(job);
    if (!unwritten.empty())
      shared_.log(log_level::error, "leaving: the results of these jobs could not be stored, so their attempts count as lost: ", unwritten);
    auto const not_left = co_await membership_.leave(runner_.owes_results());
    if (ended_by_) throw error(*ended_by_);
    if (not_left) std::rethrow_exception(not_left);
    if (!unwritten.empty()) throw error(errc::timeout, "the results of these jobs could not be stored: " + unwritten);
  }

  detail::shared_node<Store, Clock> shared_;
  detail::membership<Store, Clock> membership_;
  detail::runner<Store, Clock> runner_;
  detail::fire_loop<Store, Clock> fires_;
  detail::work_poller<Store, Clock> work_poller_;
  detail::schedule_sets<Store, Clock> sets_;
  detail::schedule_review<Store, Clock> review_;
  std::optional<error> ended_by_;
  std::atomic<bool> wake_pending_{false};
  std::atomic<bool> has_drained_{false};
  std::weak_ptr<void> owner_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace visor

#endif
