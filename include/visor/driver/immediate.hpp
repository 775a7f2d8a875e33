#ifndef VISOR_DRIVER_IMMEDIATE_HPP
#define VISOR_DRIVER_IMMEDIATE_HPP

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace visor {

/// The result of a call on a blocking driver's session: a value that is already there, in awaitable form.
template <class T>
class ready {
 public:
  explicit ready(T value) : value_(std::move(value)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  T await_resume() { return std::move(value_); }

 private:
  T value_;
};

template <>
class ready<void> {
 public:
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

template <class T>
class immediate;

namespace detail {

template <class T>
class immediate_result {
 public:
  template <class Value>
  void return_value(Value&& value) {
    value_.emplace(std::forward<Value>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class immediate_result<void> {
 public:
  void return_void() noexcept {}
  void take() noexcept {}
};

template <class T>
class immediate_promise : public immediate_result<T> {
 public:
  immediate<T> get_return_object() noexcept;
  std::suspend_never initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }
  std::exception_ptr failure() const noexcept { return failure_; }

 private:
  std::exception_ptr failure_;
};

}  // namespace detail

/// A coroutine that runs from start to end where it is called, for blocking drivers. An operation of the store is written once, as a
/// coroutine. Over an asynchronous driver it is an `asio::awaitable`, over a blocking one an `immediate`, which awaits only ready values.
/// Costs one allocation.
template <class T = void>
class immediate {
 public:
  using value_type = T;
  using promise_type = detail::immediate_promise<T>;

  explicit immediate(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  immediate(immediate&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  immediate& operator=(immediate&&) = delete;
  ~immediate() {
    if (frame_) frame_.destroy();
  }

  /// Returns the result. May be called once.
  /// \throws the exception of the coroutine
  T get() {
    if (auto failure = frame_.promise().failure()) std::rethrow_exception(std::move(failure));
    return frame_.promise().take();
  }

  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  T await_resume() { return get(); }

 private:
  std::coroutine_handle<promise_type> frame_;
};

template <class T>
immediate<T> detail::immediate_promise<T>::get_return_object() noexcept {
  return immediate<T>(std::coroutine_handle<immediate_promise>::from_promise(*this));
}

}  // namespace visor

#endif
