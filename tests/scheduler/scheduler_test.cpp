// The class that users write against, on the store in memory under a clock that moves when told to, and on a file.

#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/time.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/memory.hpp"
#include "visor/scheduler.hpp"
#include "visor/sqlite.hpp"
#include "visor/zone.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
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

struct parcel {
  std::string to;
};
BOOST_DESCRIBE_STRUCT(parcel, (), (to))

}  // namespace

template <>
struct visor::job_type_of<order> {
  static constexpr std::string_view name = "order";
};
template <>
struct visor::job_type_of<cleanup> {
  static constexpr std::string_view name = "cleanup";
};
template <>
struct visor::job_type_of<parcel> {
  static constexpr std::string_view name = "parcel";
  static constexpr std::string_view queue = "parcels";
  static constexpr int priority = 7;
  static constexpr int max_attempts = 4;
  static constexpr auto timeout = std::chrono::minutes{2};
  static constexpr int max_lost = 1;
  static constexpr auto unknown_fields = visor::unknown_fields::refuse;
};

namespace {

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

  template <class Payload>
  visor::job_id enqueue(visor::job<Payload> what) {
    return visor_test::run(io, scheduler->async_enqueue(std::move(what)));
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
  here.scheduler->on<order>([&](job_context& job, order const& what) -> visor::task<> {
    seen.push_back(what.item + " " + std::to_string(what.count));
    job.log("packed");
    co_return;
  });
  here.start();
  auto const id = here.enqueue(visor::job<order>("tea", 3));
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
  here.scheduler->on<order>([&](order const& what) -> visor::task<> {
    count += what.count;
    co_return;
  });
  here.scheduler->on<cleanup>([&](job_context&, cleanup const&) { ran_on = std::this_thread::get_id(); });
  here.scheduler->on("raw", [&](job_context& job) -> visor::task<> {
    job.log(job.payload());
    co_return;
  });
  here.start();
  here.enqueue(visor::job<order>("tea", 3));
  auto const cleaned = here.enqueue(visor::job<cleanup>());
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

TEST_CASE("options of a job override those of its type") {
  shop here;
  here.scheduler->on<parcel>([](parcel const&) -> visor::task<> { co_return; });
  here.start();
  auto const plain = here.job(here.enqueue(visor::job<parcel>("me")));
  CHECK(plain.job.type == "parcel");
  CHECK(plain.job.queue == "parcels");
  CHECK(plain.job.priority == 7);
  CHECK(plain.job.max_attempts == 4);
  CHECK(plain.job.max_lost == 1);
  auto const when = here.clock.now() + 1h;
  auto const id = here.enqueue(visor::job<parcel>("me").queue("default").priority(-3).max_attempts(2).run_at(when));
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

TEST_CASE("job_type_of declares the options of a job type") {
  auto const options = visor::detail::declared_options<parcel>();
  visor::job_type_options expected;
  expected.queue = "parcels";
  expected.priority = 7;
  expected.max_attempts = 4;
  expected.timeout = 2min;
  expected.max_lost = 1;
  expected.unknown_fields = visor::unknown_fields::refuse;
  CHECK(options == expected);
  CHECK(visor::detail::declared_options<order>() == visor::job_type_options());
}

TEST_CASE("a job that cannot be stored is refused by the completion, and nothing is thrown at once") {
  shop here;
  here.start();
  auto const refusal = [&](visor::job<order> what) {
    std::string said;
    here.scheduler->async_enqueue(std::move(what), [&](std::exception_ptr thrown, visor::job_id) {
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (visor::error const& refused) {
        CHECK(refused.code() == visor::errc::invalid_argument);
        said = refused.what();
      }
    });
    here.settle();
    return said;
  };
  CHECK(refusal(visor::job<order>("tea")).empty());
  CHECK_THAT(refusal(visor::job<order>(std::string("\xff"))), visor_test::Contains("item"));
  CHECK(refusal(visor::job<order>("tea").priority(40000)) == "job type order: the priority is 40000: allowed is -32768 to 32767");
  CHECK(refusal(visor::job<order>("tea").max_attempts(0)) == "job type order: max_attempts is 0: allowed is 1 and more");
  CHECK(refusal(visor::job<order>("tea").queue("a+b")) == "job type order: the queue of a job has a name without + * , :");
  CHECK_THAT(refusal(visor::job<order>("tea").key(std::string(101, 'k'))), visor_test::Contains("101 bytes"));
  here.stop();
}

TEST_CASE("jobs of one call are added together") {
  shop here;
  int count = 0;
  here.scheduler->on<order>([&](order const& what) -> visor::task<> {
    count += what.count;
    co_return;
  });
  here.start();
  std::vector<visor::job<order>> all;
  for (int i = 1; i <= 10; ++i) all.emplace_back("tea", i);
  auto const ids = visor_test::run(here.io, here.scheduler->async_enqueue_many(all));
  REQUIRE(ids.size() == 10);
  here.pass(1s);
  CHECK(count == 55);
  CHECK(here.job(ids[3]).job.payload == R"({"item":"tea","count":4})");
  CHECK(visor_test::run(here.io, here.scheduler->async_enqueue_many(std::vector<visor::job<order>>())).empty());
  all.back().max_attempts(-1);
  auto const before = visor_test::run(here.io, here.scheduler->store().jobs({})).size();
  CHECK_THROWS_AS(visor_test::run(here.io, here.scheduler->async_enqueue_many(all)), visor::error);
  CHECK(visor_test::run(here.io, here.scheduler->store().jobs({})).size() == before);
  here.stop();
}

TEST_CASE("a handler adds a job with its completion") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>([&](job_context& job, order const& what) -> visor::task<> {
    seen.push_back(what.item);
    if (what.count > 0) job.enqueue_with(visor::job<order>(what.item + "+", what.count - 1));
    co_return;
  });
  here.start();
  here.enqueue(visor::job<order>("tea", 2));
  here.pass(1s);
  CHECK(seen == std::vector<std::string>{"tea", "tea+", "tea++"});
  here.stop();
}

TEST_CASE("schedules fire by their expressions, in their zones, and at one instant") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>([&](job_context& job, order const& what) -> visor::task<> {
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
  here.scheduler->on<order>([&](job_context& job, order const&) -> visor::task<> {
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
  here.scheduler->on<order>([](order const&) -> visor::task<> { co_return; });
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

TEST_CASE("what is known already, or never fires, is refused") {
  shop here;
  here.scheduler->on<order>([](order const&) -> visor::task<> { co_return; });
  CHECK(code_of_refusal([&] { here.scheduler->on("order", [](job_context&) -> visor::task<> { co_return; }); }) ==
        visor::errc::already_exists);
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

TEST_CASE("a schedule can be added while the node runs") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>([&](order const& what) -> visor::task<> {
    seen.push_back(what.item);
    co_return;
  });
  here.scheduler->at("early", "0 * * * *"_cron, order{"early"});
  here.start();
  here.pass(10s);
  here.scheduler->at("late", "30 * * * *"_cron, order{"late"});
  CHECK(code_of_refusal([&] { here.scheduler->at("late", "0 3 * * *"_cron, order{"tea"}); }) == visor::errc::already_exists);
  CHECK(code_of_refusal([&] { here.scheduler->at("early", "0 3 * * *"_cron, order{"tea"}); }) == visor::errc::already_exists);
  here.pass(10s);
  CHECK(code_of_refusal([&] { here.scheduler->at("late", "0 3 * * *"_cron, order{"tea"}); }) == visor::errc::already_exists);
  REQUIRE(visor_test::run(here.io, here.scheduler->store().find_schedule("late")));
  CHECK(visor_test::run(here.io, here.scheduler->store().find_schedule("early")));
  here.pass(65min);
  CHECK(seen == std::vector<std::string>{"late", "early"});
  here.stop();
}

TEST_CASE("a scheduler runs again after it was stopped, and takes jobs in between and until it is closed") {
  shop here;
  std::vector<std::string> seen;
  here.scheduler->on<order>([&](order const& what) -> visor::task<> {
    seen.push_back(what.item);
    co_return;
  });
  here.scheduler->at("hourly", "0 * * * *"_cron, order{"hour"});
  here.start();
  std::exception_ptr second;
  here.scheduler->async_run([&](std::exception_ptr thrown) { second = thrown; });
  here.settle();
  CHECK(second != nullptr);
  here.stop();

  here.enqueue(visor::job<order>("between"));
  here.settle();
  CHECK(seen.empty());
  here.ended = false;
  here.start();
  here.pass(1s);
  CHECK(seen == std::vector<std::string>{"between"});
  here.pass(1h);
  CHECK(seen == std::vector<std::string>{"between", "hour"});

  here.stop();
  here.ended = false;
  here.scheduler->async_run([&](std::exception_ptr thrown) { here.ended = thrown == nullptr; });
  here.scheduler->stop();  // of the run that was just asked for
  here.pass(1min);
  CHECK(here.ended);
  here.ended = false;
  here.start();

  bool closed = false;
  here.scheduler->async_close([&](std::exception_ptr thrown) { closed = thrown == nullptr; });
  here.pass(1min);
  CHECK(here.ended);
  CHECK(closed);
  CHECK(code_of_refusal([&] { here.enqueue(visor::job<order>("late")); }) == visor::errc::closed);
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
  scheduler.on<order>([&](order const& what) -> visor::task<> {
    seen.push_back(what.item);
    scheduler.stop();
    co_return;
  });
  std::exception_ptr failure;
  scheduler.async_run([&](std::exception_ptr thrown) { failure = thrown; });
  scheduler.async_enqueue(visor::job<order>("tea"), [&](std::exception_ptr thrown, visor::job_id) {
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
    scheduler.on<order>([](order const&) -> visor::task<> { co_return; });
    scheduler.on<cleanup>([&](cleanup const&) -> visor::task<> {
      auto const later = visor::wall_clock().now() + 2s;  // by then the signal has come
      first = co_await scheduler.async_enqueue(visor::job<order>("tea").run_at(later));
      std::raise(SIGTERM);
    });
    scheduler.at("soon", visor::wall_clock().now() + 100ms, cleanup());
    scheduler.run();
  }
  REQUIRE(first > 0);
  boost::asio::io_context io;
  visor::scheduler<visor::sqlite> scheduler(io, how);
  std::vector<std::string> seen;
  scheduler.on<order>([&](order const& what) -> visor::task<> {
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

TEST_CASE("run needs an io_context, and async_run any executor") {
  boost::asio::thread_pool threads{4};
  visor::scheduler<visor::memory> scheduler(threads.get_executor(), visor::settings());
  CHECK(scheduler.get_executor() == boost::asio::any_io_executor(threads.get_executor()));
  CHECK(code_of_refusal([&] { scheduler.run(); }) == visor::errc::invalid_argument);
  std::promise<std::string> seen;
  scheduler.on<order>([&](order const& what) -> visor::task<> {
    seen.set_value(what.item);
    co_return;
  });
  auto running = scheduler.async_run(boost::asio::use_future);
  CHECK(scheduler.async_enqueue(visor::job<order>("tea"), boost::asio::use_future).get() == 1);
  CHECK(seen.get_future().get() == "tea");
  auto closing = scheduler.async_close(boost::asio::use_future);
  closing.get();
  running.get();
}

TEMPLATE_TEST_CASE("a scheduler that is destroyed while its context runs stops hard", "", visor::memory, visor::sqlite) {
  folder const temporary;
  for (int round = 0; round < 10; ++round) {
    INFO("round " << round);
    visor::settings how;
    how.storage.connection.filename = (temporary.path / std::to_string(round)).string();
    std::atomic<int> runs = 0, blocked = 0;
    boost::asio::io_context io;
    auto const work = boost::asio::make_work_guard(io);
    std::vector<std::jthread> threads;
    {
      visor::scheduler<TestType> scheduler(io, how);
      scheduler.template on<order>([&](order const&) -> visor::task<> {
        ++runs;
        boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1h);
        co_await timer.async_wait(boost::asio::use_awaitable);
      });
      scheduler.template on<cleanup>([&](job_context& job, cleanup const&) {
        ++blocked;
        while (!job.stop_requested()) std::this_thread::sleep_for(1ms);
      });
      scheduler.async_run([](std::exception_ptr) {});
      for (int i = 0; i < 4; ++i) threads.emplace_back([&io] { io.run(); });
      for (int i = 0; i < 20; ++i) {
        scheduler.async_enqueue(visor::job<order>("tea"), [](std::exception_ptr, visor::job_id) {});
        scheduler.async_enqueue(visor::job<cleanup>(), [](std::exception_ptr, visor::job_id) {});
      }
      // Each round ends at another stage of the start.
      for (int i = 0; i < 10000 && (round % 2 == 0) && (runs == 0 || blocked == 0); ++i) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(std::chrono::milliseconds{round});
      if (round % 2 == 0) CHECK(runs > 0);
    }
    if (round % 3 != 0) std::this_thread::sleep_for(50ms);
    io.stop();
    threads.clear();
  }
}
