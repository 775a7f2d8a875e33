#include "fake_clock_cluster.hpp"

#include "support/catch.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

// How many jobs of a type nodes run together.
namespace visor_test {
namespace {

/// The number of running jobs on all nodes, and its maximum, in all and for one key.
struct running {
  std::map<std::string, int> now;
  int all = 0;
  int most = 0;
  int most_of_key = 0;
};

/// Takes a second.
visor::job_type counted(fake_clock_cluster& w, running& count, visor::job_limits limits) {
  visor::job_type type("work", [clock = w.clock, &count](visor::job_context& job) -> visor::task<> {
    auto const key = job.payload();
    count.most = std::max(count.most, ++count.all);
    count.most_of_key = std::max(count.most_of_key, ++count.now[key]);
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(1s, boost::asio::use_awaitable);
    co_await std::move(wait);
    --count.all;
    --count.now[key];
  });
  type.options.limits = limits;
  return type;
}

/// Jobs whose payload is their key.
std::vector<visor::job_id> enqueue_many(fake_clock_cluster& w, int count, std::string const& queue, std::string const& payload = "0") {
  std::vector<visor::new_job> jobs(static_cast<std::size_t>(count));
  std::vector<visor::job_id> ids;
  for (auto& job : jobs) {
    job.id = w.run_now(w.store.reserve_ids(1)).take();
    job.type = "work";
    job.queue = queue;
    job.payload = payload;
    ids.push_back(job.id);
  }
  w.run_now(w.store.enqueue(jobs));
  w.settle();
  return ids;
}

int count_of(fake_clock_cluster& w, std::vector<visor::job_id> const& ids, visor::job_state state) {
  return static_cast<int>(std::ranges::count_if(ids, [&](visor::job_id id) { return w.state(id) == state; }));
}

}  // namespace

TEST_CASE("two nodes run no more jobs of a type than its limit, and that many") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.concurrency = 3;
  auto const ids = enqueue_many(w, 30, "default*work");
  for (char const* const name : {"one", "two"}) {
    auto& node = w.add(fake_clock_cluster::beside_others(name));
    node.engine->add(counted(w, count, limits));
    w.start(node);
  }
  w.pass(5s);
  CHECK(count.most == 3);
  CHECK(count.all == 3);
  w.pass(1min);
  CHECK(count.most == 3);
  CHECK(count_of(w, ids, visor::job_state::completed) == 30);
  w.stop_all();
}

TEST_CASE("what one node ends another may start, at its next look at the latest") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.concurrency = 1;
  auto& one = w.add(fake_clock_cluster::beside_others("one"));
  one.engine->add(counted(w, count, limits));
  w.start(one);
  enqueue_many(w, 1, "default*work");
  auto& two = w.add(fake_clock_cluster::beside_others("two"));
  two.engine->add(counted(w, count, limits));
  w.start(two);
  auto const later = enqueue_many(w, 1, "default*work");
  one.engine->stop();
  w.pass(1s);
  w.pass(visor::node_settings().poll_interval + 2s);
  CHECK(count_of(w, later, visor::job_state::completed) == 1);
  CHECK(count.most == 1);
  w.stop_all();
}

TEST_CASE("jobs of one key run one after the other, beside those of others") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.key_concurrency = 1;
  std::vector<visor::job_id> ids;
  for (std::string const key : {"1", "2", "3"}) {
    auto const some = enqueue_many(w, 5, "default*work*" + key, key);
    ids.insert(ids.end(), some.begin(), some.end());
  }
  for (char const* const name : {"one", "two"}) {
    auto& node = w.add(fake_clock_cluster::beside_others(name));
    node.engine->add(counted(w, count, limits));
    w.start(node);
  }
  w.pass(2s);
  CHECK(count.most == 3);
  w.pass(30s);
  CHECK(count.most_of_key == 1);
  CHECK(count_of(w, ids, visor::job_state::completed) == 15);
  w.stop_all();
}

TEST_CASE("keys have their turns where slots are few") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.key_concurrency = 5;
  auto settings = fake_clock_cluster::beside_others("one");
  settings.queues = {visor::queue_settings("default", 1)};
  enqueue_many(w, 50, "default*work*1", "1");
  auto const last = enqueue_many(w, 1, "default*work*9", "9");
  auto& node = w.add(settings);
  node.engine->add(counted(w, count, limits));
  w.start(node);
  w.pass(5s);
  CHECK(count_of(w, last, visor::job_state::completed) == 1);
  w.pass(2min);
  w.stop_all();
}

TEST_CASE("a rate lets jobs start as its window moves on, without anybody who asks for it") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.rate = 4;
  limits.per = 1min;
  auto settings = fake_clock_cluster::beside_others("one");
  settings.poll_interval = 1h;
  settings.lease_ttl = 1h;
  settings.heartbeat_interval = 30min;
  auto const ids = enqueue_many(w, 10, "default*work");
  auto& node = w.add(settings);
  node.engine->add(counted(w, count, limits));
  w.start(node);
  w.pass(59s);
  CHECK(count_of(w, ids, visor::job_state::completed) == 4);
  w.pass(3s);
  CHECK(count_of(w, ids, visor::job_state::completed) == 8);
  w.pass(1min);
  CHECK(count_of(w, ids, visor::job_state::completed) == 10);
  w.stop_all();
}

TEST_CASE("jobs that were added without regard to the limits are limited all the same") {
  fake_clock_cluster w;
  running count;
  visor::job_limits limits;
  limits.concurrency = 2;
  auto const ids = enqueue_many(w, 12, "default");
  auto& node = w.add(fake_clock_cluster::beside_others("one"));
  node.engine->add(counted(w, count, limits));
  w.start(node);
  w.pass(20s);
  CHECK(count.most == 2);
  CHECK(count_of(w, ids, visor::job_state::completed) == 12);
  for (auto const id : ids) CHECK(w.attempts(id).size() == 1);
  w.stop_all();
}

TEST_CASE("what was added under limits that were lifted runs without them") {
  fake_clock_cluster w;
  running count;
  {
    visor::join_request before;
    before.node = "before";
    visor::job_limits limits;
    limits.concurrency = 1;
    before.limits = {visor::type_limit_record("work", limits)};
    w.run_now(w.store.leave(w.run_now(w.store.join(before)), visor::departure::clean));
  }
  auto const ids = enqueue_many(w, 8, "default*work");
  auto& node = w.add(fake_clock_cluster::beside_others("one"));
  node.engine->add(counted(w, count, visor::job_limits()));
  w.start(node);
  w.pass(3s);
  CHECK(count.most == 8);
  CHECK(count_of(w, ids, visor::job_state::completed) == 8);
  w.stop_all();
}

TEST_CASE("limits that cannot be are refused with their name") {
  fake_clock_cluster w;
  auto& node = w.add();
  auto const refusal = [&](std::string name, auto set) {
    visor::job_type type(std::move(name), [](visor::job_context&) -> visor::task<> { co_return; });
    set(type.options.limits);
    try {
      node.engine->add(std::move(type));
    } catch (visor::error const& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  using visor::job_limits;
  CHECK(refusal("a*b", [](job_limits& limits) { limits.rate = 1; }).find("may have no *") != std::string::npos);
  CHECK(refusal("a", [](job_limits& limits) { limits.key_rate = -1; }).find("limits.key_rate is -1") != std::string::npos);
  CHECK(refusal("a", [](job_limits& limits) { limits.per = 25h; }).find("limits.per is") != std::string::npos);
  CHECK(refusal("a", [](job_limits& limits) { limits.per = 0s; }).find("limits.per is") != std::string::npos);
  CHECK(refusal("a*b", [](job_limits&) {}) == "");
  CHECK(refusal("a", [](job_limits& limits) { limits.concurrency = 1; }) == "");
}

}  // namespace visor_test
