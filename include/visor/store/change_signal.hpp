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

/// The listeners of a signal. The list is copied when it changes, which is rare, so that a notification takes one reference and allocates
/// nothing.
struct change_listeners {
  using list = std::vector<std::shared_ptr<change_listener>>;
  std::mutex mutex;
  std::shared_ptr<list const> all = std::make_shared<list>();
};

}  // namespace detail

/// Keeps a callback registered with a `change_signal` while the subscription lives. Move-only; a moved-from or default-constructed one is
/// empty. A subscription may outlive the signal.
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

  /// Ends the subscription. When this returns, the callback neither runs nor will run again: the call waits for a callback that runs in
  /// another thread. So it must not be called from inside the callback, nor while holding a lock that the callback waits for. O(number of
  /// listeners).
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

/// Notifies any number of listeners, in any thread, of a change. Every engine on a store has one callback here.
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

  /// Calls every callback once, on this thread, without a lock of the signal. The caller must hold no lock of its own.
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
