// The class that users write against, on the store in memory under a clock that moves when told to, and on a file.

#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/time.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/memory.hpp"
#include "visor/scheduler.hpp"
#include "visor/sqlite.hpp"
#include "visor/zone.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace visor::literals;
using visor::job_context;
using visor::job_state;

namespace {

struct order {
  std::string item;
  int count = 1;
};
BOOST_DESCRIBE_STRUCT(order, (), (item, count))

struct cleanup {};
BOOST_DESCRIBE_STRUCT(cleanup, (), ())

struct shop {
  using scheduler_type = visor::scheduler<visor::memory, visor::manual_clock>;

  shop() {
    scheduler.emplace(io, visor::settings(), clock,
                      visor::log_sink([this](visor::log_level, std::string_view line) { log += std::string(line) + "\n"; }));
  }

  void start() {
    scheduler->async_run([this](std::exception_ptr thrown) {
      ended = true;
      failure = thrown;
    });
    settle();
  }

  void settle() { visor_test::settle(io); }
  void pass(visor::duration length) { visor_test::pass(io, clock, length); }

  /// Ends well.
  void stop() {
    scheduler->stop();
    pass(1min);
    CHECK(ended);
    CHECK(failure == nullptr);
  }

  visor::job_id enqueue(order const& what, visor::enqueue_options options = {}) {
    return visor_test::run(io, scheduler->async_enqueue(what, std::move(options), boost::asio::use_awaitable));
  }

  visor::job_view job(visor::job_id id) { return visor_test::run(io, scheduler->store().find_job(id)).value(); }

  boost::asio::io_context io{1};
  visor::manual_clock clock;
  std::string log;
  bool ended = false;
  std::exception_ptr failure;
  std::optional<scheduler_type> scheduler;
};

template <class Function>
visor::errc code_of_refusal(Function what) {
  try {
    what();
  } catch (visor::error const& refused) {
    return refused.portable_code();
  }
  FAIL("accepted");
  return {};
}

/// A folder that is gone when this is.
struct folder {
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "visor-scheduler-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("what a configuration asked for and does not get is said once") {
  boost::asio::io_context io;
  visor::manual_clock clock;
  std::vector<std::string> said;
  visor::settings how;
  how.ignored.push_back("environment DB_LOG_CONNECTIONS: ignored");
  auto const keep = [&](visor::log_level, std::string_view line) { said.emplace_back(line); };
  visor::scheduler<visor::memory, visor::manual_clock> const loud{io, how, clock, keep};
  visor::scheduler<visor::memory, visor::manual_clock> const quiet{io, how, clock};
  CHECK(said == how.ignored);
}

TEST_CASE("a setting that a scheduler would ignore is refused") {
  boost::asio::io_context io;
  visor::manual_clock const clock;
  auto const refusal = [&](auto change) -> std::string {
    visor::settings how;
    change(how);
    try {
      visor::scheduler<visor::memory, visor::manual_clock> const made{io, how, clock};
    } catch (visor::error const& refused) {
      CHECK(refused.code() == visor::errc::invalid_argument);
      return refused.what();
    }
    return "";
  };
  CHECK(refusal([](visor::settings&) {}) == "");
  CHECK(refusal([](visor::settings& how) { how.storage.driver = visor::storage_driver::memory; }) == "");
  CHECK(refusal([](visor::settings& how) { how.storage.driver = visor::storage_driver::mysql; }) ==
        "storage.driver is mysql, but this scheduler is one of the driver memory");
  CHECK(refusal([](visor::settings& how) { how.storage.path = "old.json"; }) != "");
  CHECK(refusal([](visor::settings& how) { how.cron.emplace_back(); }) != "");
  CHECK(refusal([](visor::settings& how) { how.ha.enabled = true; }) ==
        "ha.enabled or node.exclusive asks for several nodes, and memory allows one");
  CHECK(refusal([](visor::settings& how) { how.ha.heartbeat_interval = 2min; }) != "");
}

TEST_CASE("what stands in ha is what the node does, and a scheduler that is not enabled runs nothing") {
  boost::asio::io_context io;
  visor::manual_clock clock;
  visor::settings how;
  how.ha.node_id = "named";
  visor::scheduler<visor::memory, visor::manual_clock> scheduler{io, how, clock};
  bool ended = false;
  scheduler.async_run([&](std::exception_ptr) { ended = true; });
  visor_test::settle(io);
  CHECK(visor_test::run(io, scheduler.store().nodes()).at(0).name == "named");
  scheduler.stop();
  visor_test::pass(io, clock, 2s);
  CHECK(ended);

  how.enabled = false;
  std::string said;
  visor::scheduler<visor::memory, visor::manual_clock> off{io, how, clock, [&](visor::log_level, std::string_view line) { said += line; }};
  ended = false;
  off.async_run([&](std::exception_ptr) { ended = true; });
  visor_test::settle(io);
  CHECK(ended);
  CHECK(said == "enabled is false: nothing is run");
}

TEST_CASE("a job reaches its handler with its payload") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>("order", [&](job_context& job, order const& what) -> visor::task<> {
    seen.push_back(what.item + " " + std::to_string(what.count));
    job.log("packed");
    co_return;
  });
  here.start();
  auto const id = here.enqueue({"tea", 3});
  here.pass(10ms);
  CHECK(seen == std::vector<std::string>{"tea 3"});
  auto const done = here.job(id);
  CHECK(done.state == job_state::completed);
  CHECK(done.job.type == "order");
  CHECK(visor_test::run(here.io, here.scheduler->store().attempts(id)).at(0).output == "packed\n");
  here.stop();
}

TEST_CASE("a handler may take the payload alone, nothing of it, or be a function on a thread of its own") {
  shop here;
  int count = 0;
  std::thread::id ran_on;
  here.scheduler->on<order>("order", [&](order const& what) -> visor::task<> {
    count += what.count;
    co_return;
  });
  here.scheduler->on<cleanup>("cleanup", [&](job_context&, cleanup const&) { ran_on = std::this_thread::get_id(); });
  here.scheduler->on("raw", [&](job_context& job) -> visor::task<> {
    job.log(job.payload());
    co_return;
  });
  here.start();
  here.enqueue({"tea", 3});
  auto const cleaned = visor_test::run(here.io, here.scheduler->async_enqueue(cleanup(), boost::asio::use_awaitable));
  visor::new_job raw;
  raw.id = visor_test::run(here.io, here.scheduler->store().reserve_ids(1)).take();
  raw.type = "raw";
  raw.payload = "[1,2]";
  visor_test::run(here.io, here.scheduler->store().enqueue(std::span<visor::new_job const>(&raw, 1)));
  for (int i = 0; i < 5000 && here.job(cleaned).state != job_state::completed; ++i) {  // the thread is a real one
    std::this_thread::sleep_for(1ms);
    here.pass(10ms);
  }
  CHECK(count == 3);
  CHECK(here.job(cleaned).state == job_state::completed);
  CHECK(ran_on != std::thread::id());
  CHECK(ran_on != std::this_thread::get_id());
  CHECK(visor_test::run(here.io, here.scheduler->store().attempts(raw.id)).at(0).output == "[1,2]\n");
  here.stop();
}

TEST_CASE("what is said of a job goes before what is said of its type") {
  shop here;
  visor::job_type_options usual;
  usual.queue = "orders";
  usual.priority = 7;
  usual.max_attempts = 4;
  here.scheduler->on<order>("order", [](order const&) -> visor::task<> { co_return; }, usual);
  here.start();
  auto const plain = here.job(here.enqueue({"tea"}));
  CHECK(plain.job.queue == "orders");
  CHECK(plain.job.priority == 7);
  CHECK(plain.job.max_attempts == 4);
  visor::enqueue_options special;
  special.queue = "default";
  special.priority = -3;
  special.max_attempts = 2;
  special.run_at = here.clock.now() + 1h;
  auto const id = here.enqueue({"tea"}, special);
  auto const later = here.job(id);
  CHECK(later.job.queue == "default");
  CHECK(later.job.priority == -3);
  CHECK(later.job.max_attempts == 2);
  here.pass(59min);
  CHECK(here.job(id).state == job_state::scheduled);
  here.pass(2min);
  CHECK(here.job(id).state == job_state::completed);
  here.stop();
}

TEST_CASE("schedules fire by their expressions, in their zones, and at one instant") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>("order", [&](job_context& job, order const& what) -> visor::task<> {
    seen.push_back(what.item + " " + visor::to_string(job.planned_at().value()));
    co_return;
  });
  REQUIRE(visor::to_string(here.clock.now()) == "2026-01-01T00:00:00Z");
  here.scheduler->at("hourly", "0 * * * *"_cron, order{"hour"});
  here.scheduler->at("nightly", "0 2 * * *"_cron, visor::zone("Europe/Berlin"), order{"night"});
  here.scheduler->at("once", here.clock.now() + 90min, order{"once"});
  here.start();
  here.pass(2h + 1s);
  CHECK(seen == std::vector<std::string>{"hour 2026-01-01T01:00:00Z", "night 2026-01-01T01:00:00Z", "once 2026-01-01T01:30:00Z",
                                         "hour 2026-01-01T02:00:00Z"});
  auto const fires = visor_test::run(here.io, here.scheduler->store().fires("nightly", 10));
  CHECK(fires.size() == 1);
  here.stop();
}

TEST_CASE("the id of a schedule chooses the minute that H stands for") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>("order", [&](job_context& job, order const&) -> visor::task<> {
    seen.push_back(visor::to_string(job.planned_at().value()));
    co_return;
  });
  here.scheduler->at("hourly", "H * * * *"_cron, order{"hour"});
  here.start();
  here.pass(2h);
  auto const chosen = visor::recurrence("H * * * *"_cron).for_schedule("hourly");
  auto const first = chosen.next(visor::time_zone::utc(), here.clock.now() - 2h - 1us).value();
  CHECK(seen == std::vector<std::string>{visor::to_string(first), visor::to_string(first + 1h)});
  CHECK(visor_test::run(here.io, here.scheduler->store().find_schedule("hourly"))->expression == "H * * * *");
  here.stop();
}

TEST_CASE("options of a schedule are kept with it") {
  shop here;
  here.scheduler->on<order>("order", [](order const&) -> visor::task<> { co_return; });
  visor::schedule_options how(visor::zone("Asia/Tokyo"));
  how.misfire = visor::misfire::all;
  how.misfire_limit = 5;
  how.overlap = visor::overlap::skip;
  how.description = "of the shop";
  how.dst = {visor::dst_gap::skip, visor::dst_overlap::last};
  here.scheduler->at("weekly", "0 9 * * 1"_cron, how, order{"tea", 2});
  here.start();
  auto const kept = visor_test::run(here.io, here.scheduler->store().find_schedule("weekly")).value();
  CHECK(kept.expression == "0 9 * * 1");
  CHECK(kept.zone == "Asia/Tokyo");
  CHECK(kept.origin == visor::origin::code);
  CHECK(kept.misfire == visor::misfire::all);
  CHECK(kept.misfire_limit == 5);
  CHECK(kept.overlap == visor::overlap::skip);
  CHECK(kept.description == "of the shop");
  CHECK(kept.dst_gap == visor::dst_gap::skip);
  CHECK(kept.dst_overlap == visor::dst_overlap::last);
  CHECK(kept.payload == R"({"item":"tea","count":2})");
  here.stop();
}

TEST_CASE("what is unknown or known already is refused") {
  shop here;
  auto const nothing = [](order const&) -> visor::task<> { co_return; };
  CHECK(code_of_refusal([&] { here.scheduler->at("early", "0 2 * * *"_cron, order{"tea"}); }) == visor::errc::not_found);
  CHECK(code_of_refusal([&] { (void)here.scheduler->async_enqueue(order{"tea"}, boost::asio::deferred); }) == visor::errc::not_found);
  here.scheduler->on<order>("order", nothing);
  CHECK(code_of_refusal([&] { here.scheduler->on<cleanup>("order", [](cleanup const&) -> visor::task<> { co_return; }); }) ==
        visor::errc::already_exists);
  CHECK(code_of_refusal([&] { here.scheduler->on<order>("order again", nothing); }) == visor::errc::already_exists);
  CHECK_THROWS_WITH(here.scheduler->on<order>("order once more", nothing), visor_test::Contains("of job type order once more belongs"));
  here.scheduler->at("nightly", "0 2 * * *"_cron, order{"tea"});
  CHECK(code_of_refusal([&] { here.scheduler->at("nightly", "0 3 * * *"_cron, order{"tea"}); }) == visor::errc::already_exists);
  visor::schedule_options clocks;
  clocks.dst.gap = visor::dst_gap::skip;
  CHECK(code_of_refusal([&] { here.scheduler->at("often", "@every 90s"_cron, clocks, order{"tea"}); }) == visor::errc::invalid_argument);
  CHECK(code_of_refusal([&] { here.scheduler->at("once", here.clock.now() + 1h, order{"tea"}, clocks); }) == visor::errc::invalid_argument);
  CHECK(code_of_refusal([&] { here.scheduler->at("leap", "0 0 H(29-31) 2 *"_cron, order{"tea"}); }) == visor::errc::invalid_argument);
  CHECK(code_of_refusal([&] { here.scheduler->at("", "0 3 * * *"_cron, order{"tea"}); }) == visor::errc::invalid_argument);
  visor::settings wrong;
  wrong.node.lease_ttl = visor::duration{0};
  CHECK(code_of_refusal([&] { shop::scheduler_type(here.io, wrong, here.clock); }) == visor::errc::invalid_argument);
}

TEST_CASE("a scheduler that never runs can be destroyed, and one that is stopped before it runs ends at once") {
  {
    shop const never;
  }
  shop here;
  here.scheduler->stop();
  here.start();
  here.pass(1min);
  CHECK(here.ended);
  CHECK(here.failure == nullptr);
}

TEST_CASE("a store that cannot be opened is told by run") {
  visor::settings wrong;
  wrong.storage.connection.filename = "/proc/nowhere/schedules.db";
  boost::asio::io_context io;
  visor::scheduler<visor::sqlite> scheduler(io, wrong);
  CHECK_THROWS_AS(scheduler.run(), visor::error);
}

TEST_CASE("jobs can be added while the file is still being opened") {
  folder const temporary;
  visor::settings how;
  how.storage.connection.filename = (temporary.path / "schedules.db").string();
  boost::asio::io_context io;
  visor::scheduler<visor::sqlite> scheduler(io, how);
  std::vector<std::string> seen;
  scheduler.on<order>("order", [&](order const& what) -> visor::task<> {
    seen.push_back(what.item);
    scheduler.stop();
    co_return;
  });
  std::exception_ptr failure;
  scheduler.async_run([&](std::exception_ptr thrown) { failure = thrown; });
  scheduler.async_enqueue(order{"tea"}, [&](std::exception_ptr thrown, visor::job_id) {
    CHECK(thrown == nullptr);
    if (thrown) scheduler.stop();
  });
  io.run();
  CHECK(failure == nullptr);
  CHECK(seen == std::vector<std::string>{"tea"});
}

TEST_CASE("run ends with a signal, and its jobs are kept for the next one") {
  folder const temporary;
  visor::settings how;
  how.storage.connection.filename = (temporary.path / "schedules.db").string();
  visor::job_id first = 0;
  {
    boost::asio::io_context io;
    visor::scheduler<visor::sqlite> scheduler(io, how);
    scheduler.on<order>("order", [](order const&) -> visor::task<> { co_return; });
    scheduler.on<cleanup>("cleanup", [&](cleanup const&) -> visor::task<> {
      visor::enqueue_options later;
      later.run_at = visor::wall_clock().now() + 2s;  // by then the signal has come
      auto adding = scheduler.async_enqueue(order{"tea"}, later, boost::asio::use_awaitable);
      first = co_await std::move(adding);
      std::raise(SIGTERM);
    });
    scheduler.at("soon", visor::wall_clock().now() + 100ms, cleanup());
    scheduler.run();
  }
  REQUIRE(first > 0);
  boost::asio::io_context io;
  visor::scheduler<visor::sqlite> scheduler(io, how);
  std::vector<std::string> seen;
  scheduler.on<order>("order", [&](order const& what) -> visor::task<> {
    seen.push_back(what.item);
    scheduler.stop();
    co_return;
  });
  scheduler.run();
  CHECK(seen == std::vector<std::string>{"tea"});
  visor_test::run(io, scheduler.store().open());
  CHECK(visor_test::run(io, scheduler.store().find_job(first)).value().state == job_state::completed);
  visor_test::run(io, scheduler.store().close());
}
