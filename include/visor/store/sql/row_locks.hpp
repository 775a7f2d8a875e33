#ifndef VISOR_STORE_SQL_ROW_LOCKS_HPP
#define VISOR_STORE_SQL_ROW_LOCKS_HPP

#include "visor/store/sql/lease_statements.hpp"

#include <string_view>

/// A probe whether a server locks rows. Some servers that are compatible with another database accept FOR UPDATE SKIP LOCKED, and lock
/// nothing: there two nodes would claim one job.
namespace visor::statements {

struct lock_sequence : sql::statement_defaults {
  static constexpr std::string_view name = "lock_sequence";
  using params = of_node;
  using row = sequence_value;
  using used = sql::tables<sequence_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {sequence} WHERE [name] = :name{lock}"); }
};

/// Finds the row unless another transaction has locked it.
struct find_unlocked_sequence : sql::statement_defaults {
  static constexpr std::string_view name = "find_unlocked_sequence";
  using params = of_node;
  using row = sequence_value;
  using used = sql::tables<sequence_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {sequence} WHERE [name] = :name{skip_locked}"); }
};

using all_of_row_locks = boost::mp11::mp_list<lock_sequence, find_unlocked_sequence>;

}  // namespace visor::statements

namespace visor::detail {

/// The row that the probe locks; `next` is 1 until the probe has found that rows are locked.
inline constexpr std::string_view row_locks = "row_locks";

}  // namespace visor::detail

#endif
