#ifndef VISOR_TESTS_ENGINE_FAKE_CLOCK_CLUSTER_HPP
#define VISOR_TESTS_ENGINE_FAKE_CLOCK_CLUSTER_HPP

#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/time.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/engine/engine.hpp"
#include "visor/store/memory_store.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor_test {

using namespace std::chrono_literals;

/// The store in memory, in which a test may make operations late or let them fail.
class store_type : public visor::memory_store<visor::manual_clock> {
 public:
  using memory = visor::memory_store<visor::manual_clock>;
  explicit store_type(visor::manual_clock clock) : memory(clock), time_(std::move(clock)) {}

  /// How much an exchange is about.
  struct exchange_size {
    std::size_t done;
    std::size_t back;
    std::size_t wanted;
    std::size_t room;  ///< the jobs that all of `wanted` may have
  };

  /// Called before an exchange, and between it and its reply. The exchange throws their exceptions.
  std::function<visor::task<>(exchange_size)> before_exchange;
  std::function<visor::task<>(exchange_size)> after_exchange;
  std::function<visor::task<>()> before_nodes;  ///< before the list of nodes is read
  std::function<void()> before_join;
  std::function<void()> before_renew;
  visor::duration renew_takes{};  ///< until its answer is there
  std::function<void()> after_join;
  std::function<void()> before_leave;
  /// Which results are refused, as `unwritten` says: these are not written.
  std::function<void(std::span<visor::job_result const>, visor::exchange_result&)> change_result;
  /// Replaces the exchange.
  std::function<visor::exchange_result(exchange_size)> in_place_of_exchange;

  /// The operating system's knowledge of other nodes' processes; none by default, as in memory.
  std::function<visor::node_claim()> claim;

  visor::task<visor::node_claim> claim_node(std::string) { co_return claim ? claim() : visor::node_claim(); }

  int cancel_questions = 0;
  int recoveries = 0;  ///< that somebody looked for lapsed nodes and what they hold
  /// Whether nodes are notified of others' commits; else they poll once in a poll interval.
  bool tells_of_changes = true;
  std::optional<int> newer_schema;
  std::optional<int> older_schema;

  [[nodiscard]] visor::subscription on_change(std::function<void()> callback) {
    return memory::on_change([this, callback = std::move(callback)] {
      if (tells_of_changes) callback();
    });
  }

  visor::task<visor::pending_work> pending_work() {
    auto result = co_await memory::pending_work();
    result.is_told_of_changes = tells_of_changes;
    result.newer_schema = newer_schema;
    result.older_schema = older_schema;
    co_return result;
  }

  visor::task<std::vector<visor::recovery>> recover(std::optional<visor::node_lease> evict) {
    ++recoveries;
    return memory::recover(std::move(evict));
  }

  visor::task<std::vector<visor::job_id>> cancel_requests() {
    ++cancel_questions;
    return memory::cancel_requests();
  }

  visor::task<std::vector<visor::node_record>> nodes() {
    if (auto const before = before_nodes) {
      auto step = before();
      co_await std::move(step);
    }
    co_return co_await memory::nodes();
  }

  visor::task<visor::node_lease> join(visor::join_request request) {
    if (before_join) before_join();
    auto lease = co_await memory::join(std::move(request));
    if (after_join) after_join();
    co_return lease;
  }

  visor::task<visor::node_lease> renew(visor::node_lease const& lease, visor::renewal how) {
    if (before_renew) before_renew();
    auto const renewed = co_await memory::renew(lease, how);
    if (renew_takes > visor::duration{0}) {
      boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
      visor::manual_clock::timer timer(executor, time_);
      auto wait = timer.async_wait_for(renew_takes, boost::asio::use_awaitable);
      co_await std::move(wait);
    }
    co_return renewed;
  }

  visor::task<> leave(visor::node_lease const& lease, visor::departure how) {
    if (before_leave) before_leave();
    return memory::leave(lease, how);
  }

  visor::task<visor::exchange_result> exchange(visor::node_lease const& lease, std::span<visor::job_result const> done,
                                               std::span<visor::release const> back, std::span<visor::claim_request const> wanted) {
    exchange_size size{done.size(), back.size(), wanted.size(), 0};
    for (auto const& each : wanted) size.room += each.limit;
    if (in_place_of_exchange) co_return in_place_of_exchange(size);
    if (auto const before = before_exchange) {  // copies: a test may set another one meanwhile
      auto step = before(size);
      co_await std::move(step);
    }
    std::vector<visor::job_result> taken(done.begin(), done.end());
    visor::exchange_result said;
    if (change_result) change_result(done, said);
    for (auto const& each : said.unwritten) std::erase_if(taken, [&](auto const& one) { return one.job == each.job; });
    auto result = co_await memory::exchange(lease, taken, back, wanted);
    result.unwritten = std::move(said.unwritten);
    if (auto const after = after_exchange) {
      auto step = after(size);
      co_await std::move(step);
    }
    co_return result;
  }

 private:
  visor::manual_clock time_;
};

using engine_type = visor::engine<store_type, visor::manual_clock>;

}  // namespace visor_test

// Compiled once, in engine.cpp.
extern template class visor::engine<visor_test::store_type, visor::manual_clock>;

namespace visor_test {

/// A store and any number of nodes in one thread, under a clock that moves only when told to. Nothing sleeps.
class fake_clock_cluster {
 public:
  fake_clock_cluster() { run_now(store.open()); }

  struct node {
    std::unique_ptr<engine_type> engine;
    bool ended = false;
    std::string failure;  ///< what `run` threw
    std::vector<std::string> lines;
    bool logged(std::string const& text) const {
      for (auto const& line : lines)
        if (line.find(text) != std::string::npos) return true;
      return false;
    }
  };

  static visor::node_settings settings(std::string name = "one") {
    visor::node_settings result;
    result.name = std::move(name);
    return result;
  }

  static visor::node_settings beside_others(std::string name = "one") {
    auto result = settings(std::move(name));
    result.exclusive = false;
    return result;
  }

  node& add(visor::node_settings how = settings()) {
    nodes_.push_back(std::make_unique<node>());
    auto* const made = nodes_.back().get();
    made->engine = std::make_unique<engine_type>(io.get_executor(), store, std::move(how), clock,
                                                 [made](visor::log_level, std::string_view line) { made->lines.emplace_back(line); });
    return *made;
  }

  void start(node& which) {
    boost::asio::co_spawn(io, which.engine->run(), [&which](std::exception_ptr thrown) {
      which.ended = true;
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (std::exception const& failure) {
        which.failure = failure.what();
      }
    });
    settle();
  }

  void settle() { visor_test::settle(io); }
  void pass(visor::duration length) { visor_test::pass(io, clock, length); }

  /// Drains every node and waits for the end.
  void stop_all() {
    for (auto const& each : nodes_)
      if (!each->ended) each->engine->stop();
    pass(2min);
    for (auto const& each : nodes_) REQUIRE(each->ended);
  }

  template <class T>
  T run_now(visor::task<T> work) {
    return run(io, std::move(work));
  }

  visor::job_id enqueue(std::string type, int max_attempts = 1, int priority = 100) {
    visor::new_job job;
    job.type = std::move(type);
    job.max_attempts = max_attempts;
    job.priority = priority;
    return enqueue(std::move(job));
  }

  visor::job_id enqueue(visor::new_job job) {
    auto const id = job.id = run_now(store.reserve_ids(1)).take();
    CHECK(run_now(store.enqueue(std::span(&job, 1))) == 1);
    settle();
    return id;
  }

  void add_jobs(std::string const& type, std::size_t count) {
    std::vector<visor::new_job> jobs(count);
    auto ids = run_now(store.reserve_ids(count));
    for (auto& job : jobs) {
      job.id = ids.take();
      job.type = type;
    }
    CHECK(run_now(store.enqueue(jobs)) == count);
    settle();
  }

  visor::job_state state(visor::job_id id) { return run_now(store.find_job(id)).value().state; }
  std::vector<visor::attempt_record> attempts(visor::job_id id) { return run_now(store.attempts(id)); }

  std::vector<std::unique_ptr<node>> const& nodes() const { return nodes_; }

  boost::asio::io_context io{1};
  visor::manual_clock clock;
  store_type store{clock};

 private:
  std::vector<std::unique_ptr<node>> nodes_;
};

/// A schedule of the program.
inline visor::schedule_record schedule(std::string id, std::string expression, std::string type) {
  visor::schedule_record record;
  record.id = std::move(id);
  record.origin = visor::origin::code;
  record.expression = std::move(expression);
  record.type = std::move(type);
  return record;
}

/// A handler that runs until its job is asked to stop or `length` has passed.
inline visor::handler sleeper(visor::manual_clock clock, visor::duration length) {
  return [clock, length](visor::job_context& job) -> visor::task<> {
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(length, boost::asio::use_awaitable);
    co_await std::move(wait);
  };
}

}  // namespace visor_test

#endif
