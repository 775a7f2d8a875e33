#ifndef VISOR_TESTS_DRIVER_SQLITE_FIXTURE_HPP
#define VISOR_TESTS_DRIVER_SQLITE_FIXTURE_HPP

#include "support/catch.hpp"
#include "support/run.hpp"

#include "visor/sqlite.hpp"

#include <boost/asio/io_context.hpp>

#include <sqlite3.h>
#include <stdlib.h>

#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace visor_test {

using namespace std::chrono_literals;

/// A folder that is gone after the test.
class temporary_folder {
 public:
  temporary_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "visor-sqlite-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path const& path() const { return path_; }
  std::string file(std::string const& name = "schedules.db") const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Somebody else's connection to the file.
class other_connection {
 public:
  explicit other_connection(std::string const& filename) {
    if (sqlite3_open(filename.c_str(), &handle_) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(handle_));
    sqlite3_busy_timeout(handle_, 5000);
  }
  other_connection(other_connection const&) = delete;
  other_connection& operator=(other_connection const&) = delete;
  ~other_connection() { sqlite3_close(handle_); }

  void run(std::string const& text) {
    if (sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(text + ": " + sqlite3_errmsg(handle_));
  }

  /// The first column of the first row.
  std::string value(std::string const& text) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle_, text.c_str(), -1, &statement, nullptr) != SQLITE_OK)
      throw std::runtime_error(text + ": " + sqlite3_errmsg(handle_));
    std::string result = "none";
    if (sqlite3_step(statement) == SQLITE_ROW) {
      auto const* characters = reinterpret_cast<char const*>(sqlite3_column_text(statement, 0));
      result = characters == nullptr ? "NULL" : characters;
    }
    sqlite3_finalize(statement);
    return result;
  }

 private:
  sqlite3* handle_ = nullptr;
};

/// The error of a call.
struct refused {
  bool was = false;
  visor::errc code = visor::errc::internal;
  std::string text;
};

template <class Call>
refused refusal_of(Call&& call) {
  refused result;
  try {
    call();
  } catch (visor::error const& failure) {
    result.was = true;
    result.code = failure.portable_code();
    result.text = failure.what();
  }
  return result;
}

inline visor::sqlite_settings quick(std::string filename) {
  visor::sqlite_settings settings(std::move(filename));
  settings.synchronous = visor::sqlite_synchronous::normal;
  settings.busy_timeout = 100ms;
  return settings;
}

/// An operation, and what it returned.
template <class Op>
class kept {
 public:
  using result = typename std::invoke_result_t<Op&, visor::sqlite::session&>::value_type;
  explicit kept(Op& op) : op_(op) {}
  visor::immediate<> operator()(visor::sqlite::session& on) {
    if constexpr (std::is_void_v<result>)
      co_await op_(on);
    else
      value_.emplace(co_await op_(on));
  }
  result take() {
    if constexpr (!std::is_void_v<result>) return std::move(*value_);
  }

 private:
  Op& op_;
  std::optional<std::conditional_t<std::is_void_v<result>, int, result>> value_;
};

/// A context that outlives what runs on it, and a database.
struct on_file {
  explicit on_file(visor::sqlite_settings settings) : database(std::move(settings)) {}
  template <class Op>
  auto transact(Op op) {
    kept<Op> one(op);
    run(io, database.transact(one));
    return one.take();
  }
  template <class Op>
  auto read(Op op) {
    kept<Op> one(op);
    run(io, database.read(one));
    return one.take();
  }
  void open() { run(io, database.open()); }
  void close() { run(io, database.close()); }

  boost::asio::io_context io;
  visor::sqlite::database database;
};

using session = visor::sqlite::session;

}  // namespace visor_test

#endif
