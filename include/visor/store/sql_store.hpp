#ifndef VISOR_STORE_SQL_STORE_HPP
#define VISOR_STORE_SQL_STORE_HPP

#include "visor/base/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/driver/driver.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/sql/nodes.hpp"
#include "visor/store/sql/schedules.hpp"
#include "visor/store/sql/schema_operations.hpp"
#include "visor/store/sql/views.hpp"
#include "visor/store/store.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// A store in a database; see the concept `store` for the meaning of each operation, and `visor/store/sql/` for what each does.
///
/// All members may be called from any thread and complete on the caller's executor. Every operation is one transaction of the driver:
/// `database.transact` or `database.read` of a coroutine over its session.
/// \tparam Driver which database; see `visor/driver/driver.hpp`
/// \tparam Clock whose time is the store's, where the driver has no clock of its own
template <driver Driver, timekeeper Clock = wall_clock>
class sql_store {
  using session = typename Driver::session;
  using transaction = detail::transaction<session>;
  template <class T>
  using async = visor::async<session, T>;

 public:
  using settings = typename Driver::settings;
  using dialect = typename Driver::dialect;

  /// Does not connect yet.
  explicit sql_store(settings how, Clock clock = Clock()) : settings_(std::move(how)), clock_(std::move(clock)), database_(settings_) {}
  sql_store(sql_store const&) = delete;
  sql_store& operator=(sql_store const&) = delete;

  /// \throws visor::error `schema_mismatch` when the tables are not this program's, or there are none and `auto_init` is false, naming
  /// the command that helps; what the driver throws when it cannot connect
  task<> open() {
    co_await database_.open();
    auto look = [](session& on) { return detail::read_status<dialect>(on); };
    schema_status status = co_await database_.read(look);
    bool const make = !status.has_tables && settings_.auto_init != false;
    bool const bring_up = status.has_tables && status.current < status.latest && status.current > 0 && settings_.auto_init == true;
    if (make || bring_up) {
      co_await schema_administration(*this).migrate();
      status = co_await database_.read(look);
    }
    if (!status.has_tables)
      throw error(condition::schema_mismatch,
                  "there are no tables of visor in " + place() + ", and auto_init is false: run `visor db init`");
    if (std::string line = detail::mismatch(status, place()); !line.empty()) throw error(condition::schema_mismatch, std::move(line));
    is_open_ = true;
  }

  task<> close() {
    is_open_ = false;
    co_await database_.close();
  }

  task<instant> now() {
    auto const op = [](transaction& t) -> async<instant> { co_return t.now; };
    if constexpr (Driver::capabilities.server_clock) co_return co_await read(op);
    check_open();
    co_return clock_.now();
  }

  [[nodiscard]] subscription on_change(std::function<void()> callback) {
    database_.watch([this] { changes_.notify(); });
    return changes_.subscribe(std::move(callback));
  }

  task<node_lease> join(join_request request) {
    check_text(request);
    auto const op = [&](transaction& t) { return detail::join(t, request); };
    co_return co_await write(op);
  }

  task<node_lease> renew(node_lease const& lease, duration ttl, node_state state) {
    auto const op = [&](transaction& t) { return detail::renew(t, lease, ttl, state); };
    co_return co_await write(op);
  }

  task<> leave(node_lease const& lease) {
    auto const op = [&](transaction& t) { return detail::leave(t, lease); };
    co_await write(op);
  }

  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    auto const op = [&](transaction& t) { return detail::recover(t, evict); };
    co_return co_await write(op);
  }

  task<std::vector<node_record>> nodes() {
    auto const op = [](transaction& t) { return detail::list_nodes(t); };
    co_return co_await read(op);
  }

  task<std::int64_t> reserve_ids(std::size_t count) {
    if (count < 1 || count > 1'000'000)
      throw error(condition::invalid_argument, "cannot reserve " + std::to_string(count) + " ids: allowed is 1 to 1000000 at a time");
    auto const op = [&](transaction& t) { return detail::reserve(t, "job", static_cast<std::int64_t>(count)); };
    co_return co_await write(op);
  }

  /// O(log n) a job.
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    for (auto const& job : jobs) check_text(job);
    auto const op = [&](transaction& t) { return detail::enqueue(t, jobs); };
    co_return co_await write(op);
  }

  /// O(log n) for each completion, return and claimed job.
  task<exchange_result> exchange(node_lease const& lease, std::span<completion const> done, std::span<give_back const> back,
                                 std::span<claim_request const> wanted) {
    for (auto const& each : done) check_text(each);
    lease_id first_id = 0;
    if (!wanted.empty()) {
      auto const taken = take_lease_ids(wanted.size());
      if (taken)
        first_id = *taken;
      else
        first_id = co_await reserve_lease_ids(wanted.size());
    }
    auto const op = [&](transaction& t) { return detail::exchange(t, lease, done, back, wanted, first_id); };
    co_return co_await write(op);
  }

  task<promotion> promote(std::size_t limit) {
    auto const op = [&](transaction& t) { return detail::promote(t, limit); };
    co_return co_await write(op);
  }

  task<due_schedules> due(std::size_t limit) {
    auto const op = [&](transaction& t) { return detail::due(t, limit); };
    co_return co_await read(op);
  }

  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    for (auto const& order : orders)
      if (order.ids.size() != order.planned.size())
        throw error(condition::invalid_argument, "schedule " + order.schedule + ": a fire order needs one id for each instant");
    auto const op = [&](transaction& t) { return detail::fire_all(t, lease, orders); };
    co_return co_await write(op);
  }

  task<schedule_changes> replace_schedules(origin whose, std::span<schedule_record const> all) {
    for (auto const& each : all) check_text(each);
    auto const op = [&](transaction& t) { return detail::replace_schedules(t, whose, all); };
    co_return co_await write(op);
  }

  task<> add_schedule(schedule_record record) {
    check_text(record);
    auto const op = [&](transaction& t) { return detail::add_schedule(t, record); };
    co_await write(op);
  }

  task<schedule_record> update_schedule(schedule_record record) {
    check_text(record);
    auto const op = [&](transaction& t) { return detail::update_schedule(t, record); };
    co_return co_await write(op);
  }

  task<bool> remove_schedule(std::string const& id) {
    auto const op = [&](transaction& t) { return detail::remove_schedule(t, id); };
    co_return co_await write(op);
  }

  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    auto const op = [&](transaction& t) { return detail::find_schedule(t, id); };
    co_return co_await read(op);
  }

  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    auto const op = [&](transaction& t) { return detail::list_schedules(t, filter); };
    co_return co_await read(op);
  }

  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    auto const op = [&](transaction& t) { return detail::list_fires(t, schedule, limit); };
    co_return co_await read(op);
  }

  task<std::optional<job_view>> find_job(job_id id) {
    auto const op = [&](transaction& t) { return detail::find_job(t, id); };
    co_return co_await read(op);
  }

  task<std::vector<job_view>> jobs(job_filter filter) {
    auto const op = [&](transaction& t) { return detail::list_jobs(t, filter); };
    co_return co_await read(op);
  }

  task<std::vector<attempt_record>> attempts(job_id id) {
    auto const op = [&](transaction& t) { return detail::list_attempts(t, id); };
    co_return co_await read(op);
  }

  task<cancel_result> cancel_job(job_id id) {
    auto const op = [&](transaction& t) { return detail::cancel_job(t, id); };
    co_return co_await write(op);
  }

  task<std::vector<job_id>> cancel_requests() {
    auto const op = [](transaction& t) { return detail::list_cancels(t); };
    co_return co_await read(op);
  }

  task<> retry_job(job_id id) {
    auto const op = [&](transaction& t) { return detail::retry_job(t, id); };
    co_await write(op);
  }

  /// The schema of the database, for whoever administers it: usable without `open()`, which looks at the schema itself. Each
  /// operation is one transaction, in which no other process changes the schema.
  class schema_administration {
   public:
    explicit schema_administration(sql_store& of) : store_(&of) {}

    task<schema_status> status() {
      co_await store_->database_.open();
      auto op = [](session& on) { return detail::read_status<dialect>(on); };
      co_return co_await store_->database_.read(op);
    }

    /// Applies what is missing. Returns how many versions that were.
    /// \throws visor::error `schema_mismatch` when a newer program, or other statements, made the tables
    task<int> migrate() {
      co_await store_->database_.open();
      auto op = [this](session& on) { return migrate_in(on, store_->clock_.now(), store_->place()); };
      co_return co_await store_->database_.transact(op);
    }

    /// Takes the latest versions back, with all that their tables hold. Returns how many versions that were.
    /// \param steps from 1
    task<int> rollback(int steps) {
      co_await store_->database_.open();
      auto op = [this, steps](session& on) { return rollback_in(on, steps, store_->clock_.now(), store_->place()); };
      co_return co_await store_->database_.transact(op);
    }

    /// What differs from the schema of this program, one line each; none if all is well.
    task<std::vector<std::string>> validate() {
      co_await store_->database_.open();
      auto op = [this](session& on) { return detail::find_drift<dialect>(on, store_->place()); };
      co_return co_await store_->database_.read(op);
    }

    /// Drops all tables of ours, with all that they hold, and makes them anew.
    task<> reset() {
      co_await store_->database_.open();
      auto op = [this](session& on) { return reset_in(on, store_->clock_.now()); };
      co_await store_->database_.transact(op);
    }

   private:
    static async<int> migrate_in(session& on, instant now, std::string place) {
      co_await on.lock_schema();
      auto const status = co_await detail::read_status<dialect>(on);
      bool const is_ours = !status.has_tables || status.current > 0;
      std::string line = detail::mismatch(status, place);
      if (status.current > status.latest || !is_ours) throw error(condition::schema_mismatch, std::move(line));
      co_return co_await detail::move_schema<dialect>(on, status.latest, now);
    }

    static async<int> rollback_in(session& on, int steps, instant now, std::string place) {
      co_await on.lock_schema();
      auto const status = co_await detail::read_status<dialect>(on);
      if (status.current > status.latest) throw error(condition::schema_mismatch, detail::mismatch(status, place));
      co_return co_await detail::move_schema<dialect>(on, std::max(0, status.current - std::max(1, steps)), now);
    }

    static async<void> reset_in(session& on, instant now) {
      co_await on.lock_schema();
      co_await detail::reset_schema<dialect>(on, now);
    }

    sql_store* store_;
  };

  schema_administration schema() { return schema_administration(*this); }

 private:
  template <class Op>
  using result_of = typename std::invoke_result_t<Op const&, transaction&>::value_type;

  static constexpr std::int64_t lease_id_block = 1024;

  void check_open() const {
    if (!is_open_) throw error(condition::closed, "the store is not open: call open() first");
  }

  /// How messages name the database.
  std::string place() const { return settings_.place(); }

  /// One call of an operation in a transaction.
  template <class Op>
  async<result_of<Op>> run(Op const& op, session& on, bool& news) {
    transaction t{on, instant{}, leases_};
    if constexpr (Driver::capabilities.server_clock)
      t.now = co_await on.now();
    else
      t.now = clock_.now();
    if constexpr (std::is_void_v<result_of<Op>>) {
      co_await op(t);
      news = t.news;
    } else {
      auto result = co_await op(t);
      news = t.news;
      co_return result;
    }
  }

  template <class Op>
  task<result_of<Op>> write(Op const& op) {
    check_open();
    bool news = false;
    auto in_session = [&](session& on) { return run(op, on, news); };
    if constexpr (std::is_void_v<result_of<Op>>) {
      co_await database_.transact(in_session);
      if (news) changes_.notify();
    } else {
      auto result = co_await database_.transact(in_session);
      if (news) changes_.notify();
      co_return result;
    }
  }

  template <class Op>
  task<result_of<Op>> read(Op const& op) {
    check_open();
    bool news = false;
    auto in_session = [&](session& on) { return run(op, on, news); };
    co_return co_await database_.read(in_session);
  }

  std::optional<lease_id> take_lease_ids(std::size_t count) {
    std::scoped_lock const lock(lease_ids_mutex_);
    if (last_lease_id_ - next_lease_id_ < static_cast<lease_id>(count)) return std::nullopt;
    return std::exchange(next_lease_id_, next_lease_id_ + static_cast<lease_id>(count));
  }

  /// Lease ids come in blocks, so that a claim need not touch the sequence.
  task<lease_id> reserve_lease_ids(std::size_t count) {
    auto const block = std::max(lease_id_block, static_cast<std::int64_t>(count));
    auto const op = [&](transaction& t) { return detail::reserve(t, "lease", block); };
    lease_id const first = co_await write(op);
    std::scoped_lock const lock(lease_ids_mutex_);
    next_lease_id_ = first + static_cast<lease_id>(count);
    last_lease_id_ = first + block;
    co_return first;
  }

  settings settings_;
  [[no_unique_address]] Clock clock_;
  std::atomic<bool> is_open_{false};
  change_signal changes_;
  detail::lease_book leases_;
  std::mutex lease_ids_mutex_;
  lease_id next_lease_id_ = 0;
  lease_id last_lease_id_ = 0;          // behind the block
  typename Driver::database database_;  // its threads end before the rest is gone
};

}  // namespace visor

#endif
