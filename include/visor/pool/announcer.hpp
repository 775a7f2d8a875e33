#ifndef VISOR_POOL_ANNOUNCER_HPP
#define VISOR_POOL_ANNOUNCER_HPP

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
class announcer {
 public:
  using instant = std::chrono::steady_clock::time_point;

  /// The longest delay of a pending notification.
  static constexpr std::chrono::milliseconds interval{5};

  /// \param on_debt called, without a lock, by the first transaction that leaves a notification pending
  void on_debt(std::function<void()> on_debt) {
    std::scoped_lock const lock(mutex_);
    on_debt_ = std::move(on_debt);
  }

  /// True when a transaction sends its own notification. Otherwise its caller calls `owe()` after the commit.
  bool takes_turn(instant now) {
    std::scoped_lock const lock(mutex_);
    if (last_ && now - *last_ < interval) return false;
    last_ = now;
    return true;
  }

  void owe() {
    std::function<void()> first;
    {
      std::scoped_lock const lock(mutex_);
      if (!std::exchange(is_owed_, true)) first = on_debt_;
    }
    if (first) first();
  }

  /// Takes the pending notification. True when there was one, which the caller then has to send.
  bool take_debt(instant now) {
    std::scoped_lock const lock(mutex_);
    if (is_owed_) last_ = now;
    return std::exchange(is_owed_, false);
  }

 private:
  std::mutex mutex_;
  std::optional<instant> last_;
  bool is_owed_ = false;
  std::function<void()> on_debt_;
};

}  // namespace visor::detail

#endif
