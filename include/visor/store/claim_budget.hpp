#ifndef VISOR_STORE_CLAIM_BUDGET_HPP
#define VISOR_STORE_CLAIM_BUDGET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace visor {

/// Limits the payload bytes that one exchange claims: a node with a thousand free slots must not get a thousand payloads of 16 MiB. The
/// payload that exceeds the limit is the last one. Each request gets at least one job.
class claim_budget {
 public:
  static constexpr std::size_t bytes = 32 * 1024 * 1024;

  /// The size up to which payloads come with their jobs. Longer ones are read one by one while the budget lasts, so that the database's
  /// reply is bounded too.
  /// \param limit the jobs of the request, from 1
  static constexpr std::int64_t longest_inline(std::size_t limit) {
    constexpr std::size_t least = 4 * 1024;
    return static_cast<std::int64_t>(std::max(least, bytes / std::max<std::size_t>(limit, 1)));
  }

  bool is_spent() const noexcept { return left_ == 0; }
  void take(std::size_t payload) noexcept { left_ -= std::min(left_, payload); }

 private:
  std::size_t left_ = bytes;
};

}  // namespace visor

#endif
