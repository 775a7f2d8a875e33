#include "contract/store_fixture.hpp"

#include <atomic>

/// Opening and closing, ids, and telling of changes.
namespace visor_test {

TEST_CASE("a store opens again and again and keeps what it has", "[contract]") {
  store_fixture s;
  s->open();
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("tick"));
  REQUIRE(s.fire(lease, s.order("tick", 1)).accepted);
  s.add(2);
  s.add(3, 1h);
  s.add(4);
  s.work_off(lease);
  auto const claimed = s.claim(lease);
  s->cancel_job(claimed.jobs.at(0).id);
  auto const first = s->reserve_ids(10).take();
  auto const nodes = s->nodes();
  auto const schedules = s->schedules({});
  auto const fires = s->fires("tick", 10);
  auto const requests = s->cancel_requests();
  std::vector<std::string> states;
  for (visor::job_id id = 1; id <= 4; ++id) states.push_back(s.state(id) + " " + s.history(id));
  s->open();
  s->reopen();
  CHECK(s->nodes() == nodes);
  CHECK(s->schedules({}) == schedules);
  CHECK(s->fires("tick", 10) == fires);
  CHECK(s->cancel_requests() == requests);
  for (visor::job_id id = 1; id <= 4; ++id) CHECK(s.state(id) + " " + s.history(id) == states.at(static_cast<std::size_t>(id - 1)));
  CHECK(s->reserve_ids(1).take() >= first + 10);
  CHECK(s.exchange(lease, {s.done(claimed)}).refused.empty());
  auto const next = s.claim(lease, 10);
  CHECK(next.lease != claimed.lease);
  CHECK(next.jobs.size() == 1);
}

TEST_CASE("a closed store refuses everything", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s->close();
  CHECK(refusal([&] { s->now(); }) == "closed");
  CHECK(refusal([&] { s.join("b"); }) == "closed");
  CHECK(refusal([&] { s.renew(lease, 1s, visor::node_state::online); }) == "closed");
  CHECK(refusal([&] { s->leave(lease); }) == "closed");
  CHECK(refusal([&] { s->recover(); }) == "closed");
  CHECK(refusal([&] { s->nodes(); }) == "closed");
  CHECK(refusal([&] { s->reserve_ids(1); }) == "closed");
  std::vector const jobs{s.job(2)};
  CHECK(refusal([&] { s->enqueue(jobs); }) == "closed");
  CHECK(refusal([&] { s.claim(lease); }) == "closed");
  CHECK(refusal([&] { s->promote(1); }) == "closed");
  CHECK(refusal([&] { s->due(1); }) == "closed");
  std::vector const orders{visor::fire_order()};
  CHECK(refusal([&] { s->fire(lease, orders); }) == "closed");
  CHECK(refusal([&] { s->change_schedules({}, {}, {}); }) == "closed");
  CHECK(refusal([&] { s->declare(lease, {}); }) == "closed");
  CHECK(refusal([&] { s->declared({}); }) == "closed");
  CHECK(refusal([&] { s->add_schedules({}); }) == "closed");
  CHECK(refusal([&] { s->add_schedule(visor::schedule_record()); }) == "closed");
  CHECK(refusal([&] { s->update_schedule(visor::schedule_record()); }) == "closed");
  CHECK(refusal([&] { s->remove_schedule("a"); }) == "closed");
  CHECK(refusal([&] { s->find_schedule("a"); }) == "closed");
  CHECK(refusal([&] { s->schedules({}); }) == "closed");
  CHECK(refusal([&] { s->fires("a", 1); }) == "closed");
  CHECK(refusal([&] { s->find_job(1); }) == "closed");
  CHECK(refusal([&] { s->jobs({}); }) == "closed");
  CHECK(refusal([&] { s->attempts(1); }) == "closed");
  CHECK(refusal([&] { s->cancel_job(1); }) == "closed");
  CHECK(refusal([&] { s->cancel_requests(); }) == "closed");
  CHECK(refusal([&] { s->retry_job(1); }) == "closed");
  s->close();
  s->open();
  CHECK(s.state(1) == "ready");
}

TEST_CASE("reserved ids are a block of one's own", "[contract]") {
  store_fixture s;
  auto const first = s->reserve_ids(1).take();
  CHECK(first >= 1);
  auto block = s->reserve_ids(1'000'000);
  CHECK(block.size() == 1'000'000);
  CHECK(block.is_consecutive());  // as nobody else asked meanwhile
  auto const of_block = block.take();
  CHECK(of_block > first);
  CHECK(s->reserve_ids(1).take() >= of_block + 1'000'000);
  CHECK(refusal([&] { s->reserve_ids(0); }) == "invalid argument");
  CHECK(refusal([&] { s->reserve_ids(1'000'001); }) == "invalid argument");
}

TEST_CASE("listeners hear of work and of changed schedules, and of nothing else", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  s->add_schedule(s.schedule("tick"));
  auto const claimed = s.claim(lease);
  std::atomic<int> heard = 0;
  auto const listening = s->on_change([&] { ++heard; });
  auto const hears = [&](auto&& what) {
    heard = 0;
    what();
    return heard.load() > 0;
  };

  CHECK(hears([&] { s.add(2); }));
  CHECK(hears([&] { s.add(3, 1h); }));
  CHECK_FALSE(hears([&] { s.add(3); }));
  CHECK(hears([&] { s.exchange(lease, {s.retried(claimed, 1s)}); }));
  auto const again = s.claim(lease);
  CHECK(hears([&] { s.exchange(lease, {}, {visor::release(again.lease, again.jobs.at(0).id)}); }));
  CHECK(hears([&] { s.fire(lease, s.order("tick", 10)); }));
  auto const running = s.claim(lease);
  CHECK(hears([&] { s->cancel_job(running.jobs.at(0).id); }));
  CHECK_FALSE(hears([&] { s.exchange(lease, {s.done(running, 0, visor::job_state::cancelled)}); }));
  CHECK(hears([&] { s->retry_job(running.jobs.at(0).id); }));
  CHECK(hears([&] { s->add_schedule(s.schedule("tock")); }));
  CHECK(hears([&] { s->update_schedule(s->find_schedule("tock").value()); }));
  CHECK(hears([&] { bring(s.store(), visor::schedule_set(), {s.schedule("code")}); }));
  CHECK_FALSE(hears([&] { bring(s.store(), visor::schedule_set(), {s.schedule("code")}); }));
  CHECK(hears([&] { bring(s.store(), visor::schedule_set(), {}); }));
  CHECK(hears([&] { s->declare(lease, std::vector{visor::set_declaration(visor::schedule_set(), "none", 0)}); }));
  CHECK(hears([&] { s->remove_schedule("tock"); }));
  CHECK_FALSE(hears([&] { s->remove_schedule("tock"); }));
  auto const other = s.join("b", 10s);
  REQUIRE(s.claim(other).jobs.size() == 1);
  s->advance(10s);
  CHECK(hears([&] { s->recover(); }));
  REQUIRE(s.claim(lease).jobs.size() == 1);
  CHECK(hears([&] { s->leave(lease); }));

  CHECK_FALSE(hears([&] {
    s->now();
    s->nodes();
    s->jobs({});
    s->schedules({});
    s->due(10);
    s->promote(0);
    s->recover();
    s->reserve_ids(5);
    s->enqueue({});
    s.exchange(lease, {});
  }));
}

TEST_CASE("every listener is told, until it lets go", "[contract]") {
  store_fixture s;
  std::atomic<int> first = 0;
  std::atomic<int> second = 0;
  auto one = s->on_change([&] { ++first; });
  {
    auto const two = s->on_change([&] { ++second; });
    s.add(1);
    CHECK(first > 0);
    CHECK(second > 0);
  }
  int const heard = second;
  s.add(2);
  CHECK(second == heard);
  visor::subscription moved{std::move(one)};
  first = 0;
  s.add(3);
  CHECK(first > 0);
  moved = visor::subscription();
  first = 0;
  s.add(4);
  CHECK(first == 0);
}

TEST_CASE("a listener may use the store", "[contract]") {
  store_fixture s;
  std::atomic<int> seen = 0;
  auto const listening = s->on_change([&] { seen = static_cast<int>(s->jobs({}).size()); });
  s.add(1);
  CHECK(seen == 1);
}

}  // namespace visor_test
