// The claim requests of a node to the store. No store, no clock.
#include "visor/engine/served_queues.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace {

using visor::claim;
using visor::claim_request;
using visor::queue_settings;
using visor::detail::served_queues;

/// The names, each with the room: `default 10`.
std::vector<std::string> texts(std::vector<claim_request> const& wanted) {
  std::vector<std::string> all;
  for (auto const& each : wanted) all.push_back(each.queue + " " + std::to_string(each.limit));
  return all;
}

std::vector<claim> got(std::string const& lane, std::size_t jobs, std::string const& of = "default") {
  std::vector<claim> all(1);
  all[0].queue = lane;
  all[0].jobs.resize(jobs);
  for (auto& job : all[0].jobs) job.queue = of;
  return all;
}

/// Asks, and is told that there is nothing.
std::vector<std::string> ask(served_queues& queues) {
  auto const wanted = queues.requests();
  queues.asking(wanted);
  queues.answered(wanted, {});
  return texts(wanted);
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("as many jobs are wanted as slots are free, of each queue by itself") {
  served_queues queues({queue_settings("default", 10), queue_settings("mail", 2)}, {});
  CHECK(texts(queues.requests()) == names{"default 10", "mail 2"});
  queues.take("default", 4);
  queues.take("mail", 2);
  CHECK(texts(queues.requests()) == names{"default 6"});
  queues.leave("mail", 1);
  CHECK(texts(queues.requests()) == names{"default 6", "mail 1"});
}

TEST_CASE("of few slots all are claimed for at a time, of many a half") {
  CHECK(queue_settings("default", 1).claim_size() == 1);
  CHECK(queue_settings("default", 399).claim_size() == 399);
  CHECK(queue_settings("default", 400).claim_size() == 200);
  CHECK(queue_settings("default", 100'000).claim_size() == 50'000);
  served_queues queues({queue_settings("default", 1000)}, {});
  CHECK(texts(queues.requests()) == names{"default 500"});
  queues.take("default", 500);
  CHECK(texts(queues.requests()) == names{"default 500"});
  queues.take("default", 400);
  CHECK(texts(queues.requests()) == names{"default 100"});
}

TEST_CASE("a queue is asked again only if it was not seen to be empty, or somebody says that there is work") {
  served_queues queues({queue_settings("default", 10)}, {});
  auto const wanted = queues.requests();
  queues.asking(wanted);
  CHECK(queues.requests().empty());
  SECTION("less than there was room for") {
    queues.answered(wanted, got("default", 9));
    CHECK(queues.requests().empty());
    queues.look_again();
    CHECK(texts(queues.requests()) == names{"default 10"});
  }
  SECTION("all that there was room for") {
    queues.answered(wanted, got("default", 10));
    CHECK(texts(queues.requests()) == names{"default 10"});
  }
  SECTION("somebody said so before the answer came") {
    queues.look_again();
    queues.answered(wanted, {});
    CHECK(texts(queues.requests()) == names{"default 10"});
  }
}

TEST_CASE("what waits beside a queue shares its slots, and each has its turn") {
  served_queues queues({queue_settings("default", 3)}, {"gpu"});
  CHECK(ask(queues) == names{"default 3"});
  CHECK(ask(queues) == names{"default+gpu 3"});
  CHECK(ask(queues).empty());
  queues.look_again();
  CHECK(ask(queues) == names{"default 3"});
  queues.look_again();
  CHECK(ask(queues) == names{"default+gpu 3"});
  queues.take("default+gpu", 2);
  queues.look_again();
  CHECK(ask(queues) == names{"default 1"});
  queues.leave("default+gpu", 2);
  CHECK(ask(queues) == names{"default+gpu 3"});
}

TEST_CASE("where a limited job ended only jobs of its type are looked for, behind the key that had its turn") {
  served_queues queues({queue_settings("default", 5)}, {});
  queues.serve_limited("mail", "");
  CHECK(ask(queues) == names{"default 5"});
  auto const wanted = queues.requests();
  REQUIRE(texts(wanted) == names{"default*mail 5"});
  CHECK(wanted[0].after.empty());
  queues.asking(wanted);
  queues.answered(wanted, got("default*mail", 2, "default*mail*customer 7"));
  queues.take("default*mail*customer 7", 2);
  CHECK(queues.requests().empty());
  queues.look_again_for("report");
  CHECK(queues.requests().empty());
  queues.leave("default*mail*customer 7", 1);
  queues.look_again_for("mail");
  auto const next = queues.requests();
  CHECK(texts(next) == names{"default*mail 4"});
  REQUIRE(next.size() == 1);
  CHECK(next[0].after == "default*mail*customer 7");
}

TEST_CASE("a node that may hold fewer jobs than it has slots shares them among its queues") {
  served_queues queues({queue_settings("a", 10), queue_settings("b", 10)}, {});
  CHECK(texts(queues.requests(13)) == std::vector<std::string>{"a 10", "b 3"});
  queues.take("a", 4);
  CHECK(texts(queues.requests(5)) == std::vector<std::string>{"a 1"});
  CHECK(queues.requests(4).empty());
  CHECK(queues.requests(0).empty());
  CHECK(texts(queues.requests()) == std::vector<std::string>{"a 6", "b 10"});
}
