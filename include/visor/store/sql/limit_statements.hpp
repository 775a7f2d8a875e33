#ifndef VISOR_STORE_SQL_LIMIT_STATEMENTS_HPP
#define VISOR_STORE_SQL_LIMIT_STATEMENTS_HPP

#include "visor/store/sql/lease_statements.hpp"

/// Every statement about the limits of job types.
namespace visor::statements {

struct of_type {
  std::string_view type;
};
BOOST_DESCRIBE_STRUCT(of_type, (), (type))

using insert_limit = sql::insert<type_limit_record>;
using insert_new_limit = sql::insert<type_limit_record, type_limit_record, true>;
using update_limit = sql::update<type_limit_record>;

struct all_limits : sql::statement_defaults {
  static constexpr std::string_view name = "all_limits";
  using row = type_limit_record;
  using used = sql::tables<type_limit_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {type_limit} ORDER BY [type]"); }
};

/// Reads the limits of a type and locks them. Claims of the type are thereby serialized, and each sees the running jobs.
struct find_limit : sql::statement_defaults {
  static constexpr std::string_view name = "find_limit";
  using params = of_type;
  using row = type_limit_record;
  using used = sql::tables<type_limit_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {type_limit} WHERE [type] = :type{lock}"); }
};

struct jobs_of_queue {
  std::string queue;
  std::int64_t jobs = 0;
};
BOOST_DESCRIBE_STRUCT(jobs_of_queue, (), (queue, jobs))

/// The numbers of running jobs of a type, by the queues that they came from.
struct running_of_type : sql::statement_defaults {
  static constexpr std::string_view name = "running_of_type";
  using params = of_type;
  using row = jobs_of_queue;
  using used = sql::tables<lease_record, attempt_record, job_record>;
  static constexpr void write(auto& out) {
    out("SELECT j.[queue] AS [queue], count(*) AS [jobs] FROM {lease} l{each_job}, {job} j "
        "WHERE l.[limited] = :type AND j.[id] = {each_job_value} "
        "AND (SELECT max(a.[number]) FROM {attempt} a WHERE a.[job] = {each_job_value} AND a.[lease] = l.[id]) IS NULL GROUP BY j.[queue]");
  }
};

struct claims_since {
  std::string_view type;
  instant taken_at{};
};
BOOST_DESCRIBE_STRUCT(claims_since, (), (type, taken_at))

struct claimed_jobs {
  std::string queue;
  instant taken_at{};
  std::int64_t jobs = 0;
};
BOOST_DESCRIBE_STRUCT(claimed_jobs, (), (queue, taken_at, jobs))

struct claims_of_type : sql::statement_defaults {
  static constexpr std::string_view name = "claims_of_type";
  using params = claims_since;
  using row = claimed_jobs;
  using used = sql::tables<claim_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {claim} WHERE [type] = :type AND [taken_at] > :taken_at"); }
};

struct forget_claims : sql::statement_defaults {
  static constexpr std::string_view name = "forget_claims";
  using params = claims_since;
  using used = sql::tables<claim_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {claim} WHERE [type] = :type AND [taken_at] <= :taken_at"); }
};

struct claim_row {
  std::string_view type;
  instant taken_at{};
  lease_id lease = 0;
  int number = 0;
  std::string_view queue;
  int jobs = 0;
};
BOOST_DESCRIBE_STRUCT(claim_row, (), (type, taken_at, lease, number, queue, jobs))

using insert_claim = sql::insert<claim_record, claim_row>;

struct between_queues {
  std::string_view behind;
  std::string_view before;
  std::int64_t limit = 1;
};
BOOST_DESCRIBE_STRUCT(between_queues, (), (behind, before, limit))

struct one_queue {
  std::string queue;
};
BOOST_DESCRIBE_STRUCT(one_queue, (), (queue))

/// The first queue with jobs whose name lies between two.
struct next_queue : sql::statement_defaults {
  static constexpr std::string_view name = "next_queue";
  using params = between_queues;
  using row = one_queue;
  using used = sql::tables<ready_record>;
  static constexpr void write(auto& out) {
    out("SELECT [queue] FROM {ready} WHERE [queue] > :behind AND [queue] < :before ORDER BY [queue], [priority], [run_at], [job] {limit}");
  }
};

struct move_params {
  job_id job = 0;
  std::string_view queue;
};
BOOST_DESCRIBE_STRUCT(move_params, (), (job, queue))

struct move_job : sql::statement_defaults {
  static constexpr std::string_view name = "move_job";
  using params = move_params;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("UPDATE {job} SET [queue] = :queue WHERE [id] = :job"); }
};

// The types that nodes run.

using insert_node_type = sql::insert<node_type_record>;

struct all_node_types : sql::statement_defaults {
  static constexpr std::string_view name = "all_node_types";
  using row = node_type_record;
  using used = sql::tables<node_type_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node_type} ORDER BY [node], [type]"); }
};

struct types_of_node : sql::statement_defaults {
  static constexpr std::string_view name = "types_of_node";
  using params = of_node;
  using row = node_type_record;
  using used = sql::tables<node_type_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node_type} WHERE [node] = :name"); }
};

struct node_type_params {
  std::string_view node;
  std::string_view type;
};
BOOST_DESCRIBE_STRUCT(node_type_params, (), (node, type))

struct remove_node_type : sql::statement_defaults {
  static constexpr std::string_view name = "remove_node_type";
  using params = node_type_params;
  using used = sql::tables<node_type_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {node_type} WHERE [node] = :node AND [type] = :type"); }
};

using all_of_limits =
    boost::mp11::mp_list<insert_node_type, all_node_types, types_of_node, remove_node_type, insert_limit, insert_new_limit, update_limit,
                         all_limits, find_limit, running_of_type, claims_of_type, forget_claims, insert_claim, next_queue, move_job>;

}  // namespace visor::statements

#endif
