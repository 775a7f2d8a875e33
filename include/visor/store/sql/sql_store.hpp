#ifndef VISOR_STORE_SQL_SQL_STORE_HPP
#define VISOR_STORE_SQL_SQL_STORE_HPP

#include "visor/async/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/driver/driver.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/generation.hpp"
#include "visor/store/sql/fast_path.hpp"
#include "visor/store/sql/fast_path_fires.hpp"
#include "visor/store/sql/job_numbers.hpp"
#include "visor/store/sql/nodes.hpp"
#include "visor/store/sql/schedules.hpp"
#include "visor/store/sql/schema_operations.hpp"
#include "visor/store/sql/views.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// A store in a database; see the concept `store` for the meaning of each operation, and `visor/store/sql/` for its statements.
///
/// All members may be called from any thread and complete on the caller's executor. Every operation is one transaction of the driver:
/// `database.transact` or `database.read` of a coroutine over its session.
/// \tparam Driver selects the database; see `visor/driver/driver.hpp`
/// \tparam Clock supplies the store's time. `wall_clock`: the database's own clock where it has one
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
  /// \param log receives the database's own actions, and statements and connections as far as the settings say so
  explicit sql_store(settings how, Clock clock = Clock(), log_sink log = {})
      : settings_(std::move(how)), clock_(std::move(clock)), log_(log), database_(settings_, std::move(log), detail::lock_of_tables) {}
  sql_store(sql_store const&) = delete;
  sql_store& operator=(sql_store const&) = delete;

  /// \throws visor::error `schema_mismatch` when the tables are not this program's, or there are none and `auto_init` is false; the message
  ///   names the command that helps. Also the driver's errors when it cannot connect.
  task<> open() {
    co_await database_.open();
    schema_administration tables(*this, log_);
    schema_status status = co_await tables.status();
    bool const make = (!status.has_tables || status.is_half_made) && settings_.auto_init != false;
    bool const bring_up = status.has_tables && status.current < status.latest && status.current > 0 && settings_.auto_init == true;
    if (make || bring_up) {
      co_await tables.migrate();
      status = co_await tables.status();
    }
    if (!status.has_tables)
      throw error(errc::schema_mismatch,
                  "there are no tables of visor in " + display_name() + ", and auto_init is false: run `visor db init`");
    if (std::string line = detail::mismatch(status, display_name()); !line.empty()) throw error(errc::schema_mismatch, std::move(line));
    is_open_ = true;
  }

  task<> close() {
    is_open_ = false;
    co_await database_.close();
  }

  /// Ends the store without waiting for its operations, which fail with `closed`. No thread of it runs afterwards. From any thread.
  void halt() { database_.halt(); }

  /// Returns statistics of the connections, of which there are none before `open()`; for drivers that have a pool.
  auto statistics() const
    requires requires(typename Driver::database const& from) { from.statistics(); }
  {
    return database_.statistics();
  }

  task<instant> now() {
    check_open();
    if constexpr (has_server_clock) {
      auto const op = [](transaction& t) -> async<instant> { co_return co_await t.session.now(); };
      co_return co_await read_one_statement(op);
    } else {
      co_return clock_.now();
    }
  }

  [[nodiscard]] subscription on_change(std::function<void()> callback) {
    database_.watch([this] { changes_.notify(); });
    return changes_.subscribe(std::move(callback));
  }

  task<node_claim> claim_node(std::string holder) {
    check_open();
    if constexpr (requires { database_.claim_node(holder); }) co_return co_await database_.claim_node(std::move(holder));
    co_return node_claim();
  }

  task<node_lease> join(join_request request) {
    check_text(request);
    check_open();
    co_await check_row_locks();
    detail::asks_then_writes const op{[&](transaction& t) { return join_in(t, request, display_name()); }};
    auto const joined = co_await write_isolating_refusals<lock_mode::exclusive>(op);
    std::scoped_lock const lock(lease_ids_mutex_);
    last_lease_id_ = next_lease_id_;  // a new generation may have begun since that block was reserved
    co_return joined;
  }

  task<node_lease> renew(node_lease const& lease, renewal how) {
    auto const op = [&lease, how](transaction& t) { return detail::renew<has_server_clock>(t, lease, how); };
    co_return co_await perform_open<lock_mode::heartbeat>(op, &no_check, std::source_location::current());
  }

  task<> leave(node_lease const& lease, departure how) {
    return write_isolating_refusals<lock_mode::exclusive>([&lease, how](transaction& t) { return detail::leave(t, lease, how); });
  }

  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    return write_isolating_refusals<lock_mode::exclusive>([evict = std::move(evict), stranded = stranded_.is_due(wall_clock().elapsed())](
                                                              transaction& t) { return detail::recover(t, evict, stranded); });
  }

  task<> request_state(std::string const& node, std::optional<requested_state> state) {
    auto const check = [&node] { detail::check_name("node", "name", node); };
    return write([&node, state](transaction& t) { return detail::request_state(t, node, state); }, check);
  }

  task<bool> remove_node(std::string const& node) {
    auto const check = [&node] { detail::check_name("node", "name", node); };
    return write([&node](transaction& t) { return detail::remove_node(t, node); }, check);
  }

  task<std::vector<node_record>> nodes() {
    return read_one_statement([](transaction& t) { return detail::list_nodes(t); });
  }

  task<std::vector<type_limit_record>> limits() {
    return read_one_statement([](transaction& t) { return detail::list_limits(t); });
  }

  task<std::vector<node_type_record>> node_types() {
    return read_one_statement([](transaction& t) { return detail::list_node_types(t); });
  }

  /// O(1), except on PostgreSQL: O(count) of little cost there. With numbers from rows (MySQL and SQL Server), some statements for each 50
  /// ids.
  task<reserved_ids> reserve_ids(std::size_t count) {
    if (count < 1 || count > static_cast<std::size_t>(detail::most_reserved))
      throw error(errc::invalid_argument, "cannot reserve " + std::to_string(count) + " ids: allowed is 1 to 1000000 at a time");
    check_open();
    auto const take = [count](transaction& t) { return detail::take_job_ids(t, static_cast<std::int64_t>(count)); };
    auto taken = co_await take_ids(take);
    if (!taken.are_new()) taken = co_await take_ids_behind_all(take);
    co_return std::move(taken.ids);
  }

  /// O(log n) a job.
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    detail::guards_itself const fast_path{[jobs](transaction& t) { return detail::fast_path_enqueue(t, jobs); }};
    auto const general_path = [jobs](transaction& t) { return detail::enqueue(t, jobs); };
    return write_on_fast_path<lock_mode::shared>(fast_path, general_path, [this, jobs] { check_all(jobs); });
  }

  /// O(log n) for each result, release and claimed job.
  task<exchange_result> exchange(node_lease const& lease, std::span<job_result const> done, std::span<release const> back,
                                 std::span<claim_request const> wanted) {
    for (auto const& each : done) check_text(each);
    lease_id first_id = 0;
    if (!wanted.empty()) first_id = co_await next_lease_ids(wanted.size());
    detail::looks_first const looks{[&](transaction& t) { return detail::fast_path_exchange(t, lease, done, back, wanted, first_id); }};
    detail::asks_then_writes const fast_path{looks};
    detail::looks_first const general_path{[&](transaction& t) { return detail::exchange(t, lease, done, back, wanted, first_id); }};
    bool const is_any_passed_over = passed_over_.known(wall_clock().elapsed()).count_left() != 0;
    try {
      if (is_any_passed_over) co_return co_await exchange_part(lease, done, back, wanted);
      co_return co_await write_on_fast_path<lock_mode::shared>(fast_path, general_path, &no_check);
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
    }
    auto const part = [this, &lease](std::span<job_result const> results, std::span<release const> returns,
                                     std::span<claim_request const> requests) { return exchange_part(lease, results, returns, requests); };
    detail::bisected_exchange bisected(part);
    co_return co_await bisected.run(done, back, wanted);
  }

  task<promotion> promote(std::size_t limit) {
    detail::asks_then_writes const op{[limit](transaction& t) { return detail::promote(t, limit); }};
    return write_isolating_refusals<lock_mode::shared>(op);
  }

  task<visor::pending_work> pending_work() {
    auto const op = [](transaction& t) { return detail::read_pending_work(t); };
    visor::pending_work result;
    std::optional<error> failure;
    try {
      result = co_await read_one_statement(op);
    } catch (error const& thrown) {
      failure = thrown;
    }
    if (failure) {
      if (!is_about_tables(*failure)) throw error(*failure);
      // The tables of another version may lack a column that the statement names.
      int const version = co_await version_of_tables(*failure);
      detail::compare_schema(result, version);
      if (!result.newer_schema && !result.older_schema) throw error(*failure);
    }
    result.is_told_of_changes = database_.is_watching();
    co_return result;
  }

  task<due_schedules> due(std::size_t limit, std::optional<due_position> after = std::nullopt) {
    return read([limit, after = std::move(after)](transaction& t) { return detail::due(t, limit, after); });
  }

  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    auto const check = [orders] {
      for (auto const& order : orders)
        if (order.ids.size() != order.planned.size())
          throw error(errc::invalid_argument, "schedule " + order.schedule + ": a fire order needs one id for each instant");
    };
    check();
    auto const part = [this, &lease](std::span<fire_order const> some) { return fire_part(lease, some); };
    try {
      co_return co_await part(orders);
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
    }
    detail::bisected_fires bisected(part);
    co_return co_await bisected.run(orders);
  }

  task<std::size_t> note_missed(node_lease const& lease, std::span<missed_instant const> missed) {
    return write([&lease, missed](transaction& t) { return detail::note_missed(t, lease, missed); });
  }

  task<std::vector<instant>> acted_on(std::string const& schedule, instant after, std::size_t limit) {
    return read_one_statement([&schedule, after, limit](transaction& t) { return detail::acted_on(t, schedule, after, limit); });
  }

  task<std::vector<bool>> correct_next(std::span<next_correction const> corrections) {
    return write([corrections](transaction& t) { return detail::correct_next(t, corrections); });
  }

  task<> put_manifest(std::string const& digest, int first, std::span<std::string const> parts) {
    return write_shared([&digest, first, parts](transaction& t) { return detail::put_manifest(t, digest, first, parts); });
  }

  task<bool> declare(node_lease const& lease, std::span<set_declaration const> sets) {
    auto const check = [sets] {
      for (auto const& each : sets) detail::check_name("a set of schedules", "name", each.set.name);
    };
    return write([&lease, sets](transaction& t) { return detail::declare(t, lease, sets); }, check);
  }

  task<std::vector<std::string>> declared(schedule_set const& set) {
    return read_one_statement([&set](transaction& t) { return detail::declared(t, set); });
  }

  task<std::vector<declaration_record>> declarations() {
    return read_one_statement([](transaction& t) { return detail::list_declarations(t); });
  }

  task<std::vector<std::string>> manifests(schedule_set const& set) {
    return read_one_statement([&set](transaction& t) { return detail::manifests(t, set); });
  }

  task<std::vector<std::string>> manifest_parts(std::string const& digest) {
    return read_one_statement([&digest](transaction& t) { return detail::manifest_parts(t, digest); });
  }

  /// O(schedules of the origin).
  task<std::vector<schedule_digest>> schedule_digests(origin of) {
    return read_one_statement([of](transaction& t) { return detail::schedule_digests(t, of); });
  }

  /// Holds the exclusive store lock: some hundred changes at a time are few enough.
  task<std::optional<std::vector<change_result>>> change_schedules(schedule_set const& set, std::span<std::string const> basis,
                                                                   std::span<schedule_change const> changes) {
    auto const check = [this, changes] {
      for (auto const& each : changes) {
        check_text(each.given);
        check_size(each.given.payload);
      }
    };
    return write([&set, basis, changes](transaction& t) { return detail::change_schedules(t, set, basis, changes); }, check);
  }

  task<> add_schedule(schedule_record record) {
    auto const one = std::span<schedule_record const>(&record, 1);
    co_await add_schedules(one);
  }

  /// One transaction, under the shared store lock.
  task<> add_schedules(std::span<schedule_record const> records) {
    check_all(records);
    auto const rows = detail::to_be_added(records);
    auto const op = [&rows](transaction& t) { return detail::add_schedules<session>(t, rows); };
    co_await write_shared(op);
  }

  task<schedule_record> update_schedule(schedule_record record) {
    check_text(record);
    check_size(record.payload);
    auto const op = [&](transaction& t) { return detail::update_schedule(t, record); };
    co_return co_await write(op);
  }

  task<bool> remove_schedule(std::string const& id) {
    auto const check = [&id] { detail::check_name("schedule", "id", id); };
    return write([&id](transaction& t) { return detail::remove_schedule(t, id); }, check);
  }

  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    auto const check = [&id] { detail::check_name("schedule", "id", id); };
    return read([&id](transaction& t) { return detail::find_schedule(t, id); }, check);
  }

  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    auto const check = [filter] { check_text(filter); };
    return read([filter = std::move(filter)](transaction& t) { return detail::list_schedules(t, filter); }, check);
  }

  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    auto const check = [&schedule] { detail::check_name("schedule", "id", schedule); };
    return read([&schedule, limit](transaction& t) { return detail::list_fires(t, schedule, limit); }, check);
  }

  task<std::optional<job_view>> find_job(job_id id) {
    return read([id](transaction& t) { return detail::find_job(t, id); });
  }

  task<std::vector<job_view>> jobs(job_filter filter) {
    auto const check = [filter] { check_text(filter); };
    return read([filter = std::move(filter)](transaction& t) { return detail::list_jobs(t, filter); }, check);
  }

  task<std::vector<attempt_record>> attempts(job_id id) {
    return read([id](transaction& t) { return detail::list_attempts(t, id); });
  }

  task<cancel_result> cancel_job(job_id id) {
    return write_isolating_refusals<lock_mode::exclusive>([id](transaction& t) { return detail::cancel_job(t, id); });
  }

  task<std::vector<job_id>> cancel_requests() {
    return read_one_statement([](transaction& t) { return detail::list_cancels(t); });
  }

  task<> retry_job(job_id id) {
    return write([id](transaction& t) { return detail::retry_job(t, id); });
  }

  /// Administers the schema of the database. It is usable without `open()`, which checks the schema itself. Each operation is one
  /// transaction, in which no other process changes the schema.
  class schema_administration {
   public:
    /// \param log receives messages about transactions that a change of the schema waits for
    explicit schema_administration(sql_store& of, log_sink log = {}) : store_(&of), log_(std::move(log)) {}

    task<schema_status> status() {
      co_await store_->database_.open();
      co_await check_rights();
      detail::needs_no_time const op{[](transaction& t) { return detail::read_status<dialect>(t.session); }};
      co_return co_await store_->template perform<looking>(op, &no_check);
    }

    /// Applies the missing versions. Returns their number.
    /// \throws visor::error `schema_mismatch` when a newer program, or other statements, made the tables; `unsupported` when the server
    ///   locks no rows
    task<int> migrate() {
      co_await store_->database_.open();
      auto const op = [this](transaction& t) { return migrate_in(t, store_->display_name()); };
      int const steps = co_await change(op);
      co_await store_->check_row_locks();
      co_return steps;
    }

    /// Returns the nodes that work on the tables, also on those of an older version, by the store's clock.
    task<std::vector<working_node>> working_nodes() {
      co_await store_->database_.open();
      auto const op = [](transaction& t) { return working_nodes_in(t); };
      co_return co_await store_->template perform<lock_mode::schema>(op, &no_check);
    }

    /// Claims the place of the only node, where the operating system can tell whether there is one. While the claim is held, no node
    /// starts. Needs no tables.
    task<node_claim> claim_node(std::string holder) {
      co_await store_->database_.open();
      if constexpr (requires { store_->database_.claim_node(holder); }) co_return co_await store_->database_.claim_node(std::move(holder));
      co_return node_claim();
    }

    /// Begins a new generation; to be called after the database was restored from a backup by other means than its own recovery. The ids,
    /// epochs and fences of the new generation were never given out, also where the same backup was restored before. See `generation.hpp`
    /// for the requirements on the clock. Returns the generation.
    task<std::int64_t> restored() {
      co_await store_->database_.open();
      auto const op = [](transaction& t) { return begin_generation(t); };
      co_return co_await store_->template perform<lock_mode::schema>(op, &no_check);
    }

    /// Rolls the latest versions back, with all data in their tables. Returns the number of versions.
    /// \param steps from 1
    task<int> rollback(int steps) {
      co_await store_->database_.open();
      auto const op = [this, steps](transaction& t) { return rollback_in(t, steps, store_->display_name()); };
      co_return co_await change(op);
    }

    /// Returns the differences from the schema of this program, one line each; none if there are none.
    task<std::vector<std::string>> validate() {
      co_await store_->database_.open();
      co_await check_rights();
      detail::needs_no_time const op{[this](transaction& t) { return detail::find_drift<dialect>(t.session, store_->display_name()); }};
      co_return co_await store_->template perform<looking>(op, &no_check);
    }

    /// Drops all tables of visor, with all their data, and creates them anew.
    /// \throws visor::error `schema_mismatch` when a newer program made them: it has tables that this one does not know
    task<> reset() {
      co_await store_->database_.open();
      auto const op = [this](transaction& t) { return reset_in(t, store_->display_name()); };
      co_await change(op);
    }

   private:
    /// Whether the server can name other users' transactions. A file has one writer.
    static constexpr bool names_transactions = requires(session& on) { on.oldest_transaction(sql::table_prefix); };
    static constexpr std::chrono::seconds longest_change{60};
    static constexpr std::chrono::seconds pause_of_change{1};
    static constexpr lock_mode looking = Driver::capabilities.transactional_schema ? lock_mode::snapshot : lock_mode::schema;

    /// Changes the schema. Where another transaction uses a table, the change waits only for a moment, releases its locks, and tries again.
    /// \throws visor::error `busy` when that went on for `longest_change`; the message names that transaction, if the server tells which
    template <class Op>
    task<int> change(Op op) {
      co_await check_rights();
      duration const begin = wall_clock().elapsed();
      for (;;) {
        std::optional<error> refused;
        try {
          co_return co_await store_->template perform<lock_mode::schema>(op, &no_check);
        } catch (error const& thrown) {
          refused = thrown;
        }
        if (!names_transactions || refused->code() != errc::busy) throw error(*refused);
        std::string line = "the tables in " + store_->display_name() + " are in use by another transaction";
        if (std::string const whose = co_await oldest_transaction(); !whose.empty()) line += ", perhaps by " + whose;
        if (wall_clock().elapsed() - begin > longest_change)
          throw error(errc::busy, line + ": nothing was changed; end it, or try again later", refused->server_text());
        if (log_) log_(log_level::warning, line + ": their change waits for it");
        boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
        timer.expires_after(pause_of_change);
        auto sleeping = timer.async_wait(boost::asio::use_awaitable);
        co_await std::move(sleeping);
      }
    }

    /// \throws visor::error `authentication_failed` where a right is missing: a catalog that hides tables would show none
    task<> check_rights() {
      if constexpr (dialect::catalog_hides) {
        detail::needs_no_time const op{[](transaction& t) { return detail::check_rights<dialect>(t.session); }};
        co_await store_->template perform<lock_mode::single_statement>(op, &no_check);
      }
      co_return;
    }

    task<std::string> oldest_transaction() {
      std::string found;
      if constexpr (names_transactions) {
        auto const op = [](transaction& t) -> async<std::string> { co_return co_await t.session.oldest_transaction(sql::table_prefix); };
        try {
          found = co_await store_->template perform<lock_mode::single_statement>(op, &no_check);
        } catch (error const&) {  // not every user may know
        }
      }
      co_return found;
    }

    static async<int> migrate_in(transaction& t, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      bool const is_ours = !status.has_tables || status.is_half_made || status.current > 0;
      if (status.current > status.latest || !is_ours || status.is_altered())
        throw error(errc::schema_mismatch, detail::mismatch(status, where));
      if (status.is_half_made) {
        co_await detail::check_half_made(t.session, where);
        co_await detail::reset_schema<dialect>(t.session, t.now);
        co_return status.latest;
      }
      int const steps = co_await detail::move_schema<dialect>(t.session, status.latest, t.now);
      if (steps > 0) co_await detail::begin_job_numbers(t);
      co_return steps;
    }

    static async<std::vector<working_node>> working_nodes_in(transaction& t) {
      auto const stored = co_await detail::stored_parts(t.session);
      std::vector<working_node> found;
      if (!stored.contains(std::string(sql::table_prefix) + std::string(sql::table<node_record>::name))) co_return found;
      found = co_await t.session.query(statements::working_nodes());
      std::erase_if(found, [&](working_node const& each) { return each.lease_until <= t.now; });
      co_return found;
    }

    static async<std::int64_t> begin_generation(transaction& t) {
      auto last_id = co_await detail::take_job_ids(t, 1);
      job_id const next_id = std::max(last_id.ids.take(), last_id.highest) + 1;
      co_await detail::raise_job_ids(t, detail::goes_on_at(detail::ids_of_a_second, t.now, next_id) - 1);
      auto const next_lease = co_await detail::reserve(t, "lease", 1);
      co_await detail::reserve(t, "lease", detail::goes_on_at(detail::ids_of_a_second, t.now, next_lease) - next_lease - 1);
      auto const removed = co_await detail::reserve(t, detail::epochs, 1) - 1;
      auto last = removed;
      auto const nodes = co_await t.session.query(statements::all_nodes());
      for (auto const& node : nodes) last = std::max(last, node.epoch);
      statements::raise_params const epochs{detail::goes_on_at(detail::epochs_of_a_second, t.now, last)};
      co_await t.session.post(statements::raise_epochs(), epochs);
      co_await detail::reserve(t, detail::epochs, epochs.epoch - removed - 1);
      auto const before = co_await detail::read_generation(t);
      auto const generation = detail::generation_at(t.now, before);
      sequence_record const none{std::string(detail::generations), 0};
      statements::sequence_params const step{detail::generations, generation - before};
      co_await t.session.post(statements::insert_new_sequence(), none);
      co_await t.session.post(statements::advance_sequence(), step);
      co_return generation;
    }

    static async<int> rollback_in(transaction& t, int steps, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      if (status.current > status.latest) throw error(errc::schema_mismatch, detail::mismatch(status, where));
      int const target = std::max(0, status.begun - std::max(1, steps));
      constexpr int numbered = sql::table<job_number_record>::since;
      if (target > 0 && target < numbered && status.current >= numbered) co_await detail::end_job_numbers(t);
      co_return co_await detail::move_schema<dialect>(t.session, target, t.now);
    }

    static async<int> reset_in(transaction& t, std::string where) {
      co_await t.session.lock_schema();
      auto const status = co_await detail::read_status<dialect>(t.session);
      if (status.current > status.latest) throw error(errc::schema_mismatch, detail::mismatch(status, where));
      co_await detail::reset_schema<dialect>(t.session, t.now);
      co_return status.latest;
    }

    sql_store* store_;
    log_sink log_;
  };

  /// \param log see the constructor of `schema_administration`
  schema_administration schema(log_sink log = {}) { return schema_administration(*this, std::move(log)); }

 private:
  template <class Op>
  using result_of = typename std::invoke_result_t<Op const&, transaction&>::value_type;

  static constexpr bool has_server_clock = Driver::capabilities.server_clock && std::same_as<Clock, wall_clock>;
  static constexpr std::int64_t lease_id_block = 1024;

  void check_open() const {
    if (!is_open_) throw error(errc::closed, "the store is not open: call open() first");
  }

  /// The name of the database in messages.
  std::string display_name() const { return settings_.display_name(); }

  template <class Records>
  void check_all(Records const& all) const {
    for (auto const& each : all) {
      check_text(each);
      check_size(each.payload);
    }
  }

  /// \throws visor::error `invalid_argument` for a payload that this server does not take
  void check_size(std::string const& payload) const {
    constexpr std::size_t always_taken = 16 * 1024;
    if constexpr (requires { database_.payload_limit(); })
      if (payload.size() > always_taken)
        if (auto const limit = database_.payload_limit())
          detail::check_payload_size(payload, *limit, "max_allowed_packet of the server (less 64 KiB, but 16 KiB at least)",
                                     [this] { return display_name(); });
  }

  static void no_check() {}

  /// Whether an error may mean that the tables are not this program's. SQLite and Babelfish report no more than `internal`.
  static bool is_about_tables(error const& failure) { return failure.code() == errc::schema_mismatch || failure.code() == errc::internal; }

  /// Reads the version of the tables after a read of them has failed. Returns 0 if there are none.
  task<int> version_of_tables(error const& failure) {
    auto const op = [](transaction& t) { return detail::read_version(t.session); };
    try {
      co_return co_await read_one_statement(op);
    } catch (error const& thrown) {
      if (thrown.code() != errc::schema_mismatch) throw error(failure);
    }
    co_return 0;
  }

  /// Joins unless the schema has changed since `open`. A change of it waits for this transaction, or the other way round.
  static async<node_lease> join_in(transaction& t, join_request const& request, std::string where) {
    co_await detail::check_version(t.session, where);
    co_return co_await detail::join(t, request);
  }

  /// One operation inside a transaction, with storage for its result.
  template <lock_mode How, class Op>
  class call {
   public:
    call(sql_store& of, Op const& op, std::source_location where) : store_(of), op_(op), where_(where) {}

    async<void> operator()(session& on) {
      transaction t{on, instant{}, store_.leases_, store_.cursors_, false, {}};
      if constexpr (asks_time) {
        t.time.asked.emplace(on.now());
        t.time.is_used = true;
      } else {
        t.now = store_.clock_.now();
      }
      if constexpr (!requires { Op::before_time; }) {
        duration const since = wall_clock().elapsed();
        co_await detail::know_time(t);
        if constexpr (asks_time && dialect::keeps_removed) t.cursors.saw_round_trip(wall_clock().elapsed() - since);
      }
      if constexpr (std::is_void_v<result_of<Op>>)
        co_await op_(t);
      else
        result_.emplace(co_await op_(t));
      new_work_ = t.new_work;
      if constexpr (requires { on.notify(); })
        if (t.new_work) on.notify();
    }

    static constexpr deferral defers = [] {
      if constexpr (requires { Op::defers; })
        return Op::defers;
      else
        return deferral::none;
    }();
    bool has_new_work() const { return new_work_; }
    std::source_location where() const { return where_; }
    result_of<Op> take() {
      if constexpr (!std::is_void_v<result_of<Op>>) return std::move(*result_);
    }

   private:
    static constexpr bool asks_time =
        How != lock_mode::single_statement && How != lock_mode::heartbeat && has_server_clock && !requires { Op::is_timeless; };
    struct nothing {};
    sql_store& store_;
    Op const& op_;
    std::source_location where_;
    std::optional<std::conditional_t<std::is_void_v<result_of<Op>>, nothing, result_of<Op>>> result_;
    bool new_work_ = false;
  };

  /// Performs one transaction on an open database.
  /// \param check throws where the operation may not begin
  /// \param where the caller, for messages about connections that are held for long
  template <lock_mode How, class Op, class Check>
  task<result_of<Op>> perform(Op op, Check check, std::source_location where = std::source_location::current()) {
    check();
    call<How, Op> one(*this, op, where);
    if constexpr (How == lock_mode::single_statement || How == lock_mode::snapshot)
      co_await database_.read(one, How);
    else
      co_await database_.transact(one, How);
    if (one.has_new_work()) changes_.notify();
    co_return one.take();
  }

  template <lock_mode How, class Op, class Check>
  task<result_of<Op>> perform_open(Op op, Check check, std::source_location where) {
    auto const check_both = [this, check] {
      check();
      check_open();
    };
    return perform<How>(std::move(op), check_both, where);
  }

  /// Runs an operation under the exclusive store lock, for decisions that depend on rows other transactions change.
  template <class Op, class Check = void (*)()>
  task<result_of<Op>> write(Op op, Check check = &no_check, std::source_location where = std::source_location::current()) {
    return perform_open<lock_mode::exclusive>(std::move(op), check, where);
  }

  /// Runs an operation under the shared store lock. It touches only rows of the caller, locks the rows that it takes, and adds new ones.
  /// Other rows that it reads change only under the exclusive lock.
  template <class Op, class Check = void (*)()>
  task<result_of<Op>> write_shared(Op op, Check check = &no_check, std::source_location where = std::source_location::current()) {
    return perform_open<lock_mode::shared>(std::move(op), check, where);
  }

  /// Performs a write on the fast path. On a fast path miss, nothing of that is kept, and the write is repeated on the general path.
  template <lock_mode How, class FastPath, class GeneralPath, class Check>
  task<result_of<GeneralPath>> write_on_fast_path(FastPath fast_path, GeneralPath general_path, Check check,
                                                  std::source_location where = std::source_location::current()) {
    try {
      co_return co_await perform_open<How>(std::move(fast_path), check, where);
    } catch (detail::fast_path_miss const&) {
    } catch (error const& thrown) {
      if (thrown.code() != errc::unique_violation) throw;
    }
    co_return co_await perform_open<How>(std::move(general_path), check, where);
  }

  /// Performs a write of many rows. Where the database refuses one of them permanently, it is performed once more, row by row.
  template <lock_mode How, class Op>
  task<result_of<Op>> write_isolating_refusals(Op op, std::source_location where = std::source_location::current()) {
    auto once = [&](detail::row_refusals* refusals) -> task<result_of<Op>> {
      if (refusals == nullptr) co_return co_await perform_open<How>(op, &no_check, where);
      auto const row_by_row = [&](transaction& t) {
        refusals->restart();
        t.refusals = refusals;
        return op(t);
      };
      co_return co_await perform_open<How>(row_by_row, &no_check, where);
    };
    auto const elapsed = [] { return wall_clock().elapsed(); };
    auto const tell = [this](remark const& each) {
      if (log_) log_(log_level::error, (each.job == 0 ? "" : "job " + std::to_string(each.job) + " ") + each.text);
    };
    co_return co_await detail::perform_isolating_refusals(stranded_, elapsed, once, tell);
  }

  /// Performs an exchange. Claims pass over rows that the database refuses to remove. For one result, one release or claims alone, it finds
  /// the rows that are refused.
  task<exchange_result> exchange_part(node_lease const& lease, std::span<job_result const> done, std::span<release const> back,
                                      std::span<claim_request const> wanted) {
    lease_id first_id = 0;
    if (!wanted.empty()) first_id = co_await next_lease_ids(wanted.size());
    auto refusals = passed_over_.known(wall_clock().elapsed());
    detail::looks_first const op{[&](transaction& t) {
      refusals.restart();
      if (refusals.is_row_by_row() || refusals.count_left() != 0) t.refusals = &refusals;
      return detail::exchange(t, lease, done, back, wanted, first_id);
    }};
    exchange_result result;
    for (;;) {
      try {
        result = co_await write_shared(op);
        break;
      } catch (error const& thrown) {
        bool const is_alone = done.size() + back.size() + (wanted.empty() ? 0 : 1) <= 1;
        if (!is_refusal(thrown.portable_code()) || !is_alone) throw;
        if (!refusals.is_row_by_row()) {
          refusals.begin_row_by_row();
          continue;
        }
        bool const has_learned = refusals.learn(thrown);
        if (!has_learned && (wanted.empty() || refusals.count_learned() == 0)) throw;
        if (wanted.empty()) continue;
        if (has_learned && !refusals.has_learned_enough() && !wanted.front().dead_with) continue;  // that reason is of one job
        result.next_in = duration{0};
        break;
      }
    }
    for (auto& each : refusals.take_remarks()) result.remarks.push_back(std::move(each));
    if (!wanted.empty()) passed_over_.keep(refusals, wall_clock().elapsed());
    co_return result;
  }

  task<std::vector<fired>> fire_part(node_lease const& lease, std::span<fire_order const> orders) {
    detail::asks_then_writes const fast_path{[&lease, orders](transaction& t) { return detail::fast_path_fire_all(t, lease, orders); }};
    auto const general_path = [&lease, orders](transaction& t) { return detail::fire_all(t, lease, orders); };
    return write_on_fast_path<lock_mode::exclusive>(fast_path, general_path, &no_check);
  }

  template <class Op, class Check = void (*)()>
  task<result_of<Op>> read(Op op, Check check = &no_check, std::source_location where = std::source_location::current()) {
    return perform_open<lock_mode::snapshot>(std::move(op), std::move(check), where);
  }

  /// Performs a read of one statement that does not need the time.
  template <class Op>
  task<result_of<Op>> read_one_statement(Op op, std::source_location where = std::source_location::current()) {
    return perform_open<lock_mode::single_statement>(std::move(op), &no_check, where);
  }

  /// Checks whether a transaction skips a row that another one has locked: once for each store, and the result is stored in it.
  /// \throws visor::error `unsupported` when it does not
  task<> check_row_locks() {
    // The check takes two connections, beside those that are in use.
    if constexpr (!dialect::skip_locked.empty()) {
      if (settings_.pool.max < 3 || are_rows_locked_) co_return;
      statements::of_node const which{detail::row_locks};
      auto const read = [&which](transaction& t) -> async<std::optional<statements::sequence_value>> {
        co_return co_await t.session.find(statements::read_sequence(), which);
      };
      auto known = co_await perform<lock_mode::single_statement>(read, &no_check);
      if (!known) {
        auto const add = [](transaction& t) -> async<void> {
          sequence_record const first{std::string(detail::row_locks), 1};
          co_await t.session.post(statements::insert_new_sequence(), first);
        };
        co_await perform<lock_mode::shared>(add, &no_check);
      }
      bool const is_known = known && known->next > 1;
      if (!is_known) co_await probe_row_locks(which);
      are_rows_locked_ = true;
    }
    co_return;
  }

  /// Takes ids outside of a transaction where sessions defer. Such a session sends its transaction as one message, and these statements
  /// need replies to their writes. So each statement commits by itself.
  template <class Take>
  task<detail::taken_ids> take_ids(Take take, std::source_location where = std::source_location::current()) {
    if constexpr (requires(session& on) { on.defers(); })
      return read_one_statement(std::move(take), where);
    else
      return write_shared(std::move(take), &no_check, where);
  }

  /// Rows that were copied into a database, or a replica that took over, come without what numbers them: ids would be given out once more,
  /// and a job that has such an id is taken for one that is there.
  template <class Take>
  task<detail::taken_ids> take_ids_behind_all(Take take) {
    // Between taking ids and looking, others may have taken the next ones and used them.
    job_id const highest = co_await read_one_statement([](transaction& t) { return detail::highest_job_id(t); });
    auto taken = co_await take_ids(take);
    taken.highest = highest;
    if (taken.are_new()) co_return taken;
    // Behind what others reserved before the source was set back, too.
    job_id const last = highest > std::numeric_limits<job_id>::max() - detail::most_reserved ? highest : highest + detail::most_reserved;
    auto const raise = [last](transaction& t) { return detail::raise_job_ids(t, last); };
    co_await write(raise);
    taken = co_await take_ids(take);
    taken.highest = highest;
    if (!taken.are_new())
      throw error(errc::schema_mismatch,
                  "there are no ids for new jobs: visor_job_number no longer numbers its rows: `visor db validate` tells what it lacks");
    if (log_) log_(log_level::warning, "there were jobs with ids that had not been given out: those of new jobs are greater from now on");
    co_return taken;
  }

  task<> probe_row_locks(statements::of_node which) {
    auto const pass = [&which](transaction& t) -> async<bool> {
      auto const found = co_await t.session.find(statements::find_unlocked_sequence(), which);
      co_return found.has_value();
    };
    bool has_begun = false;
    bool is_passed = false;
    auto const hold = [this, &pass, &which, &has_begun, &is_passed](transaction& t) -> async<void> {
      // The first session was lost while the second one was waited for: the lock was gone, so that the result proves nothing.
      if (std::exchange(has_begun, true)) throw error(errc::busy, "two sessions cannot be had at once");
      co_await t.session.find(statements::lock_sequence(), which);
      is_passed = co_await perform<lock_mode::shared>(pass, &no_check);
      statements::sequence_params const times{which.name, is_passed ? 0 : 1};
      co_await t.session.execute(statements::advance_sequence(), times);
    };
    bool is_certain = true;
    try {
      co_await perform<lock_mode::shared>(hold, &no_check);
    } catch (error const&) {  // a pooler may not give two sessions at once: then the result is unknown, and the next node tries again
      is_certain = false;
    }
    if (is_certain && is_passed)
      throw error(errc::unsupported,
                  display_name() +
                      " locks no rows: one session took a row that another had locked, so two nodes would run one job. It must be the "
                      "database itself, with its own storage engine, not one that speaks its language");
  }

  std::optional<lease_id> take_lease_ids(std::size_t count) {
    std::scoped_lock const lock(lease_ids_mutex_);
    if (last_lease_id_ - next_lease_id_ < static_cast<lease_id>(count)) return std::nullopt;
    return std::exchange(next_lease_id_, next_lease_id_ + static_cast<lease_id>(count));
  }

  task<lease_id> next_lease_ids(std::size_t count) {
    auto const taken = take_lease_ids(count);
    if (taken) co_return *taken;
    co_return co_await reserve_lease_ids(count);
  }

  /// Reserves a block of lease ids, so that a claim need not touch the sequence.
  task<lease_id> reserve_lease_ids(std::size_t count) {
    auto const block = std::max(lease_id_block, static_cast<std::int64_t>(count));
    detail::guards_itself const op{[&](transaction& t) { return detail::reserve(t, "lease", block); }};
    lease_id const first = co_await write_shared(op);
    std::scoped_lock const lock(lease_ids_mutex_);
    next_lease_id_ = first + static_cast<lease_id>(count);
    last_lease_id_ = first + block;
    co_return first;
  }

  settings settings_;
  [[no_unique_address]] Clock clock_;
  log_sink log_;
  std::atomic<bool> is_open_{false};
  std::atomic<bool> are_rows_locked_{false};
  change_signal changes_;
  detail::lease_cache leases_;
  detail::claim_cursors cursors_;
  detail::stranded_rows stranded_;
  detail::stranded_rows passed_over_;  // by exchanges
  std::mutex lease_ids_mutex_;
  lease_id next_lease_id_ = 0;
  lease_id last_lease_id_ = 0;          // the end of the block, exclusive
  typename Driver::database database_;  // last, so that its threads end before the other members are destroyed
};

}  // namespace visor

#endif
