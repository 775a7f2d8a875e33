#include "floor.hpp"

#include "visor/sqlite.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

// Jobs per second through the SQLite store, each beside the floor: the same statements in a plain C loop on one connection, in the
// same run on the same disk. Usage: benchmark_sqlite [folder for the databases]

namespace {

using clock_type = std::chrono::steady_clock;
std::string const payload = R"({"to":"ops@example.com","pages":12,"subject":"the nightly report of platform"})";

void run(boost::asio::io_context& io, visor::task<> work) {
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown) { failure = thrown; });
  io.restart();
  io.run();
  if (failure) std::rethrow_exception(failure);
}

double seconds_of(std::function<void()> const& what) {
  auto const start = clock_type::now();
  what();
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

struct case_of {
  char const* name;
  bool full;
  int batch;
  int jobs;
};

/// One empty database with its tables and a node; every measurement has its own.
class bench {
 public:
  bench(std::filesystem::path folder, bool full) : folder_(std::move(folder)) {
    std::filesystem::remove_all(folder_);
    visor::sqlite_settings settings((folder_ / "bench.db").string());
    settings.synchronous = full ? visor::sqlite_synchronous::full : visor::sqlite_synchronous::normal;
    store_.emplace(settings);
    run(io_, store_->open());
    run(io_, join());
  }
  ~bench() {
    run(io_, store_->close());
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  double enqueue(int jobs, int batch) {
    return seconds_of([&] { run(io_, enqueue_all(jobs, batch)); });
  }
  double work_off(int batch) {
    return seconds_of([&] { run(io_, work_all(static_cast<std::size_t>(batch))); });
  }
  std::string filename() const { return (folder_ / "bench.db").string(); }
  void close() { run(io_, store_->close()); }

 private:
  visor::task<> join() {
    visor::join_request request;
    request.node = "bench";
    request.ttl = std::chrono::hours{1};
    lease_ = co_await store_->join(request);
  }

  visor::task<> enqueue_all(int jobs, int batch) {
    std::vector<visor::new_job> group(static_cast<std::size_t>(batch));
    std::int64_t id = 1;
    for (int done = 0; done < jobs; done += batch) {
      for (auto& job : group) {
        job.id = id++;
        job.type = "bench";
        job.payload = payload;
      }
      co_await store_->enqueue(group);
    }
  }

  visor::task<> work_all(std::size_t batch) {
    std::vector<visor::claim_request> const wanted{visor::claim_request("default", batch)};
    std::vector<visor::completion> done;
    std::vector<visor::give_back> const nothing_back;
    for (;;) {
      auto const got = co_await store_->exchange(lease_, done, nothing_back, wanted);
      if (!got.refused.empty()) std::abort();
      done.clear();
      if (got.claims.empty()) co_return;
      auto const now = visor::wall_clock().now();
      for (auto const& job : got.claims[0].jobs) {
        visor::completion& end = done.emplace_back();
        end.lease = got.claims[0].lease;
        end.job = job.id;
        end.attempt = job.attempt;
        end.started_at = now;
        end.finished_at = now;
      }
    }
  }

  std::filesystem::path folder_;
  boost::asio::io_context io_;
  std::optional<visor::sqlite_store<>> store_;
  visor::node_lease lease_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(std::filesystem::path const& folder, case_of const& what) {
  std::vector<double> enqueued, worked, floor_enqueued, floor_worked;
  for (int round = 0; round < 3; ++round) {
    {
      bench ours(folder, what.full);
      enqueued.push_back(what.jobs / ours.enqueue(what.jobs, what.batch));
      worked.push_back(what.jobs / ours.work_off(what.batch));
    }
    bench prepared(folder, what.full);
    prepared.close();
    sqlite_floor floor(prepared.filename(), what.full);
    floor_enqueued.push_back(what.jobs / seconds_of([&] {
                               for (int done = 0; done < what.jobs; done += what.batch) floor.enqueue(1 + done, what.batch, payload);
                             }));
    floor_worked.push_back(what.jobs / seconds_of([&] {
                             while (floor.exchange(what.batch) != 0) {
                             }
                           }));
  }
  auto const line = [&](char const* operation, double ours, double floor) {
    std::printf("%-22s %-20s %10.0f /s   floor %10.0f /s   ratio %.2f\n", what.name, operation, ours, floor, ours / floor);
    std::fflush(stdout);
  };
  line("enqueue", median(enqueued), median(floor_enqueued));
  line("claim and complete", median(worked), median(floor_worked));
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path const folder =
      (argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path()) / ("visor-bench-" + std::to_string(::getpid()));
  std::vector<case_of> const cases{{"batch 500, full", true, 500, 100'000},
                                   {"batch 500, normal", false, 500, 100'000},
                                   {"one at a time, full", true, 1, 10'000},
                                   {"one at a time, normal", false, 1, 40'000}};
  for (auto const& each : cases) measure(folder, each);
}
