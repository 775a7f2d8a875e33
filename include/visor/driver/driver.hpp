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

/// What visor asks of a database. A driver is a stateless type that names its parts; everything else, from the tables to the last
/// statement, is generated or written once above it.
namespace visor {

/// Facts about a database that decide between algorithms. Code asks for a fact, never for a database.
struct driver_capabilities {
  bool server_clock;  ///< the session has `now()`, the database's clock, which then is the store's clock
  /// Nobody sees a change of the schema before its transaction commits. Where that is not so, whoever must not see half a schema looks at
  /// it in a transaction that may write.
  bool transactional_schema = true;
};

/// How a transaction goes beside others of the store. Most that write touch nothing but what is theirs, or lock what they take, row by
/// row: these go `beside` each other. What must not be done while anybody else writes goes `alone`. So every algorithm is written for one
/// of two cases, and there is no order of locks to keep.
enum class access {
  asks,    ///< reads by one statement, of which the database makes a transaction by itself
  reads,   ///< sees one state of the database, and keeps nobody waiting
  beside,  ///< writes, beside others of its kind; a driver may let it go alone
  alone,   ///< no other transaction writes from its begin to its end
  beat,    ///< writes one row by one statement, committed by itself, and waits for nobody but who has locked that row
  schema   ///< alone among its kind, whatever tables there are
};

/// The lock that transactions of a store share, as the store describes it: drivers and pools know no table.
struct store_lock {
  std::string_view resource = "visor";  ///< its name, that of the channel on which commits are announced included
  /// Behind FROM: one row that is always there and never changes, through which lock and clock are asked for, so that they are those of the
  /// server that has the tables, whichever one a connection enters at. Empty: there is no such row.
  std::string_view row = {};

  /// A row in which a driver may count the transactions that have written. Whoever reads without a lock sees by it whether what was read
  /// still holds. Names of columns and the key of the row; all empty: there is no such table.
  struct counter_row {
    std::string_view table, key, number, name;
    std::string_view additions =
        {};  ///< the row of those that guard themselves, and so make nobody else's answers wrong but of one who looks at all
    std::string_view turn = {};  ///< the row of the instant at which the turn ends of whoever has announced that he will write
  };
  counter_row counter = {};
};

/// Whether what a transaction writes may be sent as one message, with its commit, by a driver whose server would let a client that is
/// stopped keep its locks.
///
/// - `none`: no.
/// - `checked`: the operation nearly always asks before it writes, and needs no answer to what it writes. What it asked must still hold
/// then.
/// - `guarded`: the same, but what must hold each of its statements says itself.
/// - `replayed`: any operation. An answer to what it wrote is had by a message that writes all of that, asks, and takes it back.
enum class deferral : std::uint8_t { none, checked, guarded, replayed };

/// How a transaction that goes `alone` asks for the lock of its store.
struct lock_request {
  store_lock lock;
  duration patience{0};  ///< waits so long for its turn, in which nobody else gets in; 0: as long as any statement waits
  duration limit{0};     ///< so long its other statements wait
  deferral defers = deferral::none;
  bool may_replay = false;  ///< a driver may do any operation as `deferral::replayed`
  bool takes_turn = false;  ///< others wrote each time: so nobody else begins to, before it is over or a second has passed
};

/// So long a change of the schema waits for a lock before it gives up its place.
inline constexpr std::chrono::seconds longest_wait_of_schema{2};

namespace detail {

/// Thrown by a session whose operation was said to defer, and needs an answer after all: it is done again, by one message after the other.
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

/// What a transaction sees. It lives for one call of an operation.
///
/// - `S::dialect`: of its driver.
/// - `S::in_order`: whether what is asked is done before all that is called after it, though its answer may be awaited later.
///
/// `S::async<T>` is the coroutine type that operations over this session return: `asio::awaitable<T>` for a driver that never
/// blocks, `visor::immediate<T>` for one whose operations run on the driver's own threads. Every call below is awaited, once. A `query` or
/// `find` may be awaited later, and it is answered some time between: independent questions that are all asked before the first is awaited
/// share a round trip where the driver can do that.
///
/// - `s.query(statement, params)` awaits to all its rows, a `std::vector<Row>`.
/// - `s.find(statement, params)`: its first row, a `std::optional<Row>`.
/// - `s.execute(statement, params)`: the number of rows that it inserted, changed or deleted. Whether a row that is set to the values that
///   it had is one of them depends on the database.
/// - `s.execute_many(statement, span, affected)`: one execution for each `Params` of the span, in order; the sum of their rows. Where
///   the span `affected` is given it gets the number of each, of which none may be more than one.
/// - `s.post(statement, params)` and `s.post_many(statement, span)`: the same where nobody asks for the number. A driver may let what it
///   sends travel with what follows; that it failed is then what the next call throws, at the latest the commit.
/// - `s.expect_many(statement, span)`: `post_many` where each execution must affect one row, or the transaction fails with
///   `serialization_failure`; and `s.defers()`: whether what is written is sent with the commit, and only if all that was read before still
///   holds then. Only of a driver that may defer (`lock_request`).
/// - `s.copy(statement, span)`: `post_many` of an INSERT, by what the database has for very many rows; only where it has something.
/// - `s.run(text)`: runs text that is not kept, such as a statement of the schema. Of what that leaves in a session of a server
///   (settings, temporary tables, locks) the next transaction sees nothing. Statements must leave nothing there: nobody clears up after
///   them.
/// - `s.lock_schema()`: in a transaction with access to the `schema`: until it ends no other process is past this line, and its statements
///   wait for locks no longer than `longest_wait_of_schema`: even those who only read queue behind an ALTER that waits.
/// - `s.oldest_transaction(prefix)`: only where the database can tell: of the other transactions, as far as can be told those that use
/// tables
///   whose names begin so, the one that has been open longest, for people; empty for none.
/// - `s.now()`: the database's clock; only with `server_clock`.
/// - `s.announce()`: others, who watch, hear of this transaction when it commits; only where the database can do that.
///
/// `params` may be left out where the statement has none. Parameters are referenced, not copied, until the awaited call is over.
/// All throw `visor::error`; after that the operation may not go on with the session. A failed transaction leaves nothing behind.
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
/// - `D::settings`: a described struct: how to reach the database. It has `std::optional<bool> auto_init`, and `place()`, which names
///   the database in messages.
/// - `D::session`: satisfies `driver_session`.
/// - `D::database(settings, log, lock)`: owns connections and threads; does nothing yet. It tells the `log_sink` what it does by itself.
/// The
///   `store_lock` may be left out.
/// - `database.open()`: connects; repeatable. Throws as `transact` does.
/// - `database.close()`: lets what was asked for finish, then disconnects; later calls fail with `closed`, until it is opened again.
/// - `database.transact(op, how)`: calls `op(session)`, which returns `S::async<void>`, in a transaction that may write, with this `access`
///   (`schema` if it is left out), and commits. `op` must live until completion, and may be called again after a failure that asks for it.
///   If it has an `op.where()`, a `std::source_location`, messages about a connection that is held for long name that. If its type has a
///   `defers`, that is its `deferral`.
/// - `database.read(op, how)`: the same for an operation that only reads: `reads`, if that is left out, or `asks`.
/// - `database.is_watching()`: whether what others commit is noticed, as far as the driver knows.
/// - `database.watch(f)`: `f` is called, from any thread, when somebody else may have committed, as far as the driver can tell. An
///   empty one ends that.
/// - `database.claim_node(holder)`, optional: claims the right to be the store's only node, by a lock of the operating system.
/// - `D::classify(code)`: the portable condition of one of the database's own error codes, a number or a text.
///
/// `transact` and `read` throw `visor::error` as `op` threw it, or with the condition of what failed: `connection_lost` means that
/// nothing was written, `outcome_unknown` that a commit was sent and its answer never came. Cancelling (terminal) gives up what has
/// not begun; what has begun is waited for, since it refers to its caller's values. All are safe to call from any thread, and
/// complete on the caller's executor, whose context must outlive the database: a thread of it may still be leaving the context when
/// the completion runs.
template <class D>
concept driver = driver_session<typename D::session> && sql::dialect<typename D::dialect> &&
                 std::constructible_from<typename D::database, typename D::settings, log_sink, store_lock> &&
                 requires(typename D::database& database, typename D::settings settings,
                          typename D::session::template async<void> (&operation)(typename D::session&)) {
                   { D::name } -> std::convertible_to<std::string_view>;
                   { D::capabilities } -> std::convertible_to<driver_capabilities>;
                   { settings.place() } -> std::convertible_to<std::string>;
                   { settings.auto_init } -> std::convertible_to<std::optional<bool>>;
                   { database.open() } -> std::same_as<task<>>;
                   { database.close() } -> std::same_as<task<>>;
                   { database.transact(operation, access::alone) } -> std::same_as<task<>>;
                   { database.read(operation, access::asks) } -> std::same_as<task<>>;
                   { database.is_watching() } -> std::same_as<bool>;
                   database.watch(std::function<void()>{});
                   requires requires(int number) {
                     { D::classify(number) } -> std::same_as<condition>;
                   } || requires(std::string_view text) {
                     { D::classify(text) } -> std::same_as<condition>;
                   };
                 };

/// The coroutine type of operations over a session.
template <class Session, class T = void>
using async = typename Session::template async<T>;

}  // namespace visor

#endif
