#include "visor/store/limit_budget.hpp"

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using visor::detail::keyed_queue_rotation;
using visor::detail::limit_budget;

namespace {

constexpr visor::instant noon{std::chrono::hours{12}};

visor::job_limits limits(int concurrency, int key_concurrency, int rate, int key_rate, visor::duration per = 10s) {
  visor::job_limits made;
  made.concurrency = concurrency;
  made.key_concurrency = key_concurrency;
  made.rate = rate;
  made.key_rate = key_rate;
  made.per = per;
  return made;
}

/// The queues in the order of their rotation.
std::vector<std::string> turns(std::string const& after, std::vector<std::string> const& with_jobs) {
  visor::claim_request const request("q*t", 1, after);
  std::vector<std::string> order;
  for (keyed_queue_rotation rotation(request);; rotation.pass()) {
    if (rotation.needs_next()) {
      std::optional<std::string> found;
      for (auto const& each : with_jobs)
        if (each > rotation.behind() && each < rotation.before() && (!found || each < *found)) found = each;
      rotation.answer(found);
    }
    if (rotation.is_over()) return order;
    order.push_back(rotation.current());
    REQUIRE(order.size() < 10);
  }
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("without limits everything may start", "[limits]") {
  limit_budget all(visor::job_limits(), noon);
  all.add_running("q*t*a", 1000);
  all.add_claimed("q*t*a", noon, 1000);
  CHECK(all.available("q*t*a", 7) == 7);
  CHECK(all.is_open());
  CHECK_FALSE(all.look_again_at());
}

TEST_CASE("what runs takes from the room of its type and of its key", "[limits]") {
  limit_budget all(limits(5, 2, 0, 0), noon);
  all.add_running("q*t*a", 1);
  all.add_running("other+gpu*t*a", 1);
  all.add_running("q*t", 1);
  CHECK(all.available("q*t*a", 9) == 0);
  CHECK(all.available("q*t*b", 9) == 2);
  CHECK(all.available("q*t", 9) == 2);
  CHECK(all.available("q*t", 1) == 1);
  all.take("q*t*b", 2);
  CHECK(all.available("q*t*c", 9) == 0);
  CHECK_FALSE(all.is_open());
  CHECK_FALSE(all.look_again_at());  // only an end lets another one start
}

TEST_CASE("more that runs than is allowed leaves no room", "[limits]") {
  limit_budget all(limits(2, 0, 3, 0), noon);
  all.add_running("q*t", 5);
  all.add_claimed("q*t", noon - 1s, 9);
  CHECK(all.available("q*t", 1) == 0);
}

TEST_CASE("a claim counts from its instant for the length of the window", "[limits]") {
  for (auto const& [age, counts] :
       {std::pair<visor::duration, bool>(0s, true), {9'999'999us, true}, {10s, false}, {11s, false}, {-3s, true}}) {
    INFO(visor::to_string(age));
    limit_budget all(limits(0, 0, 4, 0), noon);
    all.add_claimed("q*t*a", noon - age, 3);
    CHECK(all.available("q*t*b", 9) == (counts ? 1U : 4U));
  }
}

TEST_CASE("when a rate held something back it says when the first claim stops to count", "[limits]") {
  limit_budget all(limits(0, 0, 4, 0), noon);
  all.add_claimed("q*t", noon - 3s, 1);
  all.add_claimed("q*t", noon - 7s, 2);
  CHECK(all.available("q*t", 1) == 1);
  CHECK_FALSE(all.look_again_at());
  CHECK(all.available("q*t", 2) == 1);
  CHECK(all.look_again_at() == noon + 3s);
}

TEST_CASE("the rate of a key holds its jobs back, and no others", "[limits]") {
  limit_budget all(limits(0, 0, 10, 2), noon);
  all.add_claimed("q*t*a", noon - 1s, 2);
  CHECK(all.available("q*t*a", 1) == 0);
  CHECK(all.look_again_at() == noon + 9s);
  CHECK(all.available("q*t*b", 9) == 2);
  CHECK(all.available("q*t", 9) == 8);
}

TEST_CASE("what was taken counts as claimed now", "[limits]") {
  limit_budget all(limits(0, 0, 3, 0), noon);
  all.take("q*t", 3);
  CHECK(all.available("q*t", 1) == 0);
  CHECK(all.look_again_at() == noon + 10s);
}

TEST_CASE("queues have their turn by their names, once around, behind the one that had it last", "[limits]") {
  names const there{"q*t*a", "q*t*b", "q*t*c", "q*u", "q*tt", "q"};
  CHECK(turns("", there) == names{"q*t", "q*t*a", "q*t*b", "q*t*c"});
  CHECK(turns("q*t", there) == names{"q*t*a", "q*t*b", "q*t*c", "q*t"});
  CHECK(turns("q*t*b", there) == names{"q*t*c", "q*t", "q*t*a", "q*t*b"});
  CHECK(turns("q*t*c", there) == names{"q*t", "q*t*a", "q*t*b", "q*t*c"});
  CHECK(turns("q*t*bb", there) == names{"q*t*c", "q*t", "q*t*a", "q*t*b"});
  CHECK(turns("", {}) == names{"q*t"});
  CHECK(turns("q*t*z", {}) == names{"q*t"});
}

TEST_CASE("what began when the clock was ahead does not count for a rate", "[limits]") {
  limit_budget all(limits(0, 0, 2, 0), noon);
  all.add_claimed("q*t", noon + std::chrono::hours{24 * 365}, 2);
  CHECK(all.available("q*t", 5) == 2);
  all.add_claimed("q*t", noon - 1s, 1);
  CHECK(all.available("q*t", 5) == 1);
}
