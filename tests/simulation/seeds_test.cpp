// A cluster in virtual time, by seed: the faults, their times and their order. `VISOR_SIMULATION_SEED=7 simulation_test
// "[seeds]"` replays one seed and prints all events; VISOR_SIMULATION_SEEDS=20000 tries more of them.

#include "simulation/checker.hpp"
#include "support/catch.hpp"

#include <cstdlib>
#include <iostream>
#include <set>

using namespace visor_test;

namespace {

std::optional<std::uint64_t> from_environment(char const* name) {
  char const* const text = std::getenv(name);
  return text == nullptr ? std::nullopt : std::optional<std::uint64_t>(std::strtoull(text, nullptr, 10));
}

void report(seed_results const& found, std::uint64_t count) {
  auto const& seen = found.seen;
  auto const& counts = seen.counts;
  std::cout << count << " seeds, " << seen.minutes << " minutes of clusters in " << found.seconds << " s, " << seen.minutes / found.seconds
            << " in a second\n"
            << "  jobs " << seen.jobs << ", runs " << seen.runs << ", fires " << seen.fires << ", dead " << seen.dead_jobs << ", cancelled "
            << seen.cancelled_jobs << "\n"
            << "  attempts lost " << seen.lost_attempts << ", leases found lost " << seen.lost_leases << ", overlaps after that "
            << seen.overlaps << ", results refused " << counts.refused_results << ", exchanges without a lease " << counts.refused_leases
            << "\n"
            << "  released " << seen.released_attempts << ", undisturbed stops " << seen.undisturbed_stops << ", recoveries "
            << counts.recoveries << ", of which attempts of crashed nodes in time " << seen.recoveries_in_time << ", the last "
            << visor::to_string(seen.longest_recovery) << " after the end of the lease\n"
            << "  calls " << counts.calls << ": refused " << counts.refused << ", unanswered " << counts.unanswered << ", overdue "
            << counts.overdue << ", slow " << counts.slow << ", unheard " << counts.unheard << "\n"
            << "  crashes " << counts.crashes << ", pauses " << counts.pauses << ", suspensions " << counts.suspensions << ", stops "
            << counts.stops << ", clocks set " << counts.clock_steps << std::endl;
  for (auto const& [seed, problems] : found.problems) {
    std::cout << "VISOR_SIMULATION_SEED=" << seed << ":\n";
    for (auto const& problem : problems) std::cout << "  " << problem << "\n";
  }
}

}  // namespace

TEST_CASE("a seed replays exactly") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    std::vector<std::string> lines;
    auto const once = try_seed(seed);
    auto const again = try_seed(seed, [&](std::string_view line) { lines.emplace_back(line); });
    CHECK(once.trace == again.trace);
    CHECK(once.seen.runs == again.seen.runs);
    CHECK(lines.size() > 100);
    CHECK(once.trace != try_seed(seed + 100).trace);
  }
}

TEST_CASE("nothing is lost or doubled or late whatever goes wrong", "[seeds]") {
  if (auto const seed = from_environment("VISOR_SIMULATION_SEED")) {
    auto const found = try_seed(*seed, [](std::string_view line) { std::cout << line << "\n"; });
    for (auto const& problem : found.problems) std::cout << "WRONG: " << problem << "\n";
    CHECK(found.problems.empty());
    return;
  }
  std::uint64_t const count = 20;  // the sanitizers take their time
  auto const found = try_seeds(1, count);
  report(found, count);
  CHECK(found.problems.empty());
}

TEST_CASE("nothing is wrong in thousands of runs either", "[slow]") {
  auto const count = from_environment("VISOR_SIMULATION_SEEDS").value_or(1500);
  auto const found = try_seeds(1000, count);
  report(found, count);
  CHECK(found.problems.empty());
  // That nothing was wrong says something only where there was occasion for it.
  auto const& seen = found.seen;
  if (count < 1000) return;
  CHECK(seen.lost_attempts > count);
  CHECK(seen.lost_leases > count);
  CHECK(seen.overlaps > count / 2);
  CHECK(seen.released_attempts > count / 2);
  CHECK(seen.undisturbed_stops > count / 2);
  CHECK(seen.recoveries_in_time > count / 20);
  CHECK(seen.dead_jobs > count);
  CHECK(seen.refused_rows > count);
  CHECK(seen.counts.refused_groups > count);
  CHECK(seen.cancelled_jobs > count);
  CHECK(seen.counts.refused_results > count / 100);
  CHECK(seen.counts.refused_leases > count / 10);
  for (auto const member : occasions::each_count) CHECK(seen.counts.*member > count / 100);
}
