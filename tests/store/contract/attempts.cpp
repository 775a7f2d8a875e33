#include "contract/store_fixture.hpp"

/// The ends of attempts: results, retries, returns, and refusals.
namespace visor_test {

TEST_CASE("a result is kept as the attempt that it ends", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s->advance(2s);
  auto const claimed = s.claim(lease);
  s->advance(3s);
  auto result = s.done(claimed);
  result.started_at = claimed.taken_at + 1s;
  result.output = "42 reports";
  s->advance(1s);
  CHECK(s.exchange(lease, {result}).refused.empty());

  auto const attempts = s->attempts(1);
  REQUIRE(attempts.size() == 1);
  visor::attempt_record expected;
  expected.job = 1;
  expected.number = 1;
  expected.lease = claimed.lease;
  expected.node = "a";
  expected.epoch = lease.epoch;
  expected.started_at = result.started_at;
  expected.finished_at = result.finished_at;
  expected.outcome = visor::outcome::completed;
  expected.final_state = visor::job_state::completed;
  expected.output = "42 reports";
  CHECK(attempts[0] == expected);
  CHECK(s->attempts(2).empty());
}

TEST_CASE("a job ends in the state that its result names", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto const ending = GENERATE(visor::job_state::completed, visor::job_state::failed, visor::job_state::cancelled, visor::job_state::dead);
  s.add(1);
  s.work_off(lease, ending);
  CHECK(s.state(1) == text(ending));
  CHECK(s->attempts(1).at(0).final_state == ending);
  CHECK(s.claim(lease).jobs.empty());
  s->advance(1h);
  CHECK(s->recover().size() == 1);
  CHECK(s.state(1) == text(ending));
}

TEST_CASE("a retry at once keeps nobody waiting and counts on", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s->advance(1s);
  auto const claimed = s.claim(lease);
  s->advance(1s);
  auto const result = s.exchange(lease, {s.retried(claimed, 0s)}, {}, {{"default", 1}});
  REQUIRE(result.claims.size() == 1);
  auto const again = result.claims[0];
  CHECK(again.jobs.at(0).id == 1);
  CHECK(again.jobs.at(0).attempt == 2);
  CHECK(again.jobs.at(0).run_at == s->now());
  CHECK(again.lease != claimed.lease);
  CHECK(s.history(1) == "failed");
  CHECK(s.exchange(lease, {s.done(again)}).refused.empty());
  CHECK(s.history(1) == "failed completed:completed");
}

TEST_CASE("a retry waits as long as it was told, by the time of the store", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s.add(1);
  auto const claimed = s.claim(lease);
  auto result = s.retried(claimed, 90s);
  result.finished_at -= 1h;  // a node's clock that is slow changes nothing
  s->advance(5s);
  CHECK(s.exchange(lease, {result}).refused.empty());
  CHECK(s.state(1) == "scheduled");
  CHECK(s->promote(10).next_at == s->now() + 90s);
  s->advance(90s - 1us);
  CHECK(s->promote(10).moved == 0);
  s->advance(1us);
  CHECK(s->promote(10).moved == 1);
  auto const again = s.claim(lease);
  CHECK(again.jobs.at(0).attempt == 2);
  CHECK(again.jobs.at(0).run_at == s->now());
}

TEST_CASE("a result is refused when its lease is gone, and nothing is written", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const other = s.join("b");
  s.add(1);
  auto const claimed = s.claim(lease);
  auto const result = s.done(claimed);
  auto const refused = [&](visor::node_lease const& by, visor::job_result const& what) {
    auto const before = s->attempts(1);
    auto const refusals = s.exchange(by, {what}).refused;
    CHECK(s->attempts(1) == before);
    return refusals == ids{1};
  };
  SECTION("of another node") { CHECK(refused(other, result)); }
  SECTION("of an epoch before") { CHECK(refused(visor::node_lease("a", lease.epoch - 1, lease.until), result)); }
  SECTION("of another lease row") {
    auto wrong = result;
    wrong.lease += 1000;
    CHECK(refused(lease, wrong));
  }
  SECTION("of another attempt") {
    auto wrong = result;
    ++wrong.attempt;
    CHECK(refused(lease, wrong));
  }
  SECTION("for a job that is not in it") {
    s.add(2);
    auto wrong = result;
    wrong.job = 2;
    CHECK(s.exchange(lease, {wrong}).refused == ids{2});
    CHECK(s.state(2) == "ready");
    wrong.job = 3;
    CHECK(s.exchange(lease, {wrong}).refused == ids{3});
  }
  SECTION("recovered") {
    s->advance(10s);
    s->recover();
    CHECK(refused(lease, result));
    CHECK(s.history(1) == "lost");
    CHECK(s.state(1) == "ready");
  }
  SECTION("recovered, and the job claimed by another node") {
    s->advance(10s);
    s->recover();
    auto const theirs = s.claim(other);
    CHECK(refused(lease, result));
    CHECK(s.state(1) == "running");
    CHECK(s.exchange(other, {s.done(theirs)}).refused.empty());
    CHECK(refused(lease, result));
    CHECK(s.history(1) == "lost completed:completed");
  }
  SECTION("of a node that joined again") {
    auto const anew = s.join("a");
    CHECK(refused(lease, result));
    CHECK(refused(anew, result));
  }
  SECTION("of a node that left") {
    s->leave(lease);
    CHECK(refused(lease, result));
    CHECK(s.state(1) == "ready");
  }
  SECTION("with the job released, which was written though nobody was told") {
    visor::release const back(claimed.lease, 1);
    CHECK(s->another()->exchange(lease, {}, std::span(&back, 1), {}).refused.empty());
    CHECK(refused(lease, result));
    CHECK(s.state(1) == "ready");
  }
}

TEST_CASE("a job that is released has its old position again, and no attempt is counted", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto made = s.job(1);
  made.run_at = s->now() - 1h;
  made.max_attempts = 1;
  s.add(made);
  s.add(2);
  auto const claimed = s.claim(lease, 1);
  REQUIRE(ids_of(claimed) == ids{1});
  auto released = s.retried(claimed, 0s);
  released.outcome = visor::outcome::released;
  released.error = "this node shuts down";
  SECTION("it is the first one again, under the next number") {
    CHECK(s.exchange(lease, {released}).refused.empty());
    CHECK(s.exchange(lease, {released}).refused.empty());  // a repetition changes nothing
    CHECK(s.history(1) == "released");
    auto const again = s.claim(lease, 1);
    REQUIRE(ids_of(again) == ids{1});
    CHECK(again.jobs[0].attempt == 2);
    CHECK(again.jobs[0].uncounted == 1);
    CHECK(again.jobs[0].run_at == *made.run_at);
  }
  SECTION("unless somebody wants it cancelled") {
    s->cancel_job(1);
    CHECK(s.exchange(lease, {released}).refused.empty());
    CHECK(s.history(1) == "released:cancelled");
    CHECK(s->find_job(1)->job.uncounted == 1);
  }
}

TEST_CASE("a result counts while the lease row is there, though its time is up", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s.add(1);
  auto const claimed = s.claim(lease);
  s->advance(1h);
  auto const result = s.exchange(lease, {s.done(claimed)});
  CHECK_FALSE(result.lease_current);
  CHECK(result.refused.empty());
  CHECK(s.state(1) == "completed");
  CHECK(s->recover().at(0).requeued.empty());
  CHECK(s.history(1) == "completed:completed");
}

TEST_CASE("a result that is sent again is accepted and changes nothing", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s.add(2);
  auto const claimed = s.claim(lease, 2);
  auto const first = s.done(claimed, 0);

  SECTION("while its lease holds other jobs") {
    CHECK(s.exchange(lease, {first}).refused.empty());
    auto const before = s->attempts(1);
    s->advance(1s);
    CHECK(s.exchange(lease, {first, first}).refused.empty());
    CHECK(s->attempts(1) == before);
    CHECK(s.state(2) == "running");
  }
  SECTION("when its lease is gone") {
    CHECK(s.exchange(lease, {first, s.done(claimed, 1)}).refused.empty());
    auto const before = s->attempts(1);
    CHECK(s.exchange(lease, {first, s.done(claimed, 1)}).refused.empty());
    CHECK(s->attempts(1) == before);
  }
  SECTION("twice in one message") {
    CHECK(s.exchange(lease, {first, first}).refused.empty());
    CHECK(s.history(1) == "completed:completed");
  }
  SECTION("a retry, while the job waits, runs again, and ended") {
    auto const retry = s.retried(claimed, 0s);
    CHECK(s.exchange(lease, {retry}).refused.empty());
    CHECK(s.exchange(lease, {retry}).refused.empty());
    CHECK(s.state(1) == "ready");
    CHECK(s.history(1) == "failed");
    auto const again = s.claim(lease);
    REQUIRE(again.jobs.at(0).attempt == 2);
    CHECK(s.exchange(lease, {retry}).refused.empty());
    CHECK(s.state(1) == "running");
    CHECK(s.exchange(lease, {s.done(again)}).refused.empty());
    CHECK(s.exchange(lease, {retry}).refused.empty());
    CHECK(s.history(1) == "failed completed:completed");
  }
  SECTION("by a node that had to join again meanwhile") {
    CHECK(s.exchange(lease, {first}).refused.empty());
    auto const anew = s.join("a");
    CHECK(s.exchange(anew, {first, s.done(claimed, 1)}).refused == ids{2});
    CHECK(s.history(1) == "completed:completed");
    CHECK(s.history(2) == "lost");
  }
}

TEST_CASE("a result that was written though nobody was told is accepted with all that comes with it, once", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  for (visor::job_id id = 1; id <= 4; ++id) s.add(id);
  auto const claimed = s.claim(lease, 2);
  auto const first = s.done(claimed, 0);
  auto const before = s->another();
  CHECK(before->exchange(lease, std::span(&first, 1), {}, {}).refused.empty());
  auto const result = s.exchange(lease, {first, s.done(claimed, 1)}, {}, {{"default", 1}});
  CHECK(result.refused.empty());
  REQUIRE(result.claims.size() == 1);
  CHECK(ids_of(result.claims[0]) == ids{3});
  CHECK(s.history(1) == "completed:completed");
  CHECK(s.history(2) == "completed:completed");
  CHECK(s.state(4) == "ready");
  s->advance(10s);
  CHECK(s->recover().at(0).requeued == ids{3});
}

TEST_CASE("of many results some may be there already", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  constexpr std::size_t many = 600;  // which may be written another way than few
  std::vector<visor::new_job> jobs;
  for (std::size_t i = 0; i < many; ++i) jobs.push_back(s.job(static_cast<visor::job_id>(i) + 1));
  REQUIRE(s->enqueue(jobs) == many);
  auto const claimed = s.claim(lease, many);
  std::vector<visor::job_result> done;
  for (std::size_t i = 0; i < many; ++i) done.push_back(s.success(claimed, i));
  auto const told_nobody = std::span(done).subspan(many / 2, 3);
  CHECK(s->another()->exchange(lease, told_nobody, {}, {}).refused.empty());
  CHECK(s.exchange(lease, done).refused.empty());
  CHECK(s.history(many / 2 + 1) == "completed:completed");
  CHECK(s.history(many) == "completed:completed");
  s->advance(10s);
  CHECK(s->recover().at(0).requeued.empty());
}

TEST_CASE("a node whose time is up ends what it has, and gets nothing else", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s.add(1);
  s.add(2);
  auto const claimed = s.claim(lease);
  s->advance(10s - 1us);
  SECTION("at the last moment") {
    auto const result = s.exchange(lease, {s.done(claimed)}, {}, {{"default", 1}});
    CHECK(result.lease_current);
    CHECK(result.claims.size() == 1);
    CHECK(s.state(1) == "completed");
  }
  SECTION("a moment later") {
    s->advance(1us);
    auto const result = s.exchange(lease, {s.done(claimed)}, {}, {{"default", 1}});
    CHECK_FALSE(result.lease_current);
    CHECK(result.refused.empty());
    CHECK(result.claims.empty());
    CHECK(s.state(1) == "completed");
    CHECK(s.state(2) == "ready");
  }
}

TEST_CASE("results of several leases come together, in whatever order", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  for (visor::job_id id = 1; id <= 6; ++id) s.add(id);
  auto const first = s.claim(lease, 2), second = s.claim(lease, 2), third = s.claim(lease, 1);
  auto const result = s.exchange(lease, {s.done(third), s.done(second, 1), s.done(first), s.done(second), s.done(first, 1)});
  CHECK(result.refused.empty());
  for (visor::job_id id = 1; id <= 5; ++id) CHECK(s.state(id) == "completed");
  s->advance(10s);
  CHECK(s->recover().at(0).requeued.empty());
  CHECK(s.state(6) == "ready");
}

TEST_CASE("results, returns and claims travel together and in that order", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (visor::job_id id = 1; id <= 4; ++id) s.add(id);
  auto const claimed = s.claim(lease, 3);
  auto const result =
      s.exchange(lease, {s.done(claimed, 0), s.retried(claimed, 0s, 1)}, {visor::release(claimed.lease, 3)}, {{"default", 9}});
  CHECK(result.refused.empty());
  REQUIRE(result.claims.size() == 1);
  CHECK(result.claims[0].jobs.size() == 3);
  CHECK(s.state(1) == "completed");
  CHECK(s.state(2) == "running");
  CHECK(s.state(3) == "running");
  CHECK(s.state(4) == "running");
}

TEST_CASE("what is refused leaves what came before it in the same exchange as it was", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const other = s.join("b", 1h);
  for (visor::job_id id = 1; id <= 3; ++id) s.add(id);
  auto const claimed = s.claim(lease, 3);
  auto unknown = s.done(claimed, 0);
  unknown.job = 99;
  visor::release const first(claimed.lease, 1);
  visor::release const nothing(claimed.lease, 99);
  SECTION("a return that is sent twice") {
    CHECK(s.exchange(lease, {}, {first, first}).refused == ids{1});
    CHECK(s.state(1) == "ready");
  }
  SECTION("a return before an unknown one") { CHECK(s.exchange(lease, {}, {first, nothing}).refused == ids{99}); }
  SECTION("a result before an unknown one, and a return") {
    CHECK(s.exchange(lease, {s.retried(claimed, 0s, 0), unknown}, {nothing}).refused == ids{99, 99});
    CHECK(s.history(1) == "failed");
  }
  SECTION("two results of one job, of which the first counts") {
    CHECK(s.exchange(lease, {s.retried(claimed, 0s, 0), s.done(claimed, 0)}).refused.empty());
    CHECK(s.history(1) == "failed");
  }
  CHECK(s.state(1) == "ready");
  auto const theirs = s.claim(other);
  REQUIRE(ids_of(theirs) == ids{1});
  CHECK(s.exchange(lease, {s.done(claimed, 1)}).refused.empty());
  s->advance(10s);
  CHECK(s->recover().at(0).requeued == ids{3});
  CHECK(s.state(1) == "running");
  CHECK(s.exchange(other, {s.done(theirs)}).refused.empty());
  CHECK(s.state(1) == "completed");
}

TEST_CASE("a returned job has its old position and all its attempts", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s->advance(1s);
  s.add(2);
  auto const claimed = s.claim(lease);
  s->advance(1s);
  s.add(3);
  CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1)}).refused.empty());
  CHECK(s.state(1) == "ready");
  CHECK(s->attempts(1).empty());
  CHECK(s->find_job(1)->attempts == 0);
  auto const again = s.claim(lease, 10);
  CHECK(ids_of(again) == ids{1, 2, 3});
  CHECK(again.jobs[0].attempt == 1);
}

TEST_CASE("a job returned with a delay comes back after it, with the same attempt", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s.add(1);
  CHECK(s.exchange(lease, {s.retried(s.claim(lease), 0s)}).refused.empty());
  auto const claimed = s.claim(lease);
  CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1, 30s)}).refused.empty());
  CHECK(s.state(1) == "scheduled");
  s->advance(30s);
  CHECK(s->promote(1).moved == 1);
  CHECK(s.claim(lease).jobs.at(0).attempt == 2);
}

TEST_CASE("a return is refused when its lease is gone", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const other = s.join("b");
  s.add(1);
  auto const claimed = s.claim(lease);
  visor::release const back(claimed.lease, 1);
  SECTION("of another node") {
    CHECK(s.exchange(other, {}, {back}).refused == ids{1});
    CHECK(s.state(1) == "running");
  }
  SECTION("of another lease row") {
    CHECK(s.exchange(lease, {}, {visor::release(claimed.lease + 1000, 1)}).refused == ids{1});
    CHECK(s.state(1) == "running");
  }
  SECTION("when the attempt has ended") {
    CHECK(s.exchange(lease, {s.done(claimed)}, {back}).refused == ids{1});
    CHECK(s.state(1) == "completed");
  }
  SECTION("a second time, though others have the job now") {
    CHECK(s.exchange(lease, {}, {back}).refused.empty());
    CHECK(s.exchange(lease, {}, {back}).refused == ids{1});
    auto const theirs = s.claim(other);
    CHECK(s.exchange(lease, {}, {back}).refused == ids{1});
    CHECK(s.state(1) == "running");
    CHECK(s.exchange(other, {s.done(theirs)}).refused.empty());
  }
}

TEST_CASE("a job that was returned is open in its old lease no longer", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const other = s.join("b", 1h);
  s.add(1);
  s.add(2);
  auto const claimed = s.claim(lease, 2);
  CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1)}).refused.empty());
  CHECK(s.exchange(lease, {s.done(claimed, 0)}).refused == ids{1});
  auto const theirs = s.claim(other);
  REQUIRE(ids_of(theirs) == ids{1});
  CHECK(s.exchange(lease, {s.done(claimed, 0)}).refused == ids{1});
  s->advance(10s);
  auto const recovered = s->recover();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0].requeued == ids{2});
  CHECK(s.state(1) == "running");
  CHECK(s->attempts(1).empty());
  CHECK(s.exchange(other, {s.done(theirs)}).refused.empty());
}

TEST_CASE("a lease ends with the return of its last open job", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const other = s.join("b", 1h);
  for (visor::job_id id = 1; id <= 3; ++id) s.add(id);
  auto const claimed = s.claim(lease, 3);
  CHECK(s.exchange(lease, {s.done(claimed, 0)}).refused.empty());
  CHECK(s.exchange(lease, {s.retried(claimed, 1h, 1)}).refused.empty());
  CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 3)}).refused.empty());
  auto const theirs = s.claim(other);
  REQUIRE(ids_of(theirs) == ids{3});
  CHECK(s->find_job(3)->node == "b");
  CHECK(s.exchange(lease, {s.done(claimed, 2)}).refused == ids{3});
  s->advance(10s);
  CHECK(s->recover().at(0).requeued.empty());
  CHECK(s.state(3) == "running");
}

TEST_CASE("a job that its node claims again is not ended by the result of the first time", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  auto const first = s.claim(lease);
  CHECK(s.exchange(lease, {}, {visor::release(first.lease, 1)}).refused.empty());
  auto const second = s.claim(lease);
  REQUIRE(second.jobs.at(0).attempt == 1);
  CHECK(s.exchange(lease, {s.done(first)}).refused == ids{1});
  CHECK(s.state(1) == "running");
  CHECK(s.exchange(lease, {s.done(second)}).refused.empty());
  CHECK(s.history(1) == "completed:completed");
}

TEST_CASE("a cancelled attempt ends its job; a timed out one may be tried again", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  auto timed_out = s.retried(s.claim(lease), 0s);
  timed_out.outcome = visor::outcome::timed_out;
  timed_out.error = "timed out after 10m";
  CHECK(s.exchange(lease, {timed_out}).refused.empty());
  CHECK(s->find_job(1)->error == "timed out after 10m");
  CHECK(s.exchange(lease, {s.done(s.claim(lease), 0, visor::job_state::cancelled)}).refused.empty());
  CHECK(s.history(1) == "timed_out cancelled:cancelled");
}

TEST_CASE("cancelling wins over a retry and over a return, but not over success", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  auto const claimed = s.claim(lease);
  REQUIRE(s->cancel_job(1) == visor::cancel_result::requested);
  SECTION("retry") {
    CHECK(s.exchange(lease, {s.retried(claimed, 0s)}).refused.empty());
    CHECK(s.history(1) == "failed:cancelled");
    CHECK(s.state(1) == "cancelled");
  }
  SECTION("retry later") {
    CHECK(s.exchange(lease, {s.retried(claimed, 1h)}).refused.empty());
    CHECK(s.state(1) == "cancelled");
  }
  SECTION("return") {
    CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1)}).refused.empty());
    CHECK(s.history(1) == "cancelled:cancelled");
    CHECK_FALSE(s->attempts(1).at(0).node);
  }
  SECTION("return later") {
    CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1, 1h)}).refused.empty());
    CHECK(s.state(1) == "cancelled");
  }
  SECTION("leaving") {
    s->leave(lease);
    CHECK(s.history(1) == "cancelled:cancelled");
  }
  SECTION("success") {
    CHECK(s.exchange(lease, {s.done(claimed)}).refused.empty());
    CHECK(s.history(1) == "completed:completed");
  }
  SECTION("final failure") {
    CHECK(s.exchange(lease, {s.done(claimed, 0, visor::job_state::dead)}).refused.empty());
    CHECK(s.history(1) == "failed:dead");
  }
  CHECK(s->cancel_requests().empty());
  auto const later = s.join("b");
  s->advance(2h);
  CHECK(s->promote(10).moved == 0);
  CHECK(s.claim(later).jobs.empty());
}

TEST_CASE("a request to cancel does not outlive the run that it was for", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  auto const claimed = s.claim(lease);
  s->cancel_job(1);
  CHECK(s.exchange(lease, {s.done(claimed, 0, visor::job_state::cancelled)}).refused.empty());
  s->retry_job(1);
  auto const again = s.claim(lease);
  REQUIRE(ids_of(again) == ids{1});
  CHECK(s->cancel_requests().empty());
  CHECK(s.exchange(lease, {s.retried(again, 0s)}).refused.empty());
  CHECK(s.state(1) == "ready");
}

TEST_CASE("an exchange with text that cannot be kept does nothing at all", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (visor::job_id id = 1; id <= 3; ++id) s.add(id);
  auto const claimed = s.claim(lease, 2);
  auto bad = s.done(claimed, 1);
  auto const exchange = [&] { s.exchange(lease, {s.done(claimed, 0), bad}, {}, {{"default", 1}}); };
  SECTION("output that is not UTF-8") { bad.output = "caf\xe9"; }
  SECTION("error with NUL") { bad.error = std::string("a\0b", 3); }
  CHECK(refusal(exchange) == "invalid argument");
  CHECK_THAT(message(exchange), Contains("2") && Contains(bad.error ? "error" : "output"));
  CHECK(s.state(1) == "running");
  CHECK(s.state(2) == "running");
  CHECK(s.state(3) == "ready");
}

TEST_CASE("children are added with a completion that is accepted, once, and with no other", "[contract]") {
  store_fixture s;
  auto const a = s.join("a");
  for (visor::job_id id = 1; id <= 5; ++id) s.add(id);
  auto const claimed = s.claim(a, 5);
  REQUIRE(claimed.jobs.size() == 5);
  auto const with_child = [&](visor::job_result done, visor::job_id id, visor::duration delay = 0s) {
    done.children.push_back(store_fixture::job(id));
    if (delay != 0s) done.children.back().run_at = s->now() + delay;
    return done;
  };
  auto const good = with_child(s.done(claimed, 0), 101);
  auto const later = with_child(s.done(claimed, 1), 102, 1h);
  auto const failed = with_child(s.done(claimed, 2, visor::job_state::failed), 103);
  CHECK(s.exchange(a, {good, later, failed}).refused.empty());
  CHECK(s.state(101) == "ready");
  CHECK(s.state(102) == "scheduled");
  CHECK(s.state(103) == "none");
  CHECK(s.exchange(a, {good}).refused.empty());  // a repetition
  CHECK(s.claim(a, 5).jobs.size() == 1);
  CHECK(s.exchange(a, {with_child(s.retried(claimed, 1h, 3), 104)}).refused.empty());
  CHECK(s.state(104) == "none");
  s->recover(a);
  CHECK(s.exchange(a, {with_child(s.success(claimed, 4), 105)}).refused == ids{5});
  CHECK(s.state(105) == "none");
}

}  // namespace visor_test
