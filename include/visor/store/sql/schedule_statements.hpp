#ifndef VISOR_STORE_SQL_SCHEDULE_STATEMENTS_HPP
#define VISOR_STORE_SQL_SCHEDULE_STATEMENTS_HPP

#include "visor/store/sql/job_statements.hpp"

#include <string>

/// Every statement about schedules and fires.
namespace visor::statements {

using insert_new_schedule = sql::insert<schedule_record, schedule_record, true>;
using update_schedule = sql::update<schedule_record>;

struct of_schedule {
  std::string_view id;
};
BOOST_DESCRIBE_STRUCT(of_schedule, (), (id))

struct find_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "find_schedule";
  using params = of_schedule;
  using row = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {schedule} WHERE [id] = :id AND [retired_at] IS NULL"); }
};

/// Finds a schedule even if it is retired.
struct find_any_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "find_any_schedule";
  using params = of_schedule;
  using row = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {schedule} WHERE [id] = :id"); }
};

struct remove_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "remove_schedule";
  using params = of_schedule;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {schedule} WHERE [id] = :id AND [retired_at] IS NULL"); }
};

struct remove_retired_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "remove_retired_schedule";
  using params = of_schedule;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {schedule} WHERE [id] = :id AND [retired_at] IS NOT NULL"); }
};

struct due_schedules_now : sql::statement_defaults {
  static constexpr std::string_view name = "due_schedules";
  using params = due_params;
  using row = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {schedule} WHERE [state] = ")(schedule_state::active)(" AND [next_at] <= :now ORDER BY [next_at], [id] {limit}");
  }
};

struct due_after_params {
  instant now{};
  instant next_at{};
  std::string_view id;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(due_after_params, (), (now, next_at, id, limit))

struct due_schedules_after : sql::statement_defaults {
  static constexpr std::string_view name = "due_schedules_after";
  using params = due_after_params;
  using row = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {schedule} WHERE [state] = ")(schedule_state::active)(
        " AND [next_at] <= :now AND [next_at] >= :next_at AND ([next_at] > :next_at OR [id] > :id) ORDER BY [next_at], [id] {limit}");
  }
};

struct next_instant {
  std::optional<instant> next_at;
};
BOOST_DESCRIBE_STRUCT(next_instant, (), (next_at))

struct next_due_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "next_due_schedule";
  using params = due_params;
  using row = next_instant;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("SELECT [next_at] FROM {schedule} WHERE [state] = ")(schedule_state::active)(
        " AND [next_at] > :now ORDER BY [next_at], [id] {limit}");
  }
};

struct pending_work_row {
  std::optional<instant> next_fire;
  std::optional<instant> next_job;
  std::optional<std::string> queue;  ///< the first one with a ready job
  std::int64_t lanes = 0;
  std::optional<int> schema;  ///< the latest applied version of the schema
};
BOOST_DESCRIBE_STRUCT(pending_work_row, (), (next_fire, next_job, queue, lanes, schema))

/// The pending work. Each value is the first or last entry of an index, except `lanes`, which counts a small table.
struct pending_work : sql::statement_defaults {
  static constexpr std::string_view name = "pending_work";
  using row = pending_work_row;
  using used = sql::tables<schedule_record, scheduled_record, ready_record, type_limit_record, migration_record>;
  static constexpr void write(auto& out) {
    out("SELECT (SELECT min([next_at]) FROM {schedule} WHERE [state] = ")(schedule_state::active)(
        ") AS [next_fire], (SELECT min([run_at]) FROM {scheduled}) AS [next_job], (SELECT min([queue]) FROM {ready}) AS [queue], "
        "(SELECT count(*) FROM {type_limit}) AS [lanes], "
        "(SELECT max([version]) FROM {migration}) AS [schema]");
  }
};

struct list_schedules_params {
  std::string from;                  ///< ids from this one on
  std::optional<std::string> until;  ///< and below this one
  std::optional<std::string> after;  ///< but not this one
  std::optional<schedule_state> state;
  std::optional<schedule_state> hidden;
  std::optional<std::string> owner;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(list_schedules_params, (), (from, until, after, state, hidden, owner, limit))

struct list_schedules : sql::statement_defaults {
  static constexpr std::string_view name = "list_schedules";
  using params = list_schedules_params;
  using row = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {schedule} WHERE [id] >= :from AND (:until IS NULL OR [id] < :until) AND (:after IS NULL OR [id] <> :after) "
        "AND (:state IS NULL OR [state] = :state) AND (:hidden IS NULL OR [state] <> :hidden) AND (:owner IS NULL OR [owner] = :owner) "
        "AND [retired_at] IS NULL ORDER BY [id] {limit}");
  }
};

// Updates of a schedule after its fires and jobs.

struct fired_params {
  std::string_view id;
  std::optional<instant> next_at;
  schedule_state state = schedule_state::active;
  std::optional<instant> last_at;
  std::optional<job_id> last_job;
  std::int64_t fired = 0;
};
BOOST_DESCRIBE_STRUCT(fired_params, (), (id, next_at, state, last_at, last_job, fired))

struct advance_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "advance_schedule";
  using params = fired_params;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {schedule} SET [next_at] = :next_at, [state] = :state, [last_at] = :last_at, [last_job] = :last_job, "
        "[run_count] = [run_count] + :fired WHERE [id] = :id");
  }
};

struct job_completed : sql::statement_defaults {
  static constexpr std::string_view name = "job_completed";
  using params = of_schedule;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("UPDATE {schedule} SET [failure_count] = 0 WHERE [id] = :id AND [failure_count] <> 0"); }
};

struct failure_params {
  std::string_view id;
  std::optional<std::string_view> error;
};
BOOST_DESCRIBE_STRUCT(failure_params, (), (id, error))

struct job_failed : sql::statement_defaults {
  static constexpr std::string_view name = "job_failed";
  using params = failure_params;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    // The count comes last: MySQL evaluates each assignment with the new values of those before it.
    out("UPDATE {schedule} SET [state] = CASE WHEN [state] = ")(schedule_state::active)(
        " AND [max_failures] > 0 AND [failure_count] + 1 >= [max_failures] THEN ")(schedule_state::failed)(
        " ELSE [state] END, [last_error] = :error, [failure_count] = [failure_count] + 1 WHERE [id] = :id");
  }
};

// Fires.

struct fire_row {
  std::string_view schedule;
  instant planned_at{};
  instant fired_at{};
  std::string_view node;
  fire_result result = fire_result::fired;
  std::optional<job_id> job;
};
BOOST_DESCRIBE_STRUCT(fire_row, (), (schedule, planned_at, fired_at, node, result, job))

using insert_fire = sql::insert<fire_record, fire_row>;

struct planned_fire {
  std::string_view schedule;
  instant planned_at{};
};
BOOST_DESCRIBE_STRUCT(planned_fire, (), (schedule, planned_at))

struct known_fire {
  fire_result result = fire_result::fired;
};
BOOST_DESCRIBE_STRUCT(known_fire, (), (result))

struct find_fire : sql::statement_defaults {
  static constexpr std::string_view name = "find_fire";
  using params = planned_fire;
  using row = known_fire;
  using used = sql::tables<fire_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {fire} WHERE [schedule] = :schedule AND [planned_at] = :planned_at"); }
};

/// Replaces the record of a missed instant that is fired after all.
struct replace_missed_fire : sql::statement_defaults {
  static constexpr std::string_view name = "replace_missed_fire";
  using params = fire_row;
  using used = sql::tables<fire_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {fire} SET [fired_at] = :fired_at, [node] = :node, [result] = :result, [job] = :job, [reason] = NULL "
        "WHERE [schedule] = :schedule AND [planned_at] = :planned_at");
  }
};

struct missed_row {
  std::string_view schedule;
  instant planned_at{};
  instant fired_at{};
  std::string_view node;
  fire_result result = fire_result::missed;
  std::string_view reason;
};
BOOST_DESCRIBE_STRUCT(missed_row, (), (schedule, planned_at, fired_at, node, result, reason))

using insert_new_missed_fire = sql::insert<fire_record, missed_row, true>;

struct acted_on_params {
  std::string_view schedule;
  instant after{};
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(acted_on_params, (), (schedule, after, limit))

struct planned_instant {
  instant planned_at{};
};
BOOST_DESCRIBE_STRUCT(planned_instant, (), (planned_at))

struct acted_on : sql::statement_defaults {
  static constexpr std::string_view name = "acted_on";
  using params = acted_on_params;
  using row = planned_instant;
  using used = sql::tables<fire_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {fire} WHERE [schedule] = :schedule AND [planned_at] > :after AND [result] <> ")(fire_result::missed)(
        " ORDER BY [planned_at] {limit}");
  }
};

struct correct_next_params {
  std::string_view id;
  std::int64_t version = 1;
  instant from{};
  std::optional<instant> next_at;
};
BOOST_DESCRIBE_STRUCT(correct_next_params, (), (id, version, from, next_at))

struct correct_next : sql::statement_defaults {
  static constexpr std::string_view name = "correct_next";
  using params = correct_next_params;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {schedule} SET [next_at] = :next_at WHERE [id] = :id AND [version] = :version AND [next_at] = :from AND [state] = ")(
        schedule_state::active);
  }
};

struct fires_params {
  std::string_view schedule;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(fires_params, (), (schedule, limit))

struct fires_of : sql::statement_defaults {
  static constexpr std::string_view name = "fires_of";
  using params = fires_params;
  using row = fire_record;
  using used = sql::tables<fire_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {fire} WHERE [schedule] = :schedule ORDER BY [planned_at] DESC {limit}"); }
};

using all_of_schedules = boost::mp11::mp_list<insert_new_schedule, update_schedule, find_schedule, find_any_schedule, remove_schedule,
                                              remove_retired_schedule, pending_work, due_schedules_now, due_schedules_after,
                                              next_due_schedule, list_schedules, advance_schedule, job_completed, job_failed, insert_fire,
                                              find_fire, replace_missed_fire, insert_new_missed_fire, acted_on, correct_next, fires_of>;

}  // namespace visor::statements

#endif
