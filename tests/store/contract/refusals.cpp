#include "contract/store_fixture.hpp"

/// A row that the database refuses for good, by a trigger of its user, keeps no other from being written.
namespace visor_test {

namespace {

/// Three jobs that one claim has.
struct three_jobs : store_fixture {
  visor::node_lease lease = join("a");
  visor::claim claimed;

  three_jobs() {
    for (visor::job_id const id : {1, 2, 3}) add(id);
    claimed = claim(lease, 3);
    REQUIRE(claimed.jobs.size() == 3);
  }

  std::vector<visor::job_result> all_done() { return {done(claimed, 0), done(claimed, 1), done(claimed, 2)}; }
};

std::string error_of(store_fixture& s, visor::job_id job) { return s->attempts(job).back().error.value_or(""); }

bool says(std::vector<visor::remark> const& remarks, visor::job_id job, std::string const& words) {
  return std::ranges::any_of(remarks,
                             [&](visor::remark const& each) { return each.job == job && each.text.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("a lasting refusal concerns one row: a result loses the part that is refused", "[contract]") {
  three_jobs s;
  auto results = s.all_done();
  for (auto& each : results) each.output = "all is well";
  SECTION("its output") {
    results[1].output = "no";
    if (!s->refuse_rows("visor_attempt", "NEW.output LIKE '%no%'")) return;
    auto const told = s.exchange(s.lease, results);
    CHECK(says(told.remarks, 2, "its output is left out"));
    CHECK(s->attempts(2).at(0).output == std::nullopt);
    CHECK_THAT(error_of(s, 2), Catch::Contains("its output is left out"));
  }
  SECTION("its output, which is too long") {
    results[1].output = std::string(3000, 'x');
    if (!s->refuse_rows("visor_attempt", "length(NEW.output) > 2000")) return;
    auto const told = s.exchange(s.lease, results);
    CHECK(says(told.remarks, 2, "its output is cut"));
    CHECK(s->attempts(2).at(0).output.value().starts_with("xxx"));
    CHECK(s->attempts(2).at(0).output.value().size() < 2000);
    CHECK_THAT(error_of(s, 2), Catch::Contains("its output is cut"));
  }
  SECTION("some characters") {
    results[1].output = "10 € for 3 кг";
    results[0].output = "10 €";
    if (!s->refuse_rows("visor_attempt", "NEW.output LIKE '%к%'")) return;
    s.exchange(s.lease, results);
    CHECK(s->attempts(1).at(0).output == "10 €");
    CHECK(s->attempts(2).at(0).output == "10 ? for 3 ??");
  }
  SECTION("its error, and not its output") {
    results[1] = s.done(s.claimed, 1, visor::job_state::failed);
    results[1].output = "all is well";
    results[1].error = "bad words";
    if (!s->refuse_rows("visor_attempt", "NEW.error LIKE '%bad%'")) return;
    auto const told = s.exchange(s.lease, results);
    CHECK(says(told.remarks, 2, "its error is left out"));
    CHECK(s->attempts(2).at(0).output == "all is well");
    CHECK(error_of(s, 2) == "its error is left out");
  }
  SECTION("both, and every remark on it") {
    if (!s->refuse_rows("visor_attempt", "NEW.job = 2 AND (NEW.output IS NOT NULL OR NEW.error IS NOT NULL)")) return;
    s.exchange(s.lease, results);
    CHECK(s->attempts(2).at(0).output == std::nullopt);
    CHECK(error_of(s, 2) == "");
  }
  CHECK(s.state(1) == "completed");
  CHECK(s.state(2) == text(results[1].state));
  CHECK(s.state(3) == "completed");
  CHECK(s->attempts(3).at(0).output == "all is well");
}

TEST_CASE("a lasting refusal concerns one row: a result that is refused whole stays, and nothing of it is dropped", "[contract]") {
  three_jobs s;
  auto results = s.all_done();
  results[1].output = "kept";
  if (!s->refuse_rows("visor_attempt", "NEW.job = 2")) return;
  s.add(4);
  auto const told = s.exchange(s.lease, results, {}, {{"default", 1}});
  REQUIRE(told.unwritten.size() == 1);
  CHECK(told.unwritten[0].job == 2);
  CHECK_THAT(told.unwritten[0].text, Catch::Contains("we refuse"));
  REQUIRE(told.claims.size() == 1);
  CHECK(ids_of(told.claims[0]) == ids{4});
  CHECK(s.state(1) == "completed");
  CHECK(s.state(2) == "running");
  CHECK(s.state(3) == "completed");
  s->accept_rows("visor_attempt");
  CHECK(s.exchange(s.lease, {results[1]}).unwritten.empty());
  CHECK(s.state(2) == "completed");
  CHECK(s->attempts(2).at(0).output == "kept");
}

TEST_CASE("a lasting refusal concerns one row: a job that cannot be tried again is dead", "[contract]") {
  three_jobs s;
  auto results = s.all_done();
  results[1] = s.retried(s.claimed, 1min, 1);
  if (!s->refuse_rows("visor_scheduled", "NEW.job = 2")) return;
  auto const told = s.exchange(s.lease, results);
  CHECK(told.unwritten.empty());
  CHECK(says(told.remarks, 2, "is dead"));
  CHECK(s.state(1) == "completed");
  CHECK(s.history(2) == "failed:dead");
  CHECK(s.state(3) == "completed");
  CHECK_THAT(error_of(s, 2), Catch::Contains("it cannot be tried again") && Catch::Contains("we refuse"));
}

TEST_CASE("a lasting refusal concerns one row: refused children fail the attempt", "[contract]") {
  three_jobs s;
  auto results = s.all_done();
  auto child = s.job(11);
  child.type = "bad";
  results[1].children = {s.job(10), child};
  auto failed = s.done(s.claimed, 1, visor::job_state::failed);
  results[1].otherwise = std::make_shared<visor::job_result>(failed);
  if (!s->refuse_rows("visor_job", "NEW.type = 'bad'")) return;
  s.exchange(s.lease, results);
  CHECK(s.state(1) == "completed");
  CHECK(s.state(2) == "failed");
  CHECK(s.state(3) == "completed");
  CHECK(s.state(10) == "none");
  CHECK_THAT(error_of(s, 2), Catch::Contains("refused the jobs that it added") && Catch::Contains("we refuse"));
}

TEST_CASE("a lasting refusal concerns one row: a job that cannot be put back is dead", "[contract]") {
  three_jobs s;
  if (!s->refuse_rows("visor_ready", "NEW.job = 2")) return;
  std::vector<visor::release> back;
  for (visor::job_id const id : {1, 2, 3}) back.emplace_back(s.claimed.lease, id);
  auto const told = s.exchange(s.lease, {}, back);
  CHECK(says(told.remarks, 2, "is dead"));
  CHECK(s.state(1) == "ready");
  CHECK(s.state(2) == "dead");
  CHECK(s.state(3) == "ready");
  CHECK_THAT(error_of(s, 2), Catch::Contains("it cannot be put back into a queue") && Catch::Contains("we refuse"));
}

TEST_CASE("a lasting refusal concerns one row: a job that cannot be claimed is dead", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (visor::job_id const id : {1, 2, 3, 4}) s.add(id);
  if (!s->refuse_rows("visor_lease", "NEW.jobs LIKE '%2%'")) return;
  ids got;
  std::vector<visor::remark> remarks;
  for (int i = 0; i < 4; ++i) {
    auto const told = s.exchange(lease, {}, {}, {{"default", 4}});
    for (auto const& claimed : told.claims)
      for (auto const& job : claimed.jobs) got.push_back(job.id);
    remarks.insert(remarks.end(), told.remarks.begin(), told.remarks.end());
  }
  CHECK(got == ids{1, 3, 4});
  CHECK(s.state(2) == "dead");
  CHECK(says(remarks, 2, "is dead: it cannot be claimed"));
  CHECK_THAT(error_of(s, 2), Catch::Contains("it cannot be claimed") && Catch::Contains("we refuse"));
}

TEST_CASE("a lasting refusal concerns one row: other schedules fire", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (std::string const id : {"good", "odd", "other"}) {
    auto made = s.schedule(id);
    if (id == "odd") made.payload = "{\"bad\":1}";
    s->add_schedule(made);
  }
  std::vector const orders{s.order("good", 1), s.order("odd", 2), s.order("other", 3)};
  if (!s->refuse_rows("visor_job", "NEW.payload LIKE '%bad%'")) return;
  SECTION("and it is on record that this one did not") {
    auto const results = s->fire(lease, orders);
    REQUIRE(results.size() == 3);
    CHECK(results[1].accepted);
    CHECK(s->find_schedule("odd")->next_at == orders[1].next_at);
    auto const fires = s->fires("odd", 10);
    REQUIRE(fires.size() == 1);
    CHECK(fires[0].result == visor::fire_result::missed);
    CHECK_THAT(fires[0].reason.value_or(""), Catch::Contains("the database refuses its job") && Catch::Contains("we refuse"));
    CHECK_THAT(results[1].refused.value_or(""), Catch::Contains("we refuse"));
    CHECK_FALSE(results[0].refused);
  }
  SECTION("also where the record of that is refused") {
    REQUIRE(s->refuse_rows("visor_fire", "NEW.schedule = 'odd'"));
    auto const results = s->fire(lease, orders);
    REQUIRE(results.size() == 3);
    CHECK_FALSE(results[1].accepted);
    CHECK(results[1].refused);
    CHECK(s->find_schedule("odd")->next_at == orders[1].expected_next);
  }
  CHECK(s.state(1) == "ready");
  CHECK(s.state(2) == "none");
  CHECK(s.state(3) == "ready");
}

TEST_CASE("a lasting refusal concerns one row: other scheduled jobs are promoted", "[contract]") {
  store_fixture s;
  for (visor::job_id const id : {1, 2, 3}) s.add(id, 10s);
  s.add(4, 1h);
  s->advance(1min);
  if (!s->refuse_rows("visor_ready", "NEW.job = 2")) return;
  SECTION("and this one is dead") {
    auto const moved = s->promote(10);
    CHECK(moved.moved == 2);
    CHECK(moved.next_at == s->find_job(4)->job.run_at);
    CHECK(s.state(2) == "dead");
    CHECK_THAT(error_of(s, 2), Catch::Contains("it cannot be moved") && Catch::Contains("we refuse"));
  }
  SECTION("and this one is passed over where it cannot be dead either") {
    REQUIRE(s->refuse_rows("visor_attempt", "NEW.job = 2"));
    auto const moved = s->promote(10);
    CHECK(moved.moved == 2);
    CHECK(moved.next_at == s->find_job(4)->job.run_at);
    CHECK(s->promote(1).moved == 0);
    s->advance(2h);
    CHECK(s->promote(1).moved == 1);
    CHECK(s.state(2) == "scheduled");
    CHECK(s.state(4) == "ready");
    s->accept_rows("visor_ready");
    s->reopen();
    CHECK(s->promote(1).moved == 1);
    CHECK(s.state(2) == "ready");
  }
  CHECK(s.state(1) == "ready");
  CHECK(s.state(3) == "ready");
}

TEST_CASE("a lasting refusal concerns one row: other jobs of a lost node run again", "[contract]") {
  three_jobs s;
  SECTION("and one that cannot be put back is dead") {
    if (!s->refuse_rows("visor_ready", "NEW.job = 2")) return;
    s->advance(2min);
    auto const lapsed = s->recover();
    REQUIRE(lapsed.size() == 1);
    CHECK(lapsed[0].requeued == ids{1, 3});
    CHECK(lapsed[0].dead == ids{2});
    CHECK(s.history(2) == "lost:dead");
    CHECK_THAT(error_of(s, 2), Catch::Contains("we refuse"));
  }
  SECTION("and one whose loss cannot be recorded stays until it can be") {
    if (!s->refuse_rows("visor_attempt", "NEW.job = 2")) return;
    s->advance(2min);
    auto const lapsed = s->recover();
    REQUIRE(lapsed.size() == 1);
    CHECK(lapsed[0].requeued == ids{1, 3});
    CHECK(s.state(2) == "running");
    CHECK(s->recover().empty());
    if (GENERATE(false, true)) CHECK(s->remove_node("a"));
    s->accept_rows("visor_attempt");
    s->reopen();
    auto const later = s->recover();
    REQUIRE(later.size() == 1);
    CHECK(later[0].requeued == ids{2});
    CHECK(s.history(2) == "lost");
  }
  SECTION("also when their node joins again") {
    if (!s->refuse_rows("visor_attempt", "NEW.job = 2")) return;
    s->advance(2min);
    CHECK(refusal([&] { s.join("a"); }) == "");
    CHECK(s.state(2) == "running");
  }
  SECTION("also when it leaves") {
    if (!s->refuse_rows("visor_ready", "NEW.job = 2")) return;
    CHECK(refusal([&] { s->leave(s.lease); }) == "");
    CHECK(s.state(2) == "dead");
  }
  CHECK(s.state(1) == "ready");
  CHECK(s.state(3) == "ready");
}

TEST_CASE("a lasting refusal concerns one row: a result is stored, whatever becomes of the job that waits for its end", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick", visor::overlap::queue));
  REQUIRE(s.fire(lease, "tick", 1));
  auto const first = s.claim(lease);
  REQUIRE(s.fire(lease, "tick", 2));
  REQUIRE(s.state(2) == "waiting");
  SECTION("it is dead where it cannot become ready") {
    if (!s->refuse_rows("visor_ready", "NEW.job = 2")) return;
    auto const told = s.exchange(lease, {s.done(first)});
    CHECK(told.unwritten.empty());
    CHECK(says(told.remarks, 2, "is dead"));
    CHECK(s.state(2) == "dead");
    CHECK_THAT(error_of(s, 2), Catch::Contains("it cannot be moved") && Catch::Contains("we refuse"));
  }
  SECTION("it waits until it can be moved") {
    if (!s->refuse_rows("visor_waiting", "OLD.job = 2", "DELETE")) return;
    auto const told = s.exchange(lease, {s.done(first)});
    CHECK(told.unwritten.empty());
    CHECK(says(told.remarks, 2, "stays where it is"));
    CHECK(s.state(2) == "waiting");
    s->recover();
    CHECK(s.state(2) == "waiting");
    s->accept_rows("visor_waiting", "DELETE");
    s->reopen();
    s->recover();
    CHECK(s.state(2) == "ready");
  }
  SECTION("also where the end is not of an attempt of this node") {
    if (!s->refuse_rows("visor_waiting", "OLD.job = 2", "DELETE")) return;
    s->cancel_job(1);
    s->advance(2h);
    REQUIRE(s->recover().size() == 1);
    CHECK(s.state(1) == "cancelled");
    return;
  }
  SECTION("also where the counters of its schedule cannot be changed") {
    if (!s->refuse_rows("visor_schedule", "NEW.id = 'tick'", "UPDATE")) return;
    auto const told = s.exchange(lease, {s.done(first, 0, visor::job_state::failed)});
    CHECK(told.unwritten.empty());
    CHECK(says(told.remarks, 0, "the counters of schedule tick"));
    CHECK(s.state(1) == "failed");
    CHECK(s.state(2) == "ready");
    return;
  }
  SECTION("also where its lease cannot be removed") {
    if (!s->refuse_rows("visor_lease", "OLD.node = 'a'", "DELETE")) return;
    auto const told = s.exchange(lease, {s.done(first)});
    CHECK(told.unwritten.empty());
    CHECK(says(told.remarks, 0, "lease " + std::to_string(first.lease) + " of node a stays"));
    CHECK(s.state(2) == "ready");
    s->advance(2h);
    REQUIRE(s->recover().size() == 1);
    CHECK(s->attempts(1).size() == 1);
  }
  SECTION("also where it becomes dead, and has no dead letter") {
    if (!s->refuse_rows("visor_dead", "NEW.job = 1")) return;
    auto const told = s.exchange(lease, {s.done(first, 0, visor::job_state::dead)});
    CHECK(told.unwritten.empty());
    CHECK(says(told.remarks, 0, "the dead letter of job 1"));
    CHECK(s.state(1) == "dead");
    return;
  }
  CHECK(s.history(1) == "completed:completed");
}

TEST_CASE("a lasting refusal concerns one row: a job whose row cannot be removed from its queue is passed over", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  visor::job_id const odd = GENERATE(1, 2, 4);
  auto const most = static_cast<std::size_t>(GENERATE(1, 4));
  for (visor::job_id const id : {1, 2, 3, 4}) s.add(id);
  if (!s->refuse_rows("visor_ready", "OLD.job = " + std::to_string(odd), "DELETE")) return;
  ids got;
  std::vector<visor::remark> remarks;
  for (int i = 0; i < 4; ++i) {
    auto const told = s.exchange(lease, {}, {}, {{"default", most}});
    for (auto const& claimed : told.claims)
      for (auto const& job : claimed.jobs) got.push_back(job.id);
    remarks.insert(remarks.end(), told.remarks.begin(), told.remarks.end());
  }
  ids wanted{1, 2, 3, 4};
  std::erase(wanted, odd);
  CHECK(got == wanted);
  CHECK(s.state(odd) == "ready");
  REQUIRE(remarks.size() == 1);
  CHECK(says(remarks, odd, "stays where it is"));
  s.add(5);
  auto const claimed = s.claim(lease, most);
  CHECK(ids_of(claimed) == ids{5});
  CHECK(s.exchange(lease, {s.done(claimed)}).remarks.empty());
  CHECK(s.state(5) == "completed");
  s->accept_rows("visor_ready", "DELETE");
  s->reopen();
  CHECK(ids_of(s.claim(lease, most)) == ids{odd});
}

TEST_CASE("a lasting refusal concerns one row: jobs of other keys of a limited type are claimed", "[contract]") {
  store_fixture s;
  auto request = s.request("a");
  visor::job_limits limits;
  limits.rate = 100;
  request.limits.emplace_back("mail", limits);
  auto const lease = s->join(request);
  s.add(s.job(1, 100, "default*mail*bad"));
  s.add(s.job(2, 100, "default*mail*good"));
  s.add(s.job(3, 100, "default*mail"));
  if (!s->refuse_rows("visor_claim", "NEW.queue LIKE '%bad'")) return;
  auto const most = static_cast<std::size_t>(GENERATE(1, 5));
  ids got;
  std::vector<visor::remark> remarks;
  for (int i = 0; i < 4; ++i) {
    auto const told = s.exchange(lease, {}, {}, {{"default*mail", most}});
    for (auto const& claimed : told.claims)
      for (auto const& job : claimed.jobs) got.push_back(job.id);
    remarks.insert(remarks.end(), told.remarks.begin(), told.remarks.end());
  }
  CHECK(got == ids{3, 2});
  CHECK(s.state(1) == "ready");
  REQUIRE(remarks.size() == 1);
  CHECK(says(remarks, 0, "the claim of jobs of the queue default*mail*bad"));
}

TEST_CASE("a lasting refusal concerns one row: jobs whose rows cannot be removed keep no other from being promoted", "[contract]") {
  store_fixture s;
  for (visor::job_id id = 1; id <= 70; ++id) s.add(id, 10s);
  s.add(100, 11s);
  s->advance(1min);
  if (!s->refuse_rows("visor_scheduled", "OLD.job < 100", "DELETE")) return;
  // Each call tries a few of them, so that the caller has time for others.
  int calls = 0;
  for (visor::promotion moved; moved.moved == 0 && calls < 10; ++calls) {
    moved = s->promote(500);
    if (moved.moved == 0) CHECK(moved.next_at <= s->now());
  }
  CHECK(calls == 4);
  CHECK(s.state(100) == "ready");
  CHECK(s.state(70) == "scheduled");
  CHECK_FALSE(s->promote(500).next_at);
}

TEST_CASE("a lasting refusal concerns one row: a lease that cannot be removed stays, and its jobs run again", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (visor::job_id const id : {1, 2}) s.add(id);
  auto const first = s.claim(lease);
  REQUIRE(ids_of(first) == ids{1});
  REQUIRE(ids_of(s.claim(lease)) == ids{2});
  if (!s->refuse_rows("visor_lease", "OLD.id = " + std::to_string(first.lease), "DELETE")) return;
  SECTION("when another node takes over") {
    s->advance(2min);
    auto const lapsed = s->recover();
    REQUIRE(lapsed.size() == 1);
    CHECK(lapsed[0].requeued == ids{1, 2});
    CHECK(s->recover().empty());
    s->accept_rows("visor_lease", "DELETE");
    s->reopen();
    CHECK(s->recover().empty());
    CHECK(s.history(1) == "lost");
  }
  SECTION("when the node joins again") {
    s->advance(2min);
    CHECK(refusal([&] { s.join("a"); }) == "");
    CHECK(s.history(1) == "lost");
  }
  SECTION("when it leaves") {
    CHECK(refusal([&] { s->leave(lease); }) == "");
    CHECK(s.history(1) == "released");
    CHECK(s.history(2) == "");
  }
  CHECK(s.state(1) == "ready");
  CHECK(s.state(2) == "ready");
  auto const other = s.join("b");
  auto const again = s.claim(other, 2);
  REQUIRE(ids_of(again) == ids{1, 2});
  CHECK(again.jobs[0].uncounted.value_or(0) == 1);
  s.exchange(other, {s.done(again, 0), s.done(again, 1)});
  CHECK(s.state(1) == "completed");
  CHECK(s.state(2) == "completed");
}

TEST_CASE("a lasting refusal concerns one row: other nodes are recovered", "[contract]") {
  store_fixture s;
  for (visor::job_id const id : {1, 2}) s.add(id);
  s.claim(s.join("a"));
  s.claim(s.join("b"));
  s->advance(2min);
  if (!s->refuse_rows("visor_node", "NEW.name = 'a' AND NEW.state = 'offline'", "UPDATE")) return;
  auto const lapsed = s->recover();
  REQUIRE(lapsed.size() == 1);
  CHECK(lapsed[0].node == "b");
  CHECK(s.state(1) == "running");
  CHECK(s.state(2) == "ready");
}

TEST_CASE("a lasting refusal of what a node says of itself names that and the remedy", "[contract]") {
  store_fixture s;
  auto wanted = s.request("a");
  visor::job_limits limits;
  limits.concurrency = 1;
  for (std::string const type : {"good", "bad"}) wanted.limits.emplace_back(type, limits);
  std::string what = "the job type 'bad'";
  SECTION("a type") {
    if (!s->refuse_rows("visor_node_type", "NEW.type = 'bad'")) return;
  }
  SECTION("limits") {
    if (!s->refuse_rows("visor_type_limit", "NEW.type = 'bad'")) return;
  }
  SECTION("the node") {
    what = "the name of the node 'a', its queues";
    if (!s->refuse_rows("visor_node", "NEW.name = 'a'")) return;
  }
  std::string said;
  try {
    s->join(wanted);
  } catch (visor::error const& refused) {
    CHECK(refused.code() == visor::errc::invalid_argument);
    said = refused.what();
  }
  CHECK_THAT(said,
             Catch::Contains("the database refuses " + what) && Catch::Contains("a CHECK, a trigger") && Catch::Contains("we refuse"));
  CHECK(s->nodes().empty());
}

}  // namespace visor_test
