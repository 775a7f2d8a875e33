#ifndef VISOR_STORE_CLAIM_BUDGET_HPP
#define VISOR_STORE_CLAIM_BUDGET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace visor {

/// How many bytes of payloads one exchange brings: a node with a thousand free slots must not be given a thousand payloads of 16 MiB. The
/// one that goes beyond it is the last; each request gets at least one job.
class claim_budget {
 public:
  static constexpr std::size_t bytes = 32 * 1024 * 1024;

  /// Payloads up to this size come with their jobs, longer ones are read one by one while there is room: so what a database answers is
  /// bounded too.
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
