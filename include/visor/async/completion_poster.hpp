#ifndef VISOR_ASYNC_COMPLETION_POSTER_HPP
#define VISOR_ASYNC_COMPLETION_POSTER_HPP

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>

namespace visor::detail {

/// Posts a completion from a thread of the library to its caller's executor, which counts it as outstanding work until then.
///
/// The completion may destroy the caller's context, and a strand of a destroyed context must not even be released. The completion therefore
/// waits until this thread has released the executor: a few instructions, and rarely needed.
template <class Handler>
class completion_poster {
 public:
  explicit completion_poster(Handler handler) : caller_(std::make_unique<caller>(std::move(handler))) {}

  /// Completes the operation. Must be called once.
  template <class... Args>
  void complete(Args... args) {
    auto const left = std::make_shared<std::atomic_flag>();
    boost::asio::post(caller_->executor, [arrival = arrival(left), waiting = std::move(caller_->waiting),
                                          handler = std::move(caller_->handler), ... args = std::move(args)]() mutable {
      arrival.wait();
      if (auto slot = boost::asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
      std::move(handler)(std::move(args)...);
    });
    caller_.reset();
    left->test_and_set(std::memory_order_release);
    left->notify_one();
  }

 private:
  /// Held by pointer, because some handlers keep their executor after a move (executor_binder).
  struct caller {
    using executor_type = boost::asio::associated_executor_t<Handler>;
    using tracked =
        std::decay_t<decltype(boost::asio::prefer(std::declval<executor_type const&>(), boost::asio::execution::outstanding_work.tracked))>;

    explicit caller(Handler&& from)
        : executor(boost::asio::get_associated_executor(from)),
          waiting(boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked)),
          handler(std::move(from)) {}

    executor_type executor;
    tracked waiting;
    Handler handler;
  };

  /// Waits in its destructor as well, for a context that is destroyed before the completion could run.
  class arrival {
   public:
    explicit arrival(std::shared_ptr<std::atomic_flag> left) noexcept : left_(std::move(left)) {}
    arrival(arrival&&) noexcept = default;
    arrival& operator=(arrival&&) = delete;
    ~arrival() { wait(); }
    void wait() const noexcept {
      if (left_) left_->wait(false, std::memory_order_acquire);
    }

   private:
    std::shared_ptr<std::atomic_flag> left_;
  };

  std::unique_ptr<caller> caller_;
};

}  // namespace visor::detail

#endif
