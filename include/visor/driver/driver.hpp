#ifndef VISOR_DRIVER_DRIVER_HPP
#define VISOR_DRIVER_DRIVER_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/base/node_claim.hpp"
#include "visor/sql/dialect.hpp"
#include "visor/sql/statement.hpp"

#include <boost/describe/class.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The interface between visor and a database. A driver is a stateless type that names its parts; everything else, from the tables to the
/// last statement, is generated or written once above it.
namespace visor {

/// Facts about a database that decide between algorithms. Code tests for a fact, never for a database.
struct driver_capabilities {
  bool server_clock;  ///< the session has `now()`, the database's clock, which is then the store's clock
  /// A change of the schema is invisible to others before its transaction commits. Where that is false, a read that must not see half a
  /// schema runs in a write transaction.
  bool transactional_schema = true;
};

/// The lock mode of a transaction. Most write transactions touch only their own rows, or lock the rows that they take: these share
/// the store lock. A transaction that tolerates no concurrent writes takes it exclusively. Every algorithm is therefore written for one of
/// two cases, and no order of locks has to be kept.
enum class lock_mode {
  single_statement,  ///< reads by one statement, which the database wraps in a transaction by itself
  snapshot,          ///< reads one state of the database, and blocks no other transaction
  shared,            ///< writes concurrently with others of its kind; a driver may run it as `exclusive`
  exclusive,         ///< no other transaction writes from its begin to its end
  heartbeat,         ///< writes one row by one statement, committed by itself, and waits only for a lock on that row
  schema             ///< exclusive among its kind, whether the tables exist or not
};

/// The lock of the transactions of a store, as the store describes it: drivers and pools know no table.
struct store_lock {
  std::string_view resource = "visor";  ///< name of the lock, and of the channel for notifications of commits
  /// Text behind FROM: one row that always exists and never changes. Lock and clock are requested through it, so that they are those of the
  /// server that has the tables, whichever server a connection enters at. Empty: there is no such row.
  std::string_view row = {};

  /// A row in which a driver may count the write transactions. A transaction that reads without a lock checks in it whether its reads still
  /// hold. The members are names of columns and the key of the row; all empty: there is no such table.
  struct counter_row {
    std::string_view table, key, number, name;
    std::string_view additions = {};  ///< the row that counts guarded transactions; their writes invalidate no reads but those of replayed
                                      ///< ones, which may read anything
    std::string_view turn = {};       ///< the row of the instant at which the turn of an announced write transaction ends
  };
  counter_row counter = {};
};

/// Whether the writes of a transaction may be sent as one message, together with its commit. A driver does so if its server would let a
/// stopped client keep its locks.
///
/// - `none`: no.
/// - `checked`: the operation nearly always reads before it writes, and needs no answer to its writes. Its reads must still hold at the
///   commit.
/// - `guarded`: the same, but each statement itself states the conditions that must hold.
/// - `replayed`: any operation. For an answer about its own writes, a message performs all of them, asks the question, and rolls back.
enum class deferral : std::uint8_t { none, checked, guarded, replayed };

/// The lock request of a transaction. `lock_timeout` counts only for one in mode `exclusive`.
struct lock_request {
  store_lock lock;
  duration lock_timeout{0};  ///< longest wait for the lock, which keeps all later transactions out; 0: as long as any statement waits
  duration limit{0};         ///< longest wait of its other statements for locks
  deferral defers = deferral::none;
  bool may_replay = false;  ///< a driver may run any operation as `deferral::replayed`
  bool takes_turn = false;  ///< takes the turn: no other transaction begins to write until this one is over or a second has passed
};

/// The longest wait of a schema change for a lock, after which it gives up its place in the queue.
inline constexpr std::chrono::seconds longest_wait_of_schema{2};

namespace detail {

/// Thrown by a session in a deferred operation that needs an answer after all: the operation is repeated with one message after the other.
struct cannot_defer {};

struct any_record {
  std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(any_record, (), (id))

struct any_statement : sql::statement_defaults {
  static constexpr std::string_view name = "any";
  using params = any_record;
  using row = any_record;
  using used = sql::tables<>;
  static constexpr void write(auto& out) { out("SELECT :id AS [id]"); }
};

}  // namespace detail

/// The view of an operation on its transaction. A session lives for one call of an operation.
///
/// - `S::dialect`: of its driver.
/// - `S::in_order`: whether a request is executed before all later calls, although its answer may be awaited later.
///
/// `S::async<T>` is the coroutine type that operations over this session return: `asio::awaitable<T>` for a driver that never blocks,
/// `visor::immediate<T>` for one whose operations run on the driver's own threads. Every call below is awaited, once. A `query` or `find`
/// may be awaited later, and is answered some time between. Independent queries that are all started before the first is awaited share a
/// round trip where the driver can do that.
///
/// - `s.query(statement, params)` awaits to all its rows, a `std::vector<Row>`.
/// - `s.find(statement, params)`: its first row, a `std::optional<Row>`.
/// - `s.execute(statement, params)`: the number of rows that it inserted, changed or deleted. The database decides whether a row that is
///   set to the values that it had counts.
/// - `s.execute_many(statement, span, affected)`: one execution for each `Params` of the span, in order; the sum of their rows. If the span
///   `affected` is given, it gets the row count of each, none of which may be more than one.
/// - `s.post(statement, params)` and `s.post_many(statement, span)`: the same without the row count. A driver may send them together with
///   later requests; a failure is then thrown by a later call, at the latest by the commit.
/// - `s.expect_many(statement, span)`: `post_many` where each execution must affect one row, or the transaction fails with
///   `serialization_failure`. Only in a driver that may defer (`lock_request`).
/// - `s.defers()`: whether writes are sent with the commit, and only take effect if all earlier reads still hold then. Only in a driver
///   that may defer.
/// - `s.copy(statement, span)`: `post_many` of an INSERT, through the database's bulk load; only where it has one.
/// - `s.run(text)`: runs text that is not prepared, such as a statement of the schema. Its effects on the session of a server (settings,
///   temporary tables, locks) are invisible to the next transaction. Statements must leave nothing in a session: nothing cleans up after
///   them.
/// - `s.lock_schema()`: in a transaction in mode `schema`: until it ends no other process gets past this call. Its statements
///   wait for locks no longer than `longest_wait_of_schema`: even readers queue behind an ALTER that waits.
/// - `s.oldest_transaction(prefix)`: only where the database can tell. Describes, for people, the other transaction that has been open
///   longest, as far as known among those that use tables whose names begin with `prefix`; empty for none.
/// - `s.now()`: the database's clock; only with `server_clock`.
/// - `s.notify()`: notifies watching processes when this transaction commits; only where the database can do that.
///
/// `params` may be left out where the statement has none. Parameters are referenced, not copied, until the awaited call is over. All calls
/// throw `visor::error`; after that the operation may not use the session any more. A failed transaction leaves nothing behind.
template <class S>
concept driver_session = requires(S& s, detail::any_statement statement, detail::any_record const& params,
                                  std::span<detail::any_record const> many, std::span<std::size_t> affected, std::string_view text) {
  typename S::template async<int>;
  typename S::dialect;
  { S::in_order } -> std::convertible_to<bool>;
  s.query(statement, params);
  s.find(statement, params);
  s.execute(statement, params);
  s.execute_many(statement, many, affected);
  s.post(statement, params);
  s.post_many(statement, many);
  s.run(text);
  s.lock_schema();
};

/// A driver.
///
/// - `D::name`: as users write it in a configuration.
/// - `D::dialect`: satisfies `sql::dialect`.
/// - `D::capabilities`: a constexpr `driver_capabilities`.
/// - `D::settings`: a described struct: how to reach the database. It has `std::optional<bool> auto_init`, and `display_name()`, the
///   name of the database in messages.
/// - `D::session`: satisfies `driver_session`.
/// - `D::database(settings, log, lock)`: owns connections and threads; does nothing yet. It logs its own actions to the `log_sink`. The
///   `store_lock` may be left out.
/// - `database.open()`: connects; repeatable. Throws as `transact` does.
/// - `database.close()`: waits for the requested operations, then disconnects; later calls fail with `closed`, until it is opened again.
/// - `database.transact(op, how)`: calls `op(session)`, which returns `S::async<void>`, in a write transaction in this `lock_mode`
///   (`schema` if it is left out), and commits. `op` must live until completion, and may be called again after a failure that allows a
///   retry. If it has an `op.where()`, a `std::source_location`, messages about a connection that is held for long name that. If its type
///   has a `defers`, that is its `deferral`.
/// - `database.read(op, how)`: the same for an operation that only reads: `snapshot`, if that is left out, or `single_statement`.
/// - `database.is_watching()`: whether commits of others are noticed, as far as the driver knows.
/// - `database.watch(f)`: `f` is called, from any thread, when another process may have committed, as far as the driver can tell. An empty
///   `f` ends that.
/// - `database.claim_node(holder)`, optional: claims the right to be the store's only node, by a lock of the operating system.
/// - `D::classify(code)`: the portable error code for one of the codes of the database, a number or a text.
///
/// `transact` and `read` throw the `visor::error` of `op`, or an error with the code of the failure. `connection_lost` means that
/// nothing was written, `outcome_unknown` that a commit was sent and its answer never came. Cancelling (terminal) abandons an operation
/// that has not begun; one that has begun is awaited, since it refers to its caller's values.
///
/// All members are safe to call from any thread, and complete on the caller's executor. Its context must outlive the database: a thread of
/// the database may still be leaving the context when the completion runs.
template <class D>
concept driver = driver_session<typename D::session> && sql::dialect<typename D::dialect> &&
                 std::constructible_from<typename D::database, typename D::settings, log_sink, store_lock> &&
                 requires(typename D::database& database, typename D::settings settings,
                          typename D::session::template async<void> (&operation)(typename D::session&)) {
                   { D::name } -> std::convertible_to<std::string_view>;
                   { D::capabilities } -> std::convertible_to<driver_capabilities>;
                   { settings.display_name() } -> std::convertible_to<std::string>;
                   { settings.auto_init } -> std::convertible_to<std::optional<bool>>;
                   { database.open() } -> std::same_as<task<>>;
                   { database.close() } -> std::same_as<task<>>;
                   { database.transact(operation, lock_mode::exclusive) } -> std::same_as<task<>>;
                   { database.read(operation, lock_mode::single_statement) } -> std::same_as<task<>>;
                   { database.is_watching() } -> std::same_as<bool>;
                   database.watch(std::function<void()>{});
                   requires requires(int number) {
                     { D::classify(number) } -> std::same_as<errc>;
                   } || requires(std::string_view text) {
                     { D::classify(text) } -> std::same_as<errc>;
                   };
                 };

/// The coroutine type of operations over a session.
template <class Session, class T = void>
using async = typename Session::template async<T>;

}  // namespace visor

#endif
