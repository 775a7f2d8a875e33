#include "fake_clock_cluster.hpp"

#include <algorithm>

using namespace visor_test;
using visor::job_context;
using visor::job_state;
using visor::outcome;

TEST_CASE("an enqueued job runs at once, once, and is recorded") {
  fake_clock_cluster w;
  auto& node = w.add();
  int runs = 0;
  node.engine->add(visor::job_type("hello", [&](job_context& job) -> visor::task<> {
    ++runs;
    job.log("hi");
    co_return;
  }));
  w.start(node);
  auto const id = w.enqueue("hello");
  w.pass(10ms);
  CHECK(runs == 1);
  CHECK(w.state(id) == job_state::completed);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 1);
  CHECK(tries[0].output == "hi\n");
  CHECK(tries[0].node == "one");
  CHECK(tries[0].epoch == 1);
  CHECK(tries[0].outcome == outcome::completed);
  w.stop_all();
}

TEST_CASE("a job that was there before the node starts too") {
  fake_clock_cluster w;
  auto const id = w.enqueue("hello");
  auto& node = w.add();
  node.engine->add(visor::job_type("hello", [](job_context&) -> visor::task<> { co_return; }));
  w.start(node);
  w.pass(10ms);
  CHECK(w.state(id) == job_state::completed);
  w.stop_all();
}

TEST_CASE("a failing job is tried again after its pause and then dead") {
  fake_clock_cluster w;
  auto& node = w.add();
  visor::job_type_options options;
  options.backoff = visor::backoff(visor::backoff_kind::fixed, 10s, 10s);
  node.engine->add(visor::job_type(
      "bad",
      [](job_context& job) -> visor::task<> {
        throw std::runtime_error("try " + std::to_string(job.attempt()));
        co_return;
      },
      options));
  w.start(node);
  auto const id = w.enqueue("bad", 3);
  w.pass(100ms);
  CHECK(w.state(id) == job_state::scheduled);
  CHECK(w.attempts(id).size() == 1);
  w.pass(9s);
  CHECK(w.attempts(id).size() == 1);
  w.pass(1s);
  CHECK(w.attempts(id).size() == 2);
  w.pass(11s);
  CHECK(w.state(id) == job_state::dead);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 3);
  CHECK(tries[0].error == "try 1");
  CHECK(tries[2].error == "try 3");
  CHECK(tries[2].final_state == job_state::dead);
  w.stop_all();
}

TEST_CASE("a permanent failure ends the job whatever attempts are left") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("bad", [](job_context&) -> visor::task<> {
    throw visor::permanent_failure("no such report");
    co_return;
  }));
  w.start(node);
  auto const id = w.enqueue("bad", 5);
  w.pass(1s);
  CHECK(w.state(id) == job_state::failed);
  CHECK(w.attempts(id).size() == 1);
  w.stop_all();
}

TEST_CASE("what is thrown need not be an exception, nor its text UTF-8") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("number", [](job_context&) -> visor::task<> {
    throw 7;
    co_return;
  }));
  node.engine->add(visor::job_type("bytes", [](job_context& job) -> visor::task<> {
    job.log(std::string("a\0b", 3));
    throw std::runtime_error("\xff oops");
    co_return;
  }));
  w.start(node);
  auto const number = w.enqueue("number");
  auto const bytes = w.enqueue("bytes");
  w.pass(1s);
  CHECK(w.attempts(number).at(0).error == "the handler threw something that is not a std::exception");
  CHECK(w.attempts(bytes).at(0).error == "\xEF\xBF\xBD oops");
  CHECK(w.attempts(bytes).at(0).output ==
        "a\xEF\xBF\xBD"
        "b\n");
  w.stop_all();
}

TEST_CASE("a job type may keep more or less output than its node") {
  fake_clock_cluster w;
  auto how = fake_clock_cluster::settings();
  how.output_limit = 20;
  auto& node = w.add(how);
  auto const talk = [](job_context& job) -> visor::task<> {
    job.log(std::string(100, 'x'));
    co_return;
  };
  visor::job_type_options ten;
  ten.output_limit = 10;
  node.engine->add(visor::job_type("ten", talk, ten));
  node.engine->add(visor::job_type("default", talk));
  w.start(node);
  auto const less = w.enqueue("ten");
  auto const usual = w.enqueue("default");
  w.pass(1s);
  auto const kept = [&](visor::job_id id) {
    auto const output = w.attempts(id).at(0).output.value_or("");
    return std::count(output.begin(), output.end(), 'x');
  };
  CHECK(kept(less) == 10);
  CHECK(kept(usual) == 20);
  w.stop_all();
}

TEST_CASE("a job runs no longer than its timeout") {
  fake_clock_cluster w;
  auto& node = w.add();
  visor::job_type_options options;
  options.timeout = 1min;
  node.engine->add(visor::job_type("slow", sleeper(w.clock, 1h), options));
  w.start(node);
  auto const id = w.enqueue("slow");
  w.pass(59s);
  CHECK(w.state(id) == job_state::running);
  w.pass(2s);
  CHECK(w.state(id) == job_state::dead);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 1);
  CHECK(tries[0].outcome == outcome::timed_out);
  CHECK(tries[0].error == "stopped after its timeout of 1m");
  w.stop_all();
}

TEST_CASE("a running job is cancelled on request") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("slow", sleeper(w.clock, 1h)));
  w.start(node);
  auto const id = w.enqueue("slow", 5);
  w.pass(1s);
  CHECK(w.run_now(w.store.cancel_job(id)) == visor::cancel_result::requested);
  w.pass(100ms);  // the store tells of it
  CHECK(w.state(id) == job_state::cancelled);
  CHECK(w.run_now(w.store.cancel_requests()).empty());
  w.stop_all();
}

TEST_CASE("what is to be cancelled is not asked for each job that begins") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 1)};
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("quick", sleeper(w.clock, 100ms)));
  visor::job_id last = 0;
  for (int i = 0; i < 50; ++i) last = w.enqueue("quick", 1);
  w.start(node);
  w.pass(6s);
  CHECK(w.state(last) == job_state::completed);
  CHECK(w.store.cancel_questions >= 2);  // once in 2 s
  CHECK(w.store.cancel_questions <= 5);
  w.stop_all();
}

TEST_CASE("a job that is cancelled again goes on with what it does about the first time") {
  fake_clock_cluster w;
  auto& node = w.add();
  int interrupted = 0;
  bool cleaned = false;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("careful", [&, clock](job_context& job) -> visor::task<> {
    visor::manual_clock::timer timer{job.executor(), clock};
    visor::duration length{1h};
    for (int i = 0; i < 2; ++i) {
      auto wait = timer.async_wait_for(length, boost::asio::as_tuple(boost::asio::use_awaitable));
      auto const [failure] = co_await std::move(wait);
      interrupted += failure ? 1 : 0;
      cleaned = !failure;
      length = 1min;
      co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    }
    throw std::runtime_error("cleaned up");
  }));
  w.start(node);
  auto const id = w.enqueue("careful", 5);
  w.pass(1s);
  CHECK(w.run_now(w.store.cancel_job(id)) == visor::cancel_result::requested);
  w.pass(1s);
  CHECK(interrupted == 1);
  CHECK(w.run_now(w.store.cancel_job(id)) == visor::cancel_result::requested);
  w.pass(50s);  // meanwhile the node asks many times what is to be cancelled
  CHECK(w.state(id) == job_state::running);
  w.pass(10s);
  CHECK(interrupted == 1);
  CHECK(cleaned);
  CHECK(w.state(id) == job_state::cancelled);
  w.stop_all();
}

TEST_CASE("a queue runs no more jobs than it has slots, and the others in order of priority") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 2)};
  auto& node = w.add(settings);
  int running = 0;
  int most = 0;
  std::vector<int> order;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("work", [&, clock](job_context& job) -> visor::task<> {
    most = std::max(most, ++running);
    order.push_back(static_cast<int>(job.id()));
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(1s, boost::asio::use_awaitable);
    co_await std::move(wait);
    --running;
  }));
  auto const late = w.enqueue("work", 1, 200);
  auto const normal = w.enqueue("work", 1, 100);
  auto const first = w.enqueue("work", 1, 50);
  auto const second = w.enqueue("work", 1, 50);
  w.start(node);
  w.pass(10s);
  CHECK(most == 2);
  CHECK(order == std::vector<int>{static_cast<int>(first), static_cast<int>(second), static_cast<int>(normal), static_cast<int>(late)});
  w.stop_all();
}

TEST_CASE("queues do not take each other's slots") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("slow", 1), visor::queue_settings("fast", 1)};
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("sleep", sleeper(w.clock, 1h)));
  int runs = 0;
  node.engine->add(visor::job_type("quick", [&](job_context&) -> visor::task<> {
    ++runs;
    co_return;
  }));
  w.start(node);
  auto const first = w.run_now(w.store.reserve_ids(20)).take();
  std::vector<visor::new_job> jobs(20);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].id = first + static_cast<visor::job_id>(i);
    jobs[i].queue = i < 10 ? "slow" : "fast";
    jobs[i].type = i < 10 ? "sleep" : "quick";
  }
  w.run_now(w.store.enqueue(jobs));
  w.pass(1s);
  CHECK(runs == 10);
  node.engine->stop();
  w.pass(2min);
  CHECK(node.ended);
}

TEST_CASE("a job of a type that the node does not know waits in the lane of its type, and is not failed") {
  fake_clock_cluster w;
  auto& node = w.add(fake_clock_cluster::beside_others());
  w.start(node);
  auto const id = w.enqueue("unheard-of");
  auto const starred = w.enqueue("un*heard");  // which can be no name of a lane
  w.pass(1s);
  CHECK(w.state(id) == job_state::ready);
  CHECK(w.run_now(w.store.find_job(id))->job.queue == "default*unheard-of");
  CHECK(w.attempts(id).empty());
  CHECK(w.state(starred) == job_state::scheduled);
  CHECK(node.logged("is of type unheard-of, which this node does not know"));
  auto const claimed = node.engine->counters().claimed;
  w.pass(10min);
  CHECK(node.engine->counters().claimed < claimed + 30);  // the other one, from time to time
  auto& other = w.add(fake_clock_cluster::beside_others("other"));
  other.engine->add(visor::job_type("unheard-of", [](job_context&) -> visor::task<> { co_return; }));
  w.start(other);
  CHECK(w.state(id) == job_state::completed);
  w.stop_all();
}

TEST_CASE("a job that one node of twenty knows starts within a second") {
  bool const is_told = GENERATE(true, false);
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::beside_others();
  settings.poll_interval = 2s;
  w.store.tells_of_changes = is_told;
  for (int i = 0; i < 19; ++i) {
    settings.name = "node " + std::to_string(i);
    w.start(w.add(settings));
  }
  settings.name = "the one that knows";
  auto& knows = w.add(settings);
  knows.engine->add(visor::job_type("new", [](job_context&) -> visor::task<> { co_return; }));
  w.start(knows);
  w.pass(1min);
  for (int i = 0; i < 20; ++i) {
    auto const id = w.enqueue("new");
    w.pass(is_told ? 1s : 2500ms);
    CHECK(w.state(id) == job_state::completed);
  }
  std::uint64_t released = 0;
  for (auto const& lines : w.nodes()) released += lines->engine->counters().claimed;
  CHECK(released <= 20 * 2);  // each is claimed once by a node that does not know it, and once by the one that does
  w.stop_all();
}

TEST_CASE("a burst larger than the slots is worked off without waiting for a poll") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.poll_interval = 1h;
  auto& node = w.add(settings);
  int runs = 0;
  node.engine->add(visor::job_type("quick", [&](job_context&) -> visor::task<> {
    ++runs;
    co_return;
  }));
  w.start(node);
  w.add_jobs("quick", 1000);
  w.pass(1s);
  CHECK(runs == 1000);
  CHECK(node.engine->counters().completed == 1000);
  w.stop_all();
}

TEST_CASE("of many slots a half is claimed while the other half runs") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 1000)};
  auto& node = w.add(settings);
  std::vector<std::size_t> rooms;
  w.store.before_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    rooms.push_back(size.room);
    co_return;
  };
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1h)));
  w.add_jobs("work", 1500);
  w.start(node);
  w.pass(1s);
  CHECK(node.engine->counters().claimed == 1000);
  CHECK(rooms == std::vector<std::size_t>{500, 500});
  node.engine->stop();
  w.pass(2min);
}

TEST_CASE("results wait for others, but not those that are many") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 300)};
  settings.completion_delay = 1s;
  auto& node = w.add(settings);
  std::vector<std::size_t> reported;
  w.store.before_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.done != 0) reported.push_back(size.done);
    co_return;
  };
  node.engine->add(visor::job_type("quick", sleeper(w.clock, 1min)));
  node.engine->add(visor::job_type("slow", sleeper(w.clock, 2h)));
  w.add_jobs("slow", 150);
  SECTION("few of those that run") {
    w.add_jobs("quick", 99);
    w.start(node);
    w.pass(1min + 500ms);
    CHECK(reported.empty());
    w.pass(1s);
    CHECK(reported == std::vector<std::size_t>{99});
  }
  SECTION("a hundred") {
    w.add_jobs("quick", 100);
    w.start(node);
    w.pass(1min + 500ms);
    CHECK(reported == std::vector<std::size_t>{100});
  }
  node.engine->stop();
  w.pass(2min);
}

TEST_CASE("two job types cannot have one name") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("hello", sleeper(w.clock, 1s)));
  CHECK_THROWS_AS(node.engine->add(visor::job_type("hello", sleeper(w.clock, 1s))), visor::error);
  CHECK_THROWS_AS(node.engine->add(visor::job_type("", sleeper(w.clock, 1s))), visor::error);
}

TEST_CASE("settings out of range are refused by name") {
  fake_clock_cluster w;
  auto wrong = [&](auto change, char const* text) {
    auto settings = fake_clock_cluster::settings();
    change(settings);
    CHECK_THROWS_WITH(w.add(settings), Contains(text));
  };
  wrong([](auto& s) { s.lease_ttl = 10ms; }, "lease_ttl");
  wrong([](auto& s) { s.heartbeat_interval = s.lease_ttl; }, "heartbeat_interval");
  wrong([](auto& s) { s.queues.clear(); }, "queues");
  wrong([](auto& s) { s.queues[0].slots = 0; }, "slots of queue default");
  wrong([](auto& s) { s.threads = -1; }, "threads");
  wrong([](auto& s) { s.poll_interval = 0s; }, "poll_interval");
}

TEST_CASE("a queue that is named twice, or not at all, is refused") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("mail", 1), visor::queue_settings("default", 1), visor::queue_settings("mail", 5)};
  CHECK_THROWS_WITH(w.add(settings), Contains("queue mail is there twice"));
  settings.queues = {visor::queue_settings("", 1)};
  CHECK_THROWS_WITH(w.add(settings), Contains("a queue has no name"));
}

TEST_CASE("children are added with the attempt that completes, and with no other") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("parent", [](visor::job_context& job) -> visor::task<> {
    for (int i = 0; i < 2; ++i) {
      visor::new_job child;
      child.type = "child";
      job.add_child(std::move(child));
    }
    if (job.attempt() == 1) throw std::runtime_error("not yet");
    co_return;
  }));
  int ran = 0;
  node.engine->add(visor::job_type("child", [&ran](visor::job_context&) -> visor::task<> {
    ++ran;
    co_return;
  }));
  auto const parent = w.enqueue("parent", 2);
  w.start(node);
  w.settle();
  CHECK(w.attempts(parent).size() == 1);
  visor::job_filter children;
  children.type = "child";
  CHECK(w.run_now(w.store.jobs(children)).empty());
  w.pass(10s);
  CHECK(w.state(parent) == visor::job_state::completed);
  CHECK(w.run_now(w.store.jobs(children)).size() == 2);
  CHECK(ran == 2);
  w.stop_all();
}

TEST_CASE("children are there once though nobody knows whether their completion was written") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("parent", [](visor::job_context& job) -> visor::task<> {
    visor::new_job child;
    child.type = "child";
    child.max_attempts = 5;  // it may be claimed by an exchange of which nobody knows
    job.add_child(std::move(child));
    co_return;
  }));
  int ran = 0;
  node.engine->add(visor::job_type("child", [&ran](visor::job_context&) -> visor::task<> {
    ++ran;
    co_return;
  }));
  int failures = 3;
  w.store.after_exchange = [&](store_type::exchange_size size) -> visor::task<> {
    if (size.done != 0 && failures-- > 0) throw visor::error(visor::errc::outcome_unknown, "nobody knows");
    co_return;
  };
  w.enqueue("parent");
  w.start(node);
  w.pass(5min);
  CHECK(failures <= 0);
  visor::job_filter children;
  children.type = "child";
  CHECK(w.run_now(w.store.jobs(children)).size() == 1);
  CHECK(ran >= 1);
  w.stop_all();
}
