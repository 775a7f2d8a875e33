#ifndef VISOR_STORE_CHANGE_SIGNAL_HPP
#define VISOR_STORE_CHANGE_SIGNAL_HPP

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace visor {

namespace detail {

struct change_listener {
  std::mutex mutex;  // held while the callback runs
  std::function<void()> callback;
};

/// The listeners are copied when they change, which is rare, so that a notification takes one reference and allocates nothing.
struct change_listeners {
  using list = std::vector<std::shared_ptr<change_listener>>;
  std::mutex mutex;
  std::shared_ptr<list const> all = std::make_shared<list>();
};

}  // namespace detail

/// Keeps a callback registered with a `change_signal` while it lives. Move-only; a moved-from or default one holds nothing. It may
/// outlive the signal.
class subscription {
 public:
  subscription() = default;
  subscription(subscription&& other) noexcept = default;
  subscription& operator=(subscription&& other) noexcept {
    if (this != &other) {
      reset();
      listeners_ = std::move(other.listeners_);
      listener_ = std::move(other.listener_);
    }
    return *this;
  }
  ~subscription() { reset(); }

  /// Ends it. When this returns, the callback neither runs nor will run again: a call that is under way in another thread is waited
  /// for. So it must not be called from inside the callback, nor while holding what the callback waits for. O(number of listeners).
  void reset() {
    if (!listener_) return;
    {
      std::scoped_lock const lock{listeners_->mutex};
      auto rest = std::make_shared<detail::change_listeners::list>(*listeners_->all);
      std::erase(*rest, listener_);
      listeners_->all = std::move(rest);
    }
    {
      std::scoped_lock const lock{listener_->mutex};
      listener_->callback = nullptr;
    }
    listener_.reset();
    listeners_.reset();
  }

 private:
  friend class change_signal;
  subscription(std::shared_ptr<detail::change_listeners> listeners, std::shared_ptr<detail::change_listener> listener)
      : listeners_(std::move(listeners)), listener_(std::move(listener)) {}

  std::shared_ptr<detail::change_listeners> listeners_;
  std::shared_ptr<detail::change_listener> listener_;
};

/// Tells any number of listeners, in any thread, that something changed; every engine on a store has one callback here.
class change_signal {
 public:
  /// Registers a callback. It runs on the thread that notifies and should do no more than post; it must not throw.
  [[nodiscard]] subscription subscribe(std::function<void()> callback) {
    auto listener = std::make_shared<detail::change_listener>();
    listener->callback = std::move(callback);
    std::scoped_lock const lock{listeners_->mutex};
    auto more = std::make_shared<detail::change_listeners::list>(*listeners_->all);
    more->push_back(listener);
    listeners_->all = std::move(more);
    return {listeners_, std::move(listener)};
  }

  /// Calls every callback once, on this thread, without a lock of the signal. Call it without holding any of your own.
  void notify() const {
    std::shared_ptr<detail::change_listeners::list const> all;
    {
      std::scoped_lock const lock{listeners_->mutex};
      all = listeners_->all;
    }
    for (auto const& listener : *all) {
      std::scoped_lock const lock{listener->mutex};
      if (listener->callback) listener->callback();
    }
  }

 private:
  std::shared_ptr<detail::change_listeners> listeners_ = std::make_shared<detail::change_listeners>();
};

}  // namespace visor

#endif
