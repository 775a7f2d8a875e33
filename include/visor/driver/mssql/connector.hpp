#ifndef VISOR_DRIVER_MSSQL_CONNECTOR_HPP
#define VISOR_DRIVER_MSSQL_CONNECTOR_HPP

#include "visor/async/run_on.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/driver/mssql/connection.hpp"
#include "visor/driver/mssql/freetds_file.hpp"
#include "visor/driver/tls_files.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace visor::mssql_driver {

/// Makes connections, each of which works on a thread of the connector. There are as many threads as the pool has connections and
/// concurrent connects.
class connector {
 public:
  using connection = mssql_driver::connection;

  explicit connector(mssql_settings settings, log_sink log = {})
      : settings_(std::move(settings)),
        certificates_(std::make_shared<tls_files const>(settings_.tls)),
        sink_(std::move(log)),
        log_(settings_.log_statements, sink_),
        threads_(std::make_shared<boost::asio::thread_pool>(static_cast<std::size_t>(settings_.pool.max + settings_.pool.max_connecting))) {
    settings_.tls = certificates_->paths();
    section_ = freetds_file::section_for(settings_);
  }

  std::string display_name() const { return settings_.display_name(); }

  /// Joins the threads; afterwards they have nothing to do.
  void stop() { threads_->join(); }

  /// Connects. A blocking call ends with `connect_timeout`, and not earlier on cancellation.
  task<std::unique_ptr<connection>> connect() {
    namespace asio = boost::asio;
    certificates_->check();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::any_io_executor const threads = threads_->get_executor();
    auto const work = [this, threads] { return connect_on(threads); };
    auto connecting = visor::detail::run_on(threads, work);
    std::unique_ptr<connection> made = co_await std::move(connecting);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    co_return made;
  }

 private:
  using clock = std::chrono::steady_clock;

  /// Returns the rest of the time to connect, which the login, its retry and the first statements share. Zero would mean no limit.
  static duration left_until(clock::time_point end) {
    return std::max<duration>(std::chrono::duration_cast<duration>(end - clock::now()), std::chrono::milliseconds{10});
  }

  std::unique_ptr<connection> connect_on(boost::asio::any_io_executor threads) const {
    auto const end = clock::now() + settings_.pool.connect_timeout;
    auto ready = dial(std::move(threads), end);
    if (settings_.tls.mode != tls_mode::disable) ready->note_encrypted();
    ready->prepare_session(left_until(end));
    if (!ready->has_snapshots()) tell_of_snapshots();
    return ready;
  }

  /// Connects, with one retry. The library reports a network failure at the start of TLS as a refused certificate, and only the latter
  /// lasts.
  std::unique_ptr<connection> dial(boost::asio::any_io_executor threads, clock::time_point end) const {
    try {
      return dial_once(threads, end);
    } catch (error const& thrown) {
      if (thrown.code() != errc::tls_failed) throw;
    }
    return dial_once(std::move(threads), end);
  }

  std::unique_ptr<connection> dial_once(boost::asio::any_io_executor threads, clock::time_point end) const {
    SQLHDBC handle = nullptr;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_DBC, environment(), &handle))) throw error(errc::internal, "no memory for a connection");
    connection_ptr made(handle);
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(left_until(end)).count();
    auto const set = [handle](SQLINTEGER what, std::int64_t value) {
      SQLSetConnectAttr(handle, what, reinterpret_cast<SQLPOINTER>(static_cast<std::intptr_t>(value)), 0);
    };
    set(SQL_ATTR_LOGIN_TIMEOUT, seconds);
    std::string text = "DRIVER={" + settings_.odbc_driver + "};SERVERNAME=" + section_ + ";DATABASE={" + settings_.database + "};UID={" +
                       settings_.user + "};PWD={" + settings_.password.reveal() + "};APP={" + settings_.application + "}";
    // One connect at a time, so that only one of our sockets is new.
    static std::mutex connecting;
    std::scoped_lock const lock(connecting);
    auto const before = sockets();
    std::vector<SQLWCHAR> wide = to_wide(text);
    SQLRETURN const done = SQLDriverConnectW(handle, nullptr, wide.data(), SQL_NTS, nullptr, 0, nullptr, SQL_DRIVER_NOPROMPT);
    text.assign(text.size(), '\0');
    wide.assign(wide.size(), 0);
    if (!SQL_SUCCEEDED(done)) throw connect_failure(settings_, diagnoses(SQL_HANDLE_DBC, handle));
    return std::make_unique<connection>(std::move(made), socket_of(before), display_name(), grants(settings_),
                                        settings_.transaction_timeout, settings_.longest_lock_wait(), log_, deferral_, std::move(threads));
  }

  void tell_of_snapshots() const {
    if (sink_ && !told_of_snapshots_->exchange(true))
      sink_(log_level::warning, display_name() +
                                    " has no snapshots, so who reads waits for those that write, and they for him: ALTER DATABASE [" +
                                    settings_.database + "] SET ALLOW_SNAPSHOT_ISOLATION ON");
  }

  static SQLHENV environment() {
    static environment_ptr const one = [] {
      SQLHENV made = nullptr;
      SQLAllocHandle(SQL_HANDLE_ENV, nullptr, &made);
      SQLSetEnvAttr(made, SQL_ATTR_ODBC_VERSION, reinterpret_cast<SQLPOINTER>(SQL_OV_ODBC3), 0);
      return environment_ptr(made);
    }();
    return one.get();
  }

  /// Returns the sockets of this process that may be connected to the server: the identity of each, unique while the machine is up, and its
  /// number.
  std::map<std::string, int> sockets() const {
    std::map<std::string, int> found;
    std::error_code failed;
    for (auto const& each : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
      int const number = std::atoi(each.path().filename().c_str());
      sockaddr_storage to{};
      socklen_t size = sizeof to;
      if (::getpeername(number, reinterpret_cast<sockaddr*>(&to), &size) != 0 || !may_be_server(to)) continue;
      std::error_code gone;
      found.emplace(std::filesystem::read_symlink(each.path(), gone).string(), number);
    }
    return found;
  }

  bool may_be_server(sockaddr_storage const& peer) const {
    int port = 0;
    if (peer.ss_family == AF_INET) port = ntohs(reinterpret_cast<sockaddr_in const&>(peer).sin_port);
    if (peer.ss_family == AF_INET6) port = ntohs(reinterpret_cast<sockaddr_in6 const&>(peer).sin6_port);
    return settings_.has_instance() ? port != 0 : port == settings_.port;
  }

  /// Returns the socket of a new connection, which the library does not expose. It is the one that is new. If other code has made another
  /// one meanwhile, there is none, and only the library's own timeout ends an operation that takes too long.
  shared_socket socket_of(std::map<std::string, int> const& before) const {
    std::map<std::string, int> now = sockets();
    std::erase_if(now, [&](auto const& each) { return before.contains(each.first); });
    return shared_socket(now.size() == 1 ? ::fcntl(now.begin()->second, F_DUPFD_CLOEXEC, 0) : -1);
  }

  mssql_settings settings_;
  std::shared_ptr<tls_files const> certificates_;
  std::string section_;  // in FreeTDS's configuration
  log_sink sink_;
  std::shared_ptr<std::atomic<bool>> told_of_snapshots_ = std::make_shared<std::atomic<bool>>(false);  // shared by all copies
  visor::detail::statement_log log_;
  std::shared_ptr<deferral_state> deferral_ = std::make_shared<deferral_state>();  // shared by all copies
  std::shared_ptr<boost::asio::thread_pool> threads_;                              // shared by all copies
};

}  // namespace visor::mssql_driver

#endif
