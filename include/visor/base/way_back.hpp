#ifndef VISOR_BASE_WAY_BACK_HPP
#define VISOR_BASE_WAY_BACK_HPP

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

/// Brings a completion from a thread of ours back to its caller's executor, which has work to do until then.
///
/// The completion may be what ends the caller's context, and a strand of a context that is gone must not even be dropped. So the
/// completion waits until this thread has let go of the executor: a few instructions, and seldom met.
template <class Handler>
class way_back {
 public:
  explicit way_back(Handler handler)
      : executor_(boost::asio::get_associated_executor(handler)),
        waiting_(boost::asio::prefer(executor_, boost::asio::execution::outstanding_work.tracked)),
        handler_(std::move(handler)) {}

  /// Once.
  template <class... Args>
  void go(Args... args) {
    auto const left = std::move(left_);
    {
      executor const to = std::move(executor_);
      boost::asio::post(to, [arrival = arrival(left), waiting = std::move(waiting_), handler = std::move(handler_),
                             ... args = std::move(args)]() mutable {
        arrival.wait();
        if (auto slot = boost::asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
        std::move(handler)(std::move(args)...);
      });
    }
    left->test_and_set(std::memory_order_release);
    left->notify_one();
  }

 private:
  using executor = boost::asio::associated_executor_t<Handler>;
  using tracked =
      std::decay_t<decltype(boost::asio::prefer(std::declval<executor const&>(), boost::asio::execution::outstanding_work.tracked))>;

  /// Waits also where the context is destroyed before the completion could run.
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

  executor executor_;
  tracked waiting_;
  Handler handler_;
  std::shared_ptr<std::atomic_flag> left_ = std::make_shared<std::atomic_flag>();
};

}  // namespace visor::detail

#endif
