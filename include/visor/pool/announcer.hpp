#ifndef VISOR_POOL_ANNOUNCER_HPP
#define VISOR_POOL_ANNOUNCER_HPP

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace visor::detail {

/// Decides which of the transactions of one process tell others that there is something to do. Where many commit one after the other the
/// first says so itself, and one word stands for those that come within a moment behind it: telling costs others as much as a commit, and
/// on PostgreSQL those who tell commit one after the other.
///
/// What is owed is said even if the first one was rolled back. Thread-safe. O(1).
class announcer {
 public:
  using instant = std::chrono::steady_clock::time_point;

  /// How long others may wait to hear of a commit.
  static constexpr std::chrono::milliseconds interval{5};

  /// \param on_debt called, without a lock, by whoever makes the first debt
  void on_debt(std::function<void()> on_debt) {
    std::scoped_lock const lock(mutex_);
    on_debt_ = std::move(on_debt);
  }

  /// Whether a transaction shall tell of itself. Otherwise it owes it, once it is committed.
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

  /// Whether something is owed, which the caller then has to say.
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
