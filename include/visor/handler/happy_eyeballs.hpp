#ifndef VISOR_HANDLER_HAPPY_EYEBALLS_HPP
#define VISOR_HANDLER_HAPPY_EYEBALLS_HPP

#include "visor/async/task.hpp"
#include "visor/base/descriptor_limit.hpp"
#include "visor/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace visor::detail {

/// The "Connection Attempt Delay" of RFC 8305 (section 5), and its allowed minimum.
inline constexpr std::chrono::milliseconds connection_attempt_delay{250};
inline constexpr std::chrono::milliseconds shortest_attempt_delay{10};

/// Orders addresses for a race: the families alternate, starting with that of the first address, and keep their order (RFC 8305, section
/// 4). A second occurrence of an address is dropped.
template <class Range>
std::vector<boost::asio::ip::tcp::endpoint> interleave_families(Range const& addresses) {
  std::vector<boost::asio::ip::tcp::endpoint> first, second, result;
  for (auto const& each : addresses) {
    boost::asio::ip::tcp::endpoint const one = each;
    auto& family = first.empty() || one.protocol() == first.front().protocol() ? first : second;
    if (std::ranges::find(family, one) == family.end()) family.push_back(one);
  }
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) result.push_back(first[i]);
    if (i < second.size()) result.push_back(second[i]);
  }
  return result;
}

/// Connects to the first of several addresses that accepts (RFC 8305, "Happy Eyeballs"). An attempt begins when the one before has failed
/// or has had no answer for 250 ms; earlier attempts continue meanwhile. The first connection wins, and the other sockets are closed. Each
/// address is tried: where the time limit is short for their number, attempts follow each other sooner.
///
/// After `run` has returned only the connection is open. All members belong to the executor, which is a strand or has one thread.
class connection_race {
 public:
  using tcp = boost::asio::ip::tcp;

  connection_race(boost::asio::any_io_executor executor, std::vector<tcp::endpoint> addresses, duration limit)
      : state_(std::make_shared<state>(executor)), addresses_(std::move(addresses)), limit_(limit) {
    auto const share = limit / static_cast<duration::rep>(std::max<std::size_t>(addresses_.size(), 1));
    delay_ = std::clamp<duration>(share, shortest_attempt_delay, connection_attempt_delay);
  }
  connection_race(connection_race const&) = delete;
  connection_race& operator=(connection_race const&) = delete;
  ~connection_race() { state_->end(); }

  /// Ends the race: `run` fails with `operation_aborted`.
  void cancel() {
    state_->is_cancelled = true;
    state_->changed.cancel();
  }

  /// Runs the race.
  /// \param failed set to `boost::beast::error::timeout` at the time limit, or to the reason why the addresses refused
  /// \return the connection; a closed socket when there is none
  template <class = void>
  task<tcp::socket> run(boost::system::error_code& failed) {
    auto const deadline = clock::now() + limit_;
    state_->next_start = clock::now();
    std::size_t started = 0;
    boost::system::error_code ignored;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, ignored);
    while (!state_->winner && !failed) {
      auto const now = clock::now();
      bool const has_more = started < addresses_.size();
      if (state_->is_cancelled) {
        failed = boost::asio::error::operation_aborted;
      } else if (now >= deadline) {
        failed = boost::beast::error::timeout;
      } else if (!has_more && state_->open == 0) {
        failed = addresses_.empty() ? boost::asio::error::host_not_found : state_->failed;
      } else if (has_more && now >= state_->next_start) {
        state_->next_start = now + delay_;
        // The remaining descriptors are reserved for others. The caller needs one attempt at a time.
        if (state_->open == 0 || lack_of_descriptors() == 0) start(addresses_[started++]);
      } else {
        auto const wake = has_more ? std::min(deadline, state_->next_start) : deadline;
        state_->changed.expires_at(wake);
        co_await state_->changed.async_wait(token);
      }
    }
    tcp::socket result(state_->executor);
    if (!failed) result = std::move(*state_->winner);
    state_->end();
    co_return result;
  }

 private:
  using clock = std::chrono::steady_clock;

  /// The state for the handlers of attempts, which may be called after the race has ended.
  struct state {
    boost::asio::any_io_executor executor;
    boost::asio::steady_timer changed;
    std::vector<std::shared_ptr<tcp::socket>> sockets;  ///< of all attempts so far
    std::shared_ptr<tcp::socket> winner;
    std::size_t open = 0;  ///< attempts without an answer
    clock::time_point next_start;
    boost::system::error_code failed;
    bool is_cancelled = false;
    bool has_ended = false;

    explicit state(boost::asio::any_io_executor on) : executor(std::move(on)), changed(executor) {}

    void end() {
      has_ended = true;
      boost::system::error_code ignored;
      for (auto const& one : sockets) one->close(ignored);
      sockets.clear();
      winner.reset();
    }

    void answered(std::shared_ptr<tcp::socket> const& by, boost::system::error_code why) {
      if (has_ended || winner) return;
      --open;
      changed.cancel();
      if (!why) {
        winner = by;
        return;
      }
      boost::system::error_code ignored;
      by->close(ignored);
      next_start = clock::now();
      // The answer of a host is worth more than the lack of an address of that family on this machine.
      if (!failed || is_without_family(failed)) failed = why;
    }
  };

  static bool is_without_family(boost::system::error_code why) {
    return why == boost::asio::error::network_unreachable || why == boost::asio::error::address_family_not_supported ||
           why == boost::system::errc::address_not_available;
  }

  void start(tcp::endpoint const& address) {
    auto const socket = std::make_shared<tcp::socket>(state_->executor);
    state_->sockets.push_back(socket);
    ++state_->open;
    socket->async_connect(address, [state = state_, socket](boost::system::error_code why) { state->answered(socket, why); });
  }

  std::shared_ptr<state> state_;
  std::vector<tcp::endpoint> addresses_;
  duration limit_;
  duration delay_{};
};

}  // namespace visor::detail

#endif
