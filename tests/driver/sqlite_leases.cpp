#include "sqlite_fixture.hpp"

#include "visor/async/manual_clock.hpp"

#include <boost/asio/co_spawn.hpp>

#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <latch>
#include <span>
#include <vector>

// The lease cache of a store, compared with the stored leases.
namespace visor_test {
namespace {

/// A clock that can block its callers: every transaction of a store reads the time, on the thread that writes.
class held_clock : public visor::manual_clock {
 public:
  visor::instant now() const {
    if (gate_->armed.exchange(false)) {
      gate_->entered.count_down();
      gate_->leave.wait();
    }
    return manual_clock::now();
  }
  void hold_next() { gate_->armed = true; }
  bool holds() const { return gate_->entered.try_wait(); }
  void let_go() { gate_->leave.count_down(); }

 private:
  struct gate {
    std::atomic<bool> armed{false};
    std::latch entered{1};
    std::latch leave{1};
  };
  std::shared_ptr<gate> gate_ = std::make_shared<gate>();
};

/// Prevents files from growing: every commit fails, and nothing before it, since SQLite keeps a transaction in memory until
/// then.
class full_disk {
 public:
  full_disk() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit const nothing{0, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &nothing);
  }
  full_disk(full_disk const&) = delete;
  full_disk& operator=(full_disk const&) = delete;
  ~full_disk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }

 private:
  void (*signal_before_)(int) = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before_{};
};

using held_store = visor::sqlite_store<held_clock>;

struct claimed_jobs {
  explicit claimed_jobs(temporary_folder const& folder) : store(quick(folder.file()), clock) {
    run(io, store.open());
    visor::join_request request;
    request.node = "node";
    lease = run(io, store.join(request));
    std::vector<visor::new_job> jobs(2);
    for (auto& job : jobs) {
      job.id = ++last;
      job.type = "x";
    }
    run(io, store.enqueue(jobs));
    std::vector<visor::claim_request> const all{visor::claim_request("default", jobs.size())};
    claims = run(io, store.exchange(lease, {}, {}, all)).claims;
  }

  std::vector<visor::job_result> end_of(visor::job_id job) const {
    std::vector<visor::job_result> one(1);
    one[0].lease = claims.at(0).lease;
    one[0].job = job;
    return one;
  }

  bool accepts(std::vector<visor::job_result> const& done) { return run(io, store.exchange(lease, done, {}, {})).refused.empty(); }

  /// Does not wait for it.
  void begin(std::span<visor::job_result const> done) {
    boost::asio::co_spawn(io, store.exchange(lease, done, {}, {}), [this](std::exception_ptr thrown, visor::exchange_result const&) {
      failures += refusal_of([&] {
                    if (thrown) std::rethrow_exception(thrown);
                  }).was;
      ++ended;
    });
  }

  boost::asio::io_context io;
  held_clock clock;
  held_store store;
  visor::node_lease lease;
  visor::job_id last = 0;
  std::vector<visor::claim> claims;
  int ended = 0;
  int failures = 0;
};

}  // namespace

TEST_CASE("a claim that cannot remove all that it read takes nothing", "[driver][sqlite][claims]") {
  temporary_folder const folder;
  claimed_jobs s(folder);
  std::vector<visor::new_job> jobs(3);
  for (auto& job : jobs) {
    job.id = ++s.last;
    job.type = "x";
  }
  run(s.io, s.store.enqueue(jobs));
  other_connection other(folder.file());
  other.run("CREATE TRIGGER taken BEFORE DELETE ON visor_ready WHEN old.job = " + std::to_string(s.last) +
            " BEGIN SELECT RAISE(IGNORE); END");
  std::vector<visor::claim_request> const all{visor::claim_request("default", jobs.size())};
  CHECK(refusal_of([&] { run(s.io, s.store.exchange(s.lease, {}, {}, all)); }).code == visor::errc::serialization_failure);
  CHECK(other.value("SELECT count(*) FROM visor_ready") == "3");
  CHECK(other.value("SELECT count(*) FROM visor_lease") == "1");
  other.run("DROP TRIGGER taken");
  CHECK(run(s.io, s.store.exchange(s.lease, {}, {}, all)).claims.at(0).jobs.size() == 3);
}

TEST_CASE("ids that are set back are in the way of no new job", "[driver][sqlite][ids]") {
  temporary_folder const folder;
  claimed_jobs s(folder);
  other_connection other(folder.file());
  for (std::string const text :
       {"UPDATE visor_sequence SET next = 1 WHERE name = 'job'", "DELETE FROM visor_sequence WHERE name = 'job'"}) {
    visor::new_job job;
    job.type = "x";
    job.id = run(s.io, s.store.reserve_ids(1)).take();
    CHECK(run(s.io, s.store.enqueue({&job, 1})) == 1);
    other.run(text);
    CHECK(run(s.io, s.store.reserve_ids(1)).take() > job.id);
  }
}

TEST_CASE("a lease keeps its open jobs when a commit fails", "[driver][sqlite][leases]") {
  temporary_folder const folder;
  claimed_jobs s(folder);
  REQUIRE(s.claims.size() == 1);
  REQUIRE(s.claims[0].jobs.size() == 2);
  auto const first = s.end_of(1);
  auto const second = s.end_of(2);

  // The same result twice in one commit: to tell the second from a wrong one, the store reads the open part of the lease, and
  // sees the writes of the first.
  s.clock.hold_next();
  s.begin({});
  s.io.restart();
  while (!s.clock.holds()) s.io.poll();
  s.begin(first);
  s.begin(first);
  s.io.poll();
  {
    full_disk const full;
    s.clock.let_go();
    s.io.run();
  }
  CHECK(s.ended == 3);
  CHECK(s.failures == 2);

  CHECK(s.accepts(second));
  other_connection other(folder.file());
  CHECK(other.value("SELECT count(*) FROM visor_lease") == "1");
  CHECK(s.accepts(first));
  CHECK(other.value("SELECT count(*) FROM visor_lease") == "0");
  CHECK(other.value("SELECT count(*) FROM visor_attempt WHERE final_state = 'completed'") == "2");
}

}  // namespace visor_test
