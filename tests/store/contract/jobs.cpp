#include "contract/store_fixture.hpp"

/// Jobs as people see and steer them.
namespace visor_test {

using visor::cancel_result;
using visor::job_state;

namespace {

/// A store with one job in each state; the job's id is the state's number plus one.
struct one_of_each : store_fixture {
  visor::node_lease lease = join("a", 24h);
  visor::claim running;

  one_of_each() {
    store().add_schedule(schedule("tick", visor::overlap::queue));
    for (auto const ended : {job_state::completed, job_state::failed, job_state::cancelled, job_state::dead}) {
      add(id(ended));
      work_off(lease, ended);
    }
    auto waited_for = order("tick", 100);
    CHECK(store_fixture::fire(lease, waited_for).accepted);
    CHECK(claim(lease).jobs.at(0).id == 100);
    CHECK(store_fixture::fire(lease, order("tick", id(job_state::waiting))).accepted);
    add(id(job_state::running));
    running = claim(lease);
    add(id(job_state::scheduled), 1h);
    add(id(job_state::ready));
  }

  static visor::job_id id(job_state state) { return static_cast<visor::job_id>(state) + 1; }
};

auto any_state() {
  return GENERATE(job_state::waiting, job_state::scheduled, job_state::ready, job_state::running, job_state::completed, job_state::failed,
                  job_state::cancelled, job_state::dead);
}

bool is_final(job_state state) { return state >= job_state::completed; }

}  // namespace

TEST_CASE("a job's state follows from where it is", "[contract]") {
  one_of_each s;
  auto const state = any_state();
  CAPTURE(text(state));
  CHECK(s.state(s.id(state)) == text(state));
  visor::job_filter filter;
  filter.state = state;
  auto const found = ids_of_views(s->jobs(filter));
  CHECK(found == (state == job_state::running ? ids{100, s.id(state)} : ids{s.id(state)}));
}

TEST_CASE("a view shows the last attempt, running or ended", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s.add(1);
  auto view = s->find_job(1).value();
  CHECK(view.attempts == 0);
  CHECK_FALSE(view.started_at);
  CHECK_FALSE(view.finished_at);
  CHECK_FALSE(view.node);
  CHECK_FALSE(view.error);

  s->advance(1s);
  auto const claimed = s.claim(lease);
  auto const claimed_at = s->now();
  s->advance(1s);
  view = s->find_job(1).value();
  CHECK(view.attempts == 1);
  CHECK(view.started_at == claimed_at);
  CHECK(view.node == "a");
  CHECK_FALSE(view.finished_at);

  auto retry = s.retried(claimed, 1min);
  retry.started_at = claimed_at + 1us;
  retry.output = "half done";
  s.exchange(lease, {retry});
  view = s->find_job(1).value();
  CHECK(view.state == job_state::scheduled);
  CHECK(view.attempts == 1);
  CHECK(view.started_at == retry.started_at);
  CHECK(view.finished_at == retry.finished_at);
  CHECK(view.node == "a");
  CHECK(view.error == "it broke");
  CHECK(view.output == "half done");

  s->advance(1min);
  s->promote(10);
  auto const other = s.join("b");
  auto const again = s.claim(other);
  view = s->find_job(1).value();
  CHECK(view.attempts == 2);
  CHECK(view.started_at == s->now());
  CHECK(view.node == "b");
  CHECK_FALSE(view.finished_at);
  CHECK_FALSE(view.error);
  CHECK_FALSE(view.output);

  s->advance(1s);
  s.exchange(other, {s.done(again)});
  view = s->find_job(1).value();
  CHECK(view.state == job_state::completed);
  CHECK(view.attempts == 2);
  CHECK(view.finished_at == s->now());
  CHECK_FALSE(view.error);
  CHECK_FALSE(s->find_job(2));
}

TEST_CASE("a job is cancelled wherever it is", "[contract]") {
  one_of_each s;
  auto const state = any_state();
  auto const id = s.id(state);
  CAPTURE(text(state));
  auto const before = s->attempts(id);
  auto const expected = is_final(state)               ? cancel_result::finished
                        : state == job_state::running ? cancel_result::requested
                                                      : cancel_result::cancelled;
  s->advance(1s);
  CHECK(text(s->cancel_job(id)) == text(expected));
  if (expected != cancel_result::cancelled) {
    CHECK(s.state(id) == text(state));
    CHECK(s->attempts(id) == before);
    CHECK(s->cancel_requests() == (expected == cancel_result::requested ? ids{id} : ids{}));
    CHECK(text(s->cancel_job(id)) == text(expected));
    CHECK(s->cancel_requests().size() <= 1);
    return;
  }
  visor::attempt_record attempt;
  attempt.job = id;
  attempt.number = 1;
  attempt.finished_at = s->now();
  attempt.outcome = visor::outcome::cancelled;
  attempt.final_state = job_state::cancelled;
  CHECK(s->attempts(id) == std::vector{attempt});
  CHECK(s->find_job(id)->attempts == 0);  // it was never tried
  CHECK(s.state(id) == "cancelled");
  CHECK(s->cancel_requests().empty());
  CHECK(text(s->cancel_job(id)) == "finished");
  s->advance(2h);
  s->promote(10);
  CHECK(s.state(id) == "cancelled");
  auto const left = ids_of(s.claim(s.lease, 10));
  CHECK(std::find(left.begin(), left.end(), id) == left.end());
}

TEST_CASE("the cancellation of a job that waits for its next try is no try", "[contract]") {
  one_of_each s;
  auto const id = s.id(job_state::ready);
  auto const claimed = s.claim(s.lease, 1);
  REQUIRE(claimed.jobs.at(0).id == id);
  s.exchange(s.lease, {s.retried(claimed, 1h)});
  CHECK(s.state(id) == "scheduled");
  CHECK(s->find_job(id)->attempts == 1);
  CHECK(text(s->cancel_job(id)) == "cancelled");
  CHECK(s->find_job(id)->attempts == 1);
}

TEST_CASE("a job that does not exist is neither cancelled nor tried again", "[contract]") {
  store_fixture s;
  CHECK(text(s->cancel_job(1)) == "not_found");
  CHECK(refusal([&] { s->retry_job(1); }) == "not found");
  CHECK(s->attempts(1).empty());
}

TEST_CASE("only a job that ended is tried again by hand", "[contract]") {
  one_of_each s;
  auto const state = any_state();
  auto const id = s.id(state);
  CAPTURE(text(state));
  s->advance(1s);
  auto const before = s->attempts(id);
  if (!is_final(state)) {
    CHECK(refusal([&] { s->retry_job(id); }) == "conflict");
    CHECK_THAT(message([&] { s->retry_job(id); }), Contains(std::to_string(id)));
    CHECK(s.state(id) == text(state));
    return;
  }
  s->retry_job(id);
  CHECK(s.state(id) == "ready");
  auto after = before;
  after.back().final_state.reset();
  CHECK(s->attempts(id) == after);
  CHECK(refusal([&] { s->retry_job(id); }) == "conflict");
  auto const all = s.claim(s.lease, 10);
  REQUIRE(all.jobs.back().id == id);  // behind the others of its priority
  CHECK(all.jobs.back().run_at == s->now());
  CHECK(all.jobs.back().attempt == before.back().number + 1);
  CHECK(s.exchange(s.lease, {s.done(all, all.jobs.size() - 1)}).refused.empty());
  CHECK(s.state(id) == "completed");
  CHECK(s->attempts(id).size() == before.size() + 1);
}

TEST_CASE("one more attempt is one more, whatever was allowed", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s.add(1, 0s, 1);
  s.work_off(lease, job_state::dead);
  s->retry_job(1);
  auto const claimed = s.claim(lease);
  CHECK(claimed.jobs.at(0).attempt == 2);
  CHECK(claimed.jobs.at(0).max_attempts == 1);
  SECTION("a loss is none") {
    s->advance(10s);
    CHECK(s->recover().at(0).requeued == ids{1});
    CHECK(s.history(1) == "failed lost");
    CHECK(s.claim(s.join("b")).jobs.at(0).uncounted == 1);
  }
  SECTION("returned keeps it") {
    s.exchange(lease, {}, {visor::release(claimed.lease, 1)});
    CHECK(s.claim(lease).jobs.at(0).attempt == 2);
  }
  SECTION("cancelled while ready, and tried again") {
    s.exchange(lease, {}, {visor::release(claimed.lease, 1)});
    s->cancel_job(1);
    s->retry_job(1);
    CHECK(s.claim(lease).jobs.at(0).attempt == 3);
    CHECK(s.history(1) == "failed cancelled");
  }
}

TEST_CASE("cancel requests are of running jobs, ascending", "[contract]") {
  store_fixture s;
  auto const a = s.join("a");
  auto const b = s.join("b");
  for (visor::job_id id = 1; id <= 4; ++id) s.add(id);
  auto const first = s.claim(a, 2);
  auto const second = s.claim(b, 2);
  for (visor::job_id const id : {4, 1, 3}) s->cancel_job(id);
  CHECK(s->cancel_requests() == ids{1, 3, 4});
  s.exchange(b, {s.done(second, 0)});
  CHECK(s->cancel_requests() == ids{1, 4});
}

TEST_CASE("jobs are listed newest first, page by page, as the filter says", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  CHECK(s->jobs({}).empty());
  for (visor::job_id id = 1; id <= 9; ++id) {
    auto made = s.job(id);
    made.type = id % 3 == 0 ? "three" : "Three";
    s.add(made);
  }
  s->add_schedule(s.schedule("tick"));
  s->add_schedule(s.schedule("Tick"));
  s.fire(lease, s.order("tick", 10));
  s.fire(lease, s.order("Tick", 11));
  auto const list = [&](auto change) {
    visor::job_filter filter;
    change(filter);
    return ids_of_views(s->jobs(filter));
  };
  CHECK(list([](auto&) {}) == ids{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
  CHECK(list([](auto& f) { f.limit = 3; }) == ids{11, 10, 9});
  CHECK(list([](auto& f) {
          f.limit = 3;
          f.before = 9;
        }) == ids{8, 7, 6});
  CHECK(list([](auto& f) { f.before = 1; }).empty());
  CHECK(list([](auto& f) { f.limit = 0; }).empty());
  CHECK(list([](auto& f) { f.type = "three"; }) == ids{9, 6, 3});
  CHECK(list([](auto& f) { f.schedule = "tick"; }) == ids{10});
  CHECK(list([](auto& f) { f.schedule = "Tick"; }) == ids{11});
  CHECK(list([](auto& f) { f.schedule = "none"; }).empty());
  auto const claimed = s.claim(lease, 4);
  s.exchange(lease, {s.done(claimed, 0), s.done(claimed, 1), s.done(claimed, 2)});
  auto const done = ids_of(claimed);
  CHECK(list([](auto& f) { f.state = job_state::completed; }).size() == 3);
  CHECK(list([&](auto& f) {
          f.state = job_state::running;
          f.type = s->find_job(done[3])->job.type;
          f.before = done[3] + 1;
        }) == ids{done[3]});
  CHECK(s->jobs({}).at(0).job.planned_at == s->fires("Tick", 1).at(0).planned_at);
}

TEST_CASE("pages of every state are complete", "[contract]") {
  one_of_each s;
  auto const state = any_state();
  std::vector<visor::job_id> paged;
  visor::job_filter filter;
  filter.state = state;
  filter.limit = 1;
  for (;;) {
    auto const page = s->jobs(filter);
    if (page.empty()) break;
    REQUIRE(page.size() == 1);
    paged.push_back(page[0].job.id);
    filter.before = page[0].job.id;
  }
  filter.limit = 100;
  filter.before.reset();
  CHECK(paged == ids_of_views(s->jobs(filter)));
  CHECK_FALSE(paged.empty());
}

TEST_CASE("text that cannot be kept is refused, and nothing is stored", "[contract]") {
  store_fixture s;
  std::vector jobs{s.job(1), s.job(2), s.job(3)};
  char const* field = "";
  SECTION("a payload that is not UTF-8") {
    jobs[1].payload = "\"caf\xe9\"";
    field = "payload";
  }
  SECTION("a payload with NUL") {
    jobs[1].payload = std::string("\"a\0b\"", 5);
    field = "payload";
  }
  SECTION("a payload that is not JSON") {
    jobs[1].payload = "{\"a\":1";
    field = "payload is not JSON";
  }
  SECTION("an empty payload") {
    jobs[1].payload = "";
    field = "payload is not JSON";
  }
  SECTION("a payload with a number that no program can read") {
    jobs[1].payload = R"({"a":[1,{"b":1e999}]})";
    field = R"(payload has a field "a[1].b" that is larger)";
  }
  SECTION("a payload with a number that programs read as 0") {
    jobs[1].payload = R"([1e-999])";
    field = R"(payload has a field "[0]" that is so small)";
  }
  SECTION("a payload that is nested too deep") {
    jobs[1].payload = std::string(201, '[') + std::string(201, ']');
    field = "payload is nested more than 200 levels deep";
  }
  SECTION("a payload that is too long") {
    jobs[1].payload = '"' + std::string(16 * 1024 * 1024, 'x') + '"';
    field = "payload has 16777218 bytes";
  }
  SECTION("an overlong form in the type") {
    jobs[1].type = "\xc0\xaf";
    field = "type";
  }
  SECTION("a surrogate in the queue") {
    jobs[1].queue = "\xed\xb0\x80";
    field = "queue";
  }
  SECTION("a cut character in the owner") {
    jobs[1].owner = "\xe2\x82";
    field = "owner";
  }
  auto const enqueue = [&] { s->enqueue(jobs); };
  CHECK(refusal(enqueue) == "invalid argument");
  CHECK_THAT(message(enqueue), Contains("job 2") && Contains(field));
  CHECK(message(enqueue).find('\n') == std::string::npos);
  CHECK(s->jobs({}).empty());
}

TEST_CASE("text comes back as it was given", "[contract]") {
  store_fixture s;
  auto const lease = s.join(
      "n\xc3\xb6"
      "de'; DROP TABLE job;--");
  std::string const odd = "'\"`\\%_;--/* \t\r\n\x01\x7f $1 ? :a @p \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf";
  auto made = s.job(1, 100, odd);
  std::string const odd_json =
      "\"'\\\"`\\\\%_;--/* \\t\\r\\n\\u0001\x7f $1 ? :a @p \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\\u0000\"";
  made.type = odd;
  made.payload = odd_json;
  made.owner = odd;
  s.add(made);
  auto empty = s.job(2, 100, "");
  empty.type = "";
  empty.payload = "\n 123456789012345678901234.10 ";
  empty.owner = "";
  s.add(empty);
  auto const claimed = s.claim(lease, 1, odd);
  REQUIRE(claimed.jobs.size() == 1);
  CHECK(claimed.jobs[0].type == odd);
  CHECK(claimed.jobs[0].payload == odd_json);
  auto result = s.done(claimed, 0, job_state::failed);
  result.error = odd;
  result.output = "";
  s.exchange(lease, {result});
  auto const view = s->find_job(1).value();
  CHECK(view.job.queue == odd);
  CHECK(view.job.owner == odd);
  CHECK(view.error == odd);
  CHECK(view.output == "");
  CHECK(view.node == lease.node);
  CHECK(s.claim(lease, 1, "").jobs.at(0).payload == empty.payload);
  CHECK(s->find_job(2)->job.owner == "");
}

TEST_CASE("text comes back as it was given, also of many jobs at once", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  std::vector<std::string> const odd{
      "\"", "\\", "\\\"", "a\nb", "a\r\nb\t", "\\n", "\\u0041", "'';--", "\xf0\x9f\x98\x80 \xc3\xbc", "{\"a\": [1]}", "\x01\x7f", "\b\f/"};
  std::vector<std::string> const odd_json{R"("\"")",
                                          R"("\\")",
                                          R"("\\\"")",
                                          R"("a\nb")",
                                          "\"a\"\n",
                                          R"({"a\\n": "\u0041"})",
                                          R"("\\u0041")",
                                          R"("'';--")",
                                          "\"\xf0\x9f\x98\x80 \xc3\xbc\"",
                                          R"({"a": [1, "\/"]})",
                                          R"("\u0001")",
                                          "[ ]"};
  std::vector<visor::new_job> jobs;
  for (std::size_t i = 0; i < odd.size(); ++i) {
    jobs.push_back(s.job(static_cast<visor::job_id>(i + 1)));
    jobs[i].type = odd[i];
    jobs[i].owner = odd[i];
    jobs[i].payload = odd_json[i];
  }
  CHECK(s->enqueue(jobs) == jobs.size());
  auto const claimed = s.claim(lease, jobs.size());
  REQUIRE(claimed.jobs.size() == jobs.size());
  std::vector<visor::job_result> results;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    CHECK(claimed.jobs[i].type == odd[i]);
    CHECK(claimed.jobs[i].payload == odd_json[i]);
    results.push_back(s.done(claimed, i, job_state::failed));
    results[i].error = odd[i];
    results[i].output = odd[odd.size() - 1 - i];
  }
  s.exchange(lease, results);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    CAPTURE(odd[i]);
    auto const view = s->find_job(static_cast<visor::job_id>(i + 1)).value();
    CHECK(view.job.type == odd[i]);
    CHECK(view.job.owner == odd[i]);
    CHECK(view.job.payload == odd_json[i]);
    CHECK(view.error == odd[i]);
    CHECK(view.output == odd[odd.size() - 1 - i]);
  }
}

TEST_CASE("a name that ends with a blank is refused, whatever it is of", "[contract]") {
  store_fixture s;
  auto made = s.job(1);
  SECTION("type") { made.type = "report "; }
  SECTION("queue") { made.queue = "default "; }
  SECTION("owner") { made.owner = "ann "; }
  SECTION("or is one blank") { made.type = " "; }
  auto const add = [&] { s.add(made); };
  CHECK(refusal(add) == "invalid argument");
  CHECK_THAT(message(add), Contains("job 1, field ") && Contains("cannot end with a blank") && Contains("leave it out"));
  CHECK(s->jobs({}).empty());
  visor::job_filter by_type, by_schedule;
  by_type.type = "report ";
  by_schedule.schedule = "tick ";
  CHECK(refusal([&] { s->jobs(by_type); }) == "invalid argument");
  CHECK(refusal([&] { s->jobs(by_schedule); }) == "invalid argument");
}

TEST_CASE("10 MB of payload and output are kept whole", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto made = s.job(1);
  made.payload = "\"" + std::string(10'000'000, 'x') + "\xe2\x82\xac\"";
  s.add(made);
  auto const claimed = s.claim(lease);
  CHECK((claimed.jobs.at(0).payload == made.payload));
  auto result = s.done(claimed);
  result.output = std::string(10'000'000, 'y');
  s.exchange(lease, {result});
  CHECK((s->attempts(1).at(0).output == result.output));
}

TEST_CASE("claims bring a bounded number of bytes, and leave the rest in order", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= 8; ++id) {
    auto& made = jobs.emplace_back(s.job(id, id == 8 ? 50 : 100));
    if (id != 3) made.payload = "\"" + std::string(9 * 1024 * 1024, static_cast<char>('a' + id)) + "\"";
    s.add(made);
  }
  std::vector const wanted{visor::claim_request("default", 1000)};
  std::vector<visor::job_id> order;
  std::vector<std::size_t> sizes;
  for (int round = 0; round < 4; ++round) {
    auto const result = s.exchange(lease, {}, {}, wanted);
    std::size_t bytes = 0;
    for (auto const& claimed : result.claims)
      for (auto const& job : claimed.jobs) {
        order.push_back(job.id);
        bytes += job.payload.size();
        CHECK((job.payload == jobs.at(static_cast<std::size_t>(job.id - 1)).payload));
        CHECK(job.attempt == 1);
      }
    sizes.push_back(bytes / 1024 / 1024);
    if (order.size() < 8) CHECK(result.next_in == 0s);
  }
  // The one that goes beyond the budget is the last.
  CHECK(order == std::vector<visor::job_id>{8, 1, 2, 3, 4, 5, 6, 7});
  CHECK(sizes == std::vector<std::size_t>{36, 27, 0, 0});
}

TEST_CASE("numbers are kept to their ends", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto low = s.job(1, -2'147'483'647 - 1);
  low.max_attempts = 2'147'483'647;
  low.run_at = visor::instant{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};
  auto high = s.job(9'223'372'036'854'775'806, 2'147'483'647);
  auto far = s.job(3);
  far.run_at = visor::instant{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + 24h - 1us};
  s.add(high);
  s.add(low);
  s.add(far);
  CHECK(s->promote(10).next_at == far.run_at);
  auto const claimed = s.claim(lease, 10);
  CHECK(ids_of(claimed) == ids{low.id, high.id});
  CHECK(claimed.jobs.at(0).priority == low.priority);
  CHECK(claimed.jobs.at(0).max_attempts == low.max_attempts);
  CHECK(claimed.jobs.at(0).run_at == low.run_at);
  CHECK(s->find_job(high.id)->job.priority == high.priority);
  CHECK(s->find_job(3)->job.run_at == far.run_at);
}

}  // namespace visor_test
