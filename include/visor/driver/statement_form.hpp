#ifndef VISOR_DRIVER_STATEMENT_FORM_HPP
#define VISOR_DRIVER_STATEMENT_FORM_HPP

#include "visor/driver/statement_number.hpp"
#include "visor/sql/statement.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace visor::detail {

/// The description of a statement that a connection needs to prepare, execute and log it. Those functions take it instead of the type of
/// the statement: they are compiled once, and not as often as there are statements.
struct statement_form {
  std::size_t number;                     ///< see `statement_number`
  std::string_view text;                  ///< ended by a NUL
  std::span<sql::kind const> parameters;  ///< in the order of their placeholders
  std::span<sql::kind const> columns;
};

template <sql::dialect Dialect, sql::statement Definition>
statement_form form_of() {
  static constexpr auto parameters = sql::parameter_kinds<Dialect, Definition>();
  static constexpr auto columns = sql::column_kinds<typename Definition::row>();
  return {statement_number::of<Definition>(), sql::text_in<Dialect, Definition>, std::span(parameters).first(parameters.size() - 1),
          std::span(columns).first(columns.size() - 1)};
}

}  // namespace visor::detail

#endif
