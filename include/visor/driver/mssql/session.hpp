#ifndef VISOR_DRIVER_MSSQL_SESSION_HPP
#define VISOR_DRIVER_MSSQL_SESSION_HPP

#include "visor/driver/batch.hpp"
#include "visor/driver/immediate.hpp"
#include "visor/driver/mssql/bulk.hpp"
#include "visor/driver/mssql/connection.hpp"
#include "visor/sql/statement.hpp"

#include <boost/describe/class.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace visor::mssql_driver {

struct time_row {
  instant at{};
};
BOOST_DESCRIBE_STRUCT(time_row, (), (at))

struct server_time : sql::statement_defaults {
  static constexpr std::string_view name = "server_time";
  using row = time_row;
  using used = sql::tables<>;
  static constexpr void write(auto& out) { out("SELECT CAST(SYSUTCDATETIME() AS datetime2(6)) AS [at]"); }
};

/// The session of an operation, in a transaction, on a thread that may block; see `driver_session`.
class session {
 public:
  using dialect = mssql_dialect;
  static constexpr bool in_order = true;
  template <class T>
  using async = immediate<T>;

  explicit session(connection& on) : connection_(on) {}

  template <sql::statement S>
  ready<std::vector<typename S::row>> query(S, typename S::params const& params) {
    std::vector<typename S::row> rows;
    if (connection_.prepare_question<S>()) {
      connection_.replay<S>(params, [&rows](row_buffer const& row) { sql::read_row(row, rows.emplace_back()); });
      return ready<std::vector<typename S::row>>(std::move(rows));
    }
    auto telling = connection_.tell<S>();
    auto& statement = connection_.execute<S>(params);
    while (connection_.next_row(statement)) sql::read_row(statement.row, rows.emplace_back());
    connection_.finish(statement);
    telling.rows = rows.size();
    return ready<std::vector<typename S::row>>(std::move(rows));
  }

  template <sql::statement S>
  ready<std::optional<typename S::row>> find(S, typename S::params const& params) {
    std::optional<typename S::row> found;
    if (connection_.prepare_question<S>()) {
      auto const take = [&found](row_buffer const& row) {
        if (!found) sql::read_row(row, found.emplace());
      };
      connection_.replay<S>(params, take);
      return ready<std::optional<typename S::row>>(std::move(found));
    }
    auto telling = connection_.tell<S>();
    auto& statement = connection_.execute<S>(params);
    if (connection_.next_row(statement)) sql::read_row(statement.row, found.emplace());
    connection_.finish(statement);
    telling.rows = found ? 1 : 0;
    return ready<std::optional<typename S::row>>(std::move(found));
  }

  template <sql::statement S>
  ready<std::size_t> execute(S, typename S::params const& params) {
    if (connection_.defers())
      return ready<std::size_t>(connection_.replay_counts<S>(std::span<typename S::params const>(&params, 1)).front());
    auto telling = connection_.tell<S>();
    auto& statement = connection_.execute<S>(params);
    telling.rows = connection_.affected(statement);
    connection_.finish(statement);
    return ready<std::size_t>(*telling.rows);
  }

  /// Executes in bulks, if the statement has a bulk form.
  template <sql::statement S>
  ready<std::size_t> execute_many(S, std::span<typename S::params const> many, std::span<std::size_t> affected = {}) {
    std::size_t sum = 0;
    while (!many.empty()) {
      auto const batch = visor::detail::next_batch<sql::spelled<mssql_dialect, S>>(many, visor::detail::largest_batch);
      auto const counts = affected.first(std::min(affected.size(), batch.size()));
      sum += connection_.defers() ? replay_batch<S>(batch, counts) : execute_batch<S>(batch, counts);
      many = many.subspan(batch.size());
      affected = affected.subspan(counts.size());
    }
    return ready<std::size_t>(sum);
  }

  template <sql::statement S>
  ready<void> post(S statement, typename S::params const& params) {
    if (connection_.defers())
      connection_.later().template add<S>(params, std::nullopt);
    else
      execute(statement, params);
    return {};
  }

  template <sql::statement S>
  ready<void> post_many(S statement, std::span<typename S::params const> many) {
    if (connection_.defers())
      defer_many<S>(many, false);
    else
      execute_many(statement, many);
    return {};
  }

  /// True when writes are sent at the end of the transaction, and only take effect if all of its reads still hold.
  bool defers() const noexcept { return connection_.defers(); }

  /// \throws visor::error `serialization_failure`, at the latest at the end of the transaction
  template <sql::statement S>
  ready<void> expect_many(S statement, std::span<typename S::params const> many) {
    if (connection_.defers()) {
      defer_many<S>(many, true);
      return {};
    }
    std::size_t const sum = execute_many(statement, many).await_resume();
    if (sum != many.size()) throw connection_.other_number();
    return {};
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

  ready<void> run(std::string_view text) {
    if (connection_.defers()) throw visor::detail::cannot_defer();
    connection_.touch();
    connection_.run(text);
    return {};
  }

  /// Sets the lock timeout; a write transaction has the lock of all writers from its begin.
  ready<void> lock_schema() {
    run("SET LOCK_TIMEOUT " + std::to_string(std::chrono::milliseconds(longest_wait_of_schema).count()));
    return {};
  }

  /// Among all open transactions of the server, which reports them only to users with the right VIEW SERVER STATE.
  ready<std::string> oldest_transaction(std::string_view) { return ready<std::string>(connection_.oldest_transaction()); }

  /// The server's clock at the time of the answer.
  ready<instant> now() {
    auto const found = find(server_time(), nothing).await_resume();
    return ready<instant>(found->at);
  }

 private:
  static constexpr sql::none nothing{};

  template <sql::statement S>
  void defer_many(std::span<typename S::params const> many, bool each_has_a_row) {
    while (!many.empty()) {
      auto const batch = visor::detail::next_batch<sql::spelled<mssql_dialect, S>>(many, visor::detail::largest_batch);
      many = many.subspan(batch.size());
      if constexpr (requires { typename S::bulk_form; }) {
        auto const rows = batch.size() > 1 && connection_.reads_json() ? as_json(batch) : std::nullopt;
        if (rows) {
          connection_.later().template add<with_json<typename S::bulk_form>>(*rows,
                                                                             each_has_a_row ? std::optional(batch.size()) : std::nullopt);
          continue;
        }
      }
      for (auto const& each : batch)
        connection_.later().template add<S>(each, each_has_a_row ? std::optional<std::size_t>(1) : std::nullopt);
    }
  }

  /// Executes one by one, since each reports its row count.
  template <sql::statement S>
  std::size_t replay_batch(std::span<typename S::params const> batch, std::span<std::size_t> affected) {
    auto const counts = connection_.replay_counts<S>(batch);
    std::ranges::copy(std::span(counts).first(affected.size()), affected.begin());
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  }

  /// Executes a batch. A bulk reports only the sum of rows. Where that leaves open which executions did nothing, they are repeated one by
  /// one.
  template <sql::statement S>
  std::size_t execute_batch(std::span<typename S::params const> batch, std::span<std::size_t> affected) {
    if constexpr (requires { typename S::bulk_form; }) {
      auto const rows = batch.size() > 1 && connection_.reads_json() ? as_json(batch) : std::nullopt;
      if (rows) {
        if (!affected.empty()) connection_.run("SAVE TRANSACTION visor");
        std::size_t const sum = execute(with_json<typename S::bulk_form>(), *rows).await_resume();
        if (affected.empty()) return sum;
        if (sum == batch.size()) {
          std::ranges::fill(affected, 1);
          return sum;
        }
        connection_.run("ROLLBACK TRANSACTION visor");
      }
    }
    std::size_t sum = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::size_t const count = execute(S(), batch[i]).await_resume();
      sum += count;
      if (!affected.empty()) affected[i] = count;
    }
    return sum;
  }

  connection& connection_;
};

}  // namespace visor::mssql_driver

#endif
