#include "support/catch.hpp"

#include "visor/engine/retry.hpp"

using namespace std::chrono_literals;
using visor::attempt_end;
using visor::backoff;
using visor::backoff_kind;
using visor::classify_attempt;
using visor::duration;
using visor::job_state;
using visor::outcome;
using visor::stop_reason;

TEST_CASE("a fixed pause is the same every time") {
  backoff const fixed(backoff_kind::fixed, 3s, 1s);
  CHECK(visor::retry_delay(fixed, 1, 0.0) == 3s);
  CHECK(visor::retry_delay(fixed, 50, 0.9) == 3s);
}

TEST_CASE("the exponential pause doubles its ceiling up to the cap and is drawn from all below it") {
  backoff const growing(backoff_kind::exponential, 1s, 10s);
  CHECK(visor::retry_delay(growing, 1, 0.5) == 500ms);
  CHECK(visor::retry_delay(growing, 2, 0.5) == 1s);
  CHECK(visor::retry_delay(growing, 4, 0.5) == 4s);
  CHECK(visor::retry_delay(growing, 5, 0.5) == 5s);
  CHECK(visor::retry_delay(growing, 1'000'000, 0.5) == 5s);
  CHECK(visor::retry_delay(growing, 4, 0.0) == 0s);
  CHECK(visor::retry_delay(growing, 4, 0.999) < 8s);
}

TEST_CASE("less jitter keeps more of the exponential pause, and without any it is base, 2 base, 4 base") {
  backoff growing(backoff_kind::exponential, 1s, 10s);
  growing.jitter = visor::jitter::none;
  for (double const random : {0.0, 0.5, 0.999}) {
    CHECK(visor::retry_delay(growing, 1, random) == 1s);
    CHECK(visor::retry_delay(growing, 2, random) == 2s);
    CHECK(visor::retry_delay(growing, 3, random) == 4s);
    CHECK(visor::retry_delay(growing, 5, random) == 10s);
  }
  growing.jitter = visor::jitter::equal;
  CHECK(visor::retry_delay(growing, 3, 0.0) == 2s);
  CHECK(visor::retry_delay(growing, 3, 0.5) == 3s);
  growing.factor = 3;
  CHECK(visor::retry_delay(growing, 3, 0.0) == 4500ms);
  growing.factor = 1;
  CHECK(visor::retry_delay(growing, 1'000'000, 0.0) == 500ms);
}

TEST_CASE("the exponential pause survives extremes") {
  CHECK(visor::retry_delay(backoff(backoff_kind::exponential, 0s, 10s), 1'000'000, 0.5) == 0s);
  auto const longest = std::chrono::hours{24 * 365 * 100};
  CHECK(visor::retry_delay(backoff(backoff_kind::exponential, 1us, longest), 2'000'000'000, 1.0) <= longest);
  CHECK(visor::retry_delay(backoff(backoff_kind::exponential, longest, 1s), 3, 1.0) <= 1s);
}

TEST_CASE("what the end of an attempt means") {
  attempt_end end;
  SECTION("returning is success, also after it was asked to stop") {
    for (auto const stopped : {stop_reason::none, stop_reason::cancelled, stop_reason::timed_out, stop_reason::shutdown}) {
      end.stopped = stopped;
      auto const result = classify_attempt(end, 1, 1);
      CHECK(result.keep);
      CHECK(result.outcome == outcome::completed);
      CHECK(result.state == job_state::completed);
      CHECK_FALSE(result.retry);
    }
  }
  SECTION("what is unfinished when the lease is about to end is released, and counts no attempt") {
    end.stopped = stop_reason::lease_ending;
    CHECK(classify_attempt(end, 1, 1).outcome == outcome::completed);
    CHECK(classify_attempt(end, 1, 1).keep);
    end.returned = false;
    CHECK(classify_attempt(end, 1, 1).outcome == outcome::released);
    CHECK(classify_attempt(end, 1, 1).retry);
  }
  SECTION("nothing counts once the lease is lost") {
    end.stopped = stop_reason::lease_lost;
    CHECK_FALSE(classify_attempt(end, 1, 3).keep);
    end.returned = false;
    CHECK_FALSE(classify_attempt(end, 1, 3).keep);
  }
  SECTION("a failure is tried again while attempts are left, and then dead") {
    end.returned = false;
    CHECK(classify_attempt(end, 1, 2).retry);
    CHECK(classify_attempt(end, 1, 2).outcome == outcome::failed);
    CHECK_FALSE(classify_attempt(end, 2, 2).retry);
    CHECK(classify_attempt(end, 2, 2).state == job_state::dead);
    CHECK(classify_attempt(end, 5, 2).state == job_state::dead);
  }
  SECTION("a permanent failure is not") {
    end.returned = false;
    end.permanent = true;
    CHECK_FALSE(classify_attempt(end, 1, 5).retry);
    CHECK(classify_attempt(end, 1, 5).state == job_state::failed);
  }
  SECTION("a timeout is a failure of its own kind") {
    end.returned = false;
    end.stopped = stop_reason::timed_out;
    CHECK(classify_attempt(end, 1, 2).outcome == outcome::timed_out);
    CHECK(classify_attempt(end, 1, 2).retry);
    CHECK(classify_attempt(end, 2, 2).state == job_state::dead);
  }
  SECTION("a cancelled job is not tried again") {
    end.returned = false;
    end.stopped = stop_reason::cancelled;
    CHECK(classify_attempt(end, 1, 5).outcome == outcome::cancelled);
    CHECK(classify_attempt(end, 1, 5).state == job_state::cancelled);
    CHECK_FALSE(classify_attempt(end, 1, 5).retry);
  }
  SECTION("a job stopped by the shutdown is released") {
    end.returned = false;
    end.stopped = stop_reason::shutdown;
    CHECK(classify_attempt(end, 5, 5).outcome == outcome::released);
    CHECK(classify_attempt(end, 5, 5).retry);
  }
}
