#ifndef VISOR_TESTS_DRIVER_SERVERS_MYSQL_PLAN_HPP
#define VISOR_TESTS_DRIVER_SERVERS_MYSQL_PLAN_HPP

#include "plan_of.hpp"
#include "server_traits.hpp"

#include "visor/driver/mysql/connection.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>

namespace visor_test {

/// Reads how MariaDB executes statements.
class planner {
 public:
  explicit planner(server_traits::driver::settings of) {
    of.pool.connect_timeout = std::chrono::minutes{10};  // which is that of each answer too
    connection_ = visor::mysql_driver::connect_call(of)();
  }

  /// MySQL has no `ANALYZE FORMAT=JSON`.
  static bool understands(server_traits::server const& at) { return server_traits::is_mariadb(at); }

  static constexpr bool can_be_ignorant = false;  // it learns by itself
  void learn(std::string const& table) const { run("ANALYZE TABLE " + table); }

  /// A table of the numbers `n` from 1.
  static std::string numbers(std::int64_t last) { return "(SELECT seq AS n FROM seq_1_to_" + std::to_string(last) + ") AS g"; }
  /// So many seconds after the first.
  static std::string instant(std::string const& seconds) { return "(1700000000 + (" + seconds + ")) * 1000000"; }
  static std::string text(std::string const& number) { return "CAST(" + number + " AS CHAR)"; }

  std::string run(std::string const& sql) const {
    if (mysql_query(connection_.get(), sql.c_str()) != 0) throw std::runtime_error(sql + ": " + mysql_error(connection_.get()));
    visor::mysql_driver::result_ptr const rows(mysql_store_result(connection_.get()));
    if (!rows) return "";
    MYSQL_ROW const row = mysql_fetch_row(rows.get());
    return row != nullptr && row[0] != nullptr ? row[0] : "";
  }

  /// Executes a statement, and rolls back its changes.
  template <class Statement>
  plan explain(typename Statement::params const& given) const {
    using dialect = visor::mysql_dialect;
    literals values(*this);
    visor::sql::bind_all<visor::sql::spelled<dialect, Statement>>(values, given);
    std::string text = "ANALYZE FORMAT=JSON ";
    std::size_t next = 0;
    for (char const c : visor::sql::text_in<dialect, Statement>) c == '?' ? text += values.all().at(next++) : text += c;
    run("BEGIN");
    std::string const found = run(text);
    run("ROLLBACK");
    plan result;
    read(boost::json::parse(found), result);
    result.text = found;
    return result;
  }

  static std::string literal(visor::instant value) { return std::to_string(value.time_since_epoch().count()); }

 private:
  static double number(boost::json::object const& of, std::string_view name) {
    auto const* const value = of.if_contains(name);
    return value == nullptr || !value->is_number() ? 0 : value->to_number<double>();
  }

  static void read(boost::json::value const& what, plan& into) {
    if (auto const* const list = what.if_array()) {
      for (auto const& each : *list) read(each, into);
      return;
    }
    auto const* const node = what.if_object();
    if (node == nullptr) return;
    for (auto const& [name, part] : *node) {
      if (name == "table" && part.is_object()) {
        auto const& table = part.as_object();
        if (auto const* const access = table.if_contains("access_type"); access != nullptr && access->as_string() == "ALL")
          into.whole.emplace_back(table.at("table_name").as_string());
        into.read += number(table, "r_loops") * number(table, "r_rows");
      }
      if (name == "filesort") into.sorted += number(part.as_object(), "r_loops") * number(part.as_object(), "r_output_rows");
      read(part, into);
    }
  }

  visor::mysql_driver::connection_ptr connection_;
};

}  // namespace visor_test

#endif
