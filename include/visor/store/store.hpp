#ifndef VISOR_STORE_STORE_HPP
#define VISOR_STORE_STORE_HPP

#include "visor/base/task.hpp"
#include "visor/store/records.hpp"

#include <concepts>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace visor {

/// A node as it presents itself.
struct join_request {
  std::string node;
  std::string address;
  int slots = 1;
  std::string version;
  duration ttl{std::chrono::seconds{60}};
  bool exclusive = false;  ///< refuse while any other node is live, and be refused by it
  join_request() = default;
};

/// A node's own lease: proof for every write. Lost when the stored epoch is another one, or `until` has passed.
struct node_lease {
  std::string node;
  std::int64_t epoch = 0;
  instant until{};
  node_lease() = default;
  node_lease(std::string name, std::int64_t number, instant end) : node(std::move(name)), epoch(number), until(end) {}
  friend bool operator==(node_lease const&, node_lease const&) = default;
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
  new_job() = default;
};

/// How an attempt ended, and what becomes of its job.
struct completion {
  lease_id lease = 0;
  job_id job = 0;
  int attempt = 1;
  instant started_at{};
  instant finished_at{};
  visor::outcome outcome = visor::outcome::completed;
  std::optional<duration> retry_after;  ///< try again after this, by the store's clock; none: the job ends as `state`
  job_state state = job_state::completed;  ///< completed, failed, cancelled or dead
  std::optional<std::string> error;
  std::optional<std::string> output;
  std::optional<std::string> schedule;  ///< as claimed
  completion() = default;
};

/// Jobs that come back unrun: their attempts are not used up.
struct give_back {
  lease_id lease = 0;
  job_id job = 0;
  duration delay{};  ///< ready again after this
  give_back() = default;
  give_back(lease_id from, job_id which, duration after = {}) : lease(from), job(which), delay(after) {}
};

/// A wish for work.
struct claim_request {
  std::string queue = "default";
  std::size_t limit = 1;
  claim_request() = default;
  claim_request(std::string name, std::size_t most) : queue(std::move(name)), limit(most) {}
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
  claimed_job() = default;
};
BOOST_DESCRIBE_STRUCT(claimed_job, (), (id, attempt, type, queue, priority, payload, max_attempts, schedule, planned_at, run_at, created_at))

/// What one request for work brought: jobs of one queue in claim order, under one lease.
struct claim {
  lease_id lease = 0;
  instant taken_at{};
  std::vector<claimed_job> jobs;
};

/// What one exchange did.
struct exchange_result {
  bool lease_current = true;  ///< false: this node's lease is lost; nothing was claimed
  std::vector<job_id> refused;  ///< completions and returns whose lease was gone: nothing was written for them
  std::vector<claim> claims;  ///< only non-empty ones
};

/// What `promote` did.
struct promotion {
  std::size_t moved = 0;
  std::optional<instant> next_at;  ///< when the next scheduled job is due
};

/// What `due` found.
struct due_schedules {
  instant now{};  ///< by the store's clock
  std::vector<schedule_record> schedules;  ///< active ones with `next_at` not after `now`, the oldest first
  std::optional<instant> next_at;  ///< the earliest `next_at` of the active ones that are not due
};

/// One schedule's due instants, as the engine decided them.
struct fire_order {
  std::string schedule;
  std::int64_t version = 1;  ///< as read: a schedule that a user changed since is left alone
  std::optional<instant> expected_next;  ///< as read: only one node gets past this
  std::vector<instant> planned;  ///< what to fire, oldest first; may be empty (all missed, policy `skip`)
  std::vector<job_id> ids;  ///< one for each planned instant
  std::optional<instant> next_at;  ///< the new one
  schedule_state state = schedule_state::active;  ///< `completed` after the only instant of a one-time schedule
  fire_order() = default;
};

/// What became of a fire order.
struct fired {
  std::string schedule;
  bool accepted = false;  ///< false: another node was first, or the schedule was changed; nothing was written
  std::vector<fire_record> fires;
};

/// A lapsed lease whose jobs were put back.
struct recovery {
  std::string node;
  std::int64_t epoch = 0;  ///< the one that lapsed
  std::vector<job_id> requeued;
  std::vector<job_id> dead;
};

/// A job with where it is, for people.
struct job_view {
  job_record job;
  job_state state = job_state::ready;
  int attempts = 0;  ///< ended or running ones
  std::optional<instant> started_at;  ///< of the last attempt
  std::optional<instant> finished_at;
  std::optional<std::string> node;
  std::optional<std::string> error;
  std::optional<std::string> output;
};

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
  bool hide_completed = false;
  std::size_t limit = 1000;
  schedule_filter() = default;
};

/// What `replace_schedules` did.
struct schedule_changes {
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t removed = 0;
  std::size_t unchanged = 0;
};

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
/// | operation | what it does |
/// |---|---|
/// | `open()` | connects and makes the schema as the settings say; repeatable. |
/// | `close()` | waits for what runs and disconnects; later calls fail with `closed`. |
/// | `now()` | the store's clock. |
/// | `on_change(f)` | `f` is called, from any thread, when work may have been added by anybody: in this process at once, by others as soon as the driver can tell (which may be never). One callback; an empty one removes it. Not a coroutine. |
/// | `join(request)` | enters a node as online under the next epoch (1 for a new name) and returns its lease. What an earlier epoch of the same name still held is recovered. `lease_held` when the request or a live other node is exclusive; the message names that node. |
/// | `renew(lease, ttl, state)` | extends to now + ttl and sets the state; returns the new lease. `lease_lost` when the epoch is another or the lease has run out. |
/// | `leave(lease)` | marks the node offline and recovers nothing: give back first. Leases still open are put back without using up an attempt. No error when the lease is lost already. |
/// | `recover(evict)` | for every node whose lease ran out, and for leases of old epochs: an attempt `lost` for each open job, which goes back to ready, or, its attempts used up, becomes dead, or, where cancelling was asked for, cancelled; the node goes offline and its epoch grows. `evict`, a lease as read from `nodes()`, is treated as run out if its epoch is still the same. |
/// | `nodes()` | all nodes, by name. |
/// | `reserve_ids(n)` | the first of n consecutive ids that nobody else gets; n from 1 to 1,000,000. |
/// | `enqueue(jobs)` | adds them all: ready, or scheduled when `run_at` is later than now. A job whose id exists is left alone. Returns how many were added. `invalid_argument` for text that is not UTF-8 or has NUL (naming job and field): then none is added. |
/// | `exchange(lease, done, back, wanted)` | first the completions: each is accepted if its lease row exists under this node and epoch, or if the very same attempt was accepted before; the attempt is inserted, the job is retried or ends, and jobs waiting behind an ended one become ready; counters of its schedule follow. Then the returns. A lease with no open job left is deleted. Then, if the node's lease is current, the claims: up to `limit` jobs from the front of the queue by (priority, run_at, id), none of them taken by anybody else. |
/// | `promote(limit)` | moves up to `limit` due scheduled jobs to ready. |
/// | `due(limit)` | active schedules that are due. |
/// | `fire(lease, orders)` | for each order, if the schedule is active and its version and `next_at` are as read, and this node's lease is current: a fire record and (as the overlap policy says) a job for each planned instant, and the new `next_at`. An instant that has a fire record already gets nothing. |
/// | `replace_schedules(origin, all)` | makes the schedules of one origin (config or code) exactly these: adds, changes, removes. One whose definition is unchanged keeps `next_at`, state and counters; a changed one keeps state and counters and takes the given `next_at`. `already_exists` when an id belongs to another origin. |
/// | `add_schedule(record)` | `already_exists` if the id is taken. |
/// | `update_schedule(record)` | writes all but id, origin and counters if the stored version is `record.version`, and adds one to it; returns the new record. `conflict` if it is another, `not_found`. |
/// | `remove_schedule(id)` | true if it existed. Its fires and jobs stay. |
/// | `find_schedule(id)`, `schedules(filter)` | reads. |
/// | `fires(schedule, limit)` | the newest fires of a schedule, newest first. |
/// | `find_job(id)`, `jobs(filter)`, `attempts(id)` | reads; attempts by number. |
/// | `cancel_job(id)` | ends a job that is not running as cancelled, or asks the node that runs it to stop. |
/// | `cancel_requests()` | ids of jobs somebody wants stopped. |
/// | `retry_job(id)` | puts a job that ended back to ready for one more attempt; `conflict` when it has not ended, `not_found`. |
template <class S>
concept store = requires(S s, node_lease const& lease, std::string const& id) {
  { s.open() } -> std::same_as<task<>>;
  { s.close() } -> std::same_as<task<>>;
  { s.now() } -> std::same_as<task<instant>>;
  s.on_change(std::function<void()>{});
  { s.join(join_request{}) } -> std::same_as<task<node_lease>>;
  { s.renew(lease, duration{}, node_state::online) } -> std::same_as<task<node_lease>>;
  { s.leave(lease) } -> std::same_as<task<>>;
  { s.recover(std::optional<node_lease>{}) } -> std::same_as<task<std::vector<recovery>>>;
  { s.nodes() } -> std::same_as<task<std::vector<node_record>>>;
  { s.reserve_ids(std::size_t{1}) } -> std::same_as<task<std::int64_t>>;
  { s.enqueue(std::span<new_job const>{}) } -> std::same_as<task<std::size_t>>;
  {
    s.exchange(lease, std::span<completion const>{}, std::span<give_back const>{}, std::span<claim_request const>{})
  } -> std::same_as<task<exchange_result>>;
  { s.promote(std::size_t{1}) } -> std::same_as<task<promotion>>;
  { s.due(std::size_t{1}) } -> std::same_as<task<due_schedules>>;
  { s.fire(lease, std::span<fire_order const>{}) } -> std::same_as<task<std::vector<fired>>>;
  { s.replace_schedules(origin::config, std::span<schedule_record const>{}) } -> std::same_as<task<schedule_changes>>;
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
