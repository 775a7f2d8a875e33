#ifndef VISOR_BASE_NEAREST_NAME_HPP
#define VISOR_BASE_NEAREST_NAME_HPP

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <ranges>
#include <string_view>
#include <vector>

namespace visor {

/// Counts the single-character insertions, deletions, replacements and swaps of neighbours that turn one text into the other; no place is
/// touched twice (optimal string alignment). O(a·b) time, O(b) space.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

/// Returns the candidate closest to `text`, or an empty view when none is near enough. A candidate is too far when more than a third of the
/// longer of the two would have to change.
template <std::ranges::input_range Candidates>
std::string_view nearest(std::string_view text, Candidates const& candidates) {
  std::string_view best;
  std::size_t best_distance = 0;
  for (std::string_view const candidate : candidates) {
    std::size_t const distance = edit_distance(text, candidate);
    if (distance * 3 > std::max(text.size(), candidate.size())) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace visor

#endif
