#ifndef VISOR_DRIVER_POSTGRESQL_CONNECTOR_HPP
#define VISOR_DRIVER_POSTGRESQL_CONNECTOR_HPP

#include "visor/async/with_timeout.hpp"
#include "visor/base/is_ready.hpp"
#include "visor/driver/peer.hpp"
#include "visor/driver/postgresql/clear_password.hpp"
#include "visor/driver/postgresql/connection.hpp"
#include "visor/driver/postgresql/failure.hpp"
#include "visor/driver/postgresql/postgresql_settings.hpp"
#include "visor/driver/tls_files.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::postgresql_driver {

/// A setting of our own, which reveals whether a session got the options that we requested. Poolers may drop options silently; some poolers
/// track the settings that the server reports for each of their clients.
inline constexpr char const* mark_of_session = "visor.session";

/// Returns the settings of each session: names, as the server reports them, and values.
inline std::vector<std::pair<char const*, std::string>> session_settings(postgresql_settings const& from) {
  // The server has timeouts of its own: it may not notice that a client is gone, and would keep its locks. JIT is off: to compile a
  // statement takes longer than any of ours takes to run.
  auto const milliseconds = [](duration length) { return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(length).count()); };
  std::vector<std::pair<char const*, std::string>> all{{"TimeZone", "UTC"},
                                                       {"DateStyle", "ISO"},
                                                       {"jit", "off"},
                                                       {"statement_timeout", milliseconds(from.transaction_timeout)},
                                                       {"lock_timeout", milliseconds(from.longest_lock_wait())},
                                                       {"idle_in_transaction_session_timeout", milliseconds(from.longest_pause)}};
  if (!from.schema.empty()) {
    all.emplace_back("search_path", quoted(from.schema));
  }
  return all;
}

/// Returns further settings as expressions: they depend on the version, or on settings of the server, the database or the role. With
/// `synchronous_commit = off` the server could lose acknowledged commits; every other value is safe.
/// \param scope `true`: for this transaction; `false`: for the session
inline std::string more_settings(int version, std::string const& scope) {
  std::string text =
      "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE "
      "current_setting('synchronous_commit') END, " +
      scope + ")";
  if (version >= 140000 && scope == "false") text += ", set_config('idle_session_timeout', '0', false)";
  if (version >= 170000) text += ", set_config('transaction_timeout', '0', " + scope + ")";
  return text;
}

/// Returns an expression that is true when the user has the right to the schema of our tables, or it does not exist. Without the right the
/// schema would look empty.
inline std::string may_use_schema(postgresql_settings const& from) {
  std::string name;
  for (char const c : from.schema.empty() ? std::string("public") : from.schema) {
    if (c == '\'') name += '\'';
    name += c;
  }
  return "current_schema() IS NOT NULL OR coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = '" + name +
         "'), true)";
}

/// Returns all these settings for one transaction, as a statement.
/// \param version of the server
inline std::string transaction_settings(postgresql_settings const& from, int version) {
  std::string text = "SELECT " + more_settings(version, "true");
  for (auto const& [name, value] : session_settings(from)) {
    text += ", set_config('" + std::string(name) + "', '";
    for (char const c : value) {
      if (c == '\'') text += '\'';
      text += c;
    }
    text += "', true)";
  }
  return text;
}

/// Returns the options of libpq: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS
inline std::vector<std::pair<char const*, std::string>> libpq_parameters(postgresql_settings const& from) {
  std::vector<std::pair<char const*, std::string>> all{{"host", from.host},
                                                       {"port", std::to_string(from.port)},
                                                       {"dbname", from.database},
                                                       {"user", from.user},
                                                       {"application_name", from.application},
                                                       {"client_encoding", "UTF8"},
                                                       {"target_session_attrs", from.target},
                                                       {"gssencmode", "disable"},
                                                       {"keepalives_idle", "30"},
                                                       {"keepalives_interval", "5"},
                                                       {"keepalives_count", "3"}};
  if (!from.password.empty()) all.emplace_back("password", from.password.reveal());
  if (!from.pgbouncer) {
    std::string options = from.options + (from.options.empty() ? "" : " ") + "-c " + std::string(mark_of_session) + "=own";
    for (auto const& [name, value] : session_settings(from)) {
      options += " -c " + std::string(name) + "=";
      for (char const c : value) {
        if (c == ' ' || c == '\\') options += '\\';
        options += c;
      }
    }
    all.emplace_back("options", options);
  } else if (!from.options.empty()) {
    all.emplace_back("options", from.options);
  }
  if (!from.channel_binding.empty()) all.emplace_back("channel_binding", from.channel_binding);
  all.emplace_back("sslmode", sslmode(from.tls.mode));
  if (from.tls.mode == tls_mode::disable) return all;
  // With a file of authorities libpq would verify in the mode `require` too; without one it would search the home directory.
  bool const verifies = from.tls.mode != tls_mode::require;
  all.emplace_back("sslrootcert", !verifies ? "/dev/null/none" : from.tls.ca.empty() ? "/etc/ssl/certs/ca-certificates.crt" : from.tls.ca);
  all.emplace_back("sslcert", from.tls.cert.empty() ? "/dev/null/none" : from.tls.cert);
  all.emplace_back("sslkey", from.tls.key.empty() ? "/dev/null/none" : from.tls.key);
  return all;
}

/// Returns the required attributes of a server, in order: the second is tried if no server has the first. Of several servers the writable
/// one is preferred, unless the settings say otherwise; after a switchover it may be another than before.
inline std::vector<std::string> targets(postgresql_settings const& from, std::size_t candidates) {
  if (candidates < 2) return {from.target.empty() ? "any" : from.target};
  if (from.target.empty()) return {"read-write", "any"};
  if (from.target == "prefer-standby") return {"standby", "any"};
  return {from.target};
}

/// True when a server was reached, but lacks the required attributes.
inline bool is_unsuitable(std::string_view libpq_text) {
  for (std::string_view const each :
       {"session is read-only", "session is not read-only", "server is in hot standby", "server is not in hot standby"})
    if (libpq_text.find(each) != std::string_view::npos) return true;
  return false;
}

/// True when a server refused for a reason that holds for all servers, unlike a start or shutdown.
inline bool is_final(char const* libpq_text) {
  std::string const text = one_line(libpq_text);
  for (auto at = text.find(": "); at != std::string::npos; at = text.find(": ", at + 2)) {
    std::string_view const state = std::string_view(text).substr(at + 2, 7);
    auto const is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    if (state.size() == 7 && state.ends_with(": ") && std::ranges::all_of(state.substr(0, 5), is_digit)) return !state.starts_with("57P0");
  }
  return false;
}

/// Makes connections.
class connector {
 public:
  using connection = postgresql_driver::connection;

  explicit connector(postgresql_settings settings, log_sink log = {})
      : settings_(std::move(settings)),
        certificates_(std::make_shared<tls_files const>(settings_.tls)),
        log_(settings_.log_statements, std::move(log)) {
    settings_.tls = certificates_->paths();
  }

  std::string display_name() const { return settings_.display_name(); }

  visor::detail::notify_coalescer& notifier() const { return *notifier_; }

  /// Connects to the first suitable server of several: each address of each host has its share of the time. The library could try several
  /// too, but it would give the first one all of the time, so that a dead machine hides all later ones. It would also stop at a server that
  /// accepts the connection and closes it, such as a proxy whose server is gone.
  task<std::unique_ptr<connection>> connect() {
    if (!settings_.is_local()) certificates_->check();
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    auto const begin = std::chrono::steady_clock::now();
    std::string trouble;
    std::vector<candidate> all = co_await candidates(trouble);
    auto const end = begin + settings_.connect_time(all.size());
    auto const wanted = targets(settings_, all.size());
    for (std::string const& target : wanted) {
      std::vector<candidate> unsuitable;
      for (std::size_t i = 0; i < all.size(); ++i) {
        auto const left = std::chrono::duration_cast<duration>(end - std::chrono::steady_clock::now());
        duration const share = left / static_cast<std::int64_t>(all.size() - i + (unsuitable.empty() ? 0 : 1));
        all[i].to.target = target;
        std::string why;
        auto trying = visor::detail::with_timeout<std::unique_ptr<connection>>(executor, wall_clock(), share, reach(all[i], why));
        auto made = co_await std::move(trying);
        if (made) co_return made;
        if (is_unsuitable(why)) unsuitable.push_back(all[i]);
        if (why.empty()) why = all[i].to.server() + all[i].at() + " did not answer within " + in_words(share) + "\n";
        trouble += why;
      }
      all = std::move(unsuitable);
    }
    throw connect_failure(settings_, trouble.c_str());
  }

 private:
  /// A server, by one of its addresses.
  struct candidate {
    candidate(postgresql_settings server, std::string number) : to(std::move(server)), address(std::move(number)) {}
    std::string at() const { return address.empty() || address == to.host ? std::string() : " (" + address + ")"; }

    postgresql_settings to;
    std::string address;  ///< empty: a Unix socket
  };

  static std::string in_words(duration share) {
    return share < std::chrono::seconds{1} ? to_string(std::chrono::round<std::chrono::milliseconds>(share))
                                           : to_string(std::chrono::round<std::chrono::seconds>(share));
  }

  /// Lists each address of each host, in the order of the attempts.
  task<std::vector<candidate>> candidates(std::string& trouble) const {
    std::vector<candidate> all;
    auto const hosts = settings_.addresses();
    for (auto const& host : hosts) {
      postgresql_settings one = settings_;
      one.host = host.host;
      if (!host.own_port.empty()) one.port = std::stoi(host.own_port);
      if (one.is_local()) {
        all.emplace_back(one, "");
        continue;
      }
      auto const found = co_await addresses_of(one.host);
      if (found.empty()) trouble += "could not translate host name \"" + one.host + "\" to an address\n";
      for (auto const& address : found) all.emplace_back(one, address);
    }
    co_return all;
  }

  static task<std::vector<std::string>> addresses_of(std::string host) {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    boost::asio::ip::tcp::resolver resolver(executor);
    boost::system::error_code failed;
    auto looking_up = resolver.async_resolve(host, "", boost::asio::redirect_error(boost::asio::use_awaitable, failed));
    auto const found = co_await std::move(looking_up);
    std::vector<std::string> all;
    for (auto const& each : found) {
      std::string const address = each.endpoint().address().to_string();
      if (std::ranges::find(all, address) == all.end()) all.push_back(address);
    }
    co_return all;
  }

  /// Connects to one server.
  /// \param why set to the failure if another server may work
  /// \return null in that case
  /// \throws visor::error if no other server would work
  task<std::unique_ptr<connection>> reach(candidate to, std::string& why) {
    auto made = co_await connect_to(to);
    char const* const said = PQerrorMessage(made.get());
    if (PQstatus(made.get()) != CONNECTION_OK && !is_final(said)) {
      why = said;
      co_return nullptr;
    }
    try {
      auto finishing = finish(std::move(made));
      co_return co_await std::move(finishing);
    } catch (error const& thrown) {
      if (thrown.code() != errc::connection_lost) throw;
      why = thrown.server_text() + "\n";
    }
    co_return nullptr;
  }

  /// Connects without blocking. Also returns without a connection: the handle has the error.
  static task<connection_ptr> connect_to(candidate which) {
    namespace asio = boost::asio;
    auto given = libpq_parameters(which.to);
    if (!which.address.empty()) given.emplace_back("hostaddr", which.address);
    std::vector<char const*> names, values;
    for (auto const& [name, value] : given) {
      names.push_back(name);
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection_ptr made(PQconnectStartParams(names.data(), values.data(), 0));
    if (!made) throw error(errc::internal, "no memory for a connection");
    PQsetErrorVerbosity(made.get(), PQERRORS_VERBOSE);
    PQsetNoticeReceiver(made.get(), [](void*, PGresult const*) {}, nullptr);
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (PQstatus(made.get()) != CONNECTION_BAD && next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
      {
        // The next step may close the socket, or continue with another one, even under the same number: this scope has released it by then.
        borrowed_socket socket(executor, PQsocket(made.get()));
        bool const reads = next == PGRES_POLLING_READING;
        auto const what = reads ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
        do {
          auto waiting = socket.descriptor.async_wait(what, asio::use_awaitable);
          co_await std::move(waiting);
        } while (!visor::detail::is_ready(PQsocket(made.get()), reads ? POLLIN : POLLOUT));
      }
      int const socket = PQsocket(made.get());
      if (which.to.tls.mode == tls_mode::disable && !visor::detail::is_this_machine(socket) && asks_in_clear(socket))
        throw error(errc::tls_failed, which.to.server() +
                                          " asks for the password in clear text, and the connection is not encrypted: it was not sent; "
                                          "set ssl, or scram-sha-256 in pg_hba.conf of the server");
      next = PQconnectPoll(made.get());
    }
    co_return made;
  }

  task<std::unique_ptr<connection>> finish(connection_ptr made) {
    if (PQstatus(made.get()) != CONNECTION_OK) throw connect_failure(settings_, PQerrorMessage(made.get()));
    if (int const version = PQserverVersion(made.get()); version < 120000)
      throw error(errc::unsupported,
                  display_name() + " is PostgreSQL " + std::to_string(version / 10000) + ": version 12 is the least that is supported");
    PQsetErrorVerbosity(made.get(), PQERRORS_DEFAULT);
    int const version = PQserverVersion(made.get());
    std::string const local = settings_.pgbouncer ? transaction_settings(settings_, version) : std::string();
    auto result = std::make_unique<connection>(std::move(made), display_name(), own_, notifier_, log_, grants(settings_), local);
    if (!settings_.pgbouncer) {
      std::string const set =
          "SELECT " + more_settings(version, "false") + ", current_setting('" + mark_of_session + "'), " + may_use_schema(settings_);
      auto const may_use = co_await result->prepare_session(set);
      if (!may_use) throw pooler_failure(settings_, "the settings of the session were not taken");
      if (!*may_use) result->refuse_transactions();
    }
    co_return result;
  }

  struct borrowed_socket {
    borrowed_socket(boost::asio::any_io_executor const& executor, int number) : descriptor(executor) { descriptor.assign(number); }
    borrowed_socket(borrowed_socket const&) = delete;
    borrowed_socket& operator=(borrowed_socket const&) = delete;
    ~borrowed_socket() {
      try {
        descriptor.release();
      } catch (std::exception const&) {
      }
    }
    boost::asio::posix::stream_descriptor descriptor;
  };

  postgresql_settings settings_;
  std::shared_ptr<tls_files const> certificates_;
  visor::detail::statement_log log_;
  std::shared_ptr<own_backends> own_ = std::make_shared<own_backends>();  // this and the next: shared by all copies
  std::shared_ptr<visor::detail::notify_coalescer> notifier_ = std::make_shared<visor::detail::notify_coalescer>();
};

}  // namespace visor::postgresql_driver

#endif
