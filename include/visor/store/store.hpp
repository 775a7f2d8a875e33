#ifndef VISOR_STORE_STORE_HPP
#define VISOR_STORE_STORE_HPP

#include "visor/async/task.hpp"
#include "visor/base/node_claim.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/loss_rules.hpp"
#include "visor/store/records.hpp"
#include "visor/store/reserved_ids.hpp"

#include <compare>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// The description of a node that joins.
struct join_request {
  std::string node;
  std::string address;
  int slots = 1;
  std::string version;
  duration ttl{std::chrono::seconds{60}};
  bool exclusive = false;                 ///< refuse while any other node is live, and be refused by it
  std::string queues;                     ///< as in `node_record`
  std::string capabilities;               ///< the same
  std::string resources;                  ///< the same
  std::vector<type_limit_record> limits;  ///< of every job type that it runs, also where there are none
  std::int64_t token = 0;                 ///< the first of the node's heartbeats, see `renewal`
  std::int64_t last_token = 0;            ///< of the last heartbeat that was confirmed to the process, 0 for none
  std::int64_t last_epoch = 0;            ///< the greatest that the process had, 0 for none
  /// The epoch of the node as it was read, 0 where there was none of that name. An abandoned call may still take effect after the next one.
  /// Then the stored epoch is another, and that late call is refused.
  std::optional<std::int64_t> known_epoch;
  /// The leases that a node keeps when it has not lost its own but does not know all that it claimed. None: it starts anew.
  std::optional<std::vector<lease_id>> keeps;
  join_request() = default;
};
BOOST_DESCRIBE_STRUCT(join_request, (),
                      (node, address, slots, version, ttl, exclusive, queues, capabilities, resources, known_epoch, token))

/// A node's own lease: proof for every write. It is current while the node is not offline, the stored epoch is this one, and the store's
/// clock is before `until`. It has run out from `until` on. The lease of an exclusive node does not end by itself: it is current until
/// another process takes the node's place, which waits for `until`.
struct node_lease {
  std::string node;
  std::int64_t epoch = 0;
  instant until{};
  std::int64_t generation = 0;  ///< of the store: grows with each restored backup that visor was told of
  node_lease() = default;
  node_lease(std::string name, std::int64_t number, instant end) : node(std::move(name)), epoch(number), until(end) {}
  friend bool operator==(node_lease const&, node_lease const&) = default;
};

/// A heartbeat. Its random token replaces that of the heartbeat before. A row that holds neither token was not written by this node: an
/// older state of the database was restored.
struct renewal {
  duration ttl{};
  node_state state = node_state::online;  ///< online or draining
  std::int64_t token = 0;                 ///< the new one; a heartbeat that is repeated because its outcome is unknown repeats it
  std::int64_t last_token = 0;            ///< of the last heartbeat that is known to have happened, or of the join
  renewal() = default;
};
BOOST_DESCRIBE_STRUCT(renewal, (), (ttl, state, token, last_token))

/// How a node leaves.
enum class departure {
  clean,          ///< every run is reported; claims that it holds were not started, or are released
  owing_results,  ///< jobs have run whose results are unknown
};

/// A job to be added. Its id comes from `reserve_ids`, so that an enqueue whose reply was lost can be repeated.
struct new_job {
  job_id id = 0;
  std::string type;
  std::string queue = "default";
  int priority = 100;
  std::string payload = "{}";
  int max_attempts = 1;
  std::optional<instant> run_at;  ///< now if none
  std::optional<std::string> owner;
  std::optional<int> max_lost;  ///< as in `job_record`
  new_job() = default;
};
BOOST_DESCRIBE_STRUCT(new_job, (), (id, type, queue, priority, payload, max_attempts, run_at, owner, max_lost))

/// The result of an attempt, and the next state of its job.
struct job_result {
  lease_id lease = 0;
  job_id job = 0;
  int attempt = 1;
  instant started_at{};
  instant finished_at{};
  visor::outcome outcome = visor::outcome::completed;
  /// The pause before the next attempt, by the store's clock; none: the job ends as `state`. With the outcome `released`, the job returns
  /// to its old position in the queue.
  std::optional<duration> retry_after;
  job_state state = job_state::completed;  ///< completed, failed, cancelled or dead
  std::optional<std::string> error;
  std::optional<std::string> output;
  std::optional<std::string> schedule;          ///< as claimed
  std::vector<new_job> children;                ///< added in the same transaction, if the outcome is completed
  std::shared_ptr<job_result const> otherwise;  ///< written instead where the database refuses the children permanently
  job_result() = default;
};
BOOST_DESCRIBE_STRUCT(job_result, (), (lease, job, attempt, started_at, finished_at, outcome, retry_after, state, error, output, schedule))

/// A job that goes back to the queue unrun: its attempt is not used up.
struct release {
  lease_id lease = 0;
  job_id job = 0;
  duration delay{};                      ///< ready again after this delay
  std::optional<std::string> queue;      ///< where it waits from now on; none: where it waited before
  std::optional<std::string> dead_with;  ///< the job does not go back: it becomes dead, for this reason
  release() = default;
  release(lease_id from, job_id which, duration after = {}, std::optional<std::string> to = std::nullopt)
      : lease(from), job(which), delay(after), queue(std::move(to)) {}
};

/// Requests up to `limit` jobs from a queue. A limited queue (`queue_name.hpp`) named without a key matches all of its keys.
struct claim_request {
  std::string queue = "default";
  std::size_t limit = 1;
  std::string after;                     ///< of a limited queue: begin after this one, which had its turn; empty: at the beginning
  std::optional<std::string> dead_with;  ///< the jobs are not claimed: they become dead, for this reason
  claim_request() = default;
  claim_request(std::string name, std::size_t most, std::string had_its_turn = {})
      : queue(std::move(name)), limit(most), after(std::move(had_its_turn)) {}
};

/// A job as the claiming node receives it.
struct claimed_job {
  job_id id = 0;
  int attempt = 1;
  std::string type;
  std::string queue;
  int priority = 100;
  std::string payload;
  int max_attempts = 1;
  std::optional<std::string> schedule;
  std::optional<instant> planned_at;
  instant run_at{};
  instant created_at{};
  std::optional<int> uncounted;  ///< how many earlier attempts do not count for `max_attempts`
  claimed_job() = default;
};
BOOST_DESCRIBE_STRUCT(claimed_job, (),
                      (id, attempt, type, queue, priority, payload, max_attempts, schedule, planned_at, run_at, created_at, uncounted))

/// The jobs that one claim request got, in claim order, under one lease.
struct claim {
  std::string queue;  ///< as in the request
  lease_id lease = 0;
  instant taken_at{};
  std::vector<claimed_job> jobs;
};

/// A message for an operator about a job that the database did not take as it was.
struct remark {
  job_id job = 0;  ///< 0: none in particular
  std::string text;
};

/// The effects of one exchange.
struct exchange_result {
  bool lease_current = true;        ///< false: this node's lease is lost; nothing was claimed
  std::vector<job_id> refused;      ///< results and releases whose lease was gone: nothing was written for them
  std::vector<claim> claims;        ///< only non-empty ones
  std::vector<remark> remarks;      ///< results that were written in another form, since the database refuses theirs permanently
  std::vector<remark> unwritten;    ///< results and releases refused in every form, and why: they are unchanged
  std::optional<duration> next_in;  ///< claim again after this: not all queues were looked at, or a rate holds jobs back
};

/// The effects of `promote`.
struct promotion {
  std::size_t moved = 0;
  std::optional<instant> next_at;  ///< when the next scheduled job is due
};

/// The few facts that an idle node polls: cheap to read, so that it can poll often.
struct pending_work {
  bool ready = false;               ///< some queue may hold a job
  std::optional<instant> next_at;   ///< when the first active schedule or scheduled job is due; may have passed
  std::size_t lanes = 0;            ///< number of job types with lanes of their own: a node that runs one of them looks there too
  std::optional<int> newer_schema;  ///< the version of the tables, if a program newer than this one has migrated them
  std::optional<int> older_schema;  ///< the version of the tables, if they were rolled back
  bool is_told_of_changes = false;  ///< apparently `on_change` hears of commits by others: frequent polls are not needed
};

/// The schedules that `due` found.
struct due_schedules {
  instant now{};                           ///< by the store's clock
  std::vector<schedule_record> schedules;  ///< active ones with `next_at` not after `now`, the oldest first
  std::optional<instant> next_at;          ///< the earliest `next_at` of the active ones that are not due
  std::optional<instant> next_job_at;      ///< when the first scheduled job is due; may have passed
};

/// The position of a due schedule, in the order of `due`, after which to continue.
struct due_position {
  instant next_at{};
  std::string id;
  due_position() = default;
  due_position(instant when, std::string which) : next_at(when), id(std::move(which)) {}
};

/// The engine's decision about the due instants of one schedule.
struct fire_order {
  std::string schedule;
  std::int64_t version = 1;                       ///< as read: a schedule that a user has changed since is skipped
  std::optional<instant> expected_next;           ///< as read: makes sure that only one node fires it
  std::vector<instant> planned;                   ///< the instants to fire, oldest first; may be empty (all missed, policy `skip`)
  std::vector<job_id> ids;                        ///< one for each planned instant
  std::optional<instant> next_at;                 ///< the new one
  schedule_state state = schedule_state::active;  ///< `completed` after the only instant of a one-time schedule
  std::optional<std::string> missed;              ///< why `expected_next`, and perhaps later instants, are not fired; none: they are
  fire_order() = default;
};

/// A planned instant that no node has acted on so far, and why.
struct missed_instant {
  std::string schedule;
  instant planned_at{};
  std::string reason;
  missed_instant() = default;
  missed_instant(std::string which, instant when, std::string why) : schedule(std::move(which)), planned_at(when), reason(std::move(why)) {}
};

/// A corrected next instant of a schedule.
struct next_correction {
  std::string schedule;
  std::int64_t version = 1;  ///< as read
  instant from{};            ///< as read
  std::optional<instant> to;
  next_correction() = default;
};

/// The outcome of a fire order.
struct fired {
  std::string schedule;
  bool accepted = false;  ///< false: another node was first, or the schedule was changed; nothing was written
  std::vector<fire_record> fires;
  /// Why the database refuses the jobs permanently. If the order was accepted, the first instant is recorded as missed, with this reason.
  std::optional<std::string> refused;
};

/// A lapsed lease, and the new states of its open jobs; the ids ascend.
struct recovery {
  std::string node;
  std::int64_t epoch = 0;        ///< the one that lapsed
  std::vector<job_id> requeued;  ///< they run again, at once or after a pause
  std::vector<job_id> dead;
  std::vector<job_id> cancelled;
};

/// A job and its state, for users. The members after `attempts` describe its last attempt, running or ended. A running attempt has a node
/// and a start (when it was claimed), but no end yet. An attempt that only notes that the job was cancelled has no start.
struct job_view {
  job_record job;
  job_state state = job_state::ready;
  int attempts = 0;  ///< how often it was tried, including the running attempt
  std::optional<instant> started_at;
  std::optional<instant> finished_at;
  std::optional<std::string> node;
  std::optional<std::string> error;
  std::optional<std::string> output;
};

namespace detail {

/// The number of a job's attempts that were tries: the last one is none where it only notes that the job was cancelled.
inline int tries(int last_number, std::optional<instant> const& last_started) { return last_started ? last_number : last_number - 1; }

}  // namespace detail

/// Selects jobs: all given conditions hold. The newest first.
struct job_filter {
  std::optional<job_state> state;
  std::optional<std::string> type;
  std::optional<std::string> schedule;
  std::optional<job_id> before;  ///< ids below this: for keyset pagination
  std::size_t limit = 100;
  job_filter() = default;
};

/// Selects schedules: all given conditions hold. Ordered by id.
struct schedule_filter {
  std::optional<schedule_state> state;
  std::optional<std::string> owner;
  std::optional<std::string> id_prefix;
  std::optional<std::string> after;  ///< ids above this: for keyset pagination
  bool hide_completed = false;
  std::size_t limit = 1000;
  schedule_filter() = default;
};

/// Names the schedules that the nodes of one kind declare: of one origin (config or code), under one name.
struct schedule_set {
  visor::origin origin = visor::origin::config;
  std::string name = default_set;
  schedule_set() = default;
  schedule_set(visor::origin from, std::string called = default_set) : origin(from), name(std::move(called)) {}
  friend auto operator<=>(schedule_set const&, schedule_set const&) = default;
};

/// One set as a node declares it.
struct set_declaration {
  schedule_set set;
  std::string digest;  ///< of the manifest
  int parts = 0;       ///< that the manifest has
  set_declaration() = default;
  set_declaration(schedule_set of, std::string of_manifest, int count) : set(std::move(of)), digest(std::move(of_manifest)), parts(count) {}
};

/// A stored schedule in short: its identity, its versions and its digest.
struct schedule_digest {
  std::string id;
  std::optional<std::string> set_name;
  std::optional<std::string> digest;  ///< of the definition; none: the schedule is older than this column
  std::int64_t version = 1;
  std::optional<instant> retired_at;
  friend bool operator==(schedule_digest const&, schedule_digest const&) = default;
};
BOOST_DESCRIBE_STRUCT(schedule_digest, (), (id, set_name, digest, version, retired_at))

BOOST_DEFINE_ENUM_CLASS(schedule_step, add, change, bring_back, retire)

/// One step towards the declared state.
struct schedule_change {
  schedule_step what = schedule_step::add;
  schedule_record given;     ///< of `retire` only the id
  std::int64_t version = 0;  ///< as read; ignored by `add`
  schedule_change() = default;
  schedule_change(schedule_step kind, schedule_record record, std::int64_t read = 0)
      : what(kind), given(std::move(record)), version(read) {}
};

/// The result of such a step.
///
/// - `done`: it happened.
/// - `unchanged`: there was nothing to do.
/// - `passed_over`: another session changed the schedule in the meantime.
/// - `taken`: the id belongs to a schedule of another origin or set.
/// - `refused`: the database refuses it permanently; `take_steps` reports this for a change that was alone.
BOOST_DEFINE_ENUM_CLASS(change_result, done, unchanged, passed_over, taken, refused)

/// The result of `cancel_job`: the job will not run; its node was asked to stop it; it had already ended; there is no such job.
BOOST_DEFINE_ENUM_CLASS(cancel_result, cancelled, requested, finished, not_found)

/// The storage interface, in domain terms: all that the engine knows of a database.
///
/// Every operation is one transaction: it happens whole or not at all, and concurrent operations behave as if in some order. All throw
/// `visor::error`. `connection_lost` means that nothing was written, `outcome_unknown` that this is not known. All may be called from any
/// thread and complete on the caller's executor. Cancelling one (terminal) abandons the wait; a request that was sent may still take
/// effect. References passed in must live until completion. Decisions about time use the store's clock. That is the database's clock, or,
/// where the database is a file or memory, the clock that the store was made with. An error code in an entry below is the one that the
/// operation fails with in that case.
///
/// - `open()`: connects and makes the schema as the settings say; repeatable.
/// - `close()`: waits for running operations and disconnects. Later calls fail with `closed`, as do those before `open()`. A store can be
///   opened again. The owner of a store closes it; engines that share it do not.
/// - `now()`: the store's clock.
/// - `on_change(f)`: calls `f`, from any thread and without a lock, after every commit that may give some node work: jobs added or put
///   back, schedules changed, a cancellation requested. Commits of this process are reported at once. Commits of other processes are
///   reported as soon as the driver can tell, which may be never. `f` should only post. Any number of listeners; each is removed with its
///   `subscription`. Not a coroutine; also allowed before `open()`.
/// - `claim_node(holder)`, which a store may lack: claims the right to be its only node, by a lock that ends with the process. A node asks
///   for the claim before it joins as exclusive, and keeps it until it has left. While the claim is held, every other node of the store is
///   known to be gone. `holder` names the owner of the claim to others.
/// - `join(request)`: enters a node as online under the next epoch (1 for the first names) and returns its lease. Jobs that an earlier
///   epoch of the same name still held are recovered as by `recover`. Fails with `lease_held` when the request or a live other node is
///   exclusive; the message names that node. A node is live while its lease is current. Fails with `conflict` when the stored epoch is not
///   the one that the request knows. Fails with `restored` when the store knows less of the process than was confirmed to it: the next
///   epoch is not greater than `last_epoch`, or the node has this address and neither of the two tokens. An exclusive node whose lease ran
///   out is recovered as by `recover` when another one takes its place. If the process comes back under the same address, it has survived
///   its epochs. The limits of its job types apply from now on. Where the request says what it `keeps`, those leases stay with the node,
///   under the epoch that they have. None of the jobs of its other leases runs: they are put back as by a release without delay. The call
///   is then `lease_lost` unless the node is live under the same address. A claim under an earlier epoch that is still on its way no longer
///   takes effect.
/// - `renew(lease, renewal)`: extends the lease to now + ttl, sets the state and the token, and returns the new lease. It waits for no lock
///   but that of the node's own row. Fails with `restored` if the stored epoch is smaller. The same holds if the epoch is equal, the node
///   is not offline, and the stored token is neither of the two, even where the lease has run out. Otherwise fails with `lease_lost` unless
///   the lease is current.
/// - `leave(lease, how)`: marks the node offline and ends its lease. The jobs that it still holds are put back as by a release without
///   delay. If it owes results, they are lost as by `recover` instead; such a loss is never fatal. Does nothing when the epoch is another,
///   or the node is already offline.
/// - `recover(evict)`: handles every node, not offline, whose lease ran out, and leases of old epochs. Each open job gets an attempt `lost`
///   (started when claimed, ended now, error `lease_ran_out`). The job counts it in `uncounted` and goes back: at once after the first
///   consecutive loss, else after `loss_delay`. It becomes dead where `classify_loss` says so, and ends as cancelled where cancellation was
///   requested. A loss is fatal unless its node's process survived that epoch. The node goes offline and its epoch grows. `evict`, a lease
///   as read from `nodes()`, is treated as run out if its epoch is still the same. A lease that was renewed while the clock was ahead can
///   end later than any valid lease may; it then ends in five minutes. One entry for each lapsed node, by name, also when it held nothing.
/// - `nodes()`: all nodes, by name.
/// - `request_state(node, state)`: sets the requested state of a node, until the node joins with another address; none withdraws the
/// request.
///   `not_found`.
/// - `remove_node(node)`: deletes a node. False if there is none; `conflict` if it is not offline. New names start above its epoch, so that
///   a node that returns under this name gets no epoch that it had before.
/// - `reserve_ids(n)`: n ids that no other caller gets; n from 1 to 1,000,000. In a database that several processes share, this waits for
///   no transaction of others, however long that is open.
/// - `enqueue(jobs)`: adds them all: ready, or scheduled when `run_at` is later than now. A job whose id exists (also earlier in `jobs`) is
///   left alone. Returns how many were added.
/// - `exchange(lease, done, back, wanted)`: writes results, puts jobs back, and claims others. Results come first, in order. One is
///   accepted if its job is open with that attempt in a lease row of this node. The row is of this epoch, or kept from an earlier one,
///   whether or not its time ran out. A repetition of an accepted attempt of that lease is accepted and changes nothing; a lost attempt was
///   not accepted. The attempt is inserted, with the epoch of the lease. Then the job is retried, goes back to ready if the outcome is
///   `released` (which its `uncounted` counts), or ends. If it completed, its children are added as by `enqueue`. A job that is to be
///   retried although cancellation was requested ends as cancelled. Released jobs follow, by the same rules. Such a job keeps
///   its attempt number and goes back to ready, or to scheduled if there is a delay. Where cancellation was requested, it ends as
///   cancelled. A lease with no open job left is deleted. Claims are last, and only if the node's lease is current. Each request takes up
///   to `limit` jobs from the head of the queue by (priority, run_at, id), under a lease of its own. No other node has taken any of them.
///   From a limited queue and those of its keys, one after the other, a claim takes no more than the limits of the type allow. These limits
///   hold over all claims of all nodes. All claims together bring no more payload than `claim_budget` says; jobs beyond it can be claimed
///   at once (`next_in` is 0). Where a request or a return says `dead_with`, its jobs end as dead, with an attempt that says why.
/// - `limits()`: all job types that have lanes of their own, by name. These are the types that have or had limits, and those of which a
///   release moved a job to its lane.
/// - `node_types()`: the job types that nodes run, by node and type, as declared when the nodes joined (`limits` of the request). Nodes
///   that are offline are included until they are removed.
/// - `promote(limit)`: moves up to `limit` due scheduled jobs to ready, the oldest `run_at` first; they keep it. `next_at` may be due when
///   there were more.
/// - `pending_work()`: the pending work, at the lowest possible cost.
/// - `due(limit, after)`: active schedules that are due, from the beginning or after a position. The position keeps schedules that a node
///   cannot act on from hiding others.
/// - `fire(lease, orders)`: acts on each order if the schedule is active, its version and `next_at` are as the order says, and the lease is
///   current. It writes a fire record and (as the overlap policy says, see below) a job for each planned instant, and the new `next_at` and
///   state. `last_at` and `last_job` follow, `run_count` grows with each job. The job is made from the schedule as stored, with `run_at` =
///   the planned instant. An instant that already has a fire record gets nothing, unless that record says `missed`: then it is replaced.
///   Where the order says that instants are `missed`, `expected_next` gets a record that says so, if it has none. `invalid_argument` when
///   there is not one id for each instant.
/// - `note_missed(lease, instants)`: writes a fire record `missed` for each instant that has none, if the lease is current. A schedule that
///   no node can compute stays due, and a node that can compute it still fires it. Returns the number of records written.
/// - `acted_on(schedule, after, limit)`: the first planned instants after another that were fired or skipped, ascending.
/// - `correct_next(corrections)`: gives each schedule its other next instant, if it is active, and its version and `next_at` are as read.
///   Returns for each whether it was.
/// - `put_manifest(digest, first, parts)`: stores parts of a manifest, numbered from `first` on; existing parts stay.
/// - `declare(lease, sets)`: from now on the node declares these sets, and no others, until its lease ends: by `leave`, by `recover`, by
///   `remove_node`. A node that joins again under its name keeps its declarations until it replaces them. Returns false, and nothing is
///   done, when a manifest does not have all its parts. Of each set, the four manifests that were declared last are kept, and all that are
///   declared now. `lease_lost` unless the lease is current.
/// - `declared(set)`: the digests of the manifests that nodes declare, ascending, each once. `declarations()`: which node declares what, by
///   node, origin and set. `manifests(set)`: those that are kept, the last declared one first. `manifest_parts(digest)`: in order; empty
///   unless all are there.
/// - `schedule_digests(origin)`: all schedules of an origin, by id, in short; the retired ones too.
/// - `change_schedules(set, basis, changes)`: takes steps towards the declared state, if `declared(set)` is what `basis` says. Otherwise it
///   takes none and returns nothing, since the decision behind the steps no longer holds. `add` works as `add_schedule`, in the set. A
///   retired schedule comes back instead; one that the set already has is passed over. `change`, `bring_back` and `retire` happen if the
///   version is as read. A changed schedule keeps counters and state and takes the given `next_at`; one that was completed also takes the
///   given state. A retired schedule has no next instant, and no lookup finds it; when it comes back, it has its state and its counters
///   again. Where the definition is the stored one, `change` does nothing. The version grows with each step.
/// - `add_schedules(records)`: as `add_schedule` for each, all or none of them.
/// - `add_schedule(record)`: writes it as given, with version 1, the digest of its definition, `updated_at` now, and `created_at` now where
///   it is not set (the epoch). `already_exists` if the id is taken; the id of a retired schedule is free.
/// - `update_schedule(record)`: writes all but id, origin, `created_at`, counters, `last_at` and `last_job` if the stored version is
///   `record.version`, and adds one to it. `updated_at` is now. Returns the new record. A failed schedule that becomes active starts with a
///   `failure_count` of 0. `conflict` if the version is another, `not_found`.
/// - `remove_schedule(id)`: true if it existed. Its fires and jobs stay.
/// - `find_schedule(id)`, `schedules(filter)`: reads.
/// - `fires(schedule, limit)`: the newest fires of a schedule, newest first.
/// - `find_job(id)`, `jobs(filter)`, `attempts(id)`: reads; attempts by number.
/// - `cancel_job(id)`: ends a job that is not running as cancelled (an attempt with the next number, outcome cancelled, and nothing else
///   but its end), or asks the node that runs it to stop.
/// - `cancel_requests()`: ids of running jobs whose cancellation was requested, ascending.
/// - `retry_job(id)`: puts a job that ended back to ready, `run_at` now, for one more attempt, whatever `max_attempts` says; its last
///   attempt loses its `final_state`. `conflict` when it has not ended, `not_found`.
///
/// *A row that the database refuses permanently* (a CHECK, a trigger, a character that its encoding lacks, a length) does not keep
/// `exchange`, `fire`, `promote`, `recover`, `join`, `leave` and `cancel_job` from writing the others: see `visor/store/bisection.hpp` and
/// `visor/store/row_refusals.hpp`. A result loses a part only where the rest is accepted, and the reply says which. A job that cannot be
/// moved becomes dead, with the reason. One that cannot even become dead stays where it is, and claims pass over it. A lease that cannot be
/// removed stays without open jobs. The results name each of these. `promote` may return after some of them, with a `next_at` that is due.
/// `enqueue` and the other operations that users call are not split.
///
/// All text that is to be stored must be UTF-8 without NUL. Otherwise the call fails with `invalid_argument`, which names the object and
/// the field, and nothing is done (`visor/store/check_text.hpp`). Ids and names are compared byte by byte.
///
/// *Back to ready* means with the job's own `run_at`, so that it has its old position. A retry or delay means at now + that, ready if that
/// is not later than now.
///
/// *When a job ends*, jobs waiting behind it become ready (or scheduled, by their `run_at`), and its cancel request is deleted. Its
/// schedule, if it still exists, follows. Completed sets `failure_count` to 0. Failed and dead (also by `recover`) add one, set
/// `last_error`, and make an active schedule failed when `max_failures` is reached. Cancelled changes nothing. Attempts that are retried do
/// not count.
///
/// *Overlap* applies while the schedule's `last_job` has not ended.
///
/// - `allow`: the new job is added beside it.
/// - `skip`: a fire record `skipped` and no job.
/// - `queue`: the new job waits behind it; if that job is itself waiting, the fire is skipped.
/// - `cancel`: a running job is asked to stop, and the new job waits behind it. A waiting job ends as cancelled, and the new job waits for
///   its blocker. Any other job ends as cancelled, and the new job is added.
template <class S>
concept store = requires(S s, node_lease const& lease, std::string const& id, schedule_set const& set) {
  { s.open() } -> std::same_as<task<>>;
  { s.close() } -> std::same_as<task<>>;
  { s.now() } -> std::same_as<task<instant>>;
  { s.on_change(std::function<void()>{}) } -> std::same_as<subscription>;
  { s.join(join_request{}) } -> std::same_as<task<node_lease>>;
  { s.renew(lease, renewal{}) } -> std::same_as<task<node_lease>>;
  { s.leave(lease, departure::clean) } -> std::same_as<task<>>;
  { s.recover(std::optional<node_lease>{}) } -> std::same_as<task<std::vector<recovery>>>;
  { s.request_state(id, std::optional<requested_state>{}) } -> std::same_as<task<>>;
  { s.remove_node(id) } -> std::same_as<task<bool>>;
  { s.nodes() } -> std::same_as<task<std::vector<node_record>>>;
  { s.limits() } -> std::same_as<task<std::vector<type_limit_record>>>;
  { s.node_types() } -> std::same_as<task<std::vector<node_type_record>>>;
  { s.reserve_ids(std::size_t{1}) } -> std::same_as<task<reserved_ids>>;
  { s.enqueue(std::span<new_job const>{}) } -> std::same_as<task<std::size_t>>;
  {
    s.exchange(lease, std::span<job_result const>{}, std::span<release const>{}, std::span<claim_request const>{})
  } -> std::same_as<task<exchange_result>>;
  { s.promote(std::size_t{1}) } -> std::same_as<task<promotion>>;
  { s.pending_work() } -> std::same_as<task<pending_work>>;
  { s.due(std::size_t{1}, std::optional<due_position>{}) } -> std::same_as<task<due_schedules>>;
  { s.fire(lease, std::span<fire_order const>{}) } -> std::same_as<task<std::vector<fired>>>;
  { s.note_missed(lease, std::span<missed_instant const>{}) } -> std::same_as<task<std::size_t>>;
  { s.acted_on(id, instant{}, std::size_t{1}) } -> std::same_as<task<std::vector<instant>>>;
  { s.correct_next(std::span<next_correction const>{}) } -> std::same_as<task<std::vector<bool>>>;
  { s.put_manifest(id, 0, std::span<std::string const>{}) } -> std::same_as<task<>>;
  { s.declare(lease, std::span<set_declaration const>{}) } -> std::same_as<task<bool>>;
  { s.declared(set) } -> std::same_as<task<std::vector<std::string>>>;
  { s.declarations() } -> std::same_as<task<std::vector<declaration_record>>>;
  { s.manifests(set) } -> std::same_as<task<std::vector<std::string>>>;
  { s.manifest_parts(id) } -> std::same_as<task<std::vector<std::string>>>;
  { s.schedule_digests(origin::config) } -> std::same_as<task<std::vector<schedule_digest>>>;
  {
    s.change_schedules(set, std::span<std::string const>{}, std::span<schedule_change const>{})
  } -> std::same_as<task<std::optional<std::vector<change_result>>>>;
  { s.add_schedules(std::span<schedule_record const>{}) } -> std::same_as<task<>>;
  { s.add_schedule(schedule_record{}) } -> std::same_as<task<>>;
  { s.update_schedule(schedule_record{}) } -> std::same_as<task<schedule_record>>;
  { s.remove_schedule(id) } -> std::same_as<task<bool>>;
  { s.find_schedule(id) } -> std::same_as<task<std::optional<schedule_record>>>;
  { s.schedules(schedule_filter{}) } -> std::same_as<task<std::vector<schedule_record>>>;
  { s.fires(id, std::size_t{1}) } -> std::same_as<task<std::vector<fire_record>>>;
  { s.find_job(job_id{}) } -> std::same_as<task<std::optional<job_view>>>;
  { s.jobs(job_filter{}) } -> std::same_as<task<std::vector<job_view>>>;
  { s.attempts(job_id{}) } -> std::same_as<task<std::vector<attempt_record>>>;
  { s.cancel_job(job_id{}) } -> std::same_as<task<cancel_result>>;
  { s.cancel_requests() } -> std::same_as<task<std::vector<job_id>>>;
  { s.retry_job(job_id{}) } -> std::same_as<task<>>;
};

}  // namespace visor

#endif
