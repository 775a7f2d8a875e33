#ifndef VISOR_TOOLS_BENCH_NODES_HPP
#define VISOR_TOOLS_BENCH_NODES_HPP

#include "bench.hpp"
#include "command.hpp"
#include "running_node.hpp"
#include "storage.hpp"

#include "visor/async/clock.hpp"
#include "visor/handler/payload.hpp"
#include "visor/handler/typed.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace visor_program {

/// The job type of benchmarks, and the payload of its jobs.
inline constexpr char const* bench_type = "bench";
struct bench_payload {
  std::int64_t number = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(bench_payload, (), (number, text))

inline double bench_seconds(visor::duration length) { return std::chrono::duration<double>(length).count(); }

/// The runs of jobs as their handlers report them. Thread-safe.
class bench_record {
 public:
  explicit bench_record(std::int64_t jobs)
      : runs_(static_cast<std::size_t>(jobs)), planned_(runs_.size()), started_(runs_.size()), missing_(jobs) {}

  /// Sets the time at which a job was to be added.
  void plan(std::int64_t number, visor::duration when) { planned_[at(number)] = when; }

  void begin(std::int64_t number) {
    if (number < 0 || at(number) >= runs_.size()) return;  // a job of another run; a missing job of this run is noticed
    started_[at(number)] = clock_.elapsed();
  }
  void end(std::int64_t number) {
    if (number < 0 || at(number) >= runs_.size()) return;
    if (runs_[at(number)].fetch_add(1) == 0 && missing_.fetch_sub(1) == 1) tell();
  }

  /// Ends the waiting before all jobs have run.
  void give_up() {
    given_up_ = true;
    tell();
  }

  bool is_given_up() const noexcept { return given_up_; }

  /// Records that a job failed, which makes the run worthless. \param why of the first failure
  void fail(std::string why) {
    {
      std::scoped_lock const lock(mutex_);
      if (failure_.empty()) failure_ = std::move(why);
    }
    give_up();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return missing_ == 0 || given_up_; });
  }

  /// \throws failure when a job failed, or a handler was not called exactly once for each job
  void check() const {
    if (!failure_.empty()) throw failure("the run does not count: a job failed: " + failure_);
    std::size_t never = 0, often = 0;
    for (auto const& runs : runs_) {
      never += runs == 0 ? 1 : 0;
      often += runs > 1 ? 1 : 0;
    }
    if (never + often != 0)
      throw failure("the run does not count: " + std::to_string(never) + " jobs were not run, " + std::to_string(often) +
                    " more than once");
  }

  /// The latencies from the planned time of each job to its start. \pre all have run
  bench_samples start_latencies() const {
    bench_samples all;
    all.reserve(started_.size());
    for (std::size_t i = 0; i < started_.size(); ++i) all.add(started_[i] - planned_[i]);
    return all;
  }

 private:
  static std::size_t at(std::int64_t number) { return static_cast<std::size_t>(number); }
  void tell() {
    std::scoped_lock const lock(mutex_);
    changed_.notify_all();
  }

  visor::wall_clock clock_;
  std::vector<std::atomic<std::uint16_t>> runs_;
  std::vector<visor::duration> planned_, started_;
  std::atomic<std::int64_t> missing_;
  std::atomic<bool> given_up_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string failure_;
};

/// The nodes of a benchmark, each on a thread of its own, as if in a process of its own.
class bench_nodes {
 public:
  /// \param stores one for each node, opened
  bench_nodes(bench_plan const& plan, std::vector<std::shared_ptr<storage>> stores, bench_record& record) : record_(record) {
    for (auto& each : stores) {
      visor::node_settings how;
      how.name = std::string(bench_type) + "-" + std::to_string(nodes_.size() + 1);
      how.exclusive = false;
      how.queues = {queue_for(static_cast<int>(plan.batch))};
      nodes_.emplace_back(std::move(each), std::move(how), handler(plan.long_work));
    }
  }
  bench_nodes(bench_nodes const&) = delete;
  bench_nodes& operator=(bench_nodes const&) = delete;
  ~bench_nodes() { stop(); }

  void start() {
    for (auto& each : nodes_)
      each.thread = std::thread([this, &each] {
        each.thrown = each.work.run();
        if (each.thrown) record_.give_up();
      });
  }

  /// Waits until every job has run and was reported, and the nodes have left.
  /// \throws the exception of a node
  void finish() {
    record_.wait();
    stop();
    for (auto const& each : nodes_)
      if (each.thrown) std::rethrow_exception(each.thrown);
  }

  void run() {
    start();
    finish();
  }

 private:
  struct node {
    node(std::shared_ptr<storage> on, visor::node_settings how, visor::handler run)
        : work(std::move(on), std::move(how), {visor::job_type(bench_type, std::move(run))}, {}) {}

    running_node work;
    std::exception_ptr thrown;
    std::thread thread;
  };

  /// A queue with as many slots as a node needs to claim a batch at a time.
  static visor::queue_settings queue_for(int batch) {
    visor::queue_settings queue("default", batch);
    if (queue.claim_size() < batch) queue.slots = std::min(2 * batch, 100'000);
    return queue;
  }

  visor::handler handler(visor::duration long_work) {
    auto const run = visor::make_handler<bench_payload>(
        [&record = record_, long_work](visor::job_context& job, bench_payload const& carried) -> visor::task<> {
          record.begin(carried.number);
          if (long_work > visor::duration{0} && carried.number % 100 == 0) {
            boost::asio::steady_timer timer(job.executor(), long_work);
            auto waiting = timer.async_wait(boost::asio::use_awaitable);
            co_await std::move(waiting);
          }
          record.end(carried.number);
        });
    return [&record = record_, run](visor::job_context& job) -> visor::task<> {
      std::exception_ptr thrown;
      std::string why;
      try {
        co_await run(job);
      } catch (std::exception const& failed) {
        thrown = std::current_exception();
        why = failed.what();
      }
      if (!thrown) co_return;
      record.fail(std::move(why));
      std::rethrow_exception(thrown);
    };
  }

  void stop() {
    for (auto& each : nodes_)
      if (each.thread.joinable()) each.work.stop();
    for (auto& each : nodes_)
      if (each.thread.joinable()) each.thread.join();
  }

  bench_record& record_;
  std::list<node> nodes_;
};

}  // namespace visor_program

#endif
