// The reaction to a job that cannot be started. No store, no clock.
#include "visor/engine/start_backoff.hpp"

#include "support/catch.hpp"

#include <optional>
#include <system_error>

namespace {

using namespace std::chrono_literals;
using visor::duration;
using visor::detail::start_backoff;

constexpr auto no_descriptors = std::errc::too_many_files_open;
constexpr std::size_t slots = 100;

}  // namespace

TEST_CASE("a job that cannot be started waits longer each time in a row, by itself") {
  start_backoff backoff;
  CHECK(backoff.refuse(1, no_descriptors, 0s, 5, 0.0) == 500ms);
  CHECK(backoff.refuse(2, no_descriptors, 0s, 5, 1.0) == 1s);
  CHECK(backoff.refuse(1, no_descriptors, 1s, 5, 0.0) == 1s);
  CHECK(backoff.refuse(1, no_descriptors, 2s, 5, 1.0) == 4s);
  for (int i = 0; i < 100; ++i) backoff.refuse(1, no_descriptors, 3s, 5, 0.0);
  CHECK(backoff.refuse(1, no_descriptors, 4s, 5, 1.0) == 5min);
  backoff.accept(1);
  CHECK(backoff.refuse(1, no_descriptors, 5s, 5, 1.0) == 1s);
  CHECK(backoff.refuse(2, no_descriptors, 5s, 5, 1.0) == 2s);
}

TEST_CASE("a job that lacks memory may be too large itself, and has failed after some tries") {
  start_backoff backoff;
  for (int i = 0; i < 4; ++i) CHECK(backoff.refuse(1, std::errc::not_enough_memory, 0s, 5, 0.0));
  CHECK_FALSE(backoff.refuse(1, std::errc::not_enough_memory, 0s, 5, 0.0));
  CHECK(backoff.refuse(1, std::errc::not_enough_memory, 0s, 5, 1.0) == 1s);
  for (int i = 0; i < 1000; ++i) CHECK(backoff.refuse(2, no_descriptors, 0s, 5, 0.0));
}

TEST_CASE("a node that lacks descriptors, processes or memory holds no more jobs than it could start, for a while") {
  start_backoff backoff;
  CHECK_FALSE(backoff.most_jobs(0s, slots));
  CHECK_FALSE(backoff.changes_at());
  // Of sixty that are claimed together ten cannot be started.
  for (std::size_t others = 59; others >= 50; --others)
    backoff.refuse(static_cast<visor::job_id>(others), no_descriptors, 10s, others, 0.0);
  CHECK(backoff.most_jobs(10s, slots) == 50);
  CHECK(backoff.changes_at() == 11s);
  CHECK(backoff.most_jobs(10999ms, slots) == 50);
  CHECK(backoff.most_jobs(11s, slots) == 62);
  CHECK(backoff.changes_at() == 12s);

  // It lacks them still: the pause doubles.
  backoff.refuse(1, no_descriptors, 12s, 51, 0.0);
  CHECK(backoff.most_jobs(12s, slots) == 51);
  CHECK(backoff.changes_at() == 14s);
  for (auto now = 14s; now < 30s; ++now) backoff.most_jobs(now, slots);
  CHECK_FALSE(backoff.most_jobs(30s, slots));
  CHECK_FALSE(backoff.changes_at());

  backoff.refuse(1, no_descriptors, 31s, 51, 0.0);
  CHECK(backoff.changes_at() == 35s);
}

TEST_CASE("a node that can start nothing claims nothing, and then one job at a time") {
  start_backoff backoff;
  backoff.refuse(1, std::errc::resource_unavailable_try_again, 0s, 0, 0.0);
  CHECK(backoff.most_jobs(999ms, slots) == 0);
  CHECK(backoff.most_jobs(1s, slots) == 1);
  duration now = 1s;
  for (int i = 0; i < 20; ++i) {
    backoff.refuse(1, std::errc::resource_unavailable_try_again, now, 0, 0.0);
    now = backoff.changes_at().value();
    CHECK(backoff.most_jobs(now, slots) == 1);
  }
  backoff.refuse(1, std::errc::resource_unavailable_try_again, now, 0, 0.0);
  CHECK(backoff.changes_at() == now + 1min);
}

TEST_CASE("a program that is being written, or on a server that is away, concerns no other job") {
  start_backoff backoff;
  for (auto const why : {std::errc::text_file_busy, std::errc::device_or_resource_busy, std::errc::timed_out, std::errc::io_error})
    backoff.refuse(1, why, 0s, 5, 0.0);
  CHECK_FALSE(backoff.most_jobs(0s, slots));
}
