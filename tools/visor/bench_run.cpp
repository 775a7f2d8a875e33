#include "bench.hpp"
#include "bench_nodes.hpp"
#include "bench_sandbox.hpp"
#include "command.hpp"
#include "drivers.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "words.hpp"

#include "visor/async/clock.hpp"
#include "visor/handler/payload.hpp"
#include "visor/store/id_block.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace visor_program {
namespace {

/// One run of one scenario in a sandbox: it adds the work, waits for it, and verifies the outcome.
class bench_run {
 public:
  bench_run(driver_entry const& driver, bench_plan const& plan)
      : driver_(driver), plan_(plan), sandbox_(driver.sandbox(plan)), client_(opened(sandbox_->store({}))) {}

  /// \throws failure when a job was not done exactly once
  bench_result run() {
    result_.display_name = sandbox_->display_name();
    result_.server = driver_.several_nodes ? driver_.probe(plan_.settings).server : driver_.library();
    if (plan_.scenario != bench_scenario::bulk_enqueue && plan_.scenario != bench_scenario::deep_queue &&
        plan_.scenario != bench_scenario::pinned_xmin)
      count_statements();
    auto const written = sandbox_->written_bytes();
    switch (plan_.scenario) {
      case bench_scenario::burn_down:
      case bench_scenario::one_at_a_time:
      case bench_scenario::mixed: burn_down(); break;
      case bench_scenario::steady: steady(); break;
      case bench_scenario::bulk_enqueue: bulk_enqueue(); break;
      case bench_scenario::schedule_storm: schedule_storm(); break;
      case bench_scenario::deep_queue: deep_queue(); break;
      case bench_scenario::pinned_xmin: pinned_xmin(); break;
    }
    if (auto const now_written = sandbox_->written_bytes(); written && now_written && plan_.scenario != bench_scenario::deep_queue)
      result_.wal_bytes_per_job = (*now_written - *written) / static_cast<double>(plan_.jobs);
    result_.resident_bytes = resident_bytes();
    for (auto& [_, samples] : result_.latencies) samples.sort();
    return std::move(result_);
  }

 private:
  /// Measures time and processor time of this process during its life.
  class stopwatch {
   public:
    explicit stopwatch(bench_result& in) : in_(in), begin_(clock_.elapsed()), cpu_(cpu_seconds()) {}
    stopwatch(stopwatch const&) = delete;
    stopwatch& operator=(stopwatch const&) = delete;
    ~stopwatch() {
      in_.seconds = bench_seconds(clock_.elapsed() - begin_);
      in_.client_cpu_seconds = cpu_seconds() - cpu_;
    }

   private:
    static double cpu_seconds() {
      rusage used{};
      ::getrusage(RUSAGE_SELF, &used);
      auto const seconds = [](timeval const& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
      return seconds(used.ru_utime) + seconds(used.ru_stime);
    }

    visor::wall_clock clock_;
    bench_result& in_;
    visor::duration begin_;
    double cpu_;
  };

  static std::size_t resident_bytes() {
    std::size_t all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

  // --- what every scenario is made of ---------------------------------------------------------------------------------------------

  visor::new_job make_job(std::int64_t number, std::string const& filling) const {
    visor::new_job job;
    job.type = bench_type;
    bench_payload carried;
    carried.number = number;
    carried.text = filling;
    job.payload = visor::to_payload(carried);
    return job;
  }

  /// Filling that makes the whole payload as long as was asked for.
  std::string filling() const {
    auto const empty = make_job(plan_.jobs, {}).payload.size();
    return std::string(plan_.payload - std::min(plan_.payload, empty), 'x');
  }

  visor::task<visor::job_id> reserve(std::int64_t count) {
    constexpr std::int64_t most = 1'000'000;  // at a time
    std::optional<visor::job_id> first;
    for (std::int64_t have = 0; have < count; have += most) {
      auto more = co_await client_->reserve_ids(static_cast<std::size_t>(std::min(count - have, most)));
      bool const is_in_a_row = more.is_consecutive();
      visor::job_id const next = more.take();
      if (!first) first = next;
      if (!is_in_a_row || next != *first + have)
        throw failure("somebody else adds jobs here: the numbers of the benchmark's are not in a row");
    }
    co_return *first;
  }

  /// Adds jobs, `batch` of them in one call.
  visor::task<> enqueue(storage& to, visor::job_id first, std::int64_t from, std::int64_t until, std::size_t batch) {
    std::string const text = filling();
    std::vector<visor::new_job> group;
    group.reserve(batch);
    for (std::int64_t number = from; number < until;) {
      group.clear();
      for (; number < until && group.size() < batch; ++number) {
        group.push_back(make_job(number, text));
        group.back().id = first + number;
      }
      co_await to.enqueue(group);
    }
  }

  visor::job_id enqueue_all(std::int64_t count, std::size_t batch) {
    auto const begin = clock_.elapsed();
    auto const first = run_sync(reserve(count));
    run_sync(enqueue(*client_, first, 0, count, batch));
    result_.enqueue_seconds = bench_seconds(clock_.elapsed() - begin);
    sandbox_->settle();
    return first;
  }

  /// The store of a node: its own, as that of another process, where there may be several.
  std::shared_ptr<storage> store_for_node() { return driver_.several_nodes ? opened(sandbox_->store({})) : client_; }

  bench_nodes make_nodes(bench_record& record) {
    std::vector<std::shared_ptr<storage>> stores;
    for (int i = 0; i < plan_.nodes; ++i) stores.push_back(store_for_node());
    return bench_nodes(plan_, std::move(stores), record);
  }

  /// \throws failure when a job of `first` to before `end` did not complete at its first attempt, or their number is not
  ///   `count`
  void verify(visor::job_id first, visor::job_id end, std::int64_t count) {
    visor::job_filter filter;
    filter.before = end;
    filter.limit = 5'000;
    std::int64_t seen = 0;
    for (bool more = true; more;) {
      auto const page = run_sync(client_->jobs(filter));
      more = page.size() == filter.limit;
      for (auto const& view : page) {
        if (view.job.id < first) {
          more = false;
          break;
        }
        ++seen;
        if (view.state != visor::job_state::completed || view.attempts != 1)
          throw failure("the run does not count: job " + std::to_string(view.job.id) + " is " + std::string(word(view.state)) + " after " +
                        std::to_string(view.attempts) + " attempts, not completed after one");
        filter.before = view.job.id;
      }
    }
    if (seen != count) throw failure("the run does not count: there are " + std::to_string(seen) + " jobs, not " + std::to_string(count));
  }

  // --- the scenarios --------------------------------------------------------------------------------------------------------------

  /// Counts the statements of a job from adding it to its end, with a few jobs and a store that logs each statement.
  void count_statements() {
    if (!driver_.several_nodes) return;
    std::atomic<std::int64_t> count{0};
    auto const log = [&count](visor::log_level, std::string_view line) {
      if (line.starts_with("statement, ")) ++count;
    };
    auto few = plan_;
    few.jobs = std::min<std::int64_t>(plan_.jobs, static_cast<std::int64_t>(std::max<std::size_t>(4 * plan_.batch, 100)));
    auto const teller = opened(sandbox_->store(log));
    auto const first = run_sync(reserve(few.jobs));
    count = 0;
    run_sync(enqueue(*teller, first, 0, few.jobs, plan_.scenario == bench_scenario::steady ? 1 : plan_.batch));
    bench_record record(few.jobs);
    few.nodes = 1;
    few.long_work = visor::duration{0};
    bench_nodes nodes(few, {teller}, record);
    nodes.run();
    result_.statements_per_job = static_cast<double>(count.load()) / static_cast<double>(few.jobs);
  }

  void burn_down() {
    auto const first = enqueue_all(plan_.jobs, std::max<std::size_t>(plan_.batch, 500));
    bench_record record(plan_.jobs);
    auto nodes = make_nodes(record);
    {
      stopwatch const measuring(result_);
      nodes.run();
    }
    record.check();
    verify(first, first + plan_.jobs, plan_.jobs);
  }

  void bulk_enqueue() {
    auto const first = run_sync(reserve(plan_.jobs));
    {
      stopwatch const measuring(result_);
      for (int i = 0; i < plan_.nodes; ++i) contexts_.emplace_back(1);
      std::vector<std::thread> clients;
      std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(plan_.nodes));
      for (int i = 0; i < plan_.nodes; ++i)
        clients.emplace_back([this, i, first, &failed = thrown[static_cast<std::size_t>(i)]] {
          try {
            run_to_end(contexts_[static_cast<std::size_t>(i)],
                       enqueue(*client_, first, plan_.jobs * i / plan_.nodes, plan_.jobs * (i + 1) / plan_.nodes, plan_.batch));
          } catch (...) {
            failed = std::current_exception();
          }
        });
      for (auto& each : clients) each.join();
      for (auto const& each : thrown)
        if (each) std::rethrow_exception(each);
    }
    sandbox_->settle();
    visor::job_filter filter;
    filter.state = visor::job_state::ready;
    filter.limit = 5'000;
    std::int64_t seen = 0;
    for (auto page = run_sync(client_->jobs(filter)); !page.empty(); page = run_sync(client_->jobs(filter))) {
      seen += static_cast<std::int64_t>(page.size());
      filter.before = page.back().job.id;
    }
    if (seen != plan_.jobs)
      throw failure("the run does not count: " + std::to_string(seen) + " jobs are ready, not " + std::to_string(plan_.jobs));
  }

  /// Adds jobs one by one at their times, whether or not the earlier ones have been added.
  visor::task<> send(storage& to, bench_record& record, visor::duration begin, bench_samples& acknowledged, std::string& trouble) {
    auto const executor = co_await boost::asio::this_coro::executor;
    std::string const text = filling();
    boost::asio::steady_timer timer(executor);
    std::int64_t open = 0;
    for (std::int64_t number = 0; number < plan_.jobs && !record.is_given_up(); ++number) {
      auto const planned = begin + visor::duration{static_cast<std::int64_t>(static_cast<double>(number) * 1e6 / plan_.rate)};
      auto const wait = planned - clock_.elapsed();
      if (wait > visor::duration{0}) {
        timer.expires_after(wait);
        auto waiting = timer.async_wait(boost::asio::use_awaitable);
        co_await std::move(waiting);
      }
      record.plan(number, planned);
      ++open;
      boost::asio::co_spawn(executor, send_one(to, make_job(number, text)),
                            [this, planned, &open, &acknowledged, &trouble, &record](std::exception_ptr failed) {
                              --open;
                              acknowledged.add(clock_.elapsed() - planned);
                              if (!failed) return;
                              try {
                                std::rethrow_exception(failed);
                              } catch (std::exception const& thrown) {
                                trouble = thrown.what();
                              }
                              record.give_up();
                            });
    }
    while (open > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      auto waiting = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(waiting);
    }
  }

  /// Adds a job as `visor::scheduler` does.
  visor::task<> send_one(storage& to, visor::new_job job) {
    auto id = ids_.take(clock_.elapsed());
    if (!id) {
      auto reserved = co_await to.reserve_ids(ids_.wanted(clock_.elapsed()));
      id = ids_.put(std::move(reserved), clock_.elapsed());
    }
    job.id = *id;
    auto const one = std::span<visor::new_job const>(&job, 1);
    co_await to.enqueue(one);
  }

  void steady() {
    auto const first = run_sync(reserve(1)) + 1;
    bench_record record(plan_.jobs);
    auto nodes = make_nodes(record);
    auto& acknowledged = result_.latencies["acknowledge"];
    acknowledged.reserve(static_cast<std::size_t>(plan_.jobs));
    std::string trouble;
    {
      stopwatch const measuring(result_);
      nodes.start();
      // By then the nodes have joined, and found nothing to do.
      auto const begin = clock_.elapsed() + std::chrono::milliseconds{300};
      run_sync(send(*client_, record, begin, acknowledged, trouble));
      nodes.finish();
    }
    if (!trouble.empty()) throw failure("a job could not be added: " + trouble);
    record.check();
    result_.latencies["start"] = record.start_latencies();
    auto const end = run_sync(reserve(1));
    verify(first, end, plan_.jobs);
  }

  /// As many schedules as jobs, all of them due when the nodes begin.
  void schedule_storm() {
    auto const first = run_sync(reserve(1)) + 1;
    std::string const text = filling();
    auto const due = run_sync(client_->now());
    std::vector<visor::schedule_record> all(static_cast<std::size_t>(plan_.jobs));
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto const job = make_job(static_cast<std::int64_t>(i), text);
      all[i].id = "bench-" + std::to_string(i);
      all[i].origin = visor::origin::user;
      all[i].type = job.type;
      all[i].payload = job.payload;
      all[i].next_at = due;
      all[i].phrase = visor::to_string(due);
    }
    auto const begin = clock_.elapsed();
    constexpr std::size_t most = 5'000;
    for (std::size_t i = 0; i < all.size(); i += most)
      run_sync(add_schedules(std::span<visor::schedule_record const>(all).subspan(i, std::min(most, all.size() - i))));
    result_.enqueue_seconds = bench_seconds(clock_.elapsed() - begin);
    bench_record record(plan_.jobs);
    auto nodes = make_nodes(record);
    {
      stopwatch const measuring(result_);
      nodes.run();
    }
    record.check();
    auto const end = run_sync(reserve(1));
    verify(first, end, plan_.jobs);
  }

  visor::task<> add_schedules(std::span<visor::schedule_record const> some) {
    for (auto const& each : some) co_await client_->add_schedule(each);
  }

  // --- a node by hand, to measure single claims ------------------------------------------------------------------------

  visor::task<visor::node_lease> join() {
    visor::join_request request;
    request.node = bench_type;
    request.slots = static_cast<int>(plan_.batch);
    request.ttl = std::chrono::hours{1};
    co_return co_await client_->join(request);
  }

  struct hand_result {
    visor::duration claim{};
    visor::duration complete{};
    std::size_t jobs = 0;
  };

  /// Claims a batch and completes it, each in a transaction of its own.
  visor::task<hand_result> work_by_hand(visor::node_lease const& lease, std::size_t most) {
    std::vector<visor::claim_request> const wanted{visor::claim_request("default", most)};
    std::vector<visor::job_result> done;
    std::span<visor::release const> const nothing_back;
    hand_result result;
    auto begin = clock_.elapsed();
    auto const got = co_await client_->exchange(lease, done, nothing_back, wanted);
    result.claim = clock_.elapsed() - begin;
    auto const now = clock_.now();
    for (auto const& claimed : got.claims) {
      for (auto const& job : claimed.jobs) {
        visor::job_result& end = done.emplace_back();
        end.lease = claimed.lease;
        end.job = job.id;
        end.attempt = job.attempt;
        end.started_at = now;
        end.finished_at = now;
      }
    }
    std::span<visor::claim_request const> const nothing_more;
    begin = clock_.elapsed();
    auto const ended = co_await client_->exchange(lease, done, nothing_back, nothing_more);
    result.complete = clock_.elapsed() - begin;
    if (!ended.lease_current || !ended.refused.empty()) throw failure("the run does not count: completions were refused");
    result.jobs = done.size();
    co_return result;
  }

  /// \return how many jobs were done; fewer than were asked for when there are no more
  std::int64_t work_by_hand(visor::node_lease const& lease, std::int64_t jobs, bench_samples& claims, bench_samples& completes) {
    std::int64_t done = 0;
    while (done < jobs) {
      auto const one = run_sync(work_by_hand(lease, std::min(plan_.batch, static_cast<std::size_t>(jobs - done))));
      if (one.jobs == 0) break;
      claims.add(one.claim);
      completes.add(one.complete);
      done += static_cast<std::int64_t>(one.jobs);
    }
    return done;
  }

  void deep_queue() {
    auto const ready = std::max(plan_.depth / 10, plan_.jobs);
    auto const first = run_sync(reserve(plan_.depth + ready));
    auto const begin = clock_.elapsed();
    sandbox_->fill(first, plan_.depth, ready);
    sandbox_->settle();
    result_.enqueue_seconds = bench_seconds(clock_.elapsed() - begin);
    auto const lease = run_sync(join());
    {
      stopwatch const measuring(result_);
      work_by_hand(lease, plan_.jobs, result_.latencies["claim"], result_.latencies["complete"]);
    }
    run_sync(client_->leave(lease, visor::departure::clean));
    verify(first + plan_.depth, first + plan_.depth + plan_.jobs, plan_.jobs);
  }

  void pinned_xmin() {
    auto const first = enqueue_all(plan_.jobs, 5'000);
    auto const lease = run_sync(join());
    auto const pin = sandbox_->pin();
    auto& claims = result_.latencies["claim"];
    auto& completes = result_.latencies["complete"];
    {
      stopwatch const measuring(result_);
      constexpr std::int64_t points = 20;
      for (std::int64_t i = 0; i < points; ++i) {
        bench_samples some, rest;
        auto const before = plan_.jobs * i / points;
        auto const done = work_by_hand(lease, plan_.jobs * (i + 1) / points - before, some, rest);
        if (done == 0) continue;
        claims.add_all(some);
        completes.add_all(rest);
        some.sort();
        result_.claims.push_back({before, some.milliseconds_at(0.5), some.milliseconds_at(0.99)});
      }
    }
    run_sync(client_->leave(lease, visor::departure::clean));
    verify(first, first + plan_.jobs, plan_.jobs);
  }

  driver_entry const& driver_;
  bench_plan const& plan_;
  visor::wall_clock clock_;
  visor::detail::id_block ids_;
  std::deque<boost::asio::io_context> contexts_;  // of several threads that add jobs: they outlive the operations that complete on them
  std::unique_ptr<bench_sandbox> sandbox_;        // removes its tables after all stores in it are closed
  std::shared_ptr<storage> client_;
  bench_result result_;
};

}  // namespace

bench_result run_bench(driver_entry const& driver, bench_plan const& plan) { return bench_run(driver, plan).run(); }

}  // namespace visor_program
