#ifndef VISOR_STORE_RESERVED_IDS_HPP
#define VISOR_STORE_RESERVED_IDS_HPP

#include "visor/store/records.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace visor {

/// Job ids that belong to their holder alone, ascending. Where several processes reserve ids at the same time, they are not consecutive.
class reserved_ids {
 public:
  /// A run of consecutive ids.
  struct range {
    job_id first = 0;
    std::int64_t count = 0;
  };

  /// Adds ids that are greater than all before.
  void add(job_id first, std::int64_t count) {
    if (count <= 0) return;
    size_ += static_cast<std::size_t>(count);
    if (!ranges_.empty() && ranges_.back().first + ranges_.back().count == first)
      ranges_.back().count += count;
    else
      ranges_.push_back({first, count});
  }

  /// The smallest id.
  /// \pre not empty
  job_id first() const { return ranges_[begin_].first; }

  /// Takes the smallest id.
  /// \pre not empty
  job_id take() {
    range& from = ranges_[begin_];
    --size_;
    job_id const id = from.first++;
    if (--from.count == 0) ++begin_;
    return id;
  }

  /// Drops ids from the end until no more than `most` are left.
  void keep(std::size_t most) {
    while (size_ > most) {
      auto const dropped = std::min<std::int64_t>(ranges_.back().count, static_cast<std::int64_t>(size_ - most));
      size_ -= static_cast<std::size_t>(dropped);
      ranges_.back().count -= dropped;
      if (ranges_.back().count == 0) ranges_.pop_back();
    }
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool is_consecutive() const noexcept { return ranges_.size() - begin_ <= 1; }

 private:
  std::vector<range> ranges_;
  std::size_t begin_ = 0;  // ranges before this are used up
  std::size_t size_ = 0;
};

}  // namespace visor

#endif
