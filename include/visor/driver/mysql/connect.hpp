#ifndef VISOR_DRIVER_MYSQL_CONNECT_HPP
#define VISOR_DRIVER_MYSQL_CONNECT_HPP

#include "visor/base/error.hpp"
#include "visor/driver/mysql/failure.hpp"
#include "visor/driver/mysql/library.hpp"
#include "visor/driver/mysql/mysql_settings.hpp"
#include "visor/driver/peer.hpp"

#include <errmsg.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace visor::mysql_driver {

/// Looks up the addresses of a host, blocking; empty where it is unknown.
inline std::vector<std::string> addresses_of(std::string const& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<std::string> all;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return all;
  for (addrinfo const* each = found; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    std::string const address = text.data();
    if (std::ranges::find(all, address) == all.end()) all.push_back(address);
  }
  ::freeaddrinfo(found);
  return all;
}

/// Connects, blocking, with all settings. It holds a copy of them, since it runs on another thread.
class connect_call {
 public:
  /// \param to one host
  /// \param address of that host; empty: the first that the library finds
  explicit connect_call(mysql_settings to, std::string address = {}) : to_(std::move(to)), address_(std::move(address)) {}

  /// \throws visor::error the reason of a failed connect
  connection_ptr operator()() const {
    forget_tls_errors();
    connection_ptr made(mysql_init(nullptr));
    if (!made) throw error(errc::internal, "no memory for a connection");
    MYSQL* const handle = made.get();
    set_options(handle);
    if (!to_.is_local()) set_tls(handle);
    std::string const file = to_.is_local() ? socket_file() : std::string();
    char const* const host = to_.is_local() ? nullptr : address_.empty() ? to_.host.c_str() : address_.c_str();
    MYSQL const* const done =
        mysql_real_connect(handle, host, to_.user.c_str(), to_.password.reveal().c_str(), to_.database.c_str(),
                           static_cast<unsigned>(to_.port), to_.is_local() ? file.c_str() : nullptr, CLIENT_MULTI_STATEMENTS);
    if (done == nullptr) throw connect_failure(to_, static_cast<int>(mysql_errno(handle)), mysql_error(handle));
    check(handle);
    prepare_socket(mysql_get_socket(handle));
    return made;
  }

 private:
  static constexpr char const* safe_plugins =
      "mysql_native_password,client_ed25519,parsec,sha256_password,caching_sha2_password,auth_gssapi_client";

  void set_options(MYSQL* handle) const {
    auto const seconds = std::chrono::floor<std::chrono::seconds>(to_.pool.connect_timeout);
    unsigned const timeout = static_cast<unsigned>(std::max<std::int64_t>(seconds.count(), 1));
    unsigned const protocol = to_.is_local() ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;  // else `localhost` would be a Unix socket
    unsigned const no_files = 0;
    my_bool const no = 0;
    mysql_options(handle, MYSQL_OPT_NONBLOCK, nullptr);
    mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &timeout);
    mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
    mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(handle, MYSQL_OPT_RECONNECT, &no);
    mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &no_files);  // a server could request any file of ours
    mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", to_.application.c_str());
#if MARIADB_PACKAGE_VERSION_ID >= 30300
    // Excludes the plugins that send the password in clear text, such as `mysql_clear_password` and `dialog`.
    bool const is_exposed = to_.tls.mode == tls_mode::disable && !visor::detail::names_this_machine(to_.host);
    if (is_exposed) mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH, safe_plugins);
#endif
  }

  /// Sets the TLS options. The library's option to enforce TLS accepts a server without it, and its verification is all or nothing. The
  /// ways around that changed with version 3.4; a server without TLS gets no password in either.
  void set_tls(MYSQL* handle) const {
    bool const is_wanted = to_.tls.mode != tls_mode::disable;
    bool const is_verified = to_.tls.mode == tls_mode::verify_ca || to_.tls.mode == tls_mode::verify_full;
    my_bool const wanted = is_wanted;
    mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &wanted);
#if MARIADB_PACKAGE_VERSION_ID < 30400
    // To verify includes the name. With an authority alone the library checks the chain only. An expected fingerprint makes it refuse a
    // server without TLS; an empty one is then not compared.
    my_bool const verify = to_.tls.mode == tls_mode::verify_full;
    if (is_wanted && !verify) mysql_optionsv(handle, MARIADB_OPT_TLS_PEER_FP, "");
#else
    my_bool const verify = is_wanted;
    connecting() = handle;
    if (to_.tls.mode == tls_mode::require) mysql_optionsv(handle, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, &take_any);
    if (to_.tls.mode == tls_mode::verify_ca) mysql_optionsv(handle, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, &take_trusted);
#endif
    mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (is_verified)
      mysql_options(handle, MYSQL_OPT_SSL_CA, to_.tls.ca.empty() ? "/etc/ssl/certs/ca-certificates.crt" : to_.tls.ca.c_str());
    if (to_.tls.cert.empty()) return;
    mysql_options(handle, MYSQL_OPT_SSL_CERT, to_.tls.cert.c_str());
    mysql_options(handle, MYSQL_OPT_SSL_KEY, to_.tls.key.c_str());
  }

#if MARIADB_PACKAGE_VERSION_ID >= 30400
  // The faults of the chain are known when these callbacks run. The headers do not document their arguments.
  static MYSQL*& connecting() {
    static thread_local MYSQL* handle = nullptr;
    return handle;
  }
  static int take_any(void*, unsigned) {
    connecting()->net.tls_verify_status = 0;
    return 0;
  }
  static int take_trusted(void*, unsigned) { return connecting()->net.tls_verify_status != 0 ? 1 : 0; }
#endif

  std::string socket_file() const {
    std::error_code ignored;
    std::filesystem::path const given(to_.host);
    return std::filesystem::is_directory(given, ignored) ? given / "mysqld.sock" : given;
  }

  void check(MYSQL* handle) const {
    if (!to_.is_local() && to_.tls.mode != tls_mode::disable && mysql_get_ssl_cipher(handle) == nullptr)
      throw error(errc::tls_failed, to_.server() +
                                        " has no TLS, and ssl asks for it: set up TLS there; only for a trusted "
                                        "network, turn ssl off");
    // TiDB accepts FOR UPDATE SKIP LOCKED, but skips nothing.
    if (std::string_view(mysql_get_server_info(handle)).find("TiDB") != std::string_view::npos)
      throw locks_no_rows(to_.display_name(), "TiDB");
    unsigned long const version = mysql_get_server_version(handle);
    bool const is_mariadb = mariadb_connection(handle) != 0;
    if (version < (is_mariadb ? 100600U : 80017U))
      throw error(errc::unsupported, to_.display_name() + " is version " + mysql_get_server_info(handle) +
                                         ": the least that is supported are MariaDB 10.6 and MySQL 8.0.17");
  }

  /// Makes the socket non-blocking: under TLS the library leaves it as it was, and its calls would block.
  void prepare_socket(int number) const {
    ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_NONBLOCK);
    if (to_.is_local()) return;
    auto const set = [number](int level, int what, int value) { ::setsockopt(number, level, what, &value, sizeof value); };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  }

  mysql_settings to_;
  std::string address_;
};

}  // namespace visor::mysql_driver

#endif
