#include "visor/async/completion_poster.hpp"

#include "support/catch.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <memory>
#include <thread>
#include <utility>

namespace asio = boost::asio;
using visor::detail::completion_poster;

// The sanitizers see what goes wrong here.

namespace {

/// Sends a completion from another thread `rounds` times, each time to a new context that is destroyed by `leave` as early as can be.
template <class Leave>
void send_to_contexts(int rounds, Leave const& leave) {
  for (int i = 0; i < rounds; ++i) {
    auto context = std::make_unique<asio::io_context>(1);
    int arrived = 0;
    auto count = [&arrived](int by) { arrived += by; };
    std::thread sender([poster = completion_poster(asio::bind_executor(asio::any_io_executor(asio::make_strand(*context)),
                                                                       std::move(count)))]() mutable { poster.complete(2); });
    leave(context, sender, arrived);
    if (sender.joinable()) sender.join();
  }
}

}  // namespace

TEST_CASE("a completion ends the context of its strand, which the sender must not touch any more") {
  send_to_contexts(300, [](auto& context, auto&, int const& arrived) {
    context->run();
    context.reset();
    CHECK(arrived == 2);
  });
}

TEST_CASE("a context that is left as soon as the completion was called may be destroyed") {
  send_to_contexts(300, [](auto& context, auto&, int const& arrived) {
    context->run_one();
    context.reset();
    CHECK(arrived == 2);
  });
}

TEST_CASE("a context that is destroyed takes a completion with it that it did not call") {
  send_to_contexts(10, [](auto& context, auto& sender, int const& arrived) {
    sender.join();
    context.reset();
    CHECK(arrived == 0);
  });
}

TEST_CASE("a completion may be sent from the context itself") {
  asio::io_context context;
  bool arrived = false;
  auto handler = asio::bind_executor(asio::any_io_executor(asio::make_strand(context)), [&arrived] { arrived = true; });
  asio::post(context, [poster = completion_poster(std::move(handler)), &arrived]() mutable {
    poster.complete();
    CHECK_FALSE(arrived);
  });
  context.run();
  CHECK(arrived);
}
