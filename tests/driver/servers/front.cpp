#include "test_database.hpp"

#include "visor/store/sql/sql_store.hpp"

#include <array>

// The start of claims, on every server where claimed rows remain in their way.
namespace visor_test {
namespace {

namespace st = visor::statements;
using ids = std::vector<visor::job_id>;

visor::instant at(std::int64_t seconds) { return visor::instant(std::chrono::seconds(seconds)); }

}  // namespace

TEST_CASE("a claim takes what lies behind a position, in the order of the queue", "[servers]") {
  test_database where;
  boost::asio::io_context io{1};
  visor::sql_store<server_traits::driver> store(where.settings());
  run(io, store.open());
  run(io, store.close());

  std::array<st::queued_row, 9> const rows{{{at(1), 8, -5, 1, "q"},
                                            {at(1), 9, -5, 1, "q"},
                                            {at(2), 5, -5, 1, "q"},
                                            {at(2), 6, -5, 1, "q"},
                                            {at(1), 3, 100, 1, "q"},
                                            {at(1), 4, 100, 1, "q"},
                                            {at(2), 1, 100, 1, "q"},
                                            {at(2), 2, 100, 1, "q"},
                                            {at(3), 7, 100, 1, "r"}}};
  std::vector<st::new_job_row> jobs;
  for (auto const& row : rows) jobs.push_back({row.job, row.run_at, at(0), row.priority, 1, "{}", "t", row.queue, {}, {}, {}});

  database in(where.settings());
  run(io, in.open());
  auto add_jobs = [&](session& on) -> visor::task<> { co_await on.post_many(st::insert_job(), std::span<st::new_job_row const>(jobs)); };
  run(io, in.transact(add_jobs, visor::lock_mode::shared));

  auto const claim = [&](std::int64_t priority, std::int64_t seconds, visor::job_id job) {
    ids found;
    auto put_and_take = [&](session& on) -> visor::task<> {
      found.clear();
      co_await on.run("DELETE FROM visor_ready");
      co_await on.post_many(st::insert_ready(), std::span<st::queued_row const>(rows));
      st::front_params const front{"q", 3, priority, at(seconds), job};
      auto const taken = co_await on.query(st::front_of_queue(), front);
      for (auto const& each : taken) found.push_back(each.id);
    };
    run(io, in.transact(put_and_take, visor::lock_mode::shared));
    return found;
  };

  visor::detail::queue_position const before_all;
  CHECK(claim(before_all.priority, 0, before_all.job) == ids{8, 9, 5});
  for (std::size_t last = 0; last < 8; ++last) {
    ids rest;
    for (std::size_t next = last + 1; next < 8 && rest.size() < 3; ++next) rest.push_back(rows[next].job);
    CHECK(claim(rows[last].priority, rows[last].run_at.time_since_epoch() / 1s, rows[last].job) == rest);
  }
  // Places where no job is.
  CHECK(claim(0, 5, 5) == ids{3, 4, 1});
  CHECK(claim(-5, 1, 100) == ids{5, 6, 3});
  CHECK(claim(100, 0, 100) == ids{3, 4, 1});
  run(io, in.close());
}

}  // namespace visor_test
