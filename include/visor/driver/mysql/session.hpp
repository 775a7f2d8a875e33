#ifndef VISOR_DRIVER_MYSQL_SESSION_HPP
#define VISOR_DRIVER_MYSQL_SESSION_HPP

#include "visor/driver/batch.hpp"
#include "visor/driver/mysql/connection.hpp"
#include "visor/sql/statement.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::mysql_driver {

/// The session of an operation, in a transaction; see `driver_session`. These servers commit at once after CREATE, ALTER or DROP. Every
/// later statement of the transaction is then a transaction of its own; other writers still wait for the end of the whole.
class session {
 public:
  using dialect = mysql_dialect;
  static constexpr bool in_order = false;
  template <class T>
  using async = task<T>;

  explicit session(connection& on) : connection_(on) {}

  template <sql::statement S>
  task<std::vector<typename S::row>> query(S, typename S::params const& params) {
    return rows_of<typename S::row>(connection_.execute<S>(params));
  }

  template <sql::statement S>
  task<std::optional<typename S::row>> find(S, typename S::params const& params) {
    return row_of<typename S::row>(connection_.execute<S>(params));
  }

  template <sql::statement S>
  task<std::size_t> execute(S, typename S::params const& params) {
    return count_of(connection_.execute<S>(params));
  }

  /// Executes in bulks, where the server accepts them.
  template <sql::statement S>
  task<std::size_t> execute_many(S, std::span<typename S::params const> many, std::span<std::size_t> affected = {}) {
    return visor::detail::execute_many<S>(connection_, many, affected);
  }

  template <sql::statement S>
  task<> post(S, typename S::params const& params) {
    co_await connection_.execute<S>(params);
  }

  template <sql::statement S>
  task<> post_many(S statement, std::span<typename S::params const> many) {
    co_await execute_many(statement, many);
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
    std::string const copy(text);
    auto const values = co_await connection_.run(copy);
  }

  /// Sets the lock timeout; a write transaction has the lock of all writers from its begin.
  task<> lock_schema() {
    std::string const seconds = std::to_string(longest_wait_of_schema.count());
    co_await run("SET lock_wait_timeout = " + seconds + ", innodb_lock_wait_timeout = " + seconds);
  }

  /// Among all open transactions of the server, which reports them only to users with the right PROCESS.
  task<std::string> oldest_transaction(std::string_view) {
    std::string const text =
        "SELECT CONCAT('connection ', t.trx_mysql_thread_id, ' of the server (user ', coalesce(p.user, '?'), ', from ', coalesce(p.host, "
        "'?'), "
        "'), open since ', t.trx_started) FROM information_schema.innodb_trx t LEFT JOIN information_schema.processlist p ON p.id = "
        "t.trx_mysql_thread_id WHERE t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 1";
    auto const values = co_await connection_.run(text);
    co_return values.empty() ? std::string() : values.front();
  }

  /// The server's clock at the time of the answer.
  task<instant> now() { return connection_.now(); }

 private:
  static constexpr sql::none nothing{};

  template <class Row>
  task<std::vector<Row>> rows_of(task<prepared_statement*> executing) {
    auto* const statement = co_await std::move(executing);
    std::vector<Row> rows;
    rows.reserve(static_cast<std::size_t>(mysql_stmt_num_rows(statement->handle.get())));
    while (auto const* const row = connection_.next_row(*statement)) sql::read_row(*row, rows.emplace_back());
    connection_.finish(*statement);
    co_return rows;
  }

  template <class Row>
  task<std::optional<Row>> row_of(task<prepared_statement*> executing) {
    auto* const statement = co_await std::move(executing);
    std::optional<Row> found;
    if (auto const* const row = connection_.next_row(*statement)) sql::read_row(*row, found.emplace());
    connection_.finish(*statement);
    co_return found;
  }

  static task<std::size_t> count_of(task<prepared_statement*> executing) {
    auto* const statement = co_await std::move(executing);
    co_return statement->affected();
  }

  connection& connection_;
};

}  // namespace visor::mysql_driver

#endif
