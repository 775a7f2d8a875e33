#ifndef VISOR_STORE_SQL_STORE_HPP
#define VISOR_STORE_SQL_STORE_HPP

#include "visor/base/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/driver/driver.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/sql/nodes.hpp"
#include "visor/store/sql/schedules.hpp"
#include "visor/store/sql/schema_operations.hpp"
#include "visor/store/sql/usual.hpp"
#include "visor/store/sql/usual_fires.hpp"
#include "visor/store/sql/views.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <atomic>
#include <concepts>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
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
/// \tparam Clock whose time is the store's. `wall_clock`: the database's own clock where it has one
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
  /// \param log is told what the database does by itself, and of statements and connections as far as the settings say so
  explicit sql_store(settings how, Clock clock = Clock(), log_sink log = {})
      : settings_(std::move(how)), clock_(std::move(clock)), database_(settings_, std::move(log)) {}
  sql_store(sql_store const&) = delete;
  sql_store& operator=(sql_store const&) = delete;

  /// \throws visor::error `schema_mismatch` when the tables are not this program's, or there are none and `auto_init` is false, naming
  /// the command that helps; what the driver throws when it cannot connect
  task<> open() {
    co_await database_.open();
    schema_status status = co_await schema_administration(*this).status();
    bool const make = (!status.has_tables || status.is_half_made) && settings_.auto_init != false;
    bool const bring_up = status.has_tables && status.current < status.latest && status.current > 0 && settings_.auto_init == true;
    if (make || bring_up) {
      co_await schema_administration(*this).migrate();
      status = co_await schema_administration(*this).status();
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

  /// Of its connections, none before it is opened; for drivers that have a pool of them.
  auto statistics() const
    requires requires(typename Driver::database const& from) { from.statistics(); }
  {
    return database_.statistics();
  }

  task<instant> now() {
    check_open();
    if constexpr (has_server_clock) {
      auto const op = [](transaction& t) -> async<instant> { co_return co_await t.session.now(); };
      co_return co_await ask(op);
    } else {
      co_return clock_.now();
    }
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
    return write_beside([&lease, ttl, state](transaction& t) { return detail::renew(t, lease, ttl, state); });
  }

  task<> leave(node_lease const& lease) {
    return write([&lease](transaction& t) { return detail::leave(t, lease); });
  }

  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    return write([evict = std::move(evict)](transaction& t) { return detail::recover(t, evict); });
  }

  task<> set_wish(std::string const& node, std::optional<node_wish> wish) {
    return write([&node, wish](transaction& t) { return detail::set_wish(t, node, wish); });
  }

  task<bool> remove_node(std::string const& node) {
    return write([&node](transaction& t) { return detail::remove_node(t, node); });
  }

  task<std::vector<node_record>> nodes() {
    return ask([](transaction& t) { return detail::list_nodes(t); });
  }

  task<std::vector<type_limit_record>> limits() {
    return ask([](transaction& t) { return detail::list_limits(t); });
  }

  task<std::int64_t> reserve_ids(std::size_t count) {
    if (count < 1 || count > 1'000'000)
      throw error(condition::invalid_argument, "cannot reserve " + std::to_string(count) + " ids: allowed is 1 to 1000000 at a time");
    auto const op = [&](transaction& t) { return detail::reserve(t, "job", static_cast<std::int64_t>(count)); };
    co_return co_await write_beside(op);
  }

  /// O(log n) a job.
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    auto const usual = [jobs](transaction& t) { return detail::usual_enqueue(t, jobs); };
    auto const careful = [jobs](transaction& t) { return detail::enqueue(t, jobs); };
    return write_as_usual<access::beside>(usual, careful, [jobs] { check_all(jobs); });
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
    detail::looks_first const usual{[&](transaction& t) { return detail::usual_exchange(t, lease, done, back, wanted, first_id); }};
    detail::looks_first const careful{[&](transaction& t) { return detail::exchange(t, lease, done, back, wanted, first_id); }};
    co_return co_await write_as_usual<access::beside>(usual, careful, &no_check);
  }

  task<promotion> promote(std::size_t limit) {
    return write_beside([limit](transaction& t) { return detail::promote(t, limit); });
  }

  task<outlook> glance() {
    auto const op = [](transaction& t) { return detail::glance(t); };
    auto result = co_await ask(op);
    result.is_told_of_changes = database_.is_watching();
    co_return result;
  }

  task<due_schedules> due(std::size_t limit) {
    return read([limit](transaction& t) { return detail::due(t, limit); });
  }

  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    auto const check = [orders] {
      for (auto const& order : orders)
        if (order.ids.size() != order.planned.size())
          throw error(condition::invalid_argument, "schedule " + order.schedule + ": a fire order needs one id for each instant");
    };
    auto const usual = [&lease, orders](transaction& t) { return detail::usual_fire_all(t, lease, orders); };
    auto const careful = [&lease, orders](transaction& t) { return detail::fire_all(t, lease, orders); };
    return write_as_usual<access::alone>(usual, careful, check);
  }

  task<schedule_changes> replace_schedules(origin whose, std::span<schedule_record const> all) {
    return write([whose, all](transaction& t) { return detail::replace_schedules(t, whose, all); }, [all] { check_all(all); });
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
    return write([&id](transaction& t) { return detail::remove_schedule(t, id); });
  }

  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    return read([&id](transaction& t) { return detail::find_schedule(t, id); });
  }

  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    return read([filter = std::move(filter)](transaction& t) { return detail::list_schedules(t, filter); });
  }

  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    return read([&schedule, limit](transaction& t) { return detail::list_fires(t, schedule, limit); });
  }

  task<std::optional<job_view>> find_job(job_id id) {
    return read([id](transaction& t) { return detail::find_job(t, id); });
  }

  task<std::vector<job_view>> jobs(job_filter filter) {
    return read([filter = std::move(filter)](transaction& t) { return detail::list_jobs(t, filter); });
  }

  task<std::vector<attempt_record>> attempts(job_id id) {
    return read([id](transaction& t) { return detail::list_attempts(t, id); });
  }

  task<cancel_result> cancel_job(job_id id) {
    return write([id](transaction& t) { return detail::cancel_job(t, id); });
  }

  task<std::vector<job_id>> cancel_requests() {
    return ask([](transaction& t) { return detail::list_cancels(t); });
  }

  task<> retry_job(job_id id) {
    return write([id](transaction& t) { return detail::retry_job(t, id); });
  }

  /// The schema of the database, for whoever administers it: usable without `open()`, which looks at the schema itself. Each
  /// operation is one transaction, in which no other process changes the schema.
  class schema_administration {
   public:
    explicit schema_administration(sql_store& of) : store_(&of) {}

    task<schema_status> status() {
      co_await store_->database_.open();
      auto const op = [](transaction& t) { return detail::read_status<dialect>(t.session); };
      co_return co_await store_->template perform<looking>(op, &no_check);
    }

    /// Applies what is missing. Returns how many versions that were.
    /// \throws visor::error `schema_mismatch` when a newer program, or other statements, made the tables
    task<int> migrate() {
      co_await store_->database_.open();
      auto const op = [this](transaction& t) { return migrate_in(t, store_->place()); };
      co_return co_await store_->template perform<access::schema>(op, &no_check);
    }

    /// Takes the latest versions back, with all that their tables hold. Returns how many versions that were.
    /// \param steps from 1
    task<int> rollback(int steps) {
      co_await store_->database_.open();
      auto const op = [this, steps](transaction& t) { return rollback_in(t, steps, store_->place()); };
      co_return co_await store_->template perform<access::schema>(op, &no_check);
    }

    /// What differs from the schema of this program, one line each; none if all is well.
    task<std::vector<std::string>> validate() {
      co_await store_->database_.open();
      auto const op = [this](transaction& t) { return detail::find_drift<dialect>(t.session, store_->place()); };
      co_return co_await store_->template perform<looking>(op, &no_check);
    }

    /// Drops all tables of ours, with all that they hold, and makes them anew.
    /// \throws visor::error `schema_mismatch` when a newer program made them: it has tables that this one does not know
    task<> reset() {
      co_await store_->database_.open();
      auto const op = [this](transaction& t) { return reset_in(t, store_->place()); };
      co_await store_->template perform<access::schema>(op, &no_check);
    }

   private:
    static constexpr access looking = Driver::capabilities.transactional_schema ? access::reads : access::schema;

    static async<int> migrate_in(transaction& t, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      bool const is_ours = !status.has_tables || status.is_half_made || status.current > 0;
      if (status.current > status.latest || !is_ours || status.is_altered())
        throw error(condition::schema_mismatch, detail::mismatch(status, where));
      if (status.is_half_made) {
        co_await detail::reset_schema<dialect>(t.session, t.now);
        co_return status.latest;
      }
      co_return co_await detail::move_schema<dialect>(t.session, status.latest, t.now);
    }

    static async<int> rollback_in(transaction& t, int steps, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      if (status.current > status.latest) throw error(condition::schema_mismatch, detail::mismatch(status, where));
      co_return co_await detail::move_schema<dialect>(t.session, std::max(0, status.begun - std::max(1, steps)), t.now);
    }

    static async<void> reset_in(transaction& t, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      if (status.current > status.latest) throw error(condition::schema_mismatch, detail::mismatch(status, where));
      co_await detail::reset_schema<dialect>(t.session, t.now);
    }

    sql_store* store_;
  };

  schema_administration schema() { return schema_administration(*this); }

 private:
  template <class Op>
  using result_of = typename std::invoke_result_t<Op const&, transaction&>::value_type;

  static constexpr bool has_server_clock = Driver::capabilities.server_clock && std::same_as<Clock, wall_clock>;
  static constexpr std::int64_t lease_id_block = 1024;

  void check_open() const {
    if (!is_open_) throw error(condition::closed, "the store is not open: call open() first");
  }

  /// How messages name the database.
  std::string place() const { return settings_.place(); }

  template <class Records>
  static void check_all(Records const& all) {
    for (auto const& each : all) check_text(each);
  }

  static void no_check() {}

  /// One operation on its way through a transaction, and room for what it returns.
  template <access How, class Op>
  class call {
   public:
    call(sql_store& of, Op const& op, std::source_location where) : store_(of), op_(op), where_(where) {}

    async<void> operator()(session& on) {
      transaction t{on, instant{}, store_.leases_, store_.fronts_, false, {}};
      if constexpr (asks_time) {
        t.time.asked.emplace(on.now());
        t.time.is_used = true;
      } else {
        t.now = store_.clock_.now();
      }
      if constexpr (!requires { Op::before_time; }) {
        duration const since = wall_clock().elapsed();
        co_await detail::know_time(t);
        if constexpr (asks_time && dialect::keeps_removed) t.fronts.saw_round_trip(wall_clock().elapsed() - since);
      }
      if constexpr (std::is_void_v<result_of<Op>>)
        co_await op_(t);
      else
        result_.emplace(co_await op_(t));
      news_ = t.news;
      if constexpr (requires { on.announce(); })
        if (t.news) on.announce();
    }

    bool has_news() const { return news_; }
    std::source_location where() const { return where_; }
    result_of<Op> take() {
      if constexpr (!std::is_void_v<result_of<Op>>) return std::move(*result_);
    }

   private:
    static constexpr bool asks_time = How != access::asks && has_server_clock;
    struct nothing {};
    sql_store& store_;
    Op const& op_;
    std::source_location where_;
    std::optional<std::conditional_t<std::is_void_v<result_of<Op>>, nothing, result_of<Op>>> result_;
    bool news_ = false;
  };

  /// One transaction, on an open database.
  /// \param check throws where the operation may not begin
  /// \param where who asks, for messages about connections that are held for long
  template <access How, class Op, class Check>
  task<result_of<Op>> perform(Op op, Check check, std::source_location where = std::source_location::current()) {
    check();
    call<How, Op> one(*this, op, where);
    if constexpr (How == access::asks || How == access::reads)
      co_await database_.read(one, How);
    else
      co_await database_.transact(one, How);
    if (one.has_news()) changes_.notify();
    co_return one.take();
  }

  template <access How, class Op, class Check>
  task<result_of<Op>> perform_open(Op op, Check check, std::source_location where) {
    auto const check_both = [this, check] {
      check();
      check_open();
    };
    return perform<How>(std::move(op), check_both, where);
  }

  /// What no other may write beside, or see half done: it looks at what others change, and decides by it.
  template <class Op, class Check = void (*)()>
  task<result_of<Op>> write(Op op, Check check = &no_check, std::source_location where = std::source_location::current()) {
    return perform_open<access::alone>(std::move(op), check, where);
  }

  /// What touches only rows that are the caller's, locks those that it takes, and adds new ones; of what it reads besides, only those that
  /// are alone change anything.
  template <class Op, class Check = void (*)()>
  task<result_of<Op>> write_beside(Op op, Check check = &no_check, std::source_location where = std::source_location::current()) {
    return perform_open<access::beside>(std::move(op), check, where);
  }

  /// A write in the way in which it nearly always goes; where it does not, nothing of that is left, and it is done with care.
  template <access How, class Usual, class Careful, class Check>
  task<result_of<Careful>> write_as_usual(Usual usual, Careful careful, Check check,
                                          std::source_location where = std::source_location::current()) {
    try {
      co_return co_await perform_open<How>(std::move(usual), check, where);
    } catch (detail::unusual const&) {
    } catch (error const& thrown) {
      if (thrown.kind() != condition::unique_violation) throw;
    }
    co_return co_await perform_open<How>(std::move(careful), check, where);
  }

  template <class Op>
  task<result_of<Op>> read(Op op, std::source_location where = std::source_location::current()) {
    return perform_open<access::reads>(std::move(op), &no_check, where);
  }

  /// Of one statement, and with no need of the time.
  template <class Op>
  task<result_of<Op>> ask(Op op, std::source_location where = std::source_location::current()) {
    return perform_open<access::asks>(std::move(op), &no_check, where);
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
    lease_id const first = co_await write_beside(op);
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
  detail::front_marks fronts_;
  std::mutex lease_ids_mutex_;
  lease_id next_lease_id_ = 0;
  lease_id last_lease_id_ = 0;          // behind the block
  typename Driver::database database_;  // its threads end before the rest is gone
};

}  // namespace visor

#endif
