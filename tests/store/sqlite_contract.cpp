#include "contract/adapt.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/sqlite.hpp"

#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace visor_test {

namespace {

/// A folder that is removed with its last user.
struct temporary_folder {
  std::string path = (std::filesystem::temp_directory_path() / "visor-store-XXXXXX").string();
  temporary_folder() {
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

std::unique_ptr<tested_store> make_tested_store() {
  using store = visor::sqlite_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const folder = std::make_shared<temporary_folder>();
  auto const make = [clock, folder] {
    visor::sqlite_settings settings(folder->path + "/schedules.db");
    settings.synchronous = visor::sqlite_synchronous::normal;
    return std::make_shared<store>(settings, clock);
  };
  auto const run = [folder](std::string const& sql) {
    sqlite3* handle = nullptr;
    int const opened = ::sqlite3_open((folder->path + "/schedules.db").c_str(), &handle);
    ::sqlite3_busy_timeout(handle, 5000);
    int const done = opened == SQLITE_OK ? ::sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) : opened;
    ::sqlite3_close(handle);
    if (done != SQLITE_OK) throw std::runtime_error("SQLite refused: " + sql);
  };
  row_refusals refusals;
  refusals.begin = [run](std::string const& table, std::string const& when, std::string const& change) {
    run("CREATE TRIGGER refuse_" + change + table + " BEFORE " + change + " ON " + table + " WHEN " + when +
        " BEGIN SELECT RAISE(ABORT, 'we refuse'); END");
  };
  refusals.end = [run](std::string const& table, std::string const& change) { run("DROP TRIGGER refuse_" + change + table); };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make, refusals);
}

}  // namespace visor_test
