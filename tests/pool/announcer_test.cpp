#include "visor/pool/announcer.hpp"

#include "support/catch.hpp"

#include <chrono>

using namespace std::chrono_literals;
using visor::detail::announcer;

namespace {

/// An instant, from its distance to the first.
constexpr announcer::instant at(std::chrono::microseconds since) { return announcer::instant{since}; }

}  // namespace

TEST_CASE("the first of some commits tells of itself, those in the moment behind it owe it") {
  announcer news;
  int debts = 0;
  news.on_debt([&] { ++debts; });
  CHECK(news.takes_turn(at(0us)));
  CHECK_FALSE(news.takes_turn(at(1us)));
  CHECK_FALSE(news.takes_turn(at(announcer::interval - 1us)));
  CHECK(debts == 0);
  news.owe();
  news.owe();
  CHECK(debts == 1);
  CHECK(news.take_debt(at(announcer::interval)));
  CHECK_FALSE(news.take_debt(at(announcer::interval)));
  news.owe();
  CHECK(debts == 2);
}

TEST_CASE("whoever comes later has a turn again") {
  announcer news;
  CHECK(news.takes_turn(at(7s)));
  CHECK(news.takes_turn(at(7s + announcer::interval)));
  CHECK_FALSE(news.takes_turn(at(7s + announcer::interval + 1us)));
}

TEST_CASE("a debt that was paid was a turn") {
  announcer news;
  CHECK(news.takes_turn(at(0s)));
  news.owe();
  CHECK(news.take_debt(at(1s)));
  CHECK_FALSE(news.takes_turn(at(1s + 1us)));
  CHECK(news.takes_turn(at(1s + announcer::interval)));
}

TEST_CASE("nothing that is owed is no turn") {
  announcer news;
  CHECK_FALSE(news.take_debt(at(1s)));
  CHECK(news.takes_turn(at(1s)));
}
