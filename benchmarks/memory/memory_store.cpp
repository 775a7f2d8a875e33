#include "visor/memory.hpp"

#include "support/run.hpp"

#include <benchmark/benchmark.h>

#include <deque>
#include <string>
#include <vector>

/// Measures the store in memory, in batches, through its public coroutines, with a number of jobs already stored. The floor
/// beside it copies the same rows into a plain vector and out of a plain queue; it finds, orders and remembers nothing.
namespace {

constexpr std::size_t batch = 1000;

std::vector<visor::new_job> make_jobs(std::int64_t first) {
  std::vector<visor::new_job> jobs(batch);
  for (auto& job : jobs) {
    job.id = first++;
    job.type = "send-report-to-customer";
    job.payload = R"({"to": "ops@example.com", "pages": 3})";
  }
  return jobs;
}

/// A store that keeps `jobs` jobs, with one node.
struct loaded_store {
  explicit loaded_store(std::int64_t jobs) {
    visor_test::run(io, store.open());
    visor::join_request request;
    request.node = "bench";
    request.ttl = std::chrono::hours{1};
    lease = visor_test::run(io, store.join(request));
    while (jobs > 0) {
      enqueue();
      jobs -= static_cast<std::int64_t>(batch);
    }
  }

  void enqueue() {
    auto const jobs = make_jobs(next);
    next += static_cast<std::int64_t>(batch);
    visor_test::run(io, store.enqueue(jobs));
  }

  boost::asio::io_context io{1};
  visor::memory_store<> store;
  visor::node_lease lease;
  std::int64_t next = 1;
};

void count(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch)); }

void enqueue(benchmark::State& state) {
  loaded_store loaded{state.range(0)};
  for (auto _ : state) {
    state.PauseTiming();
    auto const jobs = make_jobs(loaded.next);
    loaded.next += static_cast<std::int64_t>(batch);
    state.ResumeTiming();
    visor_test::run(loaded.io, loaded.store.enqueue(jobs));
  }
  count(state);
}

void claim(benchmark::State& state) {
  loaded_store loaded{state.range(0)};
  std::vector<visor::claim_request> const wanted{visor::claim_request("default", batch)};
  for (auto _ : state) {
    state.PauseTiming();
    loaded.enqueue();
    state.ResumeTiming();
    auto result = visor_test::run(loaded.io, loaded.store.exchange(loaded.lease, {}, {}, wanted));
    if (result.claims.at(0).jobs.size() != batch) state.SkipWithError("a claim was short");
    state.PauseTiming();
    result = {};
    state.ResumeTiming();
  }
  count(state);
}

/// Measures a whole life of a job: enqueue, claim, complete with history.
void life(benchmark::State& state) {
  loaded_store loaded{state.range(0)};
  std::vector<visor::claim_request> const wanted{visor::claim_request("default", batch)};
  std::vector<visor::job_result> done;
  for (auto _ : state) {
    loaded.enqueue();
    auto const result = visor_test::run(loaded.io, loaded.store.exchange(loaded.lease, done, {}, wanted));
    done.clear();
    for (auto const& job : result.claims.at(0).jobs) {
      visor::job_result& each = done.emplace_back();
      each.lease = result.claims[0].lease;
      each.job = job.id;
      each.attempt = job.attempt;
      each.finished_at = each.started_at = result.claims[0].taken_at;
    }
  }
  count(state);
}

void floor_of_enqueue(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto const jobs = make_jobs(1);
    std::deque<visor::new_job> kept;
    state.ResumeTiming();
    for (auto const& job : jobs) kept.push_back(job);
    state.PauseTiming();
    benchmark::DoNotOptimize(kept);
    kept.clear();
    state.ResumeTiming();
  }
  count(state);
}

void floor_of_claim(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto const jobs = make_jobs(1);
    std::vector<visor::new_job> taken;
    state.ResumeTiming();
    for (auto const& job : jobs) taken.push_back(job);
    state.PauseTiming();
    benchmark::DoNotOptimize(taken);
    taken.clear();
    state.ResumeTiming();
  }
  count(state);
}

BENCHMARK(floor_of_enqueue)->UseRealTime();
BENCHMARK(enqueue)->Arg(0)->Arg(1'000'000)->Iterations(500)->UseRealTime();
BENCHMARK(floor_of_claim)->UseRealTime();
BENCHMARK(claim)->Arg(0)->Arg(1'000'000)->Iterations(500)->UseRealTime();
BENCHMARK(life)->Arg(0)->Arg(1'000'000)->Iterations(500)->UseRealTime();

}  // namespace
