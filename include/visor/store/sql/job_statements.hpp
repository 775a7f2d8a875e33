#ifndef VISOR_STORE_SQL_JOB_STATEMENTS_HPP
#define VISOR_STORE_SQL_JOB_STATEMENTS_HPP

#include "visor/sql/statement.hpp"
#include "visor/store/sql/tables.hpp"
#include "visor/store/store.hpp"

#include <boost/describe/class.hpp>
#include <boost/mp11/list.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

/// Every statement about jobs, from their enqueue to their claim. Parameters refer to the caller's text.
namespace visor::statements {

struct new_job_row {
  job_id id = 0;
  instant run_at{};
  instant created_at{};
  int priority = 100;
  int max_attempts = 1;
  std::string_view payload;
  std::string_view type;
  std::string_view queue;
  std::optional<std::string_view> schedule;
  std::optional<instant> planned_at;
  std::optional<std::string_view> owner;
};
BOOST_DESCRIBE_STRUCT(new_job_row, (), (id, run_at, created_at, priority, max_attempts, payload, type, queue, schedule, planned_at, owner))

/// A row of the jobs that may run now, or of those for later.
struct queued_row {
  instant run_at{};
  job_id job = 0;
  int priority = 100;
  int attempt = 1;
  std::string_view queue;
};
BOOST_DESCRIBE_STRUCT(queued_row, (), (run_at, job, priority, attempt, queue))

struct waiting_row {
  job_id blocker = 0;
  job_id job = 0;
  instant run_at{};
  int priority = 100;
  int attempt = 1;
  std::string_view queue;
};
BOOST_DESCRIBE_STRUCT(waiting_row, (), (blocker, job, run_at, priority, attempt, queue))

using insert_job = sql::insert<job_record, new_job_row>;
using insert_new_job = sql::insert<job_record, new_job_row, true>;
using insert_ready = sql::insert<ready_record, queued_row>;
using insert_scheduled = sql::insert<scheduled_record, queued_row>;
using insert_waiting = sql::insert<waiting_record, waiting_row>;
using insert_dead = sql::insert<dead_record>;
using insert_new_cancel = sql::insert<cancel_record, cancel_record, true>;

struct of_job {
  job_id job = 0;
};
BOOST_DESCRIBE_STRUCT(of_job, (), (job))

struct tolerated_losses {
  job_id job = 0;
  int max_lost = 0;
};
BOOST_DESCRIBE_STRUCT(tolerated_losses, (), (job, max_lost))

/// Follows the insert of a job that does not tolerate the default number of losses, so that other jobs do not pay for the column.
struct set_max_lost : sql::statement_defaults {
  static constexpr std::string_view name = "set_max_lost";
  using params = tolerated_losses;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("UPDATE {job} SET [max_lost] = :max_lost WHERE [id] = :job"); }
};

/// Notes that an attempt of a job does not count for `max_attempts`.
struct count_uncounted : sql::statement_defaults {
  static constexpr std::string_view name = "count_uncounted";
  using params = of_job;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("UPDATE {job} SET [uncounted] = coalesce([uncounted], 0) + 1 WHERE [id] = :job"); }
};

struct at_most {
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(at_most, (), (limit))

// The head of a queue. A claim skips rows that other claims have locked, and never waits.

struct front_params {
  std::string_view queue;
  std::int64_t limit = 1;
  std::int64_t priority = 0;  ///< this and the next two: where `Dialect::keeps_removed`, the position to start after
  instant run_at{};
  job_id job = 0;
  std::int64_t longest = std::numeric_limits<std::int64_t>::max();  ///< bytes; a longer payload comes as an empty text
};
BOOST_DESCRIBE_STRUCT(front_params, (), (queue, limit, priority, run_at, job, longest))

/// Writes the beginning of a query for claimed jobs, of the rows `r` of a queue and their jobs `j`.
constexpr void select_claimed(auto& out) {
  out("SELECT j.[id], r.[attempt], j.[type], r.[queue], r.[priority], "
      "CASE WHEN {bytes_of}(j.[payload]) <= :longest THEN j.[payload] ELSE {empty_text} END AS [payload], "
      "j.[max_attempts], j.[schedule], j.[planned_at], r.[run_at], j.[created_at], j.[uncounted] FROM ");
}

struct front_of_queue : sql::statement_defaults {
  static constexpr std::string_view name = "front_of_queue";
  using params = front_params;
  using row = claimed_job;
  using used = sql::tables<ready_record, job_record>;
  static constexpr void write(auto& out) {
    out("{before_front}");
    select_claimed(out);
    out("{front} r JOIN {job} j ON j.[id] = r.[job]{front_where} ORDER BY r.[priority], r.[run_at], r.[job] {limit}{front_end}");
  }
};

/// Reads the same from the head of the queue on, and removes no row: for claims that pass over some.
struct ready_jobs : sql::statement_defaults {
  static constexpr std::string_view name = "ready_jobs";
  using params = front_params;
  using row = claimed_job;
  using used = sql::tables<ready_record, job_record>;
  static constexpr void write(auto& out) {
    select_claimed(out);
    out("{ready} r JOIN {job} j ON j.[id] = r.[job] WHERE r.[queue] = :queue ORDER BY r.[priority], r.[run_at], r.[job] "
        "{limit}{skip_locked}");
  }
};

struct payload_text {
  std::string payload;
};
BOOST_DESCRIBE_STRUCT(payload_text, (), (payload))

struct find_payload : sql::statement_defaults {
  static constexpr std::string_view name = "find_payload";
  using params = of_job;
  using row = payload_text;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {job} WHERE [id] = :job"); }
};

struct position_in_queue {
  std::string_view queue;
  int priority = 100;
  instant run_at{};
  job_id job = 0;
};
BOOST_DESCRIBE_STRUCT(position_in_queue, (), (queue, priority, run_at, job))

/// Removes the head of a queue up to a position; see `front_removal::up_to_last`.
struct remove_front : sql::statement_defaults {
  static constexpr std::string_view name = "remove_front";
  using params = position_in_queue;
  using used = sql::tables<ready_record>;
  static constexpr void write(auto& out) {
    out("DELETE FROM {ready} WHERE [queue] = :queue AND ([priority], [run_at], [job]) <= (:priority, :run_at, :job)");
  }
};

// Moves between the tables of waiting jobs.

/// The bulk form of `remove_ready`.
struct bulk_remove_ready : sql::statement_defaults {
  static constexpr std::string_view name = "bulk_remove_ready";
  using params = position_in_queue;
  using used = sql::tables<ready_record>;
  static constexpr bool removes = true;
  static constexpr void write(auto& out) {
    out("DELETE FROM {ready} WHERE ([queue], [priority], [run_at], [job]) IN (SELECT * FROM unnest({values}))");
  }
};

struct remove_ready : sql::statement_defaults {
  static constexpr std::string_view name = "remove_ready";
  using params = position_in_queue;
  using used = sql::tables<ready_record>;
  using bulk_form = bulk_remove_ready;
  static constexpr void write(auto& out) {
    out("DELETE FROM {ready} WHERE [queue] = :queue AND [priority] = :priority AND [run_at] = :run_at AND [job] = :job");
  }
};

struct job_in_queue {
  std::string_view queue;
  int priority = 100;
  job_id job = 0;
};
BOOST_DESCRIBE_STRUCT(job_in_queue, (), (queue, priority, job))

/// Removes a job that was tried before, whose `run_at` in the queue is not its own. It reads all rows of that priority.
struct remove_retried_ready : sql::statement_defaults {
  static constexpr std::string_view name = "remove_retried_ready";
  using params = job_in_queue;
  using used = sql::tables<ready_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {ready} WHERE [queue] = :queue AND [priority] = :priority AND [job] = :job"); }
};

struct remove_scheduled : sql::statement_defaults {
  static constexpr std::string_view name = "remove_scheduled";
  using params = of_job;
  using used = sql::tables<scheduled_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {scheduled} WHERE [job] = :job"); }
};

struct remove_waiting : sql::statement_defaults {
  static constexpr std::string_view name = "remove_waiting";
  using params = of_job;
  using used = sql::tables<waiting_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {waiting} WHERE [job] = :job"); }
};

struct remove_dead : sql::statement_defaults {
  static constexpr std::string_view name = "remove_dead";
  using params = of_job;
  using used = sql::tables<dead_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {dead} WHERE [job] = :job"); }
};

struct remove_cancel : sql::statement_defaults {
  static constexpr std::string_view name = "remove_cancel";
  using params = of_job;
  using used = sql::tables<cancel_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {cancel} WHERE [job] = :job"); }
};

struct put_params {
  job_id job = 0;
  std::optional<instant> run_at;  ///< none: the job's own
  int attempt = 1;
};
BOOST_DESCRIBE_STRUCT(put_params, (), (job, run_at, attempt))

struct put_ready : sql::statement_defaults {
  static constexpr std::string_view name = "put_ready";
  using params = put_params;
  using used = sql::tables<ready_record, job_record>;
  static constexpr void write(auto& out) {
    out("INSERT INTO {ready} ([queue], [priority], [run_at], [job], [attempt]) "
        "SELECT [queue], [priority], coalesce(:run_at, [run_at]), [id], :attempt FROM {job} WHERE [id] = :job");
  }
};

struct put_scheduled : sql::statement_defaults {
  static constexpr std::string_view name = "put_scheduled";
  using params = put_params;
  using used = sql::tables<scheduled_record, job_record>;
  static constexpr void write(auto& out) {
    out("INSERT INTO {scheduled} ([run_at], [job], [queue], [priority], [attempt]) "
        "SELECT coalesce(:run_at, [run_at]), [id], [queue], [priority], :attempt FROM {job} WHERE [id] = :job");
  }
};

/// The facts that decide a job's next state.
struct job_facts {
  std::string queue;
  int priority = 100;
  instant run_at{};
  int max_attempts = 1;
  std::optional<std::string> schedule;
  std::optional<int> max_lost;
};
BOOST_DESCRIBE_STRUCT(job_facts, (), (queue, priority, run_at, max_attempts, schedule, max_lost))

struct find_facts : sql::statement_defaults {
  static constexpr std::string_view name = "find_facts";
  using params = of_job;
  using row = job_facts;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {job} WHERE [id] = :job"); }
};

struct due_params {
  instant now{};
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(due_params, (), (now, limit))

struct due_jobs : sql::statement_defaults {
  static constexpr std::string_view name = "due_jobs";
  using params = due_params;
  using row = scheduled_record;
  using used = sql::tables<scheduled_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {scheduled} WHERE [run_at] <= :now ORDER BY [run_at], [job] {limit}{skip_locked}");
  }
};

struct scheduled_position {
  instant run_at{};
  job_id job = 0;
};
BOOST_DESCRIBE_STRUCT(scheduled_position, (), (run_at, job))

struct remove_due : sql::statement_defaults {
  static constexpr std::string_view name = "remove_due";
  using params = scheduled_position;
  using used = sql::tables<scheduled_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {scheduled} WHERE [run_at] = :run_at AND [job] = :job"); }
};

struct one_instant {
  std::optional<instant> run_at;
};
BOOST_DESCRIBE_STRUCT(one_instant, (), (run_at))

struct next_scheduled : sql::statement_defaults {
  static constexpr std::string_view name = "next_scheduled";
  using params = at_most;
  using row = one_instant;
  using used = sql::tables<scheduled_record>;
  static constexpr void write(auto& out) { out("SELECT [run_at] FROM {scheduled} ORDER BY [run_at], [job] {limit}"); }
};

/// Reads several rows where some cannot be moved, to find the first that can.
struct next_scheduled_jobs : sql::statement_defaults {
  static constexpr std::string_view name = "next_scheduled_jobs";
  using params = at_most;
  using row = scheduled_position;
  using used = sql::tables<scheduled_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {scheduled} ORDER BY [run_at], [job] {limit}"); }
};

// Jobs that wait for another one, and cancel requests.

struct any_waiting : sql::statement_defaults {
  static constexpr std::string_view name = "any_waiting";
  using params = at_most;
  using row = of_job;
  using used = sql::tables<waiting_record>;
  static constexpr void write(auto& out) { out("SELECT [job] FROM {waiting} ORDER BY [blocker], [job] {limit}"); }
};

struct waiting_behind : sql::statement_defaults {
  static constexpr std::string_view name = "waiting_behind";
  using params = of_job;
  using row = waiting_record;
  using used = sql::tables<waiting_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {waiting} WHERE [blocker] = :job ORDER BY [job]"); }
};

/// The jobs whose blocker has ended: they could not be moved.
struct stranded_waiting : sql::statement_defaults {
  static constexpr std::string_view name = "stranded_waiting";
  using row = waiting_record;
  using used = sql::tables<waiting_record, attempt_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {waiting} w WHERE EXISTS (SELECT 1 FROM {attempt} a WHERE a.[job] = w.[blocker] AND a.[final_state] IS NOT NULL) "
        "ORDER BY [blocker], [job]");
  }
};

struct remove_waiting_behind : sql::statement_defaults {
  static constexpr std::string_view name = "remove_waiting_behind";
  using params = of_job;
  using used = sql::tables<waiting_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {waiting} WHERE [blocker] = :job"); }
};

struct find_waiting : sql::statement_defaults {
  static constexpr std::string_view name = "find_waiting";
  using params = of_job;
  using row = waiting_record;
  using used = sql::tables<waiting_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {waiting} WHERE [job] = :job"); }
};

struct cancels : sql::statement_defaults {
  static constexpr std::string_view name = "cancels";
  using params = at_most;
  using row = of_job;
  using used = sql::tables<cancel_record>;
  static constexpr void write(auto& out) { out("SELECT [job] FROM {cancel} ORDER BY [job] {limit}"); }
};

struct find_cancel : sql::statement_defaults {
  static constexpr std::string_view name = "find_cancel";
  using params = of_job;
  using row = of_job;
  using used = sql::tables<cancel_record>;
  static constexpr void write(auto& out) { out("SELECT [job] FROM {cancel} WHERE [job] = :job"); }
};

using all_of_jobs =
    boost::mp11::mp_list<set_max_lost, count_uncounted, insert_job, insert_new_job, insert_ready, insert_scheduled, insert_waiting,
                         insert_dead, insert_new_cancel, front_of_queue, ready_jobs, find_payload, remove_front, remove_ready,
                         remove_retried_ready, remove_scheduled, remove_waiting, remove_dead, remove_cancel, put_ready, put_scheduled,
                         find_facts, due_jobs, remove_due, next_scheduled, next_scheduled_jobs, any_waiting, waiting_behind,
                         stranded_waiting, remove_waiting_behind, find_waiting, cancels, find_cancel>;

}  // namespace visor::statements

#endif
