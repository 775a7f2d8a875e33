#ifndef VISOR_DRIVER_POSTGRESQL_COPY_HPP
#define VISOR_DRIVER_POSTGRESQL_COPY_HPP

#include "visor/sql/statement.hpp"

#include <string_view>

namespace visor::postgresql_driver {

/// COPY of many rows into a table, in its binary format.
/// \tparam BulkForm the `bulk_form` of an insert
template <class BulkForm>
struct copy_in : sql::statement_defaults {
  static_assert(!BulkForm::ignores, "COPY leaves no row alone whose key exists");
  static constexpr std::string_view name = BulkForm::name;
  using used = typename BulkForm::used;

  static constexpr void write(auto& out) {
    out("COPY {this}");
    std::string_view before = " (";
    for (std::string_view const column : sql::member_names<typename BulkForm::params>) {
      out.raw(before).column(column);
      before = ", ";
    }
    out(") FROM STDIN (FORMAT binary)");
  }
};

}  // namespace visor::postgresql_driver

#endif
