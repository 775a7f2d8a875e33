#ifndef VISOR_DRIVER_SQLITE_SESSION_HPP
#define VISOR_DRIVER_SQLITE_SESSION_HPP

#include "visor/driver/immediate.hpp"
#include "visor/driver/sqlite/connection.hpp"
#include "visor/sql/statement.hpp"

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace visor::sqlite_driver {

/// The session of an operation, on the connection's thread; see `driver_session`.
class session {
 public:
  using dialect = sqlite_dialect;
  static constexpr bool in_order = true;
  template <class T>
  using async = immediate<T>;

  explicit session(connection& on) : connection_(on) {}

  template <sql::statement S>
  ready<std::vector<typename S::row>> query(S, typename S::params const& params) {
    auto telling = connection_.tell<S>();
    sqlite3_stmt* const statement = connection_.bound<S>(params);
    connection::reset_guard const guard(statement);
    std::vector<typename S::row> rows;
    while (connection_.step(statement)) sql::read_row(row_cursor(statement), rows.emplace_back());
    telling.rows = rows.size();
    return ready<std::vector<typename S::row>>(std::move(rows));
  }

  template <sql::statement S>
  ready<std::optional<typename S::row>> find(S, typename S::params const& params) {
    auto telling = connection_.tell<S>();
    sqlite3_stmt* const statement = connection_.bound<S>(params);
    connection::reset_guard const guard(statement);
    std::optional<typename S::row> row;
    if (connection_.step(statement)) sql::read_row(row_cursor(statement), row.emplace());
    telling.rows = row ? 1U : 0U;
    return ready<std::optional<typename S::row>>(std::move(row));
  }

  template <sql::statement S>
  ready<std::size_t> execute(S, typename S::params const& params) {
    auto telling = connection_.tell<S>();
    telling.rows = connection_.execute(connection_.bound<S>(params));
    return ready<std::size_t>(*telling.rows);
  }

  template <sql::statement S>
  ready<std::size_t> execute_many(S, std::span<typename S::params const> many, std::span<std::size_t> affected = {}) {
    sqlite3_stmt* const statement = connection_.prepared<S>();
    std::size_t sum = 0;
    std::size_t at = 0;
    for (auto const& params : many) {
      auto telling = connection_.tell<S>();
      connection_.bind<S>(statement, params);
      std::size_t const count = connection_.execute(statement);
      telling.rows = count;
      sum += count;
      if (!affected.empty()) affected[at++] = count;
    }
    return ready<std::size_t>(sum);
  }

  template <sql::statement S>
  ready<void> post(S statement, typename S::params const& params) {
    execute(statement, params);
    return {};
  }

  template <sql::statement S>
  ready<void> post_many(S statement, std::span<typename S::params const> many) {
    execute_many(statement, many);
    return {};
  }

  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto query(S statement) {
    return query(statement, sql::none());
  }
  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto find(S statement) {
    return find(statement, sql::none());
  }
  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto execute(S statement) {
    return execute(statement, sql::none());
  }

  ready<void> run(std::string_view text) {
    connection_.run(text);
    return {};
  }

  /// Does nothing: a write transaction holds the file's only write lock from its begin.
  ready<void> lock_schema() { return {}; }

 private:
  connection& connection_;
};

}  // namespace visor::sqlite_driver

#endif
