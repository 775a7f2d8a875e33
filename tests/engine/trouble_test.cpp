// Exchanges that fail, whose outcome is unknown, or whose reply comes late.

#include "fake_clock_cluster.hpp"

#include <algorithm>

using namespace visor_test;
using visor::job_context;
using visor::job_state;
using visor::outcome;

TEST_CASE("a node whose database is another one by now ends with the reason, and reports nothing there") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1h)));
  w.start(node);
  w.enqueue("work", 2);
  w.pass(1s);
  int results = 0;
  w.store.before_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    results += size.done + size.back != 0 ? 1 : 0;
    throw visor::error(visor::errc::replaced, "the file is gone");
    co_return;
  };
  w.enqueue("work", 2);
  w.pass(6s);
  CHECK(node.ended);
  CHECK(node.failure == "the file is gone");
  CHECK(node.logged("this node ends: the file is gone"));
  CHECK(results == 0);
}

TEST_CASE("a drain ends although what it has to report is refused by the store to the end") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 10s)));
  w.start(node);
  auto const id = w.enqueue("work", 2);
  w.pass(1s);
  node.engine->stop();
  bool away = true;
  int tries = 0;
  w.store.before_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    tries += size.done != 0 ? 1 : 0;
    if (away) throw visor::error(visor::errc::connection_lost, "the store is away");
    co_return;
  };
  w.pass(15s);
  CHECK(tries > 5);
  CHECK_FALSE(node.ended);
  SECTION("as long as it may, it tries again") {
    away = false;
    w.pass(3s);
    CHECK(node.ended);
    CHECK(w.state(id) == job_state::completed);
  }
  SECTION("then it leaves, and the job runs elsewhere") {
    w.pass(25s);
    CHECK(node.ended);
    CHECK(node.failure == "the results of these jobs could not be stored: 1");
    CHECK(w.state(id) == job_state::ready);
    REQUIRE(w.attempts(id).size() == 1);
    CHECK(w.attempts(id)[0].outcome == outcome::lost);
    CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::offline);
  }
}

TEST_CASE("a node whose results are not taken says nothing of jobs that are left behind, since none runs") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1h)));
  w.start(node);
  w.enqueue("work");
  w.pass(1s);
  w.store.before_exchange = [](store_type::exchange_size) -> visor::task<> {
    throw visor::error(visor::errc::connection_lost, "the store is away");
    co_return;
  };
  node.engine->stop();
  node.engine->stop();
  w.pass(1min);
  CHECK(node.ended);
  CHECK_FALSE(node.logged("are left behind"));
}

TEST_CASE("a node that cannot leave ends with the reason, unless it ends with another one") {
  fake_clock_cluster w;
  auto& node = w.add();
  w.start(node);
  w.store.before_leave = [] { throw visor::error(visor::errc::disk_full, "no room"); };
  SECTION("it was told to stop") {
    node.engine->stop();
    w.pass(1min);
    CHECK(node.ended);
    CHECK(node.failure == "no room");
  }
  SECTION("the tables are those of a newer program") {
    w.store.newer_schema = 99;
    w.pass(1min);
    CHECK(node.ended);
    CHECK_THAT(node.failure, Contains("a newer program has migrated the tables"));
  }
  CHECK(node.logged("leaving: no room"));
  CHECK(w.run_now(w.store.nodes()).at(0).state != visor::node_state::offline);
}

TEST_CASE("a node that leaves after its lease was lost releases nothing that ran as if it had not") {
  fake_clock_cluster w;
  auto& node = w.add(fake_clock_cluster::beside_others());
  node.engine->add(visor::job_type("work", sleeper(w.clock, 10s)));
  w.start(node);
  auto const id = w.enqueue("work", 2);
  w.pass(1s);
  w.store.before_join = [] { throw visor::error(visor::errc::connection_lost, "the store is away"); };
  w.clock.advance(1h);  // nobody takes over meanwhile
  w.pass(1s);
  REQUIRE(node.engine->counters().lost_leases == 1);
  CHECK(w.state(id) == job_state::running);
  node.engine->stop();
  w.pass(1min);
  CHECK(node.ended);
  CHECK(w.state(id) == job_state::ready);
  REQUIRE(w.attempts(id).size() == 1);
  CHECK(w.attempts(id)[0].outcome == outcome::lost);
  CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::offline);
}

TEST_CASE("a claim that is answered after the lease was lost is not run") {
  fake_clock_cluster w;
  auto& node = w.add();
  int runs = 0;
  node.engine->add(visor::job_type("work", [&](job_context&) -> visor::task<> {
    ++runs;
    co_return;
  }));
  w.start(node);
  bool first = true;
  auto const late = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.wanted == 0 || !std::exchange(first, false)) co_return;
    visor::manual_clock::timer timer{w.io.get_executor(), w.clock};
    auto wait = timer.async_wait_for(20s, boost::asio::use_awaitable);
    co_await std::move(wait);
  };
  w.store.after_exchange = late;
  auto const id = w.enqueue("work", 2);
  CHECK_FALSE(first);
  CHECK(w.state(id) == job_state::running);  // the store gave it, and its node does not know yet
  auto const was = w.run_now(w.store.nodes()).at(0);
  std::optional<visor::node_lease> evicted(std::in_place, was.name, was.epoch, was.lease_until);
  CHECK(w.run_now(w.store.recover(evicted)).at(0).requeued == std::vector<visor::job_id>{id});
  bool away = true;
  SECTION("while the node is not back yet") {
    w.store.before_join = [&] {
      if (away) throw visor::error(visor::errc::connection_failed, "the store is away");
    };
    w.pass(25s);
    CHECK(runs == 0);
    away = false;
  }
  SECTION("but under a new epoch") {}
  w.pass(30s);
  CHECK(node.engine->counters().lost_leases == 1);
  CHECK(runs == 1);
  CHECK(w.state(id) == job_state::completed);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 2);
  CHECK(tries[0].outcome == outcome::lost);
  CHECK(tries[1].outcome == outcome::completed);
  CHECK(tries[1].epoch.value() > was.epoch);
  w.stop_all();
}

TEST_CASE("a result that the store refuses is told of, also where the node knew first that its lease was lost") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("work", [](job_context&) -> visor::task<> { co_return; }));
  w.start(node);
  bool is_late = true;
  auto const late = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.done == 0 || !std::exchange(is_late, false)) co_return;
    visor::manual_clock::timer timer{w.io.get_executor(), w.clock};
    auto wait = timer.async_wait_for(2 * visor::node_settings().lease_ttl, boost::asio::use_awaitable);
    co_await std::move(wait);
  };
  w.store.before_exchange = late;
  auto const id = w.enqueue("work", 2);
  REQUIRE_FALSE(is_late);
  auto const was = w.run_now(w.store.nodes()).at(0);
  std::optional<visor::node_lease> evicted(std::in_place, was.name, was.epoch, was.lease_until);
  CHECK(w.run_now(w.store.recover(evicted)).at(0).requeued == std::vector<visor::job_id>{id});
  std::string const line = "job " + std::to_string(id) + ": its lease was lost, the result is refused";
  w.pass(visor::node_settings().lease_ttl);
  CHECK(node.engine->counters().lost_leases == 1);
  CHECK_FALSE(node.logged(line));
  w.pass(2 * visor::node_settings().lease_ttl);
  CHECK(node.logged(line));
  CHECK(node.engine->counters().refused == 1);
  CHECK(w.state(id) == job_state::completed);  // by the second attempt
  CHECK(w.attempts(id).size() == 2);
  w.stop_all();
}

TEST_CASE("results are reported again when nobody knows what became of the exchange, and jobs claimed with it are put back") {
  bool const written = GENERATE(true, false);
  CAPTURE(written);
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 1), visor::queue_settings("long", 1)};
  auto& node = w.add(settings);
  std::vector<visor::job_id> runs;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("work", [&, clock](job_context& job) -> visor::task<> {
    runs.push_back(job.id());
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(10s, boost::asio::use_awaitable);
    co_await std::move(wait);
  }));
  node.engine->add(visor::job_type("long", sleeper(w.clock, 5min)));
  w.start(node);
  visor::new_job slow;
  slow.type = slow.queue = "long";
  auto const beside = w.enqueue(slow);
  auto const done = w.enqueue("work");
  auto const next = w.enqueue("work", 2);
  w.pass(1s);
  bool first = true;
  auto const cut = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.done != 0 && size.wanted != 0 && std::exchange(first, false))
      throw visor::error(visor::errc::outcome_unknown, "the connection broke");
    co_return;
  };
  (written ? w.store.after_exchange : w.store.before_exchange) = cut;
  w.pass(30s);
  CHECK_FALSE(first);
  CHECK(runs == std::vector<visor::job_id>{done, next});
  CHECK(w.state(done) == job_state::completed);
  CHECK(w.state(next) == job_state::completed);
  CHECK(w.attempts(done).size() == 1);
  CHECK(node.engine->counters().completed == 2);
  CHECK(node.engine->counters().refused == 0);
  auto const tries = w.attempts(next);
  REQUIRE(tries.size() == 1);
  CHECK(tries[0].outcome == outcome::completed);
  CHECK(tries[0].epoch == 2);
  CHECK(w.attempts(done).at(0).epoch == 1);
  // The other job goes on, longer than the lease under which it was claimed.
  w.pass(5min);
  CHECK(w.state(beside) == job_state::completed);
  CHECK(w.attempts(beside).size() == 1);
  CHECK(w.attempts(beside).at(0).epoch == 1);
  CHECK(node.engine->counters().lost_leases == 0);
  w.stop_all();
}

namespace {

/// A node with a slot for jobs of a second, and one for long ones.
fake_clock_cluster::node& with_two_queues(fake_clock_cluster& w, visor::node_settings settings, visor::duration length) {
  settings.queues = {visor::queue_settings("default", 1), visor::queue_settings("long", 1)};
  auto& node = w.add(std::move(settings));
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1s)));
  node.engine->add(visor::job_type("long", sleeper(w.clock, length)));
  w.start(node);
  return node;
}

visor::job_id enqueue_long(fake_clock_cluster& w, int max_attempts) {
  visor::new_job slow;
  slow.type = slow.queue = "long";
  slow.max_attempts = max_attempts;
  return w.enqueue(slow);
}

}  // namespace

TEST_CASE("a node that cannot go on in time, not knowing what it claimed, has lost what it runs") {
  bool const heard = GENERATE(true, false);
  CAPTURE(heard);
  fake_clock_cluster w;
  auto& node = with_two_queues(w, fake_clock_cluster::beside_others(), 5min);
  auto const beside = enqueue_long(w, 2);
  w.store.after_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    w.store.after_exchange = nullptr;
    if (size.wanted != 0) throw visor::error(visor::errc::outcome_unknown, "the connection broke");
    co_return;
  };
  auto const away = [] { throw visor::error(visor::errc::connection_lost, "the store is away"); };
  (heard ? w.store.before_join : w.store.after_join) = away;
  auto const unknown = w.enqueue("work", 2);
  w.pass(visor::node_settings().lease_ttl + 1s);
  CHECK(node.engine->counters().lost_leases == 1);
  w.store.before_join = w.store.after_join = nullptr;
  w.pass(10min);
  CHECK(w.state(unknown) == job_state::completed);
  CHECK(w.attempts(unknown).size() == (heard ? 2 : 1));
  CHECK(w.state(beside) == job_state::completed);
  REQUIRE(w.attempts(beside).size() == 2);
  CHECK(w.attempts(beside).at(0).outcome == outcome::lost);
  w.stop_all();
}

TEST_CASE("a node that loses its lease while it asks to go on releases nothing that ran as if it had not") {
  fake_clock_cluster w;
  auto& node = with_two_queues(w, fake_clock_cluster::beside_others(), 5min);
  auto const beside = enqueue_long(w, 2);
  // The store takes the lease to be current for longer than the node does, as when the answer to a heartbeat is late.
  auto const late_read = [&]() -> visor::task<> {
    w.store.before_nodes = nullptr;
    auto const row = (co_await w.store.store_type::memory::nodes()).at(0);
    visor::renewal how;
    how.ttl = 10min;
    how.token = how.last_token = row.token.value();
    visor::node_lease const held(row.name, row.epoch, row.lease_until);
    co_await w.store.store_type::memory::renew(held, how);
    visor::manual_clock::timer timer(co_await boost::asio::this_coro::executor, w.clock);
    auto wait = timer.async_wait_for(visor::node_settings().lease_ttl + 1s, boost::asio::use_awaitable);
    co_await std::move(wait);
  };
  w.store.after_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    w.store.after_exchange = nullptr;
    w.store.before_nodes = late_read;
    if (size.wanted != 0) throw visor::error(visor::errc::outcome_unknown, "the connection broke");
    co_return;
  };
  auto const unknown = w.enqueue("work", 2);
  w.pass(visor::node_settings().lease_ttl + 5s);
  CHECK(node.engine->counters().lost_leases == 1);
  w.pass(10min);
  CHECK(w.state(unknown) == job_state::completed);
  CHECK(w.state(beside) == job_state::completed);
  REQUIRE(w.attempts(beside).size() == 2);
  CHECK(w.attempts(beside).at(0).outcome == outcome::lost);
  w.stop_all();
}

TEST_CASE("a node that is alone, late, and does not know what it claimed goes on with what it runs") {
  fake_clock_cluster w;
  auto& node = with_two_queues(w, fake_clock_cluster::settings(), 1h);
  auto const beside = enqueue_long(w, 1);
  w.store.before_renew = [] { throw visor::error(visor::errc::busy, "somebody locked the table of nodes"); };
  w.pass(visor::node_settings().lease_ttl + 1min);  // its lease has run out, and nobody else is there
  w.store.after_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.wanted == 0) co_return;
    w.store.after_exchange = nullptr;
    throw visor::error(visor::errc::outcome_unknown, "the connection broke");
  };
  auto const unknown = w.enqueue("work", 2);
  w.pass(10s);
  w.store.before_renew = nullptr;
  w.pass(2h);
  CHECK(w.state(unknown) == job_state::completed);
  CHECK(w.state(beside) == job_state::completed);
  CHECK(w.attempts(beside).size() == 1);
  CHECK(node.engine->counters().lost_leases == 0);
  w.stop_all();
}

TEST_CASE("a job that is not started is released and no attempt is counted, longer each time") {
  fake_clock_cluster w;
  auto& node = w.add();
  int left = 3;
  int calls = 0;
  node.engine->add(visor::job_type("work", [&](job_context& job) -> visor::task<> {
    ++calls;
    CHECK(job.attempt() == 1);
    if (left-- > 0) throw visor::not_started(std::errc::text_file_busy, "the program");
    co_return;
  }));
  w.start(node);
  auto const id = w.enqueue("work");
  CHECK(calls == 1);
  CHECK(w.state(id) == job_state::scheduled);
  CHECK(node.logged("job 1 work was not started and is released for"));
  CHECK(node.logged("the program: Text file busy"));
  w.pass(1100ms);
  CHECK(calls == 2);
  w.pass(300ms);
  CHECK(calls == 2);
  w.pass(10s);
  CHECK(calls == 4);
  CHECK(w.state(id) == job_state::completed);
  CHECK(w.attempts(id).size() == 1);
  CHECK(node.engine->counters().released == 3);
  w.stop_all();
}

TEST_CASE("a job that lacks memory each time ends with the reason") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", [](job_context&) -> visor::task<> {
    throw visor::not_started(std::errc::not_enough_memory, "the program");
    co_return;
  }));
  w.start(node);
  auto const id = w.enqueue("work");
  w.pass(1min);
  CHECK(w.state(id) == job_state::dead);
  REQUIRE(w.attempts(id).size() == 1);
  CHECK(w.attempts(id)[0].error == "the program: Cannot allocate memory");
  w.stop_all();
}

TEST_CASE("a node that lacks descriptors claims no more than it can start, and all of its slots when there are some again") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues[0].slots = 20;
  auto& node = w.add(settings);
  std::size_t room = 4;
  std::size_t running = 0;
  std::size_t most = 0;
  std::size_t refused = 0;
  node.engine->add(visor::job_type("work", [&, clock = w.clock](job_context& job) -> visor::task<> {
    if (running == room) {
      ++refused;
      throw visor::not_started(std::errc::too_many_files_open, "the program");
    }
    most = std::max(most, ++running);
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(300ms, boost::asio::use_awaitable);
    co_await std::move(wait);
    --running;
  }));
  w.start(node);
  w.add_jobs("work", 2000);
  w.pass(1min);
  CHECK(most == 4);
  CHECK(refused < 100);
  room = 20;
  w.pass(4min);
  CHECK(most == 20);
  CHECK(node.engine->counters().completed == 2000);
  CHECK(node.engine->counters().ended_badly == 0);
  w.stop_all();
}

TEST_CASE("a job that is not started and was to stop ends as what the stop was for") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", [](job_context& job) -> visor::task<> {
    job.request_stop(visor::stop_reason::cancelled);
    throw visor::not_started(std::errc::too_many_files_open, "the program");
    co_return;
  }));
  w.start(node);
  auto const id = w.enqueue("work", 3);
  CHECK(w.state(id) == job_state::cancelled);
  w.stop_all();
}

TEST_CASE("a result that the database refuses in every form is kept, and all else goes on") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1s)));
  w.start(node);
  auto const first = w.enqueue("work");
  bool refuses = true;
  int tries = 0;
  w.store.change_result = [&](std::span<visor::job_result const> done, visor::exchange_result& result) {
    for (auto const& each : done)
      if (each.job == first && ++tries > 0 && refuses) result.unwritten.push_back({first, "no such value"});
  };
  w.pass(2s);
  CHECK(tries == 1);
  CHECK(node.logged("job 1: the database refuses its result in every form, which is tried again in 10s: no such value"));
  auto const second = w.enqueue("work");
  w.pass(3s);
  CHECK(w.state(second) == job_state::completed);
  CHECK(tries == 1);
  SECTION("until it is taken") {
    refuses = false;
    w.pass(10s);
    CHECK(tries == 2);
    CHECK(w.state(first) == job_state::completed);
    w.stop_all();
  }
  SECTION("also in a drain, as long as that may take") {
    node.engine->stop();
    w.pass(5s);
    CHECK_FALSE(node.ended);
    w.pass(2min);
    CHECK(node.ended);
    CHECK(node.failure == "the results of these jobs could not be stored: 1");
    CHECK(node.logged("leaving: the results of these jobs could not be stored, so their attempts count as lost: 1"));
    CHECK(w.attempts(first).at(0).outcome == outcome::lost);
  }
}

TEST_CASE("a node that starts waits for locks of others, and a moment for a server that cuts it off") {
  fake_clock_cluster w;
  auto& node = w.add(fake_clock_cluster::settings());
  auto why = visor::errc::busy;
  w.store.before_join = [&why] { throw visor::error(why, "not now"); };
  w.start(node);
  SECTION("a lock for long") {
    w.pass(10min);
    CHECK_FALSE(node.ended);
    CHECK(std::ranges::count_if(node.lines, [](auto const& line) { return line.find("cannot start yet") != std::string::npos; }) == 1);
    w.store.before_join = nullptr;
    w.pass(1s);
    CHECK(w.run_now(w.store.nodes()).size() == 1);
  }
  SECTION("a lock, and it is told to stop") {
    node.engine->stop();
    w.pass(1s);
    CHECK(node.ended);
    CHECK(node.failure.empty());
  }
  SECTION("a server that is back soon") {
    why = visor::errc::connection_failed;
    w.pass(4s);
    CHECK_FALSE(node.ended);
    w.store.before_join = nullptr;
    w.pass(1s);
    CHECK(w.run_now(w.store.nodes()).size() == 1);
  }
  SECTION("a server that is not there") {
    why = visor::errc::connection_failed;
    w.pass(8s);
    CHECK(node.ended);
    CHECK(node.failure == "not now");
  }
  SECTION("anything else") {
    why = visor::errc::authentication_failed;
    w.pass(3s);
    CHECK(node.ended);
  }
  w.store.before_join = nullptr;
  w.stop_all();
}
