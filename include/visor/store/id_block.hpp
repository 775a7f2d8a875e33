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

/// Job ids that were reserved before there was a job for them, so that a job that is added need not ask for one. How many depends on how
/// many were used lately: one where jobs are rare. None is kept for long, so that ids say roughly in which order jobs were added.
class id_block {
 public:
  static constexpr std::size_t largest = 1024;
  static constexpr duration kept_for{std::chrono::seconds{1}};

  /// An id that was reserved. None: reserve as many as are `wanted`.
  /// \param now as measured
  std::optional<job_id> take(duration now) {
    if (left_.empty() || now - since_ >= kept_for) return std::nullopt;
    return left_.take();
  }

  /// How many ids to reserve now: twice as many as there were if these are used up already, else as many as were used.
  std::size_t wanted(duration now) const {
    if (left_.empty() && now - since_ < kept_for) return std::min(size_ * 2, largest);
    return now - since_ < 2 * kept_for ? std::max<std::size_t>(size_ - left_.size(), 1) : 1;
  }

  /// Keeps what was reserved, but for the first, which is taken at once.
  /// \return that
  job_id put(reserved_ids reserved, duration now) {
    left_ = std::move(reserved);
    size_ = left_.size();
    since_ = now;
    return left_.take();
  }

 private:
  reserved_ids left_;
  std::size_t size_ = 1;
  duration since_{-2 * kept_for};  // long ago, however early the first comes
};

}  // namespace visor::detail

#endif
