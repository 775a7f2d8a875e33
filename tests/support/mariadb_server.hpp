#ifndef VISOR_TESTS_SUPPORT_MARIADB_SERVER_HPP
#define VISOR_TESTS_SUPPORT_MARIADB_SERVER_HPP

#include "support/test_database_url.hpp"

#include "visor/mysql.hpp"

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace visor_test {

/// A MariaDB server of this process's own: in a folder that goes with it, reached through a Unix socket there, and dead at the latest
/// when the process is. The user is root, and needs no password. Nothing of the system's server is touched.
///
/// Or a given one, which is neither started nor stopped.
class mariadb_server {
 public:
  explicit mariadb_server(std::optional<visor::mysql_settings> given = {})
      : is_own_(!given), settings_(given.value_or(visor::mysql_settings())) {
    if (!is_own_) return;
    if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("cannot make " + folder_);
    settings_.host = folder_;
    settings_.user = "root";
    settings_.database = "mysql";
    // MariaDB refuses to be root. The package of its programs makes no user for it.
    if (::geteuid() == 0) {
      passwd const* user = ::getpwnam("mysql");
      if (user == nullptr) user = ::getpwnam("nobody");
      if (user == nullptr) throw std::runtime_error("there is no user mysql or nobody, as whom the server could run");
      user_ = user->pw_uid;
      group_ = user->pw_gid;
      if (::chown(folder_.c_str(), user_, group_) != 0) throw std::runtime_error("cannot give away " + folder_);
    }
    std::vector<std::string> command{binary("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal",
                                     "--skip-test-db", "--skip-name-resolve"};
    for (auto const& each : storage()) command.push_back(each);
    if (wait_for(spawn(command)) != 0) throw std::runtime_error("mariadb-install-db failed: " + log());
    start();
  }
  mariadb_server(mariadb_server const&) = delete;
  mariadb_server& operator=(mariadb_server const&) = delete;
  ~mariadb_server() {
    if (!is_own_) return;
    stop(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// The one of this process.
  static mariadb_server& shared() {
    static mariadb_server server(test_database_url<visor::mysql_settings>("mysql", "mariadb"));
    return server;
  }

  /// Whether it may be stopped.
  bool is_own() const { return is_own_; }

  /// How its administrator gets to a database that is there.
  visor::mysql_settings const& settings() const { return settings_; }

  void start() {
    std::vector<std::string> command{
        binary("mariadbd"),  "--no-defaults",        "--socket=" + folder_ + "/mysqld.sock", "--pid-file=" + folder_ + "/pid",
        "--skip-networking", "--skip-log-bin",       "--innodb-flush-log-at-trx-commit=0",   "--innodb-doublewrite=0",
        "--sync-frm=0",      "--key-buffer-size=1M", "--aria-pagecache-buffer-size=4M",      "--max-connections=200"};
    for (auto const& each : storage()) command.push_back(each);
    server_ = spawn(command);
    for (int tries = 0; tries < 600; ++tries) {
      if (run("SELECT 1")) return;
      if (::waitpid(server_, nullptr, WNOHANG) != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    throw std::runtime_error("the server does not start: " + log());
  }

  /// \param how SIGTERM: it ends its connections and then itself; SIGKILL: at once, as in a crash
  void stop(int how) {
    if (server_ <= 0) return;
    ::kill(server_, how);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }

  /// Runs one statement as the administrator. False if that fails.
  bool run(std::string const& sql) const { return query(sql).has_value(); }

  /// The first column of what a query finds.
  std::vector<std::string> values(std::string const& sql) const { return query(sql).value(); }

 private:
  std::optional<std::vector<std::string>> query(std::string const& sql) const {
    visor::mysql_driver::connection_ptr connection;
    try {
      connection = visor::mysql_driver::connect_call(settings_)();
    } catch (visor::error const&) {
      return std::nullopt;
    }
    if (mysql_query(connection.get(), sql.c_str()) != 0) return std::nullopt;
    visor::mysql_driver::result_ptr const rows(mysql_store_result(connection.get()));
    std::vector<std::string> found;
    if (rows)
      while (MYSQL_ROW const row = mysql_fetch_row(rows.get())) found.emplace_back(row[0] != nullptr ? row[0] : "");
    return found;
  }

  static std::string binary(std::string const& name) {
    for (std::string const folder : {"/usr/sbin/", "/usr/bin/", "/usr/local/bin/"})
      if (std::filesystem::exists(folder + name)) return folder + name;
    throw std::runtime_error("MariaDB is not installed: scripts/install-dependencies test");
  }

  /// Options that must be the same when the files are created and when they are used. Nothing waits for the disk. A server that
  /// starts removes the files of others in its folder for temporary tables.
  std::vector<std::string> storage() const {
    return {"--datadir=" + folder_ + "/data", "--tmpdir=" + folder_, "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=64M"};
  }

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
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
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

  /// In memory, where there is room: to create a table the server waits for the disk several times, whatever its settings are.
  static std::string new_folder() {
    std::error_code failed;
    std::filesystem::path const memory = "/dev/shm";
    auto const room = std::filesystem::space(memory, failed);
    bool const has_room = !failed && room.available > 1'000'000'000 && ::access(memory.c_str(), W_OK) == 0;
    return ((has_room ? memory : std::filesystem::temp_directory_path()) / "visor-mariadb-XXXXXX").string();
  }

  std::string folder_ = new_folder();
  bool is_own_;
  visor::mysql_settings settings_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t server_ = -1;
};

}  // namespace visor_test

#endif
