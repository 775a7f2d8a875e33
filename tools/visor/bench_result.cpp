#include "bench.hpp"

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

}  // namespace visor_program
