#ifndef VISOR_STORE_SQL_LEASE_BOOK_HPP
#define VISOR_STORE_SQL_LEASE_BOOK_HPP

#include "visor/store/records.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor::detail {

/// What of a lease is open: its jobs that have no attempt yet.
class open_lease {
 public:
  struct job {
    job_id id = 0;
    int attempt = 1;
    bool is_open = true;
  };

  open_lease() = default;
  explicit open_lease(std::vector<job> jobs) : jobs_(std::move(jobs)), open_(jobs_.size()) { std::ranges::sort(jobs_, {}, &job::id); }

  std::size_t size() const { return jobs_.size(); }
  std::size_t open() const { return open_; }

  /// The open job of that id, or null. O(log n).
  job* find(job_id id) {
    auto const at = std::ranges::lower_bound(jobs_, id, {}, &job::id);
    return at != jobs_.end() && at->id == id && at->is_open ? &*at : nullptr;
  }

  void end(job& ended) {
    ended.is_open = false;
    --open_;
  }

  /// The ids of its open jobs as a JSON array, as a lease keeps them.
  std::string ids() const {
    std::string text = "[";
    std::array<char, 24> digits{};
    for (job const& one : jobs_) {
      if (!one.is_open) continue;
      if (text.size() > 1) text += ',';
      auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), one.id).ptr;
      text.append(digits.data(), end);
    }
    text += ']';
    return text;
  }

 private:
  std::vector<job> jobs_;
  std::size_t open_ = 0;
};

/// What this process remembers of its own leases, so that a completion need not read which jobs of its lease are open. It is only
/// a memory: a transaction that fails may leave it wrong, so that nothing is refused, and no lease deleted, on its word alone.
/// Thread-safe. O(1).
class lease_book {
 public:
  /// Takes what is known of a lease out, for the time of a transaction.
  std::optional<open_lease> take(lease_id id) {
    std::scoped_lock const lock(mutex_);
    auto const at = leases_.find(id);
    if (at == leases_.end()) return std::nullopt;
    auto found = std::move(at->second);
    leases_.erase(at);
    return found;
  }

  void put(lease_id id, open_lease lease) {
    std::scoped_lock const lock(mutex_);
    leases_.insert_or_assign(id, std::move(lease));
  }

  void clear() {
    std::scoped_lock const lock(mutex_);
    leases_.clear();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<lease_id, open_lease> leases_;
};

}  // namespace visor::detail

#endif
