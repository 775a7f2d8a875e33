#ifndef VISOR_DRIVER_POSTGRESQL_CONNECTOR_HPP
#define VISOR_DRIVER_POSTGRESQL_CONNECTOR_HPP

#include "visor/base/is_ready.hpp"
#include "visor/driver/postgresql/connection.hpp"
#include "visor/driver/postgresql/failure.hpp"
#include "visor/driver/postgresql/settings.hpp"
#include "visor/driver/tls_files.hpp"
#include "visor/pool/within.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace visor::postgresql_driver {

/// A setting of our own, which only a session knows that was set to what we asked for. Poolers may drop that and say nothing; what the
/// server reports by itself, some keep for each of their clients.
inline constexpr char const* mark_of_session = "visor.session";

/// What is set for each session: names, as the server reports them, and values.
inline std::vector<std::pair<char const*, std::string>> session_settings(postgresql_settings const& from) {
  // The server gives up too: of a client that is gone it may know nothing, and keep its locks. To compile a statement takes longer than
  // any of ours takes to run.
  auto const milliseconds = [](duration length) { return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(length).count()); };
  std::vector<std::pair<char const*, std::string>> all{{"TimeZone", "UTC"},
                                                       {"DateStyle", "ISO"},
                                                       {"jit", "off"},
                                                       {"statement_timeout", milliseconds(from.transaction_timeout)},
                                                       {"idle_in_transaction_session_timeout", milliseconds(from.longest_pause)}};
  if (!from.schema.empty()) {
    std::string quoted = "\"";
    for (char const c : from.schema) {
      if (c == '"') quoted += '"';
      quoted += c;
    }
    all.emplace_back("search_path", quoted + '"');
  }
  return all;
}

/// The same for one transaction, as a statement.
inline std::string transaction_settings(postgresql_settings const& from) {
  std::string text;
  for (auto const& [name, value] : session_settings(from)) {
    text += (text.empty() ? "SELECT set_config('" : ", set_config('") + std::string(name) + "', '";
    for (char const c : value) {
      if (c == '\'') text += '\'';
      text += c;
    }
    text += "', true)";
  }
  return text;
}

/// What libpq is told: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS
inline std::vector<std::pair<char const*, std::string>> libpq_parameters(postgresql_settings const& from) {
  std::vector<std::pair<char const*, std::string>> all{{"host", from.host},
                                                       {"port", std::to_string(from.port)},
                                                       {"dbname", from.database},
                                                       {"user", from.user},
                                                       {"application_name", "visor"},
                                                       {"client_encoding", "UTF8"},
                                                       {"target_session_attrs", from.target},
                                                       {"gssencmode", "disable"},
                                                       {"keepalives_idle", "30"},
                                                       {"keepalives_interval", "5"},
                                                       {"keepalives_count", "3"}};
  if (!from.password.empty()) all.emplace_back("password", from.password.reveal());
  if (!from.pgbouncer) {
    std::string options = "-c " + std::string(mark_of_session) + "=own";
    for (auto const& [name, value] : session_settings(from)) {
      options += " -c " + std::string(name) + "=";
      for (char const c : value) {
        if (c == ' ' || c == '\\') options += '\\';
        options += c;
      }
    }
    all.emplace_back("options", options);
  }
  all.emplace_back("sslmode", sslmode(from.tls.mode));
  if (from.tls.mode == tls_mode::disable) return all;
  // With a file of authorities libpq would verify in the mode `require` too; without one it would look in the home directory.
  bool const verifies = from.tls.mode != tls_mode::require;
  all.emplace_back("sslrootcert", !verifies ? "/dev/null/none" : from.tls.ca.empty() ? "/etc/ssl/certs/ca-certificates.crt" : from.tls.ca);
  all.emplace_back("sslcert", from.tls.cert.empty() ? "/dev/null/none" : from.tls.cert);
  all.emplace_back("sslkey", from.tls.key.empty() ? "/dev/null/none" : from.tls.key);
  return all;
}

/// Each host by itself, in the order in which they are tried.
inline std::vector<postgresql_settings> candidates(postgresql_settings const& from) {
  std::vector<postgresql_settings> all;
  auto const add = [&](std::string const& target) {
    for (auto const& each : from.addresses()) {
      auto& one = all.emplace_back(from);
      one.host = each.host;
      if (!each.own_port.empty()) one.port = std::stoi(each.own_port);
      one.target = target;
    }
  };
  bool const is_preference = from.addresses().size() > 1 && from.target == "prefer-standby";
  add(is_preference ? "standby" : from.target);
  if (is_preference) add("any");
  return all;
}

/// Whether a server has refused for a reason that is the same everywhere: not because it starts up or shuts down.
inline bool is_final(char const* libpq_text) {
  std::string const text = one_line(libpq_text);
  return text.find("FATAL: ") != std::string::npos && text.find("FATAL: 57P0") == std::string::npos;
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

  std::string place() const { return settings_.place(); }

  visor::detail::announcer& news() const { return *news_; }

  /// Of several hosts the first that is as wanted. libpq could do that too, but it would give the first one all the time there is, so that
  /// behind a machine that is gone no other is tried; and end where one takes the connection and closes it, as a proxy does whose server is
  /// gone. Looking up a name blocks; the rest does not.
  task<std::unique_ptr<connection>> connect() {
    if (!settings_.is_local()) certificates_->check();
    auto const all = candidates(settings_);
    if (all.size() == 1) {
      auto made = co_await connect_to(all.front());
      auto finishing = finish(std::move(made));
      co_return co_await std::move(finishing);
    }
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    auto const end = std::chrono::steady_clock::now() + settings_.pool.connect_timeout;
    std::string trouble;
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto const left = std::chrono::duration_cast<duration>(end - std::chrono::steady_clock::now());
      duration const share = left / static_cast<std::int64_t>(all.size() - i);
      auto trying = visor::detail::within<connection_ptr>(executor, wall_clock(), share, connect_to(all[i]));
      auto made = co_await std::move(trying);
      if (made && (PQstatus(made.get()) == CONNECTION_OK || is_final(PQerrorMessage(made.get())))) {
        auto finishing = finish(std::move(made));
        co_return co_await std::move(finishing);
      }
      trouble += made ? std::string(PQerrorMessage(made.get())) : all[i].server() + " did not answer within " + to_string(share) + "\n";
    }
    throw connect_failure(settings_, trouble.c_str());
  }

 private:
  /// Blocks nobody. Ends also where there is no connection: the handle says why.
  static task<connection_ptr> connect_to(postgresql_settings to) {
    namespace asio = boost::asio;
    auto const given = libpq_parameters(to);
    std::vector<char const*> names, values;
    for (auto const& [name, value] : given) {
      names.push_back(name);
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection_ptr made(PQconnectStartParams(names.data(), values.data(), 0));
    if (!made) throw error(condition::internal, "no memory for a connection");
    PQsetErrorVerbosity(made.get(), PQERRORS_VERBOSE);
    PQsetNoticeReceiver(made.get(), [](void*, PGresult const*) {}, nullptr);
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (PQstatus(made.get()) != CONNECTION_BAD && next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
      {
        // The next step may close the socket, or go on with another, also under the same number: then this has let go of it.
        borrowed_socket socket(executor, PQsocket(made.get()));
        bool const reads = next == PGRES_POLLING_READING;
        auto const what = reads ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
        do {
          auto waiting = socket.descriptor.async_wait(what, asio::use_awaitable);
          co_await std::move(waiting);
        } while (!visor::detail::is_ready(PQsocket(made.get()), reads ? POLLIN : POLLOUT));
      }
      next = PQconnectPoll(made.get());
    }
    co_return made;
  }

  task<std::unique_ptr<connection>> finish(connection_ptr made) {
    if (PQstatus(made.get()) != CONNECTION_OK) throw connect_failure(settings_, PQerrorMessage(made.get()));
    if (int const version = PQserverVersion(made.get()); version < 120000)
      throw error(condition::unsupported,
                  place() + " is PostgreSQL " + std::to_string(version / 10000) + ": version 12 is the least that is supported");
    PQsetErrorVerbosity(made.get(), PQERRORS_DEFAULT);
    std::string const local = settings_.pgbouncer ? transaction_settings(settings_) : std::string();
    auto result = std::make_unique<connection>(std::move(made), place(), own_, news_, log_, local);
    if (!settings_.pgbouncer) {
      bool const is_own = co_await result->knows(mark_of_session);
      if (!is_own) throw pooler_failure(settings_, "the settings of the session were not taken");
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
  std::shared_ptr<own_backends> own_ = std::make_shared<own_backends>();  // this and the next: of all copies
  std::shared_ptr<visor::detail::announcer> news_ = std::make_shared<visor::detail::announcer>();
};

}  // namespace visor::postgresql_driver

#endif
