#ifndef VISOR_TESTS_SUPPORT_POSTGRESQL_SERVER_HPP
#define VISOR_TESTS_SUPPORT_POSTGRESQL_SERVER_HPP

#include "support/test_database_url.hpp"

#include "visor/postgresql.hpp"

#include <libpq-fe.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace visor_test {

/// A PostgreSQL server of this process's own: in a folder that goes with it, reached through a Unix socket there, and dead at the latest
/// when the process is. The user is postgres, and needs no password. Nothing of the system's server is touched.
///
/// Or a given one, in which there is a database of this process's own. It is neither started nor stopped.
class postgresql_server {
 public:
  explicit postgresql_server(std::optional<visor::postgresql_settings> given = {})
      : settings_(given.value_or(visor::postgresql_settings())) {
    if (given) {
      std::string const name = new_name();
      if (!run("CREATE DATABASE " + name)) throw std::runtime_error("cannot make a database at " + given->url());
      given_ = std::exchange(settings_.database, name);
      return;
    }
    if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("cannot make " + folder_);
    settings_.host = folder_;
    settings_.user = settings_.database = "postgres";
    // PostgreSQL refuses to be root.
    if (::geteuid() == 0) {
      passwd const* const user = ::getpwnam("postgres");
      if (user == nullptr) throw std::runtime_error("there is no user postgres, as whom the server could run");
      user_ = user->pw_uid;
      group_ = user->pw_gid;
      if (::chown(folder_.c_str(), user_, group_) != 0) throw std::runtime_error("cannot give away " + folder_);
    }
    int const made =
        wait_for(spawn({binary("initdb"), "-D", data(), "-U", "postgres", "-A", "trust", "-N", "--encoding=UTF8", "--locale=C.UTF-8"}));
    if (made != 0) throw std::runtime_error("initdb failed: " + log());
    start();
  }
  postgresql_server(postgresql_server const&) = delete;
  postgresql_server& operator=(postgresql_server const&) = delete;
  ~postgresql_server() {
    if (given_) {
      std::string const name = std::exchange(settings_.database, *given_);
      run("DROP DATABASE " + name + " WITH (FORCE)");
      return;
    }
    stop(SIGQUIT);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// The one of this process.
  static postgresql_server& shared() {
    static postgresql_server server(test_database_url<visor::postgresql_settings>("postgresql", "postgres"));
    return server;
  }

  /// Whether it may be stopped.
  bool is_own() const { return !given_; }

  /// How its administrator gets to a database for tests.
  visor::postgresql_settings const& settings() const { return settings_; }

  void start() {
    std::vector<std::string> command{binary("postgres"),
                                     "-D",
                                     data(),
                                     "-k",
                                     folder_,
                                     "-c",
                                     "listen_addresses=",
                                     "-c",
                                     "fsync=off",
                                     "-c",
                                     "full_page_writes=off",
                                     "-c",
                                     "max_connections=100",
                                     "-c",
                                     "autovacuum=off"};
    server_ = spawn(command);
    for (int tries = 0; tries < 600; ++tries) {
      if (run("SELECT 1")) return;
      if (::waitpid(server_, nullptr, WNOHANG) != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    throw std::runtime_error("the server does not start: " + log());
  }

  /// \param how SIGINT: it ends its connections and then itself; SIGQUIT: at once, as in a crash; SIGKILL: only its first process
  void stop(int how) {
    if (server_ <= 0) return;
    ::kill(server_, how);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }

  /// Runs SQL as the administrator. False if that fails.
  bool run(std::string const& sql) const { return query(sql).has_value(); }

  /// The first value that a query finds.
  std::string value(std::string const& sql) const { return query(sql).value(); }

 private:
  std::optional<std::string> query(std::string const& sql) const {
    auto const given = visor::postgresql_driver::libpq_parameters(settings_);
    std::vector<char const*> names, values;
    for (auto const& [name, value] : given) {
      names.push_back(name);
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    PGconn* const connection = PQconnectdbParams(names.data(), values.data(), 0);
    PQsetNoticeReceiver(connection, [](void*, PGresult const*) {}, nullptr);
    PGresult* const result = PQexec(connection, sql.c_str());
    auto const status = PQresultStatus(result);
    std::string const found = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    PQfinish(connection);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return std::nullopt;
    return found;
  }

  /// The newest that is installed.
  static std::string binary(std::string const& name) {
    std::filesystem::path best;
    std::error_code ignored;
    for (auto const& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
      if (std::filesystem::exists(version.path() / "bin" / name) && version.path() > best) best = version.path();
    if (best.empty()) throw std::runtime_error("PostgreSQL is not installed: scripts/install-dependencies test");
    return best / "bin" / name;
  }

  std::string data() const { return folder_ + "/data"; }

  std::string log() const {
    std::ifstream file(folder_ + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  pid_t spawn(std::vector<std::string> command) const {
    std::vector<char*> arguments;
    for (auto& each : command) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    std::string const output = folder_ + "/log";
    pid_t const parent = ::getpid();
    pid_t const child = ::fork();
    if (child != 0) return child;
    if (user_ != 0 && (::setgid(group_) != 0 || ::setuid(user_) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != parent) ::_exit(126);
    if (std::freopen(output.c_str(), "a", stdout) == nullptr || ::dup2(STDOUT_FILENO, STDERR_FILENO) < 0) ::_exit(126);
    if (::chdir("/") != 0) ::_exit(126);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }

  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string folder_ = (std::filesystem::temp_directory_path() / "visor-postgresql-XXXXXX").string();
  visor::postgresql_settings settings_;
  std::optional<std::string> given_;  // the database that was given
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t server_ = -1;
};

}  // namespace visor_test

#endif
