#ifndef VISOR_STORE_SQL_VIEW_STATEMENTS_HPP
#define VISOR_STORE_SQL_VIEW_STATEMENTS_HPP

#include "visor/store/sql/job_statements.hpp"

#include <string>

/// Every statement that shows jobs to users. A job's state is not stored: it follows from the table that holds its id. So a query for one
/// state starts from the table with those jobs.
///
/// Here, and where leases are read, `max` tests whether a row exists. For EXISTS, PostgreSQL may read the whole other table, to prepare for
/// more rows than there are.
namespace visor::statements {

/// A job with its last attempt, and the tables that hold its id.
struct job_row : job_record {
  std::optional<int> last_number;
  std::optional<job_state> final_state;
  std::optional<instant> started_at;
  std::optional<instant> finished_at;
  std::optional<std::string> node;
  std::optional<std::string> error;
  std::optional<std::string> output;
  std::optional<job_id> waiting;    ///< its own id, if it waits
  std::optional<job_id> scheduled;  ///< its own id, if it is scheduled
};
BOOST_DESCRIBE_STRUCT(job_row, (job_record), (last_number, final_state, started_at, finished_at, node, error, output, waiting, scheduled))

namespace detail {

using job_tables = sql::tables<job_record, attempt_record, waiting_record, scheduled_record, ready_record, dead_record>;

/// \param from the tables that the search starts from; one of them is `{job} j`
constexpr void select_jobs(auto& out, std::string_view from) {
  out("SELECT j.[id], j.[run_at], j.[created_at], j.[priority], j.[max_attempts], j.[payload], j.[type], j.[queue], j.[schedule], "
      "j.[planned_at], j.[owner], j.[uncounted], j.[max_lost], a.[number] AS [last_number], a.[final_state], a.[started_at], "
      "a.[finished_at], a.[node], a.[error], a.[output], (SELECT max(w.[job]) FROM {waiting} w WHERE w.[job] = j.[id]) AS [waiting], "
      "(SELECT max(s.[job]) FROM {scheduled} s WHERE s.[job] = j.[id]) AS [scheduled] FROM ")(from)(
      " LEFT JOIN {attempt} a ON a.[job] = j.[id] AND a.[number] = (SELECT max(m.[number]) FROM {attempt} m WHERE m.[job] = j.[id])");
}

}  // namespace detail

struct find_job : sql::statement_defaults {
  static constexpr std::string_view name = "find_job";
  using params = of_job;
  using row = job_row;
  using used = detail::job_tables;
  static constexpr void write(auto& out) {
    detail::select_jobs(out, "{job} j");
    out(" WHERE j.[id] = :job");
  }
};

/// The tables that hold a job's id.
struct job_state_row {
  std::optional<job_id> waiting;    ///< its own id, if it waits
  std::optional<job_id> scheduled;  ///< its own id, if it is scheduled
  std::optional<job_state> final_state;
};
BOOST_DESCRIBE_STRUCT(job_state_row, (), (waiting, scheduled, final_state))

struct find_job_state : sql::statement_defaults {
  static constexpr std::string_view name = "find_job_state";
  using params = of_job;
  using row = job_state_row;
  using used = detail::job_tables;
  static constexpr void write(auto& out) {
    out("SELECT (SELECT max(w.[job]) FROM {waiting} w WHERE w.[job] = j.[id]) AS [waiting], "
        "(SELECT max(s.[job]) FROM {scheduled} s WHERE s.[job] = j.[id]) AS [scheduled], "
        "(SELECT max(a.[final_state]) FROM {attempt} a WHERE a.[job] = j.[id]) AS [final_state] FROM {job} j WHERE j.[id] = :job");
  }
};

struct list_jobs_params {
  std::int64_t before = 0;
  std::optional<std::string> type;
  std::optional<std::string> schedule;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(list_jobs_params, (), (before, type, schedule, limit))

/// A list of jobs, newest first.
/// \tparam Source the tables to search: `from`, the `id` to go down by, and `where`
template <class Source>
struct list_jobs : sql::statement_defaults {
  static constexpr std::string_view name = Source::name;
  using params = list_jobs_params;
  using row = job_row;
  using used = detail::job_tables;
  static constexpr void write(auto& out) {
    detail::select_jobs(out, Source::from);
    out(" WHERE ")(Source::id)(" < :before")(Source::where)(
        " AND (:type IS NULL OR j.[type] = :type) "
        "AND (:schedule IS NULL OR j.[schedule] = :schedule) ORDER BY ")(Source::id)(" DESC {limit}");
  }
};

struct from_all {
  static constexpr std::string_view name = "list_jobs", from = "{job} j", id = "j.[id]", where = "";
};
struct from_completed {
  static constexpr std::string_view name = "list_completed", from = "{job} j", id = "j.[id]", where = " AND a.[final_state] = 'completed'";
};
struct from_ready {
  static constexpr std::string_view name = "list_ready", from = "{ready} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]", where = "";
};
struct from_scheduled {
  static constexpr std::string_view name = "list_scheduled", from = "{scheduled} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]",
                                    where = "";
};
struct from_waiting {
  static constexpr std::string_view name = "list_waiting", from = "{waiting} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]",
                                    where = "";
};
struct from_dead {
  static constexpr std::string_view name = "list_dead", from = "{dead} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]", where = "";
};
// The query repeats the condition of the partial index, so that every database sees that the index applies. It stands behind the other
// condition, or SQLite 3.46 would search for both states and sort.
struct from_failed {
  static constexpr std::string_view name = "list_failed", from = "{attempt} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]",
                                    where = " AND d.[final_state] = 'failed' AND d.[final_state] IN ('failed', 'cancelled')";
};
struct from_cancelled {
  static constexpr std::string_view name = "list_cancelled", from = "{attempt} d JOIN {job} j ON j.[id] = d.[job]", id = "d.[job]",
                                    where = " AND d.[final_state] = 'cancelled' AND d.[final_state] IN ('failed', 'cancelled')";
};

struct running_row {
  job_id job = 0;
  std::string node;
  instant taken_at{};
};
BOOST_DESCRIBE_STRUCT(running_row, (), (job, node, taken_at))

namespace detail {

constexpr void select_running(auto& out) {
  out("SELECT {each_job_value} AS [job], l.[node], l.[taken_at] FROM {lease} l{each_job} "
      "WHERE (SELECT max(a.[number]) FROM {attempt} a WHERE a.[job] = {each_job_value} AND a.[lease] = l.[id]) IS NULL");
}

}  // namespace detail

/// All running jobs: as many rows as jobs run on all nodes together.
struct running_jobs : sql::statement_defaults {
  static constexpr std::string_view name = "running_jobs";
  using row = running_row;
  using used = sql::tables<lease_record, attempt_record>;
  static constexpr void write(auto& out) {
    detail::select_running(out);
    out(" ORDER BY 1 DESC");
  }
};

struct find_running : sql::statement_defaults {
  static constexpr std::string_view name = "find_running";
  using params = of_job;
  using row = running_row;
  using used = sql::tables<lease_record, attempt_record>;
  static constexpr void write(auto& out) {
    detail::select_running(out);
    out(" AND {each_job_value} = :job");
  }
};

using all_of_views = boost::mp11::mp_list<find_job, find_job_state, list_jobs<from_all>, list_jobs<from_completed>, list_jobs<from_ready>,
                                          list_jobs<from_scheduled>, list_jobs<from_waiting>, list_jobs<from_dead>, list_jobs<from_failed>,
                                          list_jobs<from_cancelled>, running_jobs, find_running>;

}  // namespace visor::statements

#endif
