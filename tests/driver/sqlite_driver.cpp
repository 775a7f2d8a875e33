#include "execute_many.hpp"
#include "sqlite_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include <boost/describe/class.hpp>

#include <condition_variable>
#include <cstdint>
#include <future>
#include <latch>
#include <mutex>
#include <optional>
#include <vector>

static_assert(visor::driver<visor::sqlite>);
static_assert(visor::store<visor::sqlite_store<>>);

namespace visor_test {

struct note {
  std::int64_t id = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(note, (), (id, text))

struct of_note {
  std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(of_note, (), (id))

}  // namespace visor_test

template <>
struct visor::sql::table<visor_test::note> : visor::sql::table_defaults {
  static constexpr std::string_view name = "note";
  static constexpr std::string_view key = "[id]";
};

namespace visor_test {
namespace {

using insert_note = visor::sql::insert<note>;
using insert_new_note = visor::sql::insert<note, note, true>;

struct find_note : visor::sql::statement_defaults {
  static constexpr std::string_view name = "find_note";
  using params = of_note;
  using row = note;
  using used = visor::sql::tables<note>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {note} WHERE [id] = :id"); }
};

struct all_notes : visor::sql::statement_defaults {
  static constexpr std::string_view name = "all_notes";
  using row = note;
  using used = visor::sql::tables<note>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {note} ORDER BY [id]"); }
};

visor::immediate<> make_table(session& on) {
  co_await on.run("CREATE TABLE visor_note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT");
}

visor::immediate<std::size_t> add(session& on, std::int64_t id, std::string text = "text") {
  note const one{id, std::move(text)};
  co_return co_await on.execute(insert_note(), one);
}

visor::immediate<std::vector<note>> list(session& on) { co_return co_await on.query(all_notes()); }

std::vector<std::int64_t> ids_of(std::vector<note> const& notes) {
  std::vector<std::int64_t> ids;
  for (auto const& each : notes) ids.push_back(each.id);
  return ids;
}

/// A database with an empty table.
struct notes : on_file {
  explicit notes(temporary_folder const& folder) : on_file(quick(folder.file())) {
    open();
    transact(make_table);
  }
  std::vector<std::int64_t> ids() { return ids_of(read(list)); }
};

/// Several operations that are asked for while the writer is kept busy, so that it takes them together.
class together {
 public:
  explicit together(on_file& on) : on_(on) {}

  /// \param op is kept until all is over
  template <class Op>
  void add(Op op) {
    work_.push_back([this, op](std::size_t index) mutable -> visor::task<> {
      try {
        kept<Op> one(op);
        co_await on_.database.transact(one);
      } catch (...) {
        failures_[index] = std::current_exception();
      }
    });
  }

  /// Their failures, in order.
  std::vector<std::exception_ptr> run_all() {
    failures_.resize(work_.size());
    std::latch entered(1);
    std::latch leave(1);
    auto hold = [&](session& on) -> visor::immediate<> { return block(on, entered, leave); };
    boost::asio::co_spawn(on_.io, on_.database.transact(hold), [](std::exception_ptr) {});
    on_.io.restart();
    while (!entered.try_wait()) on_.io.poll();
    for (std::size_t i = 0; i < work_.size(); ++i) boost::asio::co_spawn(on_.io, work_[i](i), [](std::exception_ptr) {});
    on_.io.poll();  // all of them are in the queue now
    leave.count_down();
    on_.io.run();
    return failures_;
  }

 private:
  static visor::immediate<> block(session&, std::latch& entered, std::latch& leave) {
    entered.count_down();
    leave.wait();
    co_return;
  }

  on_file& on_;
  std::vector<std::function<visor::task<>(std::size_t)>> work_;
  std::vector<std::exception_ptr> failures_;
};

visor::errc code_of(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (visor::error const& known) {
    return known.portable_code();
  }
}

}  // namespace

TEST_CASE("many executions are one after another, however they are made", "[driver][sqlite]") {
  temporary_folder const folder;
  check_execute_many<visor::sqlite>(quick(folder.file()));
}

TEST_CASE("a session queries, finds, executes", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  auto const op = [](session& on) -> visor::immediate<std::string> {
    std::vector<note> const many{{1, "one"}, {2, "two\nlines, 'quotes' and \"more\""}, {3, ""}};
    std::size_t const inserted = co_await on.execute_many(insert_note(), many);
    std::vector<note> const more{{3, "again"}, {4, "four"}};
    std::vector<std::size_t> affected(2);
    std::size_t const added = co_await on.execute_many(insert_new_note(), more, affected);
    of_note const second{2};
    of_note const fifth{5};
    auto const found = co_await on.find(find_note(), second);
    auto const missing = co_await on.find(find_note(), fifth);
    co_return std::to_string(inserted) + std::to_string(added) + std::to_string(affected[0]) + std::to_string(affected[1]) +
        (missing ? "?" : "-") + found->text;
  };
  CHECK(db.transact(op) == "3101-two\nlines, 'quotes' and \"more\"");
  auto const all = db.read(list);
  REQUIRE(all.size() == 4);
  CHECK(all[2].text.empty());
}

TEST_CASE("an operation that throws leaves nothing behind", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  auto const op = [](session& on) -> visor::immediate<> {
    co_await add(on, 1);
    throw visor::error(visor::errc::conflict, "no");
  };
  auto const no = refusal_of([&] { db.transact(op); });
  CHECK(no.code == visor::errc::conflict);
  CHECK(db.ids().empty());
  db.transact([](session& on) { return add(on, 2); });
  CHECK(db.ids() == std::vector<std::int64_t>{2});
}

TEST_CASE("in a group, one that fails takes back only its own", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  together group(db);
  group.add([](session& on) { return add(on, 1); });
  group.add([](session& on) -> visor::immediate<> {
    co_await add(on, 2);
    throw visor::error(visor::errc::conflict, "no");
  });
  group.add([](session& on) -> visor::immediate<> {
    co_await add(on, 3);
    co_await add(on, 1);  // taken by the first of the group
  });
  group.add([](session& on) { return add(on, 4); });
  auto const failures = group.run_all();
  CHECK(failures[0] == nullptr);
  CHECK(code_of(failures[1]) == visor::errc::conflict);
  CHECK(code_of(failures[2]) == visor::errc::unique_violation);
  CHECK(failures[3] == nullptr);
  CHECK(db.ids() == std::vector<std::int64_t>{1, 4});
}

TEST_CASE("what ends the transaction of a group is told to all that were in it", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  together group(db);
  group.add([](session& on) { return add(on, 1); });
  group.add([](session& on) -> visor::immediate<> {
    co_await add(on, 2);
    co_await on.run("ROLLBACK");  // as SQLite does by itself for some failures
    throw visor::error(visor::errc::disk_full, "no room");
  });
  group.add([](session& on) { return add(on, 3); });
  auto const failures = group.run_all();
  CHECK(code_of(failures[0]) == visor::errc::disk_full);
  CHECK(code_of(failures[1]) == visor::errc::disk_full);
  CHECK(failures[2] == nullptr);
  CHECK(db.ids() == std::vector<std::int64_t>{3});
}

TEST_CASE("a full database fails what does not fit, and nothing is half done", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  db.transact([](session& on) -> visor::immediate<> { co_await on.run("PRAGMA max_page_count = 20"); });
  std::string const big(100'000, 'x');
  together group(db);
  group.add([](session& on) { return add(on, 1); });
  group.add([&](session& on) -> visor::immediate<> {
    co_await add(on, 2);
    co_await add(on, 3, big);
  });
  group.add([](session& on) { return add(on, 4); });
  auto const failures = group.run_all();
  CHECK(code_of(failures[1]) == visor::errc::disk_full);
  std::vector<std::int64_t> expected;
  if (failures[0] == nullptr) expected.push_back(1);
  if (failures[2] == nullptr) expected.push_back(4);
  CHECK(db.ids() == expected);
}

TEST_CASE("a read sees one state of the database", "[driver][sqlite]") {
  boost::asio::io_context another;
  temporary_folder const folder;
  notes db(folder);
  db.transact([](session& on) { return add(on, 1); });
  std::latch looked(1);
  std::latch written(1);
  std::size_t seen = 0;
  auto twice = [&](session& on) -> visor::immediate<> {
    auto const before = co_await list(on);
    looked.count_down();
    written.wait();
    auto const after = co_await list(on);
    seen = before.size() + after.size();
  };
  boost::asio::co_spawn(db.io, db.database.read(twice), [](std::exception_ptr) {});
  db.io.restart();
  while (!looked.try_wait()) db.io.poll();
  auto write = [](session& on) -> visor::immediate<> { co_await add(on, 2); };
  run(another, db.database.transact(write));
  written.count_down();
  db.io.run();
  CHECK(seen == 2);
  CHECK(db.ids().size() == 2);
}

TEST_CASE("a read cannot write", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  CHECK(refusal_of([&] { db.read([](session& on) { return add(on, 1); }); }).code == visor::errc::read_only);
  CHECK(db.ids().empty());
}

namespace {

/// Gives up an operation, from the thread that waits for it.
struct giving_up {
  boost::asio::cancellation_signal signal;
  std::exception_ptr failure;
  bool over = false;
  void spawn(boost::asio::io_context& io, visor::task<> work) {
    boost::asio::co_spawn(io, std::move(work), boost::asio::bind_cancellation_slot(signal.slot(), [this](std::exception_ptr thrown) {
                            failure = thrown;
                            over = true;
                          }));
  }
  void give_up() { signal.emit(boost::asio::cancellation_type::terminal); }
  bool was_aborted() const {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (boost::system::system_error const& thrown) {
      return thrown.code() == boost::asio::error::operation_aborted || thrown.code() == visor::errc::cancelled;
    }
    return false;
  }
};

}  // namespace

TEST_CASE("what has not begun never does once it is given up", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  std::latch entered(1);
  std::latch leave(1);
  auto hold = [&](session&) -> visor::immediate<> {
    entered.count_down();
    leave.wait();
    co_return;
  };
  auto never = [](session& on) -> visor::immediate<> { co_await add(on, 1); };
  giving_up waiting;
  boost::asio::co_spawn(db.io, db.database.transact(hold), [](std::exception_ptr) {});
  db.io.restart();
  while (!entered.try_wait()) db.io.poll();
  waiting.spawn(db.io, db.database.transact(never));
  db.io.poll();
  waiting.give_up();
  while (!waiting.over) db.io.run_one();
  CHECK(waiting.was_aborted());
  leave.count_down();
  db.io.run();
  CHECK(db.ids().empty());
}

TEST_CASE("a read that is given up is interrupted, and the next one is not", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  std::latch entered(1);
  auto endless = [&](session& on) -> visor::immediate<> {
    entered.count_down();
    co_await on.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  };
  giving_up reading;
  reading.spawn(db.io, db.database.read(endless));
  db.io.restart();
  while (!entered.try_wait()) db.io.poll();
  reading.give_up();
  db.io.run();
  CHECK(reading.was_aborted());
  CHECK(db.ids().empty());
  CHECK(db.ids().empty());
}

TEST_CASE("closing waits for what was asked for, and can be undone", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  std::exception_ptr failure;
  auto write = [](session& on) -> visor::immediate<> { co_await add(on, 1); };
  boost::asio::co_spawn(db.io, db.database.transact(write), [&](std::exception_ptr thrown) { failure = thrown; });
  db.io.restart();
  db.io.poll_one();
  db.close();
  db.io.run();
  CHECK(failure == nullptr);
  CHECK(refusal_of([&] { db.ids(); }).code == visor::errc::closed);
  db.close();
  db.open();
  db.open();
  CHECK(db.ids() == std::vector<std::int64_t>{1});
}

TEST_CASE("work that is still queued when the database goes is told so, or done", "[driver][sqlite]") {
  temporary_folder const folder;
  boost::asio::io_context io;
  int told = 0;
  {
    visor::sqlite::database database(quick(folder.file()));
    run(io, database.open());
    auto const write = [](session& on) { return make_table(on); };
    for (int i = 0; i < 3; ++i) boost::asio::co_spawn(io, database.transact(write), [&](std::exception_ptr) { ++told; });
    io.restart();
    io.poll();
  }
  io.run();
  CHECK(told == 3);
}

TEST_CASE("a watcher hears of other connections' commits, and of nothing else", "[driver][sqlite]") {
  temporary_folder const folder;
  notes db(folder);
  std::mutex mutex;
  std::condition_variable changed;
  int calls = 0;
  db.database.watch([&] {
    std::scoped_lock const lock(mutex);
    ++calls;
    changed.notify_all();
  });
  auto const heard = [&](int count, std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, limit, [&] { return calls >= count; });
  };
  CHECK_FALSE(heard(1, 300ms));
  db.transact([](session& on) { return add(on, 1); });
  CHECK_FALSE(heard(1, 300ms));
  other_connection(folder.file()).run("INSERT INTO visor_note VALUES (2, 'x')");
  CHECK(heard(1, 10s));
  db.database.watch({});
}

TEST_CASE("whoever only listens hears of other connections' commits too", "[driver][sqlite]") {
  temporary_folder const folder;
  {
    notes const made(folder);
  }
  on_file db(quick(folder.file()));
  db.open();
  std::atomic<int> calls{0};
  db.database.watch([&] { ++calls; });
  other_connection other(folder.file());
  for (int i = 0; i < 100 && calls == 0; ++i) {  // the first one may come before the first look
    other.run("INSERT INTO visor_note VALUES (" + std::to_string(i) + ", 'x')");
    std::this_thread::sleep_for(100ms);
  }
  CHECK(calls > 0);
  db.database.watch({});
}

}  // namespace visor_test
