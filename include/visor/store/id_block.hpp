#ifndef VISOR_STORE_ID_BLOCK_HPP
#define VISOR_STORE_ID_BLOCK_HPP

#include "visor/base/time.hpp"
#include "visor/store/reserved_ids.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace visor::detail {

/// Job ids that were reserved in advance, so that adding a job need not ask the database for one. The size of a block follows recent use:
/// one where jobs are rare. No id is kept for long, so that ids roughly follow the order in which jobs were added.
class id_block {
 public:
  static constexpr std::size_t largest = 1024;
  static constexpr duration kept_for{std::chrono::seconds{1}};

  /// Returns a reserved id. None: the caller reserves as many as are `wanted`.
  /// \param now as measured
  std::optional<job_id> take(duration now) {
    if (left_.empty() || now - since_ >= kept_for) return std::nullopt;
    return left_.take();
  }

  /// The number of ids to reserve now: twice the last number if those are already used up, else as many as were used.
  std::size_t wanted(duration now) const {
    if (left_.empty() && now - since_ < kept_for) return std::min(size_ * 2, largest);
    return now - since_ < 2 * kept_for ? std::max<std::size_t>(size_ - left_.size(), 1) : 1;
  }

  /// Stores a reservation, except for the first id, which is taken at once.
  /// \return the first id
  job_id put(reserved_ids reserved, duration now) {
    left_ = std::move(reserved);
    size_ = left_.size();
    since_ = now;
    return left_.take();
  }

 private:
  reserved_ids left_;
  std::size_t size_ = 1;
  duration since_{-2 * kept_for};  // long ago, however early the first use is
};

}  // namespace visor::detail

#endif
