#include "visor/handler/typed.hpp"
#include "visor/handler/write_text.hpp"

#include "handler/runner.hpp"
#include "support/catch.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/thread_pool.hpp>

using namespace std::chrono_literals;
using namespace visor_test;
using visor::errc;
using visor::job_context;
using visor::make_handler;
using visor::stop_reason;

namespace typed_test {

struct send_report {
  std::string to;
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(send_report, (), (to, pages))

outcome run(visor::handler const& handler, std::string payload, int threads = 1) {
  return run_handler(handler, job_with(std::move(payload), "send-report"), stop_order(), threads);
}

visor::task<> breathe() {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1ms);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

visor::task<> free_coroutine(job_context& job, send_report const& report) {
  co_await breathe();
  job.log(report.to);
}

void free_function(job_context& job, send_report const& report) { job.log(report.to); }

}  // namespace typed_test

using namespace typed_test;

TEST_CASE("A coroutine gets the job and its payload, which live as long as it runs") {
  std::string const to(100, 'x');
  auto const payload = R"({"to":")" + to + R"(","pages":3})";
  auto const full = make_handler<send_report>([](job_context& job, send_report const& report) -> visor::task<> {
    job.log("before");
    co_await breathe();
    job.log(report.to + " " + std::to_string(report.pages));
  });
  auto const result = run(full, payload);
  CHECK(result.good);
  CHECK(result.output == "before\n" + to + " 3\n");
  CHECK(run(make_handler<send_report>(free_coroutine), payload).output == to + "\n");

  auto const by_value = make_handler<send_report>([](job_context& job, send_report report) -> visor::task<> {
    co_await breathe();
    job.log(report.to);
  });
  CHECK(run(by_value, payload).output == to + "\n");
}

TEST_CASE("A coroutine may take the payload alone, the job alone, or nothing") {
  std::string seen;
  auto const payload_only = make_handler<send_report>([&seen](send_report const& report) -> visor::task<> {
    co_await breathe();
    seen = report.to;
  });
  CHECK(run(payload_only, R"({"to":"me"})").good);
  CHECK(seen == "me");
  auto const job_only = make_handler([](job_context& job) -> visor::task<> {
    co_await breathe();
    job.log(job.payload());
  });
  CHECK(run(job_only, "anything").output == "anything\n");
  auto const alone = make_handler([&seen]() -> visor::task<> {
    co_await breathe();
    seen = "alone";
  });
  CHECK(run(alone, "").good);
  CHECK(seen == "alone");
  auto const raw = make_handler<boost::json::value>([&seen](boost::json::value const& value) -> visor::task<> {
    seen = boost::json::serialize(value);
    co_return;
  });
  CHECK(run(raw, "[1, 2]").good);
  CHECK(seen == "[1,2]");
}

TEST_CASE("A handler keeps what its function holds, also when it is gone before the run ends") {
  auto const value = std::make_shared<std::string>("kept");
  std::weak_ptr<std::string> const watch = value;
  boost::asio::io_context io;
  job_context job(job_with("{}"), "node-1", 1, io.get_executor());
  {
    auto const handler = make_handler([owned = std::make_unique<std::string>("unique"), value](job_context& context) -> visor::task<> {
      co_await breathe();
      context.log(*value + " " + *owned);
    });
    boost::asio::co_spawn(io, handler(job), [](std::exception_ptr thrown) { CHECK_FALSE(thrown); });
  }
  io.run();
  CHECK(job.take_output() == "kept unique\n");
  CHECK(watch.use_count() == 1);
}

TEST_CASE("A plain function runs on the threads it was given") {
  boost::asio::thread_pool pool{2};
  std::thread::id where;
  auto const handler = make_handler<send_report>(
      [&where](job_context& job, send_report const& report) {
        where = std::this_thread::get_id();
        std::this_thread::sleep_for(5ms);
        job.log(report.to);
      },
      pool.get_executor());
  auto const result = run(handler, R"({"to":"me"})");
  CHECK(result.good);
  CHECK(result.output == "me\n");
  CHECK(where != std::this_thread::get_id());
  CHECK(run(make_handler<send_report>(free_function, pool.get_executor()), R"({"to":"me"})").output == "me\n");
  CHECK(run(make_handler<send_report>([](send_report const&) {}, pool.get_executor()), "{}").good);
  CHECK(run(make_handler([](job_context& job) { job.log("x"); }, pool.get_executor()), "junk").output == "x\n");
  CHECK(run(make_handler([] {}, pool.get_executor()), "junk").good);
  CHECK(run(make_handler<send_report>(free_coroutine, pool.get_executor()), R"({"to":"co"})").output == "co\n");
}

TEST_CASE("Many plain functions run beside each other") {
  boost::asio::thread_pool pool{3};
  std::atomic<int> sum{0};
  auto const handler = make_handler<send_report>([&](send_report const& report) { sum += report.pages; }, pool.get_executor());
  boost::asio::io_context io{2};
  job_context job(job_with(R"({"pages":2})"), "node-1", 1, io.get_executor());
  int good = 0;
  auto const strand = boost::asio::make_strand(io);
  for (int i = 0; i < 200; ++i) {
    auto const ended = [&](std::exception_ptr thrown) { good += thrown == nullptr; };
    boost::asio::co_spawn(strand, handler(job), ended);
  }
  std::thread other([&] { io.run(); });
  io.run();
  other.join();
  CHECK(good == 200);
  CHECK(sum == 400);
}

TEST_CASE("A payload that does not fit fails for good and names type and field") {
  boost::asio::thread_pool pool{1};
  bool called = false;
  auto const coroutine = make_handler<send_report>([&](send_report const&) -> visor::task<> {
    called = true;
    co_return;
  });
  auto const function = make_handler<send_report>([&](send_report const&) { called = true; }, pool.get_executor());
  for (auto const* handler : {&coroutine, &function}) {
    auto const result = run(*handler, R"({"pages":"x"})");
    CHECK_FALSE(result.good);
    CHECK(result.permanent);
    CHECK(result.message == R"(payload of job type send-report: field "pages": expected a number, found "x")");
    CHECK(run(*handler, "{").message == "payload of job type send-report: the payload is not JSON: it ends too early (at byte 2)");
  }
  CHECK_FALSE(called);
}

TEST_CASE("A payload of another version is released, refused, or read without what is unknown") {
  int called = 0;
  auto const handler = make_handler<send_report>([&](send_report const&) -> visor::task<> {
    ++called;
    co_return;
  });
  auto const with = [&](visor::unknown_fields how, std::string payload) {
    boost::asio::io_context io;
    job_context job(job_with(std::move(payload), "send-report"), "node-1", 1, io.get_executor());
    job.treat_unknown_fields(how);
    std::string said = "done";
    boost::asio::co_spawn(io, handler(job), [&](std::exception_ptr thrown) {
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (visor::permanent_failure const& failure) {
        said = std::string("failed: ") + failure.what();
      } catch (visor::not_started const& failure) {
        CHECK(failure.why() == std::errc());
        said = std::string("released: ") + failure.what();
      }
    });
    io.run();
    return said;
  };
  using enum visor::unknown_fields;
  std::string const unknown = R"({"pagez":3})";
  CHECK(with(release, unknown) ==
        "released: payload of job type send-report: field \"pagez\": there is no such field; did you mean \"pages\"?");
  CHECK(with(refuse, unknown).starts_with("failed: payload of job type send-report: field \"pagez\""));
  CHECK(called == 0);
  CHECK(with(ignore, unknown) == "done");
  CHECK(called == 1);
  for (auto const how : {release, ignore})
    CHECK(with(how, R"({"to":"x","pages":123456789012345678901})") ==
          "released: payload of job type send-report: the payload has a field \"pages\" that has more digits than a number of 64 bits can "
          "hold");
  CHECK(with(refuse, R"({"pages":123456789012345678901})").starts_with("failed: "));
  CHECK(with(release, R"({"pages":"x"})").starts_with("failed: "));
}

TEST_CASE("What a user's function throws is passed on") {
  boost::asio::thread_pool pool{1};
  auto const thrower = [](auto code) {
    return [code](job_context&) -> visor::task<> {
      co_await breathe();
      code();
    };
  };
  auto const runtime = [] { throw std::runtime_error("no paper"); };
  auto const permanent = [] { throw visor::permanent_failure("no such user"); };
  for (auto const& result : {run(make_handler(thrower(runtime)), "{}"), run(make_handler(runtime, pool.get_executor()), "{}")}) {
    CHECK(result.message == "no paper");
    CHECK_FALSE(result.permanent);
  }
  for (auto const& result : {run(make_handler(thrower(permanent)), "{}"), run(make_handler(permanent, pool.get_executor()), "{}")}) {
    CHECK(result.message == "no such user");
    CHECK(result.permanent);
  }
}

TEST_CASE("A coroutine is cancelled at what it awaits") {
  std::atomic<bool> started{false};
  auto const handler = make_handler([&](job_context&) -> visor::task<> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1h);
    started = true;
    co_await timer.async_wait(boost::asio::use_awaitable);
  });
  stop_order stop;
  stop.why = stop_reason::cancelled;
  stop.when = [&] { return started.load(); };
  auto const result = run_handler(handler, job_with("{}"), stop);
  CHECK(result.ended);
  CHECK_FALSE(result.good);
  CHECK(result.took < 10s);
}

TEST_CASE("A plain function that is told to stop is waited for, and one that waits for a thread is not called") {
  boost::asio::thread_pool pool{1};
  std::atomic<bool> started{false};
  auto const patient = make_handler(
      [&](job_context& job) {
        started = true;
        while (!job.stop_requested()) std::this_thread::sleep_for(1ms);
        job.log("tidied up");
      },
      pool.get_executor());
  stop_order stop;
  stop.why = stop_reason::timed_out;
  stop.when = [&] { return started.load(); };
  auto const result = run_handler(patient, job_with("{}"), stop);
  CHECK(result.good);
  CHECK(result.output == "tidied up\n");

  std::atomic<bool> release{false}, called{false};
  boost::asio::post(pool, [&] {
    while (!release) std::this_thread::sleep_for(1ms);
  });
  auto const late = make_handler([&] { called = true; }, pool.get_executor());
  boost::asio::io_context io;
  job_context job(job_with("{}"), "node-1", 1, io.get_executor());
  std::string message;
  boost::asio::cancellation_signal cancel;
  auto const ended = [&](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (visor::error const& failure) {
      CHECK(failure.code() == errc::timeout);
      message = failure.what();
    } catch (std::exception const& failure) {
      message = failure.what();
    }
  };
  boost::asio::co_spawn(io, late(job), boost::asio::bind_cancellation_slot(cancel.slot(), ended));
  bool const queued = GENERATE(true, false);  // or told to stop before its first step
  if (queued) io.poll();
  job.request_stop(stop_reason::timed_out);
  // As the engine does it, which is never before the first step: newer versions of Asio then throw out of `io_context::run`.
  boost::asio::post(io, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });
  release = true;
  io.run();
  CHECK(message == "timed out: the function was not started");
  CHECK_FALSE(called);
}

TEST_CASE("A schedule without a workflow writes its text") {
  auto const result = run(visor::write_text(), R"({"text":"good\nmorning","other":1})");
  CHECK(result.good);
  CHECK(result.output == "good\nmorning\n");
  for (auto const* payload : {"{}", R"({"text":7})", "[]", "junk", ""}) {
    auto const failure = run(visor::write_text(), payload);
    CHECK(failure.permanent);
    CHECK(failure.message == R"(payload of job type send-report: field "text": expected text, found none)");
  }
}
