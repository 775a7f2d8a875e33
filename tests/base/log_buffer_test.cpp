#include "support/catch.hpp"

#include "visor/base/log_buffer.hpp"

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using visor::log_buffer;
using visor::log_level;

namespace {

/// A sink of the log, which can be made to stop reading.
struct reader {
  void operator()(std::string_view line) {
    ++calls;
    while (is_stuck) std::this_thread::sleep_for(1ms);
    std::scoped_lock const lock(mutex);
    lines.emplace_back(line);
  }
  std::vector<std::string> seen() {
    std::scoped_lock const lock(mutex);
    return lines;
  }
  std::atomic<bool> is_stuck{false};
  std::atomic<int> calls{0};
  std::mutex mutex;
  std::vector<std::string> lines;
};

/// The reader outlives a thread that is left behind.
visor::log_sink to(std::shared_ptr<reader> const& who) {
  return [who](log_level, std::string_view line) { (*who)(line); };
}

}  // namespace

TEST_CASE("lines are handed on in their order, and all of them at the end") {
  auto const who = std::make_shared<reader>();
  std::vector<std::string> expected;
  {
    log_buffer buffer{to(who)};
    auto const log = buffer.sink();
    for (int i = 0; i < 1000; ++i) log(log_level::info, expected.emplace_back(std::to_string(i)));
  }
  CHECK(who->seen() == expected);
}

TEST_CASE("what is flushed is written") {
  auto const who = std::make_shared<reader>();
  log_buffer buffer{to(who)};
  buffer.sink()(log_level::info, "one");
  CHECK(buffer.flush(10s));
  CHECK(who->seen() == std::vector<std::string>{"one"});
}

TEST_CASE("a sink that is stuck keeps nobody: lines are dropped, counted, and the number is told when they flow again") {
  auto const who = std::make_shared<reader>();
  who->is_stuck = true;
  log_buffer buffer(to(who), 1000);
  auto const log = buffer.sink();
  log(log_level::info, "first");
  while (who->calls == 0) std::this_thread::sleep_for(1ms);
  std::string const line(100, 'x');
  auto const began = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) log(log_level::info, line);
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  CHECK_FALSE(buffer.flush(10ms));
  who->is_stuck = false;
  REQUIRE(buffer.flush(10s));
  auto const seen = who->seen();
  REQUIRE(seen.size() == 12);
  CHECK(seen.front() == "first");
  CHECK(seen[10] == line);
  CHECK(seen.back() == "9990 lines of the log were dropped: they could not be written in time");
  log(log_level::info, "again");
  REQUIRE(buffer.flush(10s));
  CHECK(who->seen().back() == "again");
}

TEST_CASE("the end waits for a sink that is stuck, but not for ever") {
  auto const who = std::make_shared<reader>();
  who->is_stuck = true;
  visor::log_sink log;
  auto const began = std::chrono::steady_clock::now();
  {
    log_buffer buffer(to(who), 1000, 50ms);
    log = buffer.sink();
    log(log_level::info, "first");
    while (who->calls == 0) std::this_thread::sleep_for(1ms);
    log(log_level::info, "second");
  }
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  log(log_level::info, "nobody hears this");
  who->is_stuck = false;
  while (who->seen().empty()) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);
  CHECK(who->seen() == std::vector<std::string>{"first"});
}

TEST_CASE("lines that a writer could not write are counted until it can") {
  bool works = false;
  std::vector<std::string> written;
  {
    log_buffer buffer{log_buffer::writer([&](log_level, std::string_view line) {
      if (works) written.emplace_back(line);
      return works;
    })};
    auto const log = buffer.sink();
    log(log_level::info, "one");
    log(log_level::info, "two");
    REQUIRE(buffer.flush(10s));
    works = true;
    log(log_level::info, "three");
    REQUIRE(buffer.flush(10s));
  }
  CHECK(written == std::vector<std::string>{"three", "2 lines of the log were dropped: they could not be written in time"});
}

TEST_CASE("nothing to write to is an empty sink, and costs no thread") {
  log_buffer buffer{visor::log_sink()};
  CHECK_FALSE(buffer.sink());
  CHECK(buffer.flush(0s));
}
