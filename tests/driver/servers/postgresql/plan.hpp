#ifndef VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_PLAN_HPP
#define VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_PLAN_HPP

#include "plan_of.hpp"
#include "server_traits.hpp"

#include "visor/driver/postgresql/connection.hpp"

#include <libpq-fe.h>
#include <boost/json.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace visor_test {

/// Reads how PostgreSQL executes statements.
class planner {
 public:
  explicit planner(server_traits::driver::settings const& of) {
    auto const given = visor::postgresql_driver::libpq_parameters(of);
    std::vector<char const*> names, values;
    for (auto const& [name, value] : given) {
      names.push_back(name);
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 0));
    run("SET statement_timeout = 0");
    run("SET client_min_messages = error");
  }

  static bool understands(server_traits::server const&) { return true; }

  static constexpr bool can_be_ignorant = true;
  void learn(std::string const& table) const { run("ANALYZE " + table); }

  /// A table of the numbers `n` from 1.
  static std::string numbers(std::int64_t last) { return "generate_series(1, " + std::to_string(last) + ") AS g(n)"; }
  /// So many seconds after the first.
  static std::string instant(std::string const& seconds) { return "to_timestamp(1700000000 + (" + seconds + "))"; }
  static std::string text(std::string const& number) { return "CAST(" + number + " AS text)"; }

  std::string run(std::string const& sql) const {
    visor::postgresql_driver::result_ptr const result(PQexec(connection_.get(), sql.c_str()));
    auto const status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) throw std::runtime_error(sql + ": " + PQresultErrorMessage(result.get()));
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
  }

  /// Executes a statement, and rolls back its changes. Planned as for a connection that has executed it often: from the sixth
  /// time on the server may use a generic plan.
  template <class Statement>
  plan explain(typename Statement::params const& given) const {
    using dialect = visor::postgresql_dialect;
    literals values(*this);
    visor::sql::bind_all<visor::sql::spelled<dialect, Statement>>(values, given);
    std::string types;
    for (auto const type : visor::postgresql_driver::parameter_types<Statement>())
      if (type != 0) types += (types.empty() ? "" : ", ") + run("SELECT format_type(" + std::to_string(type) + ", NULL)");
    std::string const text(visor::sql::text_in<dialect, Statement>);
    run("PREPARE it" + (types.empty() ? "" : "(" + types + ")") + " AS " + text);
    run("BEGIN");
    std::string const it = "EXECUTE it" + (types.empty() ? "" : "(" + values.joined() + ")");
    for (int i = 0; i < 6; ++i) run("EXPLAIN " + it);
    std::string const found = run("EXPLAIN (ANALYZE, FORMAT JSON) " + it);
    run("ROLLBACK");
    run("DEALLOCATE it");
    plan result;
    read(boost::json::parse(found).at(0).at("Plan").as_object(), result);
    result.text = found;
    return result;
  }

  static std::string literal(visor::instant value) {
    return "timestamptz '1970-01-01 00:00:00+00' + interval '1 microsecond' * " + std::to_string(value.time_since_epoch().count());
  }

 private:
  static double number(boost::json::object const& of, std::string_view name) {
    auto const* const value = of.if_contains(name);
    return value == nullptr ? 0 : value->to_number<double>();
  }

  static void read(boost::json::object const& node, plan& into) {
    std::string const type(node.at("Node Type").as_string());
    double const times = number(node, "Actual Loops");
    double const rows = number(node, "Actual Rows");
    if (type == "Seq Scan") into.whole.emplace_back(node.at("Relation Name").as_string());
    if (type.find("Scan") != std::string::npos && type != "Bitmap Index Scan")  // whose rows the scan above it reads
      into.read += times * (rows + number(node, "Rows Removed by Filter") + number(node, "Rows Removed by Index Recheck"));
    if (type == "Sort" || type == "Incremental Sort") into.sorted += times * rows;
    if (auto const* const inputs = node.if_contains("Plans"))
      for (auto const& each : inputs->as_array()) read(each.as_object(), into);
  }

  visor::postgresql_driver::connection_ptr connection_;
};

}  // namespace visor_test

#endif
