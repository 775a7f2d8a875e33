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

/// A node as it presents itself.
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
  std::int64_t last_token = 0;            ///< of the last heartbeat that the process had confirmed, 0 for none
  std::int64_t last_epoch = 0;            ///< the greatest that the process had, 0 for none
  /// The epoch of the node as it was read, 0 where there was none of that name. Whoever gives up a call cannot know that it will not happen
  /// after the next one: then the epoch is another, and it is refused.
  std::optional<std::int64_t> known_epoch;
  /// The leases that a node goes on with which has not lost its own, but does not know all that it claimed. None: it begins anew.
  std::optional<std::vector<lease_id>> keeps;
  join_request() = default;
};
BOOST_DESCRIBE_STRUCT(join_request, (),
                      (node, address, slots, version, ttl, exclusive, queues, capabilities, resources, known_epoch, token))

/// A node's own lease: proof for every write. It is current while the node is not offline, the stored epoch is this one and the
/// store's clock is before `until`. It has run out from `until` on. The lease of an exclusive node has no end of its own: it is current
/// until another process takes the node's place, which waits for `until`.
struct node_lease {
  std::string node;
  std::int64_t epoch = 0;
  instant until{};
  std::int64_t generation = 0;  ///< of the store: grows with each restored backup of which visor was told
  node_lease() = default;
  node_lease(std::string name, std::int64_t number, instant end) : node(std::move(name)), epoch(number), until(end) {}
  friend bool operator==(node_lease const&, node_lease const&) = default;
};

/// A heartbeat. Its random token replaces that of the heartbeat before. A row that holds neither was not written by this node: the
/// database is an older state of itself.
struct renewal {
  duration ttl{};
  node_state state = node_state::online;  ///< online or draining
  std::int64_t token = 0;                 ///< the new one, the same again when a heartbeat is repeated because its outcome is unknown
  std::int64_t last_token = 0;            ///< of the last heartbeat that is known to have happened, or of the join
  renewal() = default;
};
BOOST_DESCRIBE_STRUCT(renewal, (), (ttl, state, token, last_token))

/// How a node leaves.
enum class departure {
  clean,          ///< nothing has run that is not reported: what it holds was not begun, or is given back
  owing_results,  ///< jobs have run of which nobody knows how they ended
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

/// How an attempt ended, and what becomes of its job.
struct completion {
  lease_id lease = 0;
  job_id job = 0;
  int attempt = 1;
  instant started_at{};
  instant finished_at{};
  visor::outcome outcome = visor::outcome::completed;
  /// Try again after this, by the store's clock; none: the job ends as `state`. If the outcome is `released` the job has its old place
  /// again.
  std::optional<duration> retry_after;
  job_state state = job_state::completed;  ///< completed, failed, cancelled or dead
  std::optional<std::string> error;
  std::optional<std::string> output;
  std::optional<std::string> schedule;          ///< as claimed
  std::vector<new_job> children;                ///< added with it, if the outcome is completed
  std::shared_ptr<completion const> otherwise;  ///< written instead where the database refuses the children for good
  completion() = default;
};
BOOST_DESCRIBE_STRUCT(completion, (), (lease, job, attempt, started_at, finished_at, outcome, retry_after, state, error, output, schedule))

/// Jobs that come back unrun: their attempts are not used up.
struct give_back {
  lease_id lease = 0;
  job_id job = 0;
  duration delay{};                      ///< ready again after this
  std::optional<std::string> queue;      ///< where it shall wait from now on; none: where it waited
  std::optional<std::string> dead_with;  ///< it does not come back: it is dead, for this reason
  give_back() = default;
  give_back(lease_id from, job_id which, duration after = {}, std::optional<std::string> to = std::nullopt)
      : lease(from), job(which), delay(after), queue(std::move(to)) {}
};

/// A wish for work. Of a queue whose jobs have limits (`queue_name.hpp`), without a key: for that and all of its keys.
struct claim_request {
  std::string queue = "default";
  std::size_t limit = 1;
  std::string after;                     ///< of a limited queue: begin behind this one, which had its turn; empty: at the beginning
  std::optional<std::string> dead_with;  ///< the jobs are not claimed: they are dead, for this reason
  claim_request() = default;
  claim_request(std::string name, std::size_t most, std::string had_its_turn = {})
      : queue(std::move(name)), limit(most), after(std::move(had_its_turn)) {}
};

/// A job as its node gets it.
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
  std::optional<int> uncounted;  ///< how many attempts before this one do not count for `max_attempts`
  claimed_job() = default;
};
BOOST_DESCRIBE_STRUCT(claimed_job, (),
                      (id, attempt, type, queue, priority, payload, max_attempts, schedule, planned_at, run_at, created_at, uncounted))

/// What one request for work brought, in claim order, under one lease.
struct claim {
  std::string queue;  ///< as in the request
  lease_id lease = 0;
  instant taken_at{};
  std::vector<claimed_job> jobs;
};

/// What a person should know of a job that the database did not take as it was.
struct remark {
  job_id job = 0;  ///< 0: of none in particular
  std::string text;
};

/// What one exchange did.
struct exchange_result {
  bool lease_current = true;        ///< false: this node's lease is lost; nothing was claimed
  std::vector<job_id> refused;      ///< completions and returns whose lease was gone: nothing was written for them
  std::vector<claim> claims;        ///< only non-empty ones
  std::vector<remark> remarks;      ///< what was written otherwise than it was given, since the database refuses that for good
  std::vector<remark> unwritten;    ///< completions and returns of which it refuses every form, and why: they are as they were
  std::optional<duration> next_in;  ///< not all was looked at, or a rate keeps jobs from starting: after this there may be some
};

/// What `promote` did.
struct promotion {
  std::size_t moved = 0;
  std::optional<instant> next_at;  ///< when the next scheduled job is due
};

/// What a node that has nothing to do looks at: little, so that it can look often.
struct outlook {
  bool ready = false;               ///< some queue may hold a job
  std::optional<instant> next_at;   ///< when the first active schedule or scheduled job is due; may have passed
  std::size_t lanes = 0;            ///< how many job types have lanes of their own: a node that runs one of them looks there too
  std::optional<int> newer_schema;  ///< the version of the tables, if a newer program than this one has migrated them
  bool is_told_of_changes = false;  ///< as it seems, `on_change` hears of what others commit: there is no need to look often
};

/// What `due` found.
struct due_schedules {
  instant now{};                           ///< by the store's clock
  std::vector<schedule_record> schedules;  ///< active ones with `next_at` not after `now`, the oldest first
  std::optional<instant> next_at;          ///< the earliest `next_at` of the active ones that are not due
  std::optional<instant> next_job_at;      ///< when the first scheduled job is due; may have passed
};

/// Behind which due schedule to go on: in the order of `due`.
struct due_place {
  instant next_at{};
  std::string id;
  due_place() = default;
  due_place(instant when, std::string which) : next_at(when), id(std::move(which)) {}
};

/// One schedule's due instants, as the engine decided them.
struct fire_order {
  std::string schedule;
  std::int64_t version = 1;                       ///< as read: a schedule that a user changed since is left alone
  std::optional<instant> expected_next;           ///< as read: only one node gets past this
  std::vector<instant> planned;                   ///< what to fire, oldest first; may be empty (all missed, policy `skip`)
  std::vector<job_id> ids;                        ///< one for each planned instant
  std::optional<instant> next_at;                 ///< the new one
  schedule_state state = schedule_state::active;  ///< `completed` after the only instant of a one-time schedule
  std::optional<std::string> missed;              ///< why `expected_next`, and perhaps instants behind it, are not fired; none: they are
  fire_order() = default;
};

/// A planned instant that nobody has acted on so far, and why.
struct missed_instant {
  std::string schedule;
  instant planned_at{};
  std::string reason;
  missed_instant() = default;
  missed_instant(std::string which, instant when, std::string why) : schedule(std::move(which)), planned_at(when), reason(std::move(why)) {}
};

/// Another next instant for a schedule.
struct next_correction {
  std::string schedule;
  std::int64_t version = 1;  ///< as read
  instant from{};            ///< as read
  std::optional<instant> to;
  next_correction() = default;
};

/// What became of a fire order.
struct fired {
  std::string schedule;
  bool accepted = false;  ///< false: another node was first, or the schedule was changed; nothing was written
  std::vector<fire_record> fires;
  /// Why the database refuses the jobs for good. If the order was accepted, the first instant is on record as missed, with this.
  std::optional<std::string> refused;
};

/// A lapsed lease and what became of its open jobs; the ids ascend.
struct recovery {
  std::string node;
  std::int64_t epoch = 0;        ///< the one that lapsed
  std::vector<job_id> requeued;  ///< they run again, at once or after a pause
  std::vector<job_id> dead;
  std::vector<job_id> cancelled;
};

/// A job with where it is, for people. What follows `attempts` is of its last attempt, running or ended; a running one has a node
/// and a start (when it was claimed), but no end yet; one that only notes that the job was cancelled has no start.
struct job_view {
  job_record job;
  job_state state = job_state::ready;
  int attempts = 0;  ///< how often it was tried, the running try included
  std::optional<instant> started_at;
  std::optional<instant> finished_at;
  std::optional<std::string> node;
  std::optional<std::string> error;
  std::optional<std::string> output;
};

namespace detail {

/// How many of a job's attempts were tries: not the last one, where it only notes that the job was cancelled.
inline int tries(int last_number, std::optional<instant> const& last_started) { return last_started ? last_number : last_number - 1; }

}  // namespace detail

/// Which jobs to list: all given conditions hold. The newest first.
struct job_filter {
  std::optional<job_state> state;
  std::optional<std::string> type;
  std::optional<std::string> schedule;
  std::optional<job_id> before;  ///< ids below this: for paging
  std::size_t limit = 100;
  job_filter() = default;
};

/// Which schedules to list: all given conditions hold. By id.
struct schedule_filter {
  std::optional<schedule_state> state;
  std::optional<std::string> owner;
  std::optional<std::string> id_prefix;
  std::optional<std::string> after;  ///< ids above this: for paging
  bool hide_completed = false;
  std::size_t limit = 1000;
  schedule_filter() = default;
};

/// The schedules that the nodes of one kind declare: of one origin (config or code), under one name.
struct schedule_set {
  visor::origin origin = visor::origin::config;
  std::string name = default_set;
  schedule_set() = default;
  schedule_set(visor::origin from, std::string called = default_set) : origin(from), name(std::move(called)) {}
  friend auto operator<=>(schedule_set const&, schedule_set const&) = default;
};

/// What a node declares of a set.
struct set_declaration {
  schedule_set set;
  std::string digest;  ///< of the manifest
  int parts = 0;       ///< that the manifest has
  set_declaration() = default;
  set_declaration(schedule_set of, std::string of_manifest, int count) : set(std::move(of)), digest(std::move(of_manifest)), parts(count) {}
};

/// A stored schedule, in short.
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

/// One step towards what is declared.
struct schedule_change {
  schedule_step what = schedule_step::add;
  schedule_record given;     ///< of `retire` the id alone
  std::int64_t version = 0;  ///< as read; ignored by `add`
  schedule_change() = default;
  schedule_change(schedule_step kind, schedule_record record, std::int64_t read = 0)
      : what(kind), given(std::move(record)), version(read) {}
};

/// What became of such a step: done; there was nothing to do; somebody else changed the schedule meanwhile; the id belongs to a schedule of
/// another origin or set; the database refuses it for good, which is what `take_steps` says of a change that was alone.
BOOST_DEFINE_ENUM_CLASS(change_result, done, unchanged, passed_over, taken, refused)

/// What `cancel_job` did: the job will not run; its node was asked to stop it; it had already ended; there is no such job.
BOOST_DEFINE_ENUM_CLASS(cancel_result, cancelled, requested, finished, not_found)

/// What is kept, in domain words: all that the engine knows of a database.
///
/// Every operation is one transaction: it happens whole or not at all, and concurrent ones behave as if in some order. All throw
/// `visor::error`; `connection_lost` means that nothing was written, `outcome_unknown` that nobody knows. All may be called from
/// any thread and complete on the caller's executor. Cancelling one (terminal) abandons the wait; what was sent may still happen.
/// References passed in must live until completion. Decisions about time use the store's clock: the database's, or the one that
/// the store was made with where the database is a file or memory.
///
/// - `open()`: connects and makes the schema as the settings say; repeatable.
/// - `close()`: waits for what runs and disconnects; later calls fail with `closed`, as do those before `open()`. A store can be
///   opened again. Whoever made a store closes it: engines that share one do not.
/// - `now()`: the store's clock.
/// - `on_change(f)`: `f` is called, from any thread and without a lock, after every commit that may give some node something to do
///   (work added or put back, schedules changed, cancelling asked for): in this process at once, by others as soon as the driver
///   can tell (which may be never). It should only post. Any number of listeners; each is removed with its `subscription`. Not a
///   coroutine; also before `open()`.
/// - `claim_node(holder)`, which a store may lack: claims the right to be its only node, by a lock that ends with the process; asked for
///   before an exclusive node joins, and kept until it has left. While the claim is held, every other node of the store is known to be
///   gone. `holder` is what others are told of the one that has it.
/// - `join(request)`: enters a node as online under the next epoch (1 for the first names) and returns its lease. What an
///   earlier epoch of the same name still held is recovered as by `recover`. `lease_held` when the request or a live other node is
///   exclusive; the message names that node. Live is a node whose lease is current. `conflict` when the stored epoch is not the one
///   that the request knows. `restored` when the store knows less of the process than was confirmed to it: the next epoch is not greater
///   than `last_epoch`, or the node has this address and neither of the two tokens. An exclusive node whose lease ran out is recovered as
///   by `recover` when another one takes its place; if the process comes back under the same address, it has survived its epochs. The
///   limits of its job types are those from now on. Where the request says what it `keeps`, those leases stay the node's, under the epoch
///   that they have, and of the others it held none runs: their jobs are put back as by a give_back without delay. Then it is `lease_lost`
///   unless the node is live under the same address. A claim made under an epoch before, which may still be on its way, happens no more.
/// - `renew(lease, renewal)`: extends to now + ttl, sets the state and the token; returns the new lease. It waits for no lock but that of
///   the node's own row. `restored` if the stored epoch is smaller, or it is the same, the node is not offline, and the stored token is
///   neither of the two, also where the lease has run out; else `lease_lost` unless the lease is current.
/// - `leave(lease, how)`: marks the node offline and ends its lease. What it still holds is put back as by a give_back without delay, or,
///   if it owes results, is lost as by `recover`; such a loss is never fatal. Does nothing when the epoch is another, or the node offline,
///   already.
/// - `recover(evict)`: for every node, not offline, whose lease ran out, and for leases of old epochs: an attempt `lost` (started
///   when claimed, ended now, error `lease_ran_out`) for each open job. The job counts it in `uncounted` and goes back, at once after the
///   first loss in a row, else after `loss_delay`; it becomes dead where `judge_loss` says so, and where cancelling was asked for it ends
///   as cancelled. A loss is fatal unless its node's process survived that epoch. The node goes offline and its epoch grows. `evict`, a
///   lease as read from `nodes()`, is treated as run out if its epoch is still the same. A lease that ends later than any may, since the
///   clock was ahead when it was renewed, ends in five minutes from then on. One entry for each lapsed node, by name, also when it held
///   nothing.
/// - `nodes()`: all nodes, by name.
/// - `set_wish(node, wish)`: what is wanted of a node, until it joins with another address; none: nothing any more. `not_found`.
/// - `remove_node(node)`: forgets a node. False if there is none; `conflict` if it is not offline. New names begin behind its
///   epoch, so that its own, should it come back, has none that it had before.
/// - `reserve_ids(n)`: n ids that nobody else gets; n from 1 to 1,000,000. Those of a database that several processes share wait for no
///   transaction of others, however long that is open.
/// - `enqueue(jobs)`: adds them all: ready, or scheduled when `run_at` is later than now. A job whose id exists (also earlier in
///   `jobs`) is left alone. Returns how many were added.
/// - `exchange(lease, done, back, wanted)`: first the completions, in order: each is accepted if its job is open with that attempt
///   in a lease row of this node, of this epoch or kept from one before (whether or not its time ran out), or if that attempt of that
///   lease was accepted before (a repetition changes nothing); a lost one was not. The attempt is inserted, with the epoch of the lease,
///   and the job is retried, goes back to ready if the outcome is `released` (which its `uncounted` counts), or ends, and if it completed
///   its children are added as by `enqueue`; one that is to be retried though cancelling was asked for ends as cancelled. Then the returns,
///   likewise: such a job keeps its attempt number and goes back to ready, or to scheduled if there is a delay; where cancelling was asked
///   for it ends as cancelled. A lease with no open job left is deleted. Then, if the node's lease is current, the claims: up to `limit`
///   jobs from the front of the queue by (priority, run_at, id), none of them taken by anybody else, each wish under a lease of its own. Of
///   a limited queue and those of its keys, one after the other, no more than the limits of the type allow; these hold over all claims of
///   all nodes. All of them together bring no more payload than `claim_budget` says; what is left behind can be claimed at once (`next_in`
///   is 0). Where a wish or a return says `dead_with`, its jobs end as dead, with an attempt that says why.
/// - `limits()`: of all job types that have lanes of their own, by name: those that have or had limits, and those of which a job was moved
///   to its lane by a give_back.
/// - `node_types()`: the job types that nodes run, by node and type, as they said when they joined (`limits` of the request); also of nodes
///   that are offline, until they are removed.
/// - `promote(limit)`: moves up to `limit` due scheduled jobs to ready, the oldest `run_at` first; they keep it. `next_at` may be
///   due when there were more.
/// - `glance()`: what there is to do; it costs as little as a question can.
/// - `due(limit, after)`: active schedules that are due, from the beginning or behind a place: so that those with which a node can do
///   nothing hide no others.
/// - `fire(lease, orders)`: acts on each order if the schedule is active, its version and `next_at` are as the order says, and the lease
///   is current: a fire record and (as the overlap policy says, see below) a job for each planned instant, and the new
///   `next_at` and state; `last_at` and `last_job` follow, `run_count` grows with each job. The job is made from the schedule as
///   stored, with `run_at` = the planned instant. An instant that has a fire record already gets nothing, unless that one says `missed`:
///   then it is replaced. Where the order says that instants are `missed`, `expected_next` gets a record that says so, if it has none.
///   `invalid_argument` when there is not one id for each instant.
/// - `note_missed(lease, instants)`: a fire record `missed` for each that has none, if the lease is current: a schedule that no node can
///   compute stays due, and is fired all the same by one that can. Returns for how many.
/// - `acted_on(schedule, after, limit)`: the first planned instants after another that were fired or skipped, ascending.
/// - `correct_next(corrections)`: gives each schedule its other next instant, if it is active, and its version and `next_at` are as read.
///   Returns for each whether it was.
/// - `put_manifest(digest, first, parts)`: keeps parts of a manifest, from that number on; those that are there stay.
/// - `declare(lease, sets)`: from now on the node declares these sets, and no others, until its lease ends: by `leave`, by `recover`, by
///   `remove_node`. A node that joins again under its name keeps what it declared until it says otherwise. False, and nothing is done, when
///   a manifest does not have all its parts. Of each set the four manifests are kept that were declared last, and those that are declared.
///   `lease_lost` unless the lease is current.
/// - `declared(set)`: the digests of the manifests that nodes declare, ascending, each once. `declarations()`: which node declares what, by
///   node, origin and set. `manifests(set)`: those that are kept, the last declared one first. `manifest_parts(digest)`: in order; empty
///   unless all are there.
/// - `schedule_digests(origin)`: all schedules of an origin, by id, in short; the retired ones too.
/// - `change_schedules(set, basis, changes)`: takes steps towards what is declared, if `declared(set)` is what `basis` says; otherwise
///   none, and then it returns nothing: what was decided from that no longer holds. `add`: as `add_schedule`, in the set; one that was
///   retired comes back instead, one that the set has already is passed over. `change`, `bring_back` and `retire` happen if the version is
///   as read: a changed schedule keeps counters and state and takes the given `next_at`, one that was completed also takes the given state;
///   a retired one has no next instant and is found by nobody, and coming back it has its state and its counters again. Where the
///   definition is the stored one, `change` does nothing. The version grows with each.
/// - `add_schedules(records)`: as `add_schedule` for each, all or none of them.
/// - `add_schedule(record)`: writes it as given, with version 1, the digest of its definition, `updated_at` now, and `created_at` now where
/// it
///   is not set (the epoch). `already_exists` if the id is taken, which that of a retired schedule is not.
/// - `update_schedule(record)`: writes all but id, origin, `created_at`, counters, `last_at` and `last_job` if the stored version is
///   `record.version`, and adds one to it; `updated_at` is now; returns the new record. A failed schedule that becomes active starts
///   with a `failure_count` of 0. `conflict` if the version is another, `not_found`.
/// - `remove_schedule(id)`: true if it existed. Its fires and jobs stay.
/// - `find_schedule(id)`, `schedules(filter)`: reads.
/// - `fires(schedule, limit)`: the newest fires of a schedule, newest first.
/// - `find_job(id)`, `jobs(filter)`, `attempts(id)`: reads; attempts by number.
/// - `cancel_job(id)`: ends a job that is not running as cancelled (an attempt with the next number, outcome cancelled, and nothing
///   else but its end), or asks the node that runs it to stop.
/// - `cancel_requests()`: ids of running jobs that somebody wants stopped, ascending.
/// - `retry_job(id)`: puts a job that ended back to ready, `run_at` now, for one more attempt, whatever `max_attempts` says; its last
///   attempt loses its `final_state`. `conflict` when it has not ended, `not_found`.
///
/// *A row that the database refuses for good* (a CHECK, a trigger, a character that its encoding lacks, a length) keeps no other from being
/// written by `exchange`, `fire`, `promote`, `recover`, `join` and `leave`: see `visor/store/apart.hpp` and
/// `visor/store/row_refusals.hpp`. A result loses a part only where the rest is accepted, and says which. A job that cannot be moved is
/// dead, with the reason; one that cannot even be that stays where it is. The results name each of these. `enqueue` and what else users
/// call is not split.
///
/// All text that is to be stored must be UTF-8 without NUL: else `invalid_argument`, which names what and the field, and nothing is
/// done (`visor/store/check_text.hpp`).
/// Ids and names are compared byte by byte.
///
/// *Back to ready* means with the job's own `run_at`, so that it has its old place; a retry or delay means at now + that, ready if that
/// is not later than now.
///
/// *When a job ends*, jobs waiting behind it become ready (or scheduled, by their `run_at`), its cancel request goes, and its schedule,
/// if that still exists, follows: completed sets `failure_count` to 0; failed and dead (also by `recover`) add one, set `last_error`,
/// and make an active schedule failed when `max_failures` is reached; cancelled changes nothing. Attempts that are retried do not count.
///
/// *Overlap* looks at the schedule's `last_job`, if that has not ended. `allow`: the new job is added beside it. `skip`: a fire record
/// `skipped` and no job. `queue`: the new job waits behind it; if that one is itself waiting, skipped. `cancel`: if it runs, stopping it
/// is asked for and the new job waits behind it; if it is waiting, it ends as cancelled and the new job waits for what it waited for;
/// else it ends as cancelled and the new job is added.
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
  { s.set_wish(id, std::optional<node_wish>{}) } -> std::same_as<task<>>;
  { s.remove_node(id) } -> std::same_as<task<bool>>;
  { s.nodes() } -> std::same_as<task<std::vector<node_record>>>;
  { s.limits() } -> std::same_as<task<std::vector<type_limit_record>>>;
  { s.node_types() } -> std::same_as<task<std::vector<node_type_record>>>;
  { s.reserve_ids(std::size_t{1}) } -> std::same_as<task<reserved_ids>>;
  { s.enqueue(std::span<new_job const>{}) } -> std::same_as<task<std::size_t>>;
  {
    s.exchange(lease, std::span<completion const>{}, std::span<give_back const>{}, std::span<claim_request const>{})
  } -> std::same_as<task<exchange_result>>;
  { s.promote(std::size_t{1}) } -> std::same_as<task<promotion>>;
  { s.glance() } -> std::same_as<task<outlook>>;
  { s.due(std::size_t{1}, std::optional<due_place>{}) } -> std::same_as<task<due_schedules>>;
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
