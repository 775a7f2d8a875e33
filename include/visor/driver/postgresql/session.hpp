#ifndef VISOR_DRIVER_POSTGRESQL_SESSION_HPP
#define VISOR_DRIVER_POSTGRESQL_SESSION_HPP

#include "visor/driver/batch.hpp"
#include "visor/driver/postgresql/connection.hpp"
#include "visor/sql/statement.hpp"

#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace visor::postgresql_driver {

/// The session of an operation, in a transaction; see `driver_session`.
class session {
 public:
  using dialect = postgresql_dialect;
  static constexpr bool in_order = true;
  template <class T>
  using async = task<T>;

  explicit session(connection& on) : connection_(on) {}

  // Queries are sent at once, and answered together with all that were sent until the first answer is awaited.

  template <sql::statement S>
  task<std::vector<typename S::row>> query(S, typename S::params const& params) {
    return rows_of<typename S::row>(connection_.send<S>(params));
  }

  template <sql::statement S>
  task<std::optional<typename S::row>> find(S, typename S::params const& params) {
    return row_of<typename S::row>(connection_.send<S>(params));
  }

  template <sql::statement S>
  task<std::size_t> execute(S, typename S::params const& params) {
    return count_of(connection_.send<S>(params));
  }

  /// Takes a round trip for some hundred executions.
  template <sql::statement S>
  task<std::size_t> execute_many(S, std::span<typename S::params const> many, std::span<std::size_t> affected = {}) {
    return visor::detail::execute_many<S>(connection_, many, affected);
  }

  /// Sent together with the following statements.
  template <sql::statement S>
  task<> post(S, typename S::params const& params) {
    connection_.post<S>(params);
    co_return;
  }

  /// The last few thousand are sent together with the following statements.
  template <sql::statement S>
  task<> post_many(S, std::span<typename S::params const> many) {
    while (!many.empty()) {
      auto const batch = connection_.next_batch<S>(many);
      connection_.post_batch<S>(batch);
      many = many.subspan(batch.size());
      if (!many.empty() && connection_.unanswered() >= most_unanswered) co_await connection_.receive();
    }
  }

  template <sql::statement S>
  task<> copy(S statement, std::span<typename S::params const> rows) {
    return connection_.should_copy() ? connection_.copy<S>(rows) : post_many(statement, rows);
  }

  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto query(S statement) {
    return query(statement, nothing);
  }
  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto find(S statement) {
    return find(statement, nothing);
  }
  template <sql::statement S>
    requires std::same_as<typename S::params, sql::none>
  auto execute(S statement) {
    return execute(statement, nothing);
  }

  task<> run(std::string_view text) {
    connection_.touch();
    connection_.post(std::string(text));
    co_await connection_.receive();
  }

  /// Does nothing: a write transaction has the lock of all writers from its begin.
  task<> lock_schema() { co_return; }

  /// A user without the role pg_read_all_stats learns little more than the numbers of others' sessions.
  task<std::string> oldest_transaction(std::string_view prefix) {
    result_ptr const found = co_await connection_.answer(connection_.send(
        "SELECT 'process ' || a.pid || ' of the server' || coalesce(', user ' || a.usename, '') || "
        "coalesce(', program ' || nullif(a.application_name, ''), '') || coalesce(', from ' || host(a.client_addr), '') || "
        "coalesce(', ' || a.state, '') || coalesce(', open since ' || date_trunc('second', a.xact_start), '') "
        "FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = "
        "l.relation WHERE l.pid = a.pid AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND starts_with(c.relname, '" +
        std::string(prefix) + "')) ORDER BY a.xact_start NULLS LAST LIMIT 1"));
    co_return PQntuples(found.get()) == 0 ? std::string() : std::string(PQgetvalue(found.get(), 0, 0));
  }

  /// Notifies others of this transaction when it commits.
  void notify() { connection_.notify(); }

  /// The server's clock at the time of the answer. Sent at once.
  task<instant> now() { return connection_.now(); }

 private:
  static constexpr sql::none nothing{};
  static constexpr std::size_t most_unanswered = 32;  // statements, a batch each, before a wait

  template <class Row>
  task<std::vector<Row>> rows_of(connection::ticket asked) {
    result_ptr const found = co_await connection_.answer(asked);
    std::vector<Row> rows(static_cast<std::size_t>(PQntuples(found.get())));
    for (std::size_t i = 0; i < rows.size(); ++i) sql::read_row(row_cursor(found.get(), static_cast<int>(i)), rows[i]);
    co_return rows;
  }

  template <class Row>
  task<std::optional<Row>> row_of(connection::ticket asked) {
    result_ptr const found = co_await connection_.answer(asked);
    std::optional<Row> row;
    if (PQntuples(found.get()) > 0) sql::read_row(row_cursor(found.get(), 0), row.emplace());
    co_return row;
  }

  task<std::size_t> count_of(connection::ticket asked) {
    result_ptr const answered = co_await connection_.answer(asked);
    co_return row_count(answered.get());
  }

  connection& connection_;
};

}  // namespace visor::postgresql_driver

#endif
