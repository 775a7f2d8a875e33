#ifndef VISOR_STORE_SQL_TABLES_HPP
#define VISOR_STORE_SQL_TABLES_HPP

#include "visor/sql/dialect.hpp"
#include "visor/sql/table.hpp"
#include "visor/store/records.hpp"

#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <string_view>
#include <type_traits>

/// The table of each record: its name, its key, its indexes. A table has an index only where some statement reads by it.
namespace visor::sql {

/// Appended to and read by id; no index, so that adding a job costs one entry.
template <>
struct table<job_record> : table_defaults {
  static constexpr std::string_view name = "job";
  static constexpr std::string_view key = "[id]";
  static constexpr std::string_view key_values = "[queue], [schedule]";
  static constexpr bool clustered = false;
  static constexpr std::array added{added_column{"uncounted", 4}, added_column{"max_lost", 4}};
  static constexpr std::array widened{widened_column{"queue", 5}};
};

/// The order of the key is the order of claims: the head of a queue is the start of a range.
template <>
struct table<ready_record> : table_defaults {
  static constexpr std::string_view name = "ready";
  static constexpr std::string_view key = "[queue], [priority], [run_at], [job]";
  static constexpr std::array widened{widened_column{"queue", 5}};
};

template <>
struct table<scheduled_record> : table_defaults {
  static constexpr std::string_view name = "scheduled";
  static constexpr std::string_view key = "[run_at], [job]";
  static constexpr std::string_view key_values = "[queue]";
  static constexpr std::array indexes{index{"scheduled_job", "[job]"}};
  static constexpr std::array widened{widened_column{"queue", 5}};
};

template <>
struct table<waiting_record> : table_defaults {
  static constexpr std::string_view name = "waiting";
  static constexpr std::string_view key = "[blocker], [job]";
  static constexpr std::string_view key_values = "[queue]";
  static constexpr std::array indexes{index{"waiting_job", "[job]"}};
  static constexpr std::array widened{widened_column{"queue", 5}};
};

template <>
struct table<lease_record> : table_defaults {
  static constexpr std::string_view name = "lease";
  static constexpr std::string_view key = "[id]";
  static constexpr std::string_view key_values = "[node], [limited]";
  static constexpr bool clustered = false;
  static constexpr std::array added{added_column{"limited", 3}};
};

/// Almost every attempt completes its job. That is written once, as the state in which the job ended. The index holds only the states that
/// users search for.
template <>
struct table<attempt_record> : table_defaults {
  static constexpr std::string_view name = "attempt";
  static constexpr std::string_view key = "[job], [number]";
  static constexpr std::string_view key_values = "[node]";
  static constexpr std::string_view may_be_null = "[outcome]";
  static constexpr std::array indexes{index{"attempt_ended", "[final_state], [job]", "[final_state] IN ('failed', 'cancelled')"}};
};

template <>
struct table<dead_record> : table_defaults {
  static constexpr std::string_view name = "dead";
  static constexpr std::string_view key = "[job]";
  static constexpr bool clustered = false;
};

template <>
struct table<cancel_record> : table_defaults {
  static constexpr std::string_view name = "cancel";
  static constexpr std::string_view key = "[job]";
  static constexpr bool clustered = false;
};

template <>
struct table<node_record> : table_defaults {
  static constexpr std::string_view name = "node";
  static constexpr std::string_view key = "[name]";
  static constexpr std::array added{added_column{"queues", 2},    added_column{"capabilities", 2}, added_column{"requested_state", 2},
                                    added_column{"resources", 3}, added_column{"token", 4},        added_column{"survived", 4}};
  static constexpr std::array renamed{renamed_column{"wish", "requested_state", 6}};
};

template <>
struct table<schedule_record> : table_defaults {
  static constexpr std::string_view name = "schedule";
  static constexpr std::string_view key = "[id]";
  static constexpr std::string_view key_values = "[queue], [set_name], [digest]";
  static constexpr std::array indexes{index{"schedule_due", "[state], [next_at], [id]"}, index{"schedule_origin", "[origin]"}};
  static constexpr std::array widened{widened_column{"queue", 5}};
  static constexpr std::array added{added_column{"max_lost", 4},   added_column{"set_name", 4}, added_column{"digest", 4},
                                    added_column{"retired_at", 4}, added_column{"dst_gap", 4},  added_column{"dst_overlap", 4},
                                    added_column{"anchor", 4}};
};

template <>
struct table<fire_record> : table_defaults {
  static constexpr std::string_view name = "fire";
  static constexpr std::string_view key = "[schedule], [planned_at]";
  static constexpr std::string_view key_values = "[node]";
  static constexpr std::array added{added_column{"reason", 4}};
};

template <>
struct table<declaration_record> : table_defaults {
  static constexpr std::string_view name = "declaration";
  static constexpr std::string_view key = "[node], [origin], [set_name]";
  static constexpr std::string_view key_values = "[digest]";
  static constexpr int since = 4;
};

template <>
struct table<manifest_record> : table_defaults {
  static constexpr std::string_view name = "manifest";
  static constexpr std::string_view key = "[digest]";
  static constexpr std::string_view key_values = "[set_name]";
  static constexpr int since = 4;
};

template <>
struct table<manifest_part_record> : table_defaults {
  static constexpr std::string_view name = "manifest_part";
  static constexpr std::string_view key = "[digest], [part]";
  static constexpr int since = 4;
};

template <>
struct table<type_limit_record> : table_defaults {
  static constexpr std::string_view name = "type_limit";
  static constexpr std::string_view key = "[type]";
  static constexpr int since = 3;
};

template <>
struct table<node_type_record> : table_defaults {
  static constexpr std::string_view name = "node_type";
  static constexpr std::string_view key = "[node], [type]";
  static constexpr int since = 4;
};

/// The order of the key is the order in which claims stop to count.
template <>
struct table<claim_record> : table_defaults {
  static constexpr std::string_view name = "claim";
  static constexpr std::string_view key = "[type], [taken_at], [lease], [number]";
  static constexpr std::string_view key_values = "[queue]";
  static constexpr int since = 3;
  static constexpr std::array widened{widened_column{"queue", 5}};
};

template <>
struct table<sequence_record> : table_defaults {
  static constexpr std::string_view name = "sequence";
  static constexpr std::string_view key = "[name]";
};

template <>
struct table<job_number_record> : table_defaults {
  static constexpr std::string_view name = "job_number";
  static constexpr std::string_view key = "[number]";
  static constexpr std::string_view generated = "[number]";
  static constexpr bool clustered = false;
  static constexpr int since = 5;
};

template <>
struct table<migration_record> : table_defaults {
  static constexpr std::string_view name = "migration";
  static constexpr std::string_view key = "[version]";
  static constexpr bool clustered = false;
};

}  // namespace visor::sql

namespace visor {

/// The records of all tables, in the order in which the tables are created.
using all_records =
    boost::mp11::mp_list<job_record, ready_record, scheduled_record, waiting_record, lease_record, attempt_record, dead_record,
                         cancel_record, node_record, schedule_record, fire_record, sequence_record, type_limit_record, claim_record,
                         node_type_record, declaration_record, manifest_record, manifest_part_record, job_number_record>;

/// The records whose tables a database of a dialect has.
template <sql::dialect Dialect>
using records_of = std::conditional_t<Dialect::numbers == sql::number_source::counter,
                                      boost::mp11::mp_remove<all_records, job_number_record>, all_records>;

}  // namespace visor

#endif
