#ifndef VISOR_DRIVER_POSTGRESQL_SESSION_HPP
#define VISOR_DRIVER_POSTGRESQL_SESSION_HPP

#include "visor/driver/postgresql/connection.hpp"
#include "visor/sql/statement.hpp"

#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace visor::postgresql_driver {

/// What an operation sees of a connection, in a transaction; see `driver_session`.
class session {
 public:
  template <class T>
  using async = task<T>;

  explicit session(connection& on) : connection_(on) {}

  template <sql::statement S>
  task<std::vector<typename S::row>> query(S, typename S::params const& params) {
    connection_.send<S>(params);
    auto const answers = co_await connection_.receive();
    PGresult const* const found = answers.back().get();
    std::vector<typename S::row> rows(static_cast<std::size_t>(PQntuples(found)));
    for (std::size_t i = 0; i < rows.size(); ++i) sql::read_row(row_cursor(found, static_cast<int>(i)), rows[i]);
    co_return rows;
  }

  template <sql::statement S>
  task<std::optional<typename S::row>> find(S, typename S::params const& params) {
    connection_.send<S>(params);
    auto const answers = co_await connection_.receive();
    PGresult const* const found = answers.back().get();
    std::optional<typename S::row> row;
    if (PQntuples(found) > 0) sql::read_row(row_cursor(found, 0), row.emplace());
    co_return row;
  }

  template <sql::statement S>
  task<std::size_t> execute(S, typename S::params const& params) {
    connection_.send<S>(params);
    auto const answers = co_await connection_.receive();
    co_return row_count(answers.back().get());
  }

  /// In round trips of some hundred executions.
  template <sql::statement S, std::ranges::input_range Range>
  task<std::size_t> execute_many(S, Range&& many, std::span<std::size_t> affected = {}) {
    std::size_t sum = 0;
    std::size_t at = 0;
    std::size_t waiting = 0;
    auto next = std::ranges::begin(many);
    auto const end = std::ranges::end(many);
    while (next != end) {
      for (waiting = 0; next != end && waiting < longest_batch; ++next, ++waiting) connection_.send<S>(*next);
      auto const answers = co_await connection_.receive();
      for (std::size_t i = answers.size() - waiting; i < answers.size(); ++i) {  // behind what was to be sent before
        std::size_t const count = row_count(answers[i].get());
        sum += count;
        if (!affected.empty()) affected[at++] = count;
      }
    }
    co_return sum;
  }

  /// Sent with what follows.
  template <sql::statement S>
  task<> post(S, typename S::params const& params) {
    connection_.send<S>(params);
    co_return;
  }

  /// Sent with what follows.
  template <sql::statement S, std::ranges::input_range Range>
  task<> post_many(S, Range&& many) {
    for (auto&& each : many) connection_.send<S>(each);
    co_return;
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
    connection_.send_text(std::string(text));
    auto const answers = co_await connection_.receive();
  }

  /// A transaction that writes has the lock of all that write from its begin.
  task<> lock_schema() { co_return; }

  /// Others hear of this transaction when it commits.
  void announce() { connection_.announce(); }

  /// The server's clock, as it is when this is answered.
  task<instant> now() {
    connection_.send_text("SELECT clock_timestamp()");
    auto const answers = co_await connection_.receive();
    co_return row_cursor(answers.back().get(), 0).when(0);
  }

 private:
  static constexpr std::size_t longest_batch = 500;
  static constexpr sql::none nothing{};

  connection& connection_;
};

}  // namespace visor::postgresql_driver

#endif
