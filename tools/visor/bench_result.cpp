#include "bench.hpp"
#include "bench_nodes.hpp"
#include "command.hpp"

#include <algorithm>
#include <cmath>

namespace visor_program {

void bench_samples::sort() { std::ranges::sort(all_); }

double bench_samples::milliseconds_at(double part) const {
  auto const rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(all_.size())));
  return static_cast<double>(all_[std::clamp<std::size_t>(rank, 1, all_.size()) - 1]) / 1e3;
}

std::vector<std::pair<double, std::size_t>> bench_samples::histogram() const {
  std::vector<std::pair<double, std::size_t>> bars;
  double bound = 10;  // microseconds
  for (std::size_t at = 0; at < all_.size(); bound *= 1.25) {
    auto const end = static_cast<std::size_t>(std::ranges::upper_bound(all_, static_cast<std::int64_t>(bound)) - all_.begin());
    if (end != at || !bars.empty()) bars.emplace_back(bound / 1e3, end - at);
    at = end;
  }
  return bars;
}

void bench_record::check() const {
  std::size_t never = 0, often = 0;
  for (auto const& runs : runs_) {
    never += runs == 0 ? 1 : 0;
    often += runs > 1 ? 1 : 0;
  }
  if (never + often != 0)
    throw failure("the run does not count: " + std::to_string(never) + " jobs were not run, " + std::to_string(often) + " more than once");
}

bench_samples bench_record::start_latencies() const {
  bench_samples all;
  all.reserve(started_.size());
  for (std::size_t i = 0; i < started_.size(); ++i) all.add(started_[i] - planned_[i]);
  return all;
}

}  // namespace visor_program
