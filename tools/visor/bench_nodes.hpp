#ifndef VISOR_TOOLS_BENCH_NODES_HPP
#define VISOR_TOOLS_BENCH_NODES_HPP

#include "bench.hpp"
#include "storage_of.hpp"

#include "visor/base/clock.hpp"
#include "visor/engine/engine.hpp"
#include "visor/handler/payload.hpp"
#include "visor/handler/typed.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

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

/// The job type of benchmarks, and what a job of it carries.
inline constexpr char const* bench_type = "bench";
struct bench_payload {
  std::int64_t number = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(bench_payload, (), (number, text))

inline double bench_seconds(visor::duration length) { return std::chrono::duration<double>(length).count(); }

/// What handlers say of the jobs that they run. Thread-safe.
class bench_record {
 public:
  explicit bench_record(std::int64_t jobs)
      : runs_(static_cast<std::size_t>(jobs)), planned_(runs_.size()), started_(runs_.size()), missing_(jobs) {}

  /// When a job was to be added.
  void plan(std::int64_t number, visor::duration when) { planned_[at(number)] = when; }

  void begin(std::int64_t number) {
    if (number < 0 || at(number) >= runs_.size()) return;  // of another run; what is left of this one will be missed
    started_[at(number)] = clock_.elapsed();
  }
  void end(std::int64_t number) {
    if (number < 0 || at(number) >= runs_.size()) return;
    if (runs_[at(number)].fetch_add(1) == 0 && missing_.fetch_sub(1) == 1) tell();
  }

  /// Nobody waits any longer.
  void give_up() {
    given_up_ = true;
    tell();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return missing_ == 0 || given_up_; });
  }

  /// \throws failure when a handler was not called exactly once for each job
  void check() const;

  /// From when each was to be added. \pre all have run
  bench_samples start_latencies() const;

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
};

/// The nodes of a benchmark: engines, each on a thread of its own, as if in a process of its own.
template <visor::store Store>
class bench_nodes {
 public:
  /// \param stores one for each node, opened
  bench_nodes(bench_plan const& plan, std::vector<std::shared_ptr<Store>> stores, bench_record& record, visor::log_sink const& log)
      : record_(record) {
    int number = 0;
    for (auto& each : stores) {
      visor::node_settings how;
      how.name = std::string(bench_type) + "-" + std::to_string(++number);
      how.exclusive = false;
      how.queues = {visor::queue_settings("default", static_cast<int>(plan.batch))};
      auto& made = nodes_.emplace_back(std::move(each), std::move(how), log);
      made.work.add(visor::job_type(bench_type, visor::make_handler<bench_payload>(handler(record, plan.long_work))));
    }
  }
  bench_nodes(bench_nodes const&) = delete;
  bench_nodes& operator=(bench_nodes const&) = delete;
  ~bench_nodes() { stop(); }

  void start() {
    for (auto& each : nodes_) each.thread = std::thread([this, &each] { each.run(record_); });
  }

  /// Waits until every job has run and was reported, and the nodes have left.
  /// \throws what a node did
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
    node(std::shared_ptr<Store> on, visor::node_settings how, visor::log_sink log)
        : kept(std::move(on)), work(io.get_executor(), *kept, std::move(how), visor::wall_clock(), std::move(log)) {}

    void run(bench_record& record) {
      bool over = false;
      boost::asio::co_spawn(io, work.run(), [&](std::exception_ptr failed) {
        over = true;
        thrown = std::move(failed);
      });
      while (!over && io.run_one() != 0) {
      }
      if (thrown) record.give_up();
    }

    boost::asio::io_context io{1};  // outlives what completes on it
    std::shared_ptr<Store> kept;
    visor::engine<Store> work;
    std::exception_ptr thrown;
    std::thread thread;
  };

  static auto handler(bench_record& record, visor::duration long_work) {
    return [&record, long_work](visor::job_context& job, bench_payload const& carried) -> visor::task<> {
      record.begin(carried.number);
      if (long_work > visor::duration{0} && carried.number % 100 == 0) {
        boost::asio::steady_timer timer(job.executor(), long_work);
        auto waiting = timer.async_wait(boost::asio::use_awaitable);
        co_await std::move(waiting);
      }
      record.end(carried.number);
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
