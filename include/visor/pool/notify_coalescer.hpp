#ifndef VISOR_POOL_NOTIFY_COALESCER_HPP
#define VISOR_POOL_NOTIFY_COALESCER_HPP

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace visor::detail {

/// Coalesces the notifications that the transactions of one process send to other nodes. When many transactions commit one after the other,
/// the first sends its own notification. A single later one covers all transactions that commit within `interval` after it. A notification
/// costs the other nodes as much as a commit, and PostgreSQL serializes the commits of transactions that notify.
///
/// A pending notification is sent even if the first transaction was rolled back. Thread-safe. O(1).
class notify_coalescer {
 public:
  using instant = std::chrono::steady_clock::time_point;

  /// The longest delay of a pending notification.
  static constexpr std::chrono::milliseconds interval{5};

  /// \param on_pending called, without a lock, by the first transaction that leaves a notification pending
  void on_pending(std::function<void()> on_pending) {
    std::scoped_lock const lock(mutex_);
    on_pending_ = std::move(on_pending);
  }

  /// True when a transaction sends its own notification. Otherwise its caller calls `mark_pending()` after the commit.
  bool sends_now(instant now) {
    std::scoped_lock const lock(mutex_);
    if (last_ && now - *last_ < interval) return false;
    last_ = now;
    return true;
  }

  void mark_pending() {
    std::function<void()> first;
    {
      std::scoped_lock const lock(mutex_);
      if (!std::exchange(is_pending_, true)) first = on_pending_;
    }
    if (first) first();
  }

  /// Takes the pending notification. True when there was one, which the caller then has to send.
  bool take_pending(instant now) {
    std::scoped_lock const lock(mutex_);
    if (is_pending_) last_ = now;
    return std::exchange(is_pending_, false);
  }

 private:
  std::mutex mutex_;
  std::optional<instant> last_;
  bool is_pending_ = false;
  std::function<void()> on_pending_;
};

}  // namespace visor::detail

#endif
