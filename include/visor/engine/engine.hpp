#ifndef VISOR_ENGINE_ENGINE_HPP
#define VISOR_ENGINE_ENGINE_HPP

#include "visor/base/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/engine/fire_loop.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/engine/lookout.hpp"
#include "visor/engine/membership.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/node_settings.hpp"
#include "visor/engine/runner.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// One node: fires schedules, claims and runs jobs, renews its lease, and drains when asked to stop.
///
/// The parts: `membership` keeps the node's lease, `fire_loop` turns due schedules into jobs, `runner` claims and runs them, `lookout`
/// looks for what others left to do. Each is a loop over one decision and one store operation; they share this object's strand, so none of
/// them locks anything.
///
/// \tparam Store any `store`; it is borrowed and must outlive the engine
/// Thread-safety: `stop()`, `wake()` may be called from any thread; the rest before `run()`.
template <store Store, timekeeper Clock = wall_clock>
class engine {
 public:
  /// \param executor where everything runs; the engine makes a strand on it for itself
  /// \param origin none: that of this process
  /// \throws visor::error `invalid_argument` when a setting is out of range
  engine(boost::asio::any_io_executor executor, Store& kept, node_settings settings, Clock clock = Clock(), log_sink log = {},
         std::optional<engine_origin> origin = std::nullopt)
      : shared_(std::move(executor), kept, std::move(settings), std::move(clock), std::move(log), std::move(origin)),
        membership_(shared_),
        runner_(shared_),
        fires_(shared_),
        lookout_(shared_) {
    fires_.on_new_work = [this] { runner_.wake(); };
    runner_.on_lost_lease = [this] { membership_.lose(); };
    runner_.on_doubt = [this] { membership_.doubt(); };
    membership_.known_leases = [this] { return runner_.leases(); };
    membership_.on_lost_lease = [this] { runner_.lease_lost(); };
    membership_.on_joined = [this] { look_for_work(); };
    lookout_.on_ready = [this] { runner_.wake(); };
    lookout_.on_due = [this](instant when) { fires_.expect(when); };
  }
  engine(engine const&) = delete;
  engine& operator=(engine const&) = delete;

  /// Makes a job type known. \throws visor::error `already_exists`
  void add(job_type type) { runner_.add(std::move(type)); }

  /// Where handlers that block may run: the threads of `node_settings::threads`, which live as long as the engine.
  boost::asio::any_io_executor blocking_executor() { return runner_.blocking_executor(); }

  /// Adds a schedule of the program (`origin::code`) or of its configuration (`origin::config`). The schedules of an origin, all
  /// together, replace those that the store holds of it when the engine starts.
  /// \throws visor::error for an expression or zone that cannot be used; `already_exists` for an id that was added before
  void add(schedule_record schedule) { fires_.add(std::move(schedule)); }

  /// Says that the schedules of this origin are the engine's business although there may be none: those of the store are then removed.
  void owns_schedules_of(origin from) { fires_.owns(from); }

  /// Runs until `stop()`, then drains: claims no more, lets handlers finish within `drain_timeout`, asks the rest to stop, gives
  /// back what is left without using up an attempt, and leaves. What ran while its lease was lost, or has a result that the store did not
  /// take in time, is lost with this node, as if it had been killed. Called once.
  /// \throws visor::error `lease_held` when another node is there and one of the two is exclusive; what the store throws at start.
  /// Later failures of the store are logged and repeated. It cannot be cancelled, since it has jobs to give back: call `stop`.
  task<> run() {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    auto work = run_on_strand();
    co_await boost::asio::co_spawn(shared_.strand, std::move(work), boost::asio::use_awaitable);
  }

  /// Begins to drain. A second call gives up waiting for handlers.
  void stop() {
    boost::asio::post(shared_.strand, [this, alive = std::weak_ptr(alive_)] {
      if (!alive.lock()) return;
      if (!shared_.draining) {
        shared_.log(log_level::info, "stopping: no more work is taken, running jobs may finish");
        shared_.draining = true;
        runner_.drain();
        fires_.wake();
        membership_.drain();
      } else {
        runner_.abandon();
      }
    });
  }

  /// Looks for new work now. Rarely needed: the store tells of new work by itself.
  void wake() {
    if (wake_pending_.exchange(true)) return;
    boost::asio::post(shared_.strand, [this, alive = std::weak_ptr(alive_)] {
      if (!alive.lock()) return;
      wake_pending_ = false;
      look_for_work();
    });
  }

  /// \pre on the engine's executor, or not running
  engine_counters const& counters() const noexcept { return shared_.counters; }
  std::string const& name() const noexcept { return shared_.settings.name; }
  Store& kept() noexcept { return shared_.kept; }

 private:
  void look_for_work() {
    runner_.wake();
    fires_.wake();
  }

  task<> run_on_strand() {
    co_await shared_.kept.open();
    if (!co_await membership_.join()) co_return;
    std::exception_ptr failure;
    try {
      co_await fires_.install();
      auto const limits = co_await shared_.kept.limits();
      runner_.serve(limits);
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      co_await membership_.leave();
      std::rethrow_exception(failure);
    }
    auto changes = shared_.kept.on_change([this] { wake(); });
    membership_.start();
    fires_.start();
    lookout_.start();
    co_await runner_.run();
    co_await fires_.finished();
    co_await lookout_.finished();
    changes.reset();
    co_await membership_.leave(runner_.owes_results());
  }

  detail::shared_node<Store, Clock> shared_;
  detail::membership<Store, Clock> membership_;
  detail::runner<Store, Clock> runner_;
  detail::fire_loop<Store, Clock> fires_;
  detail::lookout<Store, Clock> lookout_;
  std::atomic<bool> wake_pending_{false};
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace visor

#endif
