#ifndef VISOR_STORE_SQL_LEASE_CACHE_HPP
#define VISOR_STORE_SQL_LEASE_CACHE_HPP

#include "visor/store/records.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor::detail {

/// The open jobs of a lease: those that have no attempt yet.
class open_lease {
 public:
  struct job {
    job_id id = 0;
    int attempt = 1;
    bool is_open = true;
  };

  open_lease() = default;
  /// \param epoch under which the lease was taken
  open_lease(std::int64_t epoch, std::vector<job> jobs) : jobs_(std::move(jobs)), open_(jobs_.size()), epoch_(epoch) {
    std::ranges::sort(jobs_, {}, &job::id);
  }

  std::int64_t epoch() const { return epoch_; }

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

  /// The ids of its open jobs as a JSON array, as the lease's row stores them.
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
  std::int64_t epoch_ = 0;
};

/// A cache of this process's own leases, so that a completion need not read which jobs of its lease are open. After a failed transaction it
/// may be wrong. So no result is refused, and no lease deleted, because of the cache alone. Only a transaction that has locked the row of a
/// lease changes its entry. Thread-safe. O(1), `look` O(jobs).
class lease_cache {
 public:
  /// A cached lease with its version: no two entries have the same number.
  struct entry {
    open_lease jobs;
    std::uint64_t number = 0;
  };

  /// Returns the entry of a lease, for a caller that has not locked the lease yet.
  std::optional<entry> look(lease_id id) const {
    std::scoped_lock const lock(mutex_);
    auto const at = leases_.find(id);
    if (at == leases_.end()) return std::nullopt;
    return at->second;
  }

  /// Takes the entry of a lease out, for the time of a transaction.
  std::optional<open_lease> take(lease_id id) {
    std::scoped_lock const lock(mutex_);
    auto const at = leases_.find(id);
    if (at == leases_.end()) return std::nullopt;
    auto found = std::move(at->second.jobs);
    leases_.erase(at);
    return found;
  }

  /// Takes out the entry that the caller has looked at. False if it has changed since.
  bool take(lease_id id, std::uint64_t number) {
    std::scoped_lock const lock(mutex_);
    auto const at = leases_.find(id);
    if (at == leases_.end() || at->second.number != number) return false;
    leases_.erase(at);
    return true;
  }

  void put(lease_id id, open_lease lease) {
    std::scoped_lock const lock(mutex_);
    leases_.insert_or_assign(id, entry{std::move(lease), ++last_number_});
  }

  void clear() {
    std::scoped_lock const lock(mutex_);
    leases_.clear();
  }

  /// Whether some job waited for another one, or a cancellation was requested, at the last check.
  std::atomic<bool> had_pending_side_effects{false};

 private:
  mutable std::mutex mutex_;
  std::unordered_map<lease_id, entry> leases_;
  std::uint64_t last_number_ = 0;
};

}  // namespace visor::detail

#endif
