#ifndef VISOR_STORE_RECORDS_HPP
#define VISOR_STORE_RECORDS_HPP

#include "visor/base/dst.hpp"
#include "visor/base/time.hpp"
#include "visor/settings/job_limits.hpp"
#include "visor/settings/schedule_policies.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

/// The stored records. Each record is one table; its members, in the order of their description, are the table's columns. The SQL of every
/// database is generated from here (`visor/sql/`), so a new column is a line here and a migration.
///
/// Columns of fixed width that are never null come first, the wide ones before the narrow. PostgreSQL keeps columns in their order and pads
/// those that are not aligned. The last column is never part of the key: in a table that is kept in the order of its key, the integrity
/// check of SQLite 3.40 would report the columns before it as missing.
namespace visor {

using job_id = std::int64_t;
using lease_id = std::int64_t;

/// The state of a job. It is not stored: it follows from the table that holds the job's id.
BOOST_DEFINE_ENUM_CLASS(job_state, waiting, scheduled, ready, running, completed, failed, cancelled, dead)

/// How one attempt ended. `lost`: its node's lease ran out. `released`: its node told it to stop before it was done, for a reason of the
/// node. These two do not count for `max_attempts`.
BOOST_DEFINE_ENUM_CLASS(outcome, completed, failed, timed_out, cancelled, lost, released)

BOOST_DEFINE_ENUM_CLASS(schedule_state, active, paused, completed, failed)

BOOST_DEFINE_ENUM_CLASS(node_state, online, draining, offline)

/// The requested state of a running node: to take no more work.
BOOST_DEFINE_ENUM_CLASS(requested_state, drain)

/// The source of a schedule: the configuration file, a C++ program, or a user at run time. Nodes declare the first two, as sets. Schedules
/// of users live until they are removed.
BOOST_DEFINE_ENUM_CLASS(origin, config, code, user)

/// The result of a planned instant: a job; nothing, because of the overlap policy; or nothing so far, for the reason that its row gives.
BOOST_DEFINE_ENUM_CLASS(fire_result, fired, skipped, missed)

/// One piece of work. It is inserted once. Only two rare events update it: it moves to a lane, which changes `queue`, or an attempt does
/// not count.
struct job_record {
  job_id id = 0;
  instant run_at{};  ///< not before this
  instant created_at{};
  int priority = 100;  ///< lower runs first
  int max_attempts = 1;
  std::string payload;  ///< JSON
  std::string type;
  std::string queue;
  std::optional<std::string> schedule;
  std::optional<instant> planned_at;  ///< the fire's instant, for a job of a schedule
  std::optional<std::string> owner;
  std::optional<int> uncounted;  ///< how many of its attempts were lost or released: these do not count for `max_attempts`
  std::optional<int> max_lost;   ///< consecutive losses that end it; none: `default_max_lost`; 0: it never runs again after a loss
  friend bool operator==(job_record const&, job_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(job_record, (),
                      (id, run_at, created_at, priority, max_attempts, payload, type, queue, schedule, planned_at, owner, uncounted,
                       max_lost))

/// A row of the queue: narrow, one for each job that may run now, clustered in the order of claims.
struct ready_record {
  instant run_at{};
  job_id job = 0;
  int priority = 100;
  std::string queue;
  int attempt = 1;  ///< the number of the next attempt
};
BOOST_DESCRIBE_STRUCT(ready_record, (), (run_at, job, priority, queue, attempt))

/// A job for later. It has its own table, so that claims of ready jobs never scan past future work.
struct scheduled_record {
  instant run_at{};
  job_id job = 0;
  int priority = 100;
  int attempt = 1;
  std::string queue;
};
BOOST_DESCRIBE_STRUCT(scheduled_record, (), (run_at, job, priority, attempt, queue))

/// A job that starts when another one, the blocker, has ended, with whatever result.
struct waiting_record {
  job_id blocker = 0;
  job_id job = 0;
  instant run_at{};
  int priority = 100;
  int attempt = 1;
  std::string queue;
};
BOOST_DESCRIBE_STRUCT(waiting_record, (), (blocker, job, run_at, priority, attempt, queue))

/// A node's lease on the jobs of one claim. It is written once, and deleted with its last open job. A job of the lease is open while it has
/// no attempt that names this lease.
struct lease_record {
  lease_id id = 0;
  std::string node;
  std::int64_t epoch = 0;
  instant taken_at{};
  std::string jobs;                    ///< the ids as a JSON array
  std::optional<std::string> limited;  ///< the job type whose limits they count for; none if they have none
};
BOOST_DESCRIBE_STRUCT(lease_record, (), (id, node, epoch, taken_at, jobs, limited))

/// One attempt of a job. It is inserted once, when it ends. A job cancelled before it ran also has one, without lease, node and start.
struct attempt_record {
  job_id job = 0;
  std::optional<lease_id> lease;
  std::optional<std::int64_t> epoch;
  std::optional<instant> started_at;
  instant finished_at{};
  int number = 1;
  std::optional<std::string> node;
  visor::outcome outcome = visor::outcome::completed;  ///< null in the table where it is `completed`
  std::optional<job_state> final_state;                ///< the state in which the job ended with this attempt; none if it is retried
  std::optional<std::string> error;
  std::optional<std::string> output;
  friend bool operator==(attempt_record const&, attempt_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(attempt_record, (), (job, lease, epoch, started_at, finished_at, number, node, outcome, final_state, error, output))

/// A job that used up its attempts, until a user retries or purges it.
struct dead_record {
  job_id job = 0;
  instant died_at{};
  int attempts = 0;
  std::optional<std::string> error;
};
BOOST_DESCRIBE_STRUCT(dead_record, (), (job, died_at, attempts, error))

/// A request to stop a running job, for the node that holds it.
struct cancel_record {
  job_id job = 0;
  instant requested_at{};
};
BOOST_DESCRIBE_STRUCT(cancel_record, (), (job, requested_at))

/// A process that runs jobs. `lease_until` is by the database's clock; `epoch` only grows.
struct node_record {
  std::string name;
  std::string address;  ///< host, process id and start of the process, see `engine/process.hpp`
  node_state state = node_state::online;
  std::int64_t epoch = 0;
  instant lease_until{};
  bool exclusive = false;  ///< it tolerates no other node
  int slots = 0;
  instant started_at{};
  std::string version;
  std::optional<std::string> queues;        ///< each with its slots: `default:10,mail:2`; none: the program is older than this column
  std::optional<std::string> capabilities;  ///< `gpu,large`
  std::optional<visor::requested_state> requested_state;
  std::optional<std::string> resources;  ///< of its machine, memory in bytes: `processors:2,memory:25281642496`
  std::optional<std::int64_t> token;     ///< random, new with each heartbeat: a value that the node did not write means a restored database
  /// The last epoch that ended while the process of the node lived: a loss in that epoch was no fault of the job.
  std::optional<std::int64_t> survived;
  friend bool operator==(node_record const&, node_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(node_record, (),
                      (name, address, state, epoch, lease_until, exclusive, slots, started_at, version, queues, capabilities,
                       requested_state, resources, token, survived))

/// A schedule: when jobs start, and how they are made.
struct schedule_record {
  std::string id;
  visor::origin origin = visor::origin::user;
  std::string expression;  ///< a cron expression or interval; empty for a single instant, which is then `next_at`
  std::string zone = "UTC";
  std::string type;
  std::string payload = "{}";
  std::string queue = "default";
  int priority = 100;
  int max_attempts = 1;
  visor::misfire misfire = visor::misfire::latest;
  int misfire_limit = 100;
  duration misfire_window{};
  visor::overlap overlap = visor::overlap::allow;
  int max_failures = 0;  ///< jobs in a row that may fail before the schedule does; 0 = any number
  std::optional<std::string> owner;
  std::optional<std::string> description;
  std::optional<std::string> phrase;  ///< the user's text, where that was not the expression
  std::optional<std::string> output;  ///< JSON: where results go
  schedule_state state = schedule_state::active;
  std::optional<instant> next_at;  ///< the next planned instant; none when there is none
  std::optional<instant> last_at;  ///< the last planned instant that fired
  std::optional<job_id> last_job;
  std::int64_t run_count = 0;
  int failure_count = 0;  ///< jobs in a row that did not complete
  std::optional<std::string> last_error;
  instant created_at{};
  instant updated_at{};
  std::int64_t version = 1;             ///< grows with every change by a user, not with fires
  std::optional<int> max_lost;          ///< of its jobs
  std::optional<std::string> set_name;  ///< of a schedule that nodes declare; none: `default`
  std::optional<std::string> digest;    ///< of the definition, see `definition_digest`; the store writes it
  /// The time since when no node declares it. Lookups do not find it then, but its state and its counters are kept for its return.
  std::optional<instant> retired_at;
  std::optional<visor::dst_gap> dst_gap;          ///< see `dst_policy`
  std::optional<visor::dst_overlap> dst_overlap;  ///< see `dst_policy`
  /// The anchor of an interval whose expression names none. It is an instant, or, for whole days, a time on the wall clock of the zone, as
  /// after `from` in an expression. It is no part of the definition, so that reading a file again does not move it.
  std::optional<std::string> anchor;
  friend bool operator==(schedule_record const&, schedule_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(schedule_record, (),
                      (id, origin, expression, zone, type, payload, queue, priority, max_attempts, misfire, misfire_limit, misfire_window,
                       overlap, max_failures, owner, description, phrase, output, state, next_at, last_at, last_job, run_count,
                       failure_count, last_error, created_at, updated_at, version, max_lost, set_name, digest, retired_at, dst_gap,
                       dst_overlap, anchor))

/// One planned instant of a schedule that was acted on, or that no node could act on. The key is unique, so that a fire happens at most
/// once.
struct fire_record {
  std::string schedule;
  instant planned_at{};
  instant fired_at{};  ///< or found to be missed
  std::string node;
  fire_result result = fire_result::fired;
  std::optional<job_id> job;
  std::optional<std::string> reason;  ///< why it was missed
  friend bool operator==(fire_record const&, fire_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(fire_record, (), (schedule, planned_at, fired_at, node, result, job, reason))

/// The fact that a running node's file or program has these schedules. It ends with the node's lease.
struct declaration_record {
  std::string node;
  visor::origin origin = visor::origin::config;
  std::string set_name;
  instant declared_at{};
  std::string digest;  ///< of the manifest
  friend bool operator==(declaration_record const&, declaration_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(declaration_record, (), (node, origin, set_name, declared_at, digest))

/// The content of a set, as some nodes declare or declared it: stored once, however many nodes declare it.
struct manifest_record {
  std::string digest;
  visor::origin origin = visor::origin::config;
  std::string set_name;
  instant declared_at{};  ///< the last time that a node declared it
  int parts = 0;
  friend bool operator==(manifest_record const&, manifest_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(manifest_record, (), (digest, origin, set_name, declared_at, parts))

/// Some schedules of a manifest, see `store/manifest.hpp`. The parts are written before the manifest.
struct manifest_part_record {
  std::string digest;
  int part = 0;  ///< from 0
  instant written_at{};
  std::string entries;
  friend bool operator==(manifest_part_record const&, manifest_part_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(manifest_part_record, (), (digest, part, written_at, entries))

/// The limits of a job type, as the last node to join declared them. A claim of such jobs locks this row. A type without limits has a row
/// once one of its jobs has moved to the type's own lane.
struct type_limit_record : job_limits {
  std::string type;
  type_limit_record() = default;
  type_limit_record(std::string name, job_limits const& limits) : job_limits(limits), type(std::move(name)) {}
  friend bool operator==(type_limit_record const&, type_limit_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(type_limit_record, (), (type, concurrency, key_concurrency, rate, key_rate, per))

/// A job type that a node runs, as declared when it joined.
struct node_type_record {
  std::string node;
  std::string type;
  std::int64_t epoch = 0;  ///< the first under which the node declared it
  friend bool operator==(node_type_record const&, node_type_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(node_type_record, (), (node, type, epoch))

/// The jobs of one claim from one queue of a type with a rate; kept as long as they count for the rate.
struct claim_record {
  std::string type;
  instant taken_at{};
  lease_id lease = 0;
  int number = 0;  ///< among those of one lease
  std::string queue;
  int jobs = 0;
};
BOOST_DESCRIBE_STRUCT(claim_record, (), (type, taken_at, lease, number, queue, jobs))

/// A named counter, such as the source of blocks of ids.
struct sequence_record {
  std::string name;
  std::int64_t next = 1;
};
BOOST_DESCRIBE_STRUCT(sequence_record, (), (name, next))

/// The source of job ids in a database that has something better than a counter, whose row stays locked until the transaction ends. A row
/// only serves to get the next number.
struct job_number_record {
  std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(job_number_record, (), (number))

/// A migration that was applied.
struct migration_record {
  int version = 0;
  std::string name;
  std::string checksum;
  instant applied_at{};
  friend bool operator==(migration_record const&, migration_record const&) = default;
};
BOOST_DESCRIBE_STRUCT(migration_record, (), (version, name, checksum, applied_at))

}  // namespace visor

#endif
