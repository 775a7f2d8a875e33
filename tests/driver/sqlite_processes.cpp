#include "sqlite_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

// Several processes on one file. Each child is a fork of a process without other threads, and ends by itself or by SIGKILL.
namespace visor_test {
namespace {

using default_store = visor::sqlite_store<>;

/// Runs in a process of its own; true becomes exit code 0.
pid_t start(std::function<bool()> const& what) {
  pid_t const child = ::fork();
  if (child != 0) return child;
  bool well = false;
  try {
    well = what();
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "child: %s\n", failure.what());
  }
  ::_exit(well ? 0 : 1);
}

bool ended_well(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Lets children begin at the same instant.
class starting_line {
 public:
  starting_line() {
    if (::pipe(ends_) != 0) throw std::runtime_error("no pipe");
  }
  void wait() const {
    ::close(ends_[1]);
    char nothing;
    while (::read(ends_[0], &nothing, 1) > 0) {
    }
  }
  void go() const {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

 private:
  int ends_[2];
};

visor::sqlite_settings patient(std::string const& filename) {
  auto settings = quick(filename);
  settings.busy_timeout = std::chrono::minutes(1);
  return settings;
}

std::vector<visor::new_job> jobs_of(std::int64_t first, std::size_t count) {
  std::vector<visor::new_job> jobs(count);
  for (auto& job : jobs) {
    job.id = first++;
    job.type = "x";
  }
  return jobs;
}

}  // namespace

TEST_CASE("processes that start at once on a new file make its tables once", "[driver][sqlite][processes]") {
  for (int round = 0; round < 5; ++round) {
    temporary_folder const folder;
    starting_line const line;
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i)
      children.push_back(start([&] {
        boost::asio::io_context io;
        default_store store(patient(folder.file("new/schedules.db")));
        line.wait();
        run(io, store.open());
        bool const well = run(io, store.schema().validate()).empty();
        run(io, store.close());
        return well;
      }));
    line.go();
    for (pid_t const child : children) CHECK(ended_well(child));
    other_connection other(folder.file("new/schedules.db"));
    CHECK(other.value("SELECT count(*) FROM visor_migration") == std::to_string(visor::schema_versions.size()));
    CHECK(other.value("PRAGMA integrity_check") == "ok");
  }
}

TEST_CASE("processes share a queue, and no job is claimed twice", "[driver][sqlite][processes]") {
  constexpr int processes = 3;
  constexpr std::size_t jobs = 300;
  temporary_folder const folder;
  starting_line const line;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p)
    children.push_back(start([&, p] {
      boost::asio::io_context io;
      default_store store(patient(folder.file()));
      line.wait();
      run(io, store.open());
      auto const first = run(io, store.reserve_ids(jobs / processes)).take();
      auto const mine = jobs_of(first, jobs / processes);
      bool well = run(io, store.enqueue(mine)) == mine.size();
      visor::join_request request;
      request.node = "node " + std::to_string(p);
      auto const lease = run(io, store.join(request));
      std::vector<visor::claim_request> const wanted{visor::claim_request("default", 7)};
      std::vector<visor::job_result> done;
      for (;;) {
        auto const got = run(io, store.exchange(lease, done, {}, wanted));
        well = well && got.refused.empty() && got.lease_current;
        done.clear();
        if (got.claims.empty()) break;
        for (auto const& job : got.claims[0].jobs) {
          auto& end = done.emplace_back();
          end.lease = got.claims[0].lease;
          end.job = job.id;
          end.attempt = job.attempt;
        }
      }
      run(io, store.close());
      return well;
    }));
  line.go();
  for (pid_t const child : children) CHECK(ended_well(child));
  other_connection other(folder.file());
  CHECK(other.value("SELECT count(*) FROM visor_job") == std::to_string(jobs));
  CHECK(other.value("SELECT count(*) FROM visor_ready") == "0");
  CHECK(other.value("SELECT count(*) FROM visor_lease") == "0");
  CHECK(other.value("SELECT count(*) FROM visor_attempt WHERE final_state = 'completed' AND number = 1") == std::to_string(jobs));
  CHECK(other.value("SELECT count(DISTINCT lease) FROM visor_attempt") != "1");
}

TEST_CASE("one process hears what another added", "[driver][sqlite][processes]") {
  temporary_folder const folder;
  starting_line const line;
  // Jobs that are added before the listening thread has looked for the first time cause no notification.
  pid_t const child = start([&] {
    boost::asio::io_context io;
    default_store store(patient(folder.file()));
    line.wait();
    run(io, store.open());
    for (int i = 1; i <= 80; ++i) {
      run(io, store.enqueue(jobs_of(i, 1)));
      std::this_thread::sleep_for(250ms);
    }
    return true;
  });
  boost::asio::io_context io;
  default_store store(patient(folder.file()));
  run(io, store.open());
  std::atomic<int> calls{0};
  auto const hearing = store.on_change([&] { ++calls; });
  auto const until = std::chrono::steady_clock::now() + 20s;
  line.go();
  while (calls == 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(5ms);
  CHECK(calls > 0);
  ::kill(child, SIGKILL);
  ended_well(child);
}

TEST_CASE("what was acknowledged survives a kill, and a group is whole or absent", "[driver][sqlite][processes]") {
  temporary_folder const folder;
  std::int64_t acknowledged = 0;
  for (int round = 0; round < 8; ++round) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::int64_t const first = round * 1'000'000 + 1;
    pid_t const child = start([&] {
      boost::asio::io_context io;
      default_store store(patient(folder.file()));
      run(io, store.open());
      for (std::int64_t id = first;; id += 5) {
        run(io, store.enqueue(jobs_of(id, 5)));
        if (::write(ends[1], &id, sizeof id) != sizeof id) return false;
      }
    });
    ::close(ends[1]);
    std::int64_t id = 0;
    std::int64_t last = 0;
    for (int i = 0; i < 10 + 7 * round && ::read(ends[0], &id, sizeof id) == sizeof id; ++i) last = id;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &id, sizeof id) == sizeof id) last = id;
    ::close(ends[0]);
    acknowledged += last - first + 5;
    other_connection other(folder.file());
    CHECK(other.value("SELECT count(*) FROM visor_job WHERE id BETWEEN " + std::to_string(first) + " AND " + std::to_string(last + 4)) ==
          std::to_string(last - first + 5));
    CHECK(other.value("SELECT count(*) % 5 FROM visor_job") == "0");
    CHECK(other.value("SELECT (SELECT count(*) FROM visor_job) - (SELECT count(*) FROM visor_ready)") == "0");
  }
  CHECK(acknowledged > 0);
  CHECK(other_connection(folder.file()).value("PRAGMA integrity_check") == "ok");
}

}  // namespace visor_test
