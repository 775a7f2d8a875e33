#ifndef VISOR_STORE_SQL_LEASE_STATEMENTS_HPP
#define VISOR_STORE_SQL_LEASE_STATEMENTS_HPP

#include "visor/store/sql/job_statements.hpp"

/// Every statement about attempts, leases and nodes.
namespace visor::statements {

struct attempt_row {
  job_id job = 0;
  std::optional<lease_id> lease;
  std::optional<std::int64_t> epoch;
  std::optional<instant> started_at;
  instant finished_at{};
  int number = 1;
  std::optional<std::string_view> node;
  std::optional<visor::outcome> outcome;  ///< none: completed
  std::optional<job_state> final_state;
  std::optional<std::string_view> error;
  std::optional<std::string_view> output;
};
BOOST_DESCRIBE_STRUCT(attempt_row, (), (job, lease, epoch, started_at, finished_at, number, node, outcome, final_state, error, output))

struct lease_row {
  lease_id id = 0;
  std::string_view node;
  std::int64_t epoch = 0;
  instant taken_at{};
  std::string_view jobs;
  std::optional<std::string_view> limited;
};
BOOST_DESCRIBE_STRUCT(lease_row, (), (id, node, epoch, taken_at, jobs, limited))

using insert_attempt = sql::insert<attempt_record, attempt_row>;
/// Leaves an existing attempt alone: then it is a repetition.
using insert_new_attempt = sql::insert<attempt_record, attempt_row, true>;
using insert_lease = sql::insert<lease_record, lease_row>;

struct numbered_attempt {
  job_id job = 0;
  int number = 1;
};
BOOST_DESCRIBE_STRUCT(numbered_attempt, (), (job, number))

struct attempts_of : sql::statement_defaults {
  static constexpr std::string_view name = "attempts_of";
  using params = of_job;
  using row = attempt_record;
  using used = sql::tables<attempt_record>;
  static constexpr void write(auto& out) {
    out("SELECT [job], [lease], [epoch], [started_at], [finished_at], [number], [node], coalesce([outcome], ")(outcome::completed)(
        ") AS [outcome], [final_state], [error], [output] FROM {attempt} WHERE [job] = :job ORDER BY [number]");
  }
};

struct accepted_params {
  job_id job = 0;
  int number = 1;
  lease_id lease = 0;
};
BOOST_DESCRIBE_STRUCT(accepted_params, (), (job, number, lease))

struct accepted_before : sql::statement_defaults {
  static constexpr std::string_view name = "accepted_before";
  using params = accepted_params;
  using row = of_job;
  using used = sql::tables<attempt_record>;
  static constexpr void write(auto& out) {
    out("SELECT [job] FROM {attempt} WHERE [job] = :job AND [number] = :number AND [lease] = :lease AND ([outcome] IS NULL OR [outcome] "
        "<> ")(outcome::lost)(")");
  }
};

struct next_number {
  int number = 1;
};
BOOST_DESCRIBE_STRUCT(next_number, (), (number))

struct next_attempt_number : sql::statement_defaults {
  static constexpr std::string_view name = "next_attempt_number";
  using params = of_job;
  using row = next_number;
  using used = sql::tables<attempt_record>;
  static constexpr void write(auto& out) { out("SELECT coalesce(max([number]), 0) + 1 AS [number] FROM {attempt} WHERE [job] = :job"); }
};

struct attempt_end {
  visor::outcome outcome = visor::outcome::completed;
  std::optional<std::string> node;
  std::optional<std::int64_t> epoch;
};
BOOST_DESCRIBE_STRUCT(attempt_end, (), (outcome, node, epoch))

struct latest_params {
  job_id job = 0;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(latest_params, (), (job, limit))

/// How the latest attempts of a job ended, the last one first.
struct latest_attempts : sql::statement_defaults {
  static constexpr std::string_view name = "latest_attempts";
  using params = latest_params;
  using row = attempt_end;
  using used = sql::tables<attempt_record>;
  static constexpr void write(auto& out) {
    out("SELECT coalesce([outcome], ")(outcome::completed)(
        ") AS [outcome], [node], [epoch] FROM {attempt} WHERE [job] = :job ORDER BY [number] DESC {limit}");
  }
};

struct reopen_job : sql::statement_defaults {
  static constexpr std::string_view name = "reopen_job";
  using params = of_job;
  using used = sql::tables<attempt_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {attempt} SET [final_state] = NULL WHERE [job] = :job AND [final_state] IS NOT NULL");
  }
};

// Leases.

struct lease_params {
  lease_id id = 0;
  std::string_view node;
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(lease_params, (), (id, node, epoch))

struct of_lease {
  lease_id id = 0;
};
BOOST_DESCRIBE_STRUCT(of_lease, (), (id))

struct lease_epoch {
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(lease_epoch, (), (epoch))

/// Reads a lease and locks it. Otherwise two transactions that complete jobs of one lease at the same time would each leave its deletion to
/// the other. A lease of an earlier epoch that still exists was kept.
struct find_lease : sql::statement_defaults {
  static constexpr std::string_view name = "find_lease";
  using params = lease_params;
  using row = lease_epoch;
  using used = sql::tables<lease_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {lease} WHERE [id] = :id AND [node] = :node AND [epoch] <= :epoch{lock}"); }
};

/// The jobs of a lease that have no attempt which names it, each with the number of the attempt that runs.
struct open_jobs : sql::statement_defaults {
  static constexpr std::string_view name = "open_jobs";
  using params = of_lease;
  using row = numbered_attempt;
  using used = sql::tables<lease_record, attempt_record>;
  static constexpr void write(auto& out) {
    out("SELECT {each_job_value} AS [job], "
        "(SELECT coalesce(max(a.[number]), 0) + 1 FROM {attempt} a WHERE a.[job] = {each_job_value}) AS [number] "
        "FROM {lease} l{each_job} WHERE l.[id] = :id "
        "AND (SELECT max(a.[number]) FROM {attempt} a WHERE a.[job] = {each_job_value} AND a.[lease] = l.[id]) IS NULL");
  }
};

struct lease_jobs_params {
  lease_id id = 0;
  std::string_view jobs;
};
BOOST_DESCRIBE_STRUCT(lease_jobs_params, (), (id, jobs))

struct narrow_lease : sql::statement_defaults {
  static constexpr std::string_view name = "narrow_lease";
  using params = lease_jobs_params;
  using used = sql::tables<lease_record>;
  static constexpr void write(auto& out) { out("UPDATE {lease} SET [jobs] = :jobs WHERE [id] = :id"); }
};

struct remove_lease : sql::statement_defaults {
  static constexpr std::string_view name = "remove_lease";
  using params = of_lease;
  using used = sql::tables<lease_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {lease} WHERE [id] = :id"); }
};

struct node_epoch {
  std::string_view node;
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(node_epoch, (), (node, epoch))

struct taken_lease {
  lease_id id = 0;
  std::int64_t epoch = 0;
  instant taken_at{};
};
BOOST_DESCRIBE_STRUCT(taken_lease, (), (id, epoch, taken_at))

struct stranded_node {
  std::string node;
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(stranded_node, (), (node, epoch))

/// The leases of a node under an epoch and those before it.
struct leases_of_node : sql::statement_defaults {
  static constexpr std::string_view name = "leases_of_node";
  using params = node_epoch;
  using row = taken_lease;
  using used = sql::tables<lease_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {lease} WHERE [node] = :node AND [epoch] <= :epoch ORDER BY [id]"); }
};

/// The nodes that have ended, or were removed, and still hold leases: jobs that could not be put back.
struct stranded_leases : sql::statement_defaults {
  static constexpr std::string_view name = "stranded_leases";
  using row = stranded_node;
  using used = sql::tables<lease_record, node_record>;
  static constexpr void write(auto& out) {
    out("SELECT l.[node], MAX(coalesce(n.[epoch], l.[epoch])) AS [epoch] FROM {lease} l LEFT JOIN {node} n ON n.[name] = l.[node] "
        "WHERE n.[state] IS NULL OR n.[state] = ")(node_state::offline)(" GROUP BY l.[node] ORDER BY l.[node]");
  }
};

// Nodes.

struct of_node {
  std::string_view name;
};
BOOST_DESCRIBE_STRUCT(of_node, (), (name))

using insert_node = sql::insert<node_record>;
using update_node = sql::update<node_record>;

struct all_nodes : sql::statement_defaults {
  static constexpr std::string_view name = "all_nodes";
  using row = node_record;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node} ORDER BY [name]"); }
};

struct find_node : sql::statement_defaults {
  static constexpr std::string_view name = "find_node";
  using params = of_node;
  using row = node_record;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node} WHERE [name] = :name"); }
};

struct remove_node : sql::statement_defaults {
  static constexpr std::string_view name = "remove_node";
  using params = of_node;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {node} WHERE [name] = :name"); }
};

struct requested_state_params {
  std::string_view name;
  std::optional<visor::requested_state> requested_state;
};
BOOST_DESCRIBE_STRUCT(requested_state_params, (), (name, requested_state))

struct request_state : sql::statement_defaults {
  static constexpr std::string_view name = "request_state";
  using params = requested_state_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("UPDATE {node} SET [requested_state] = :requested_state WHERE [name] = :name"); }
};

struct named_epoch {
  std::string_view name;
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(named_epoch, (), (name, epoch))

struct current_params {
  std::string_view name;
  std::int64_t epoch = 0;
  instant now{};
};
BOOST_DESCRIBE_STRUCT(current_params, (), (name, epoch, now))

struct lease_end {
  instant lease_until{};
  bool exclusive = false;
};
BOOST_DESCRIBE_STRUCT(lease_end, (), (lease_until, exclusive))

/// Does not compare the lease with the time, so that both can be requested together.
struct current_node : sql::statement_defaults {
  static constexpr std::string_view name = "current_node";
  using params = named_epoch;
  using row = lease_end;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {node} WHERE [name] = :name AND [epoch] = :epoch AND [state] <> ")(node_state::offline);
  }
};

struct renew_params {
  std::string_view name;
  std::int64_t epoch = 0;
  instant now{};  ///< this and the next: for a store with a clock of its own
  instant until{};
  duration ttl{};
  node_state state = node_state::online;
  std::int64_t token = 0;
  std::int64_t last_token = 0;
  bool exclusive = true;
};
BOOST_DESCRIBE_STRUCT(renew_params, (), (name, epoch, now, until, ttl, state, token, last_token, exclusive))

/// The heartbeat. It reads no table but this one, and takes the time where it writes the row. So a statement that waited for the row does
/// not set an end in the past.
/// \tparam Server whether the time is the database's
template <bool Server>
struct renew_node : sql::statement_defaults {
  static constexpr std::string_view name = Server ? "renew_node" : "renew_node_at";
  using params = renew_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {node} SET [lease_until] = ")(Server ? "{clock_after}" : ":until")(
        ", [state] = :state, [token] = :token WHERE [name] = :name AND [epoch] = :epoch AND ([exclusive] = :exclusive OR [lease_until] > ")(
        Server ? "{clock}" : ":now")(") AND [token] IN (:token, :last_token) AND [state] <> ")(node_state::offline);
  }
};

struct beaten_node {
  std::int64_t epoch = 0;
  instant lease_until{};
  node_state state = node_state::online;
  std::optional<std::int64_t> token;
};
BOOST_DESCRIBE_STRUCT(beaten_node, (), (epoch, lease_until, state, token))

/// Reads what a heartbeat has written, or why it has not.
struct find_beat : sql::statement_defaults {
  static constexpr std::string_view name = "find_beat";
  using params = of_node;
  using row = beaten_node;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node} WHERE [name] = :name"); }
};

struct leave_node : sql::statement_defaults {
  static constexpr std::string_view name = "leave_node";
  using params = current_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {node} SET [lease_until] = :now, [state] = ")(node_state::offline)(
        " WHERE [name] = :name AND [epoch] = :epoch AND [state] <> ")(node_state::offline);
  }
};

struct survived_params {
  std::string_view name;
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(survived_params, (), (name, epoch))

struct note_survived : sql::statement_defaults {
  static constexpr std::string_view name = "note_survived";
  using params = survived_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("UPDATE {node} SET [survived] = :epoch WHERE [name] = :name"); }
};

struct lapse_params {
  std::string_view name;
  std::int64_t epoch = 0;
  instant now{};  ///< the latest end of a lease that has run out
};
BOOST_DESCRIBE_STRUCT(lapse_params, (), (name, epoch, now))

/// Ends a node whose lease has run out. Heartbeats take no store lock: if one has come since the row was read, the node has not lapsed.
struct lapse_node : sql::statement_defaults {
  static constexpr std::string_view name = "lapse_node";
  using params = lapse_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {node} SET [epoch] = [epoch] + 1, [state] = ")(node_state::offline)(
        " WHERE [name] = :name AND [epoch] = :epoch AND [lease_until] <= :now");
  }
};

struct cut_params {
  std::string_view name;
  std::int64_t epoch = 0;
  instant until{};
};
BOOST_DESCRIBE_STRUCT(cut_params, (), (name, epoch, until))

/// Shortens a lease that was written while the clock was ahead. A heartbeat may have come since the row was read, and have corrected it.
struct cut_lease : sql::statement_defaults {
  static constexpr std::string_view name = "cut_lease";
  using params = cut_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {node} SET [lease_until] = :until WHERE [name] = :name AND [epoch] = :epoch AND [lease_until] > :until");
  }
};

// Blocks of ids.

struct sequence_params {
  std::string_view name;
  std::int64_t count = 1;
};
BOOST_DESCRIBE_STRUCT(sequence_params, (), (name, count))

struct sequence_value {
  std::int64_t next = 1;
};
BOOST_DESCRIBE_STRUCT(sequence_value, (), (next))

using insert_new_sequence = sql::insert<sequence_record, sequence_record, true>;

struct advance_sequence : sql::statement_defaults {
  static constexpr std::string_view name = "advance_sequence";
  using params = sequence_params;
  using used = sql::tables<sequence_record>;
  static constexpr void write(auto& out) { out("UPDATE {sequence} SET [next] = [next] + :count WHERE [name] = :name"); }
};

struct sequence_step {
  std::string_view name;
  std::int64_t count = 1;
  std::int64_t next = 1;  // as read
};
BOOST_DESCRIBE_STRUCT(sequence_step, (), (name, count, next))

/// The same, if no other transaction has advanced it since it was read.
struct step_sequence : sql::statement_defaults {
  static constexpr std::string_view name = "step_sequence";
  using params = sequence_step;
  using used = sql::tables<sequence_record>;
  static constexpr void write(auto& out) { out("UPDATE {sequence} SET [next] = [next] + :count WHERE [name] = :name AND [next] = :next"); }
};

struct read_sequence : sql::statement_defaults {
  static constexpr std::string_view name = "read_sequence";
  using params = of_node;
  using row = sequence_value;
  using used = sql::tables<sequence_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {sequence} WHERE [name] = :name"); }
};

using all_of_leases =
    boost::mp11::mp_list<insert_attempt, insert_new_attempt, insert_lease, attempts_of, accepted_before, next_attempt_number,
                         latest_attempts, reopen_job, find_lease, open_jobs, narrow_lease, remove_lease, leases_of_node, stranded_leases,
                         insert_node, update_node, all_nodes, find_node, remove_node, request_state, current_node, renew_node<true>,
                         renew_node<false>, find_beat, leave_node, note_survived, lapse_node, cut_lease, insert_new_sequence,
                         advance_sequence, step_sequence, read_sequence>;

}  // namespace visor::statements

#endif
