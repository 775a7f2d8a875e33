#ifndef VISOR_DRIVER_MYSQL_CONNECTOR_HPP
#define VISOR_DRIVER_MYSQL_CONNECTOR_HPP

#include "visor/async/run_on.hpp"
#include "visor/async/with_timeout.hpp"
#include "visor/base/json_text.hpp"
#include "visor/driver/mysql/connect.hpp"
#include "visor/driver/mysql/connection.hpp"
#include "visor/driver/tls_files.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::mysql_driver {

/// Makes connections. The library resolves names and negotiates TLS with blocking calls, which run on threads of the connector.
class connector {
 public:
  using connection = mysql_driver::connection;

  explicit connector(mysql_settings settings, log_sink log = {})
      : settings_(std::move(settings)),
        certificates_(std::make_shared<tls_files const>(settings_.tls)),
        log_(settings_.log_statements, std::move(log)),
        threads_(std::make_shared<boost::asio::thread_pool>(static_cast<std::size_t>(settings_.pool.max_connecting))) {
    settings_.tls = certificates_->paths();
    static std::once_flag once;
    std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });  // the call is not thread-safe
  }

  std::string display_name() const { return settings_.display_name(); }

  /// Joins the threads, each of which may be connecting; no connect may follow.
  void stop() { threads_->join(); }

  /// Connects to the first writable server of several, or else to the first. Each address of each host has its share of the time. A
  /// blocking call ends with that share, and not earlier on cancellation.
  task<std::unique_ptr<connection>> connect() {
    if (!settings_.is_local()) certificates_->check();
    auto const begin = std::chrono::steady_clock::now();
    auto const find = [from = settings_] { return candidates(from); };
    auto const all = co_await on_threads(find);
    auto const end = begin + settings_.connect_time(all.size());
    std::optional<error> trouble;
    std::unique_ptr<connection> unsuitable;
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto const left = std::chrono::duration_cast<duration>(end - std::chrono::steady_clock::now());
      duration const share = left / static_cast<std::int64_t>(all.size() - i);
      std::unique_ptr<connection> made;
      try {
        auto reaching = reach(all[i], std::max<duration>(share, std::chrono::milliseconds{10}));
        made = co_await std::move(reaching);
      } catch (error const& thrown) {
        // A login that one server refuses is refused by all.
        if (is_permanent(thrown.portable_code())) throw;
        trouble = thrown;
      }
      if (made && (made->is_writable() || i + 1 == all.size()) && !unsuitable) co_return made;
      if (made && made->is_writable()) co_return made;
      if (made && !unsuitable) unsuitable = std::move(made);
    }
    if (unsuitable) co_return unsuitable;
    throw error(*trouble);
  }

  /// The longest payload in bytes, with room for the rest of a message.
  std::size_t payload_limit() const {
    constexpr std::size_t rest = 64 * 1024;
    constexpr std::size_t least = 16 * 1024;
    std::size_t const packet = largest_packet_->load();
    return packet == 0 ? json_limits::bytes : std::max(packet - std::min(packet, rest), least);
  }

 private:
  /// A server, by one of its addresses.
  struct candidate {
    candidate(mysql_settings server, std::string number, std::int64_t more)
        : to(std::move(server)), address(std::move(number)), tries(more) {}

    mysql_settings to;
    std::string address;  ///< empty: by its name
    std::int64_t tries;   ///< made by the library
  };

  /// Lists each address of each host, in the order of the attempts. Under TLS a host has one entry for all of its addresses: the library
  /// compares the name that it connects to with that in the certificate, and tries one address after the other by itself.
  static std::vector<candidate> candidates(mysql_settings const& from) {
    std::vector<candidate> all;
    if (from.is_local()) return {candidate(from, "", 1)};
    for (auto const& host : from.addresses()) {
      mysql_settings one = from;
      one.host = host.host;
      if (!host.own_port.empty()) one.port = std::stoi(host.own_port);
      auto const found = addresses_of(one.host);
      if (found.empty() || from.tls.mode != tls_mode::disable)
        all.emplace_back(one, "", std::max<std::int64_t>(static_cast<std::int64_t>(found.size()), 1));
      else
        for (auto const& address : found) all.emplace_back(one, address, 1);
    }
    return all;
  }

  template <class Work>
  task<std::invoke_result_t<Work const&>> on_threads(Work work) {
    namespace asio = boost::asio;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::any_io_executor const threads = threads_->get_executor();
    auto working = visor::detail::run_on(threads, std::move(work));
    co_return co_await std::move(working);
  }

  task<std::unique_ptr<connection>> reach(candidate to, duration share) {
    auto const end = std::chrono::steady_clock::now() + share;
    to.to.pool.connect_timeout = share / to.tries;
    connect_call const work(to.to, to.address);
    auto connecting = on_threads(work);
    connection_ptr made = co_await std::move(connecting);
    auto const left = std::chrono::duration_cast<duration>(end - std::chrono::steady_clock::now());
    auto ready = std::make_unique<connection>(std::move(made), display_name(), grants(settings_), settings_.transaction_timeout,
                                              settings_.longest_lock_wait(), log_);
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    duration const rest = std::max<duration>(left, std::chrono::milliseconds{10});
    auto preparing = visor::detail::with_timeout(executor, wall_clock(), rest, prepare(*ready));
    bool const is_ready = co_await std::move(preparing);
    if (!is_ready) throw error(errc::connection_failed, to.to.server() + " lets us in, and says nothing more (pool.connect_timeout)");
    largest_packet_->store(ready->largest_packet());
    co_return ready;
  }

  static task<> prepare(connection& made) {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    typename connection::attachment const here(made, executor);
    co_await made.check_product();
    co_await made.prepare_session();
  }

  mysql_settings settings_;
  std::shared_ptr<tls_files const> certificates_;
  visor::detail::statement_log log_;
  std::shared_ptr<boost::asio::thread_pool> threads_;  // this and the next: shared by all copies
  std::shared_ptr<std::atomic<std::size_t>> largest_packet_ = std::make_shared<std::atomic<std::size_t>>(0);  // of the last connection
};

}  // namespace visor::mysql_driver

#endif
