#ifndef VISOR_DRIVER_MYSQL_CONNECTOR_HPP
#define VISOR_DRIVER_MYSQL_CONNECTOR_HPP

#include "visor/base/run_on.hpp"
#include "visor/driver/mysql/connect.hpp"
#include "visor/driver/mysql/connection.hpp"
#include "visor/driver/tls_files.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace visor::mysql_driver {

/// Makes connections. The library looks up names and agrees on TLS with blocking calls, so it does that on threads of the connector.
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
    std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });  // which is not thread-safe
  }

  std::string place() const { return settings_.place(); }

  /// Waits for the threads, each of which may be connecting; there is no connecting afterwards.
  void stop() { threads_->join(); }

  /// What blocks ends with `connect_timeout`, not earlier.
  task<std::unique_ptr<connection>> connect() {
    namespace asio = boost::asio;
    if (!settings_.is_local()) certificates_->check();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::any_io_executor const threads = threads_->get_executor();
    connect_call const work(settings_);
    auto connecting = visor::detail::run_on(threads, work);
    connection_ptr made = co_await std::move(connecting);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    auto ready = std::make_unique<connection>(std::move(made), place(), settings_.transaction_timeout, log_);
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    typename connection::attachment const here(*ready, executor);
    co_await ready->prepare_session();
    co_return ready;
  }

 private:
  mysql_settings settings_;
  std::shared_ptr<tls_files const> certificates_;
  visor::detail::statement_log log_;
  std::shared_ptr<boost::asio::thread_pool> threads_;  // of all copies
};

}  // namespace visor::mysql_driver

#endif
