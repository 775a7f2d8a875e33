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
  /// Each caller waits for its own commit before it adds the next job.
  double enqueue_by(int callers, int jobs) {
    std::int64_t next = 1;
    return by(callers, [&] { return enqueue_singly(next, jobs); });
  }
  /// Each caller has one job at a time.
  double work_off_by(int callers) {
    return by(callers, [&] { return work_all(1); });
  }

  /// Declares schedules as a starting node does: all of them new at first, and once more when all are stored.
  double replace(std::vector<visor::schedule_record> const& all) {
    return seconds_of([&] { run(io_, replace_all(all)); });
  }

  /// Fires all due schedules, in orders of a thousand.
  double fire(std::vector<visor::schedule_record> const& all) {
    return seconds_of([&] { run(io_, fire_all(all)); });
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

  template <class Work>
  double by(int callers, Work work) {
    return seconds_of([&] {
      for (int i = 0; i < callers; ++i)
        boost::asio::co_spawn(io_, work(), [](std::exception_ptr failure) {
          if (failure) std::rethrow_exception(failure);
        });
      io_.restart();
      io_.run();
    });
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

  visor::task<> enqueue_singly(std::int64_t& next, std::int64_t jobs) {
    std::vector<visor::new_job> one(1);
    one[0].type = "bench";
    one[0].payload = payload;
    while (next <= jobs) {
      one[0].id = next++;
      co_await store_->enqueue(one);
    }
  }

  visor::task<> replace_all(std::vector<visor::schedule_record> const& all) { co_await store_->add_schedules(all); }

  visor::task<> fire_all(std::vector<visor::schedule_record> const& all) {
    std::int64_t id = 1;
    for (std::size_t first = 0; first < all.size(); first += 1000) {
      std::vector<visor::fire_order> orders;
      for (std::size_t i = first; i < std::min(all.size(), first + 1000); ++i) {
        visor::fire_order& order = orders.emplace_back();
        order.schedule = all[i].id;
        order.expected_next = all[i].next_at;
        order.planned = {*all[i].next_at};
        order.ids = {id++};
        order.next_at = *all[i].next_at + std::chrono::minutes{1};
      }
      auto const results = co_await store_->fire(lease_, orders);
      for (auto const& result : results)
        if (!result.accepted) std::abort();
    }
  }

  visor::task<> work_all(std::size_t batch) {
    std::vector<visor::claim_request> const wanted{visor::claim_request("default", batch)};
    std::vector<visor::job_result> done;
    std::vector<visor::release> const nothing_back;
    for (;;) {
      auto const got = co_await store_->exchange(lease_, done, nothing_back, wanted);
      if (!got.refused.empty()) std::abort();
      done.clear();
      if (got.claims.empty()) co_return;
      auto const now = visor::wall_clock().now();
      for (auto const& job : got.claims[0].jobs) {
        visor::job_result& end = done.emplace_back();
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

/// Measures callers that each wait for their own commit. They share commits, so together they exceed the commits of one
/// connection.
void measure_callers(std::filesystem::path const& folder) {
  constexpr int jobs = 20'000;
  for (int const callers : {1, 8, 64}) {
    bench ours(folder, true);
    int const count = callers == 1 ? jobs / 10 : jobs;
    std::printf("%2d callers, full        enqueue one each     %10.0f /s\n", callers, count / ours.enqueue_by(callers, count));
    std::printf("%2d callers, full        claim and complete   %10.0f /s\n", callers, count / ours.work_off_by(callers));
    std::fflush(stdout);
  }
}

void measure_schedules(std::filesystem::path const& folder) {
  std::vector<visor::schedule_record> all(100'000);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].id = "schedule-" + std::to_string(i);
    all[i].expression = "*/5 * * * *";
    all[i].type = "report";
    all[i].payload = payload;
    all[i].next_at = visor::instant(std::chrono::seconds{1'000'000});
    all[i].overlap = visor::overlap::skip;
  }
  bench ours(folder, true);
  std::printf("100,000 schedules      stored at a start    %10.2f s\n", ours.replace(all));
  std::printf("100,000 schedules      compared at a start  %10.2f s\n", ours.replace(all));
  all.resize(10'000);
  std::printf("10,000 due at once     fired                %10.2f s\n", ours.fire(all));
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path const folder =
      (argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path()) / ("visor-bench-" + std::to_string(::getpid()));
  std::vector<case_of> const cases{{"batch 500, full", true, 500, 100'000},
                                   {"batch 500, normal", false, 500, 100'000},
                                   {"one at a time, full", true, 1, 2'000},
                                   {"one at a time, normal", false, 1, 20'000}};
  for (auto const& each : cases) measure(folder, each);
  measure_callers(folder);
  measure_schedules(folder);
}
