#include "servers/test_database.hpp"

#include "visor/driver/pooled_database.hpp"
#include "visor/mssql.hpp"

#include <boost/describe/class.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <random>

// Eight connections under load, for as long as one likes, while their statements are cancelled, take too long, and lose their
// connection. VISOR_SOAK_SECONDS sets for how long; VISOR_SEED repeats a run as far as threads can.
namespace visor_test {
namespace {

/// The driver, whose sessions tell what they run on.
struct watched : visor::mssql {
  class session : public visor::mssql::session {
   public:
    explicit session(connection& on) : visor::mssql::session(on), on_(on) {}
    connection& below() { return on_; }

   private:
    connection& on_;
  };
  using database = visor::pooled_database<watched>;
};

/// A question whose answer says in every row what was asked.
struct question {
  std::int64_t asked = 0, rows = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(question, (), (asked, rows, text))

struct answer_row {
  std::int64_t asked = 0, nth = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(answer_row, (), (asked, nth, text))

struct answers : visor::sql::statement_defaults {
  static constexpr std::string_view name = "answers";
  using params = question;
  using row = answer_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) {
    out("SELECT :asked").raw(" AS asked, n.value AS nth, CAST(")(":text").raw(" AS nvarchar(4000)) AS text ");
    out.raw("FROM numbers n WHERE n.value <= ")(":rows").raw(" ORDER BY n.value");
  }
};

struct note : visor::sql::statement_defaults {
  static constexpr std::string_view name = "note";
  using params = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("INSERT INTO notes VALUES (")(":value)"); }
};

struct all_notes : visor::sql::statement_defaults {
  static constexpr std::string_view name = "all_notes";
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT value FROM notes ORDER BY 1"); }
};

constexpr std::int64_t most_rows = 200;
std::chrono::seconds const limit = 1s * slowness();  // of a transaction

unsigned from_environment(char const* name, unsigned otherwise) {
  char const* const given = std::getenv(name);
  return given == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(given, nullptr, 10));
}

/// How many entries a folder of the system has about this process: open files, or threads.
auto count_of(char const* folder) { return std::distance(std::filesystem::directory_iterator(folder), {}); }

struct counts {
  std::atomic<std::int64_t> answered{0}, written{0}, statements{0}, mixed_up{0};
  std::atomic<std::int64_t> cancelled{0}, timed_out{0}, cut{0};

  /// Whether everything happened that may not go wrong.
  bool is_complete() const { return answered > 0 && written > 0 && cancelled > 0 && timed_out > 0 && cut > 0; }
};

/// The running operations, for threads that want to end some of them.
class running_now {
 public:
  class entry {
   public:
    entry(running_now& in, connection& on) : in_(in), on_(on) {
      std::scoped_lock const lock(in_.mutex_);
      in_.all_.push_back(this);
    }
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() {
      std::scoped_lock const lock(in_.mutex_);
      std::erase(in_.all_, this);
    }
    bool is_cancelled() const { return is_cancelled_; }

   private:
    friend class running_now;
    running_now& in_;
    connection& on_;
    std::atomic<bool> is_cancelled_{false};
  };

  void cancel_one(std::mt19937& random) {
    std::scoped_lock const lock(mutex_);
    if (all_.empty()) return;
    entry& one = *all_[random() % all_.size()];
    one.is_cancelled_ = true;
    one.on_.interrupt();
  }

 private:
  std::mutex mutex_;
  std::vector<entry*> all_;
};

/// Reads, writes, and waits for locks that are never released, until it is told to stop.
class worker {
 public:
  worker(watched::database& in, counts& told, running_now& among, unsigned seed, std::int64_t first)
      : base_(in), told_(told), among_(among), random_(seed), next_(first), thread_([this] { work(); }) {}
  worker(worker const&) = delete;
  worker& operator=(worker const&) = delete;
  ~worker() { stop(); }

  void stop() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
  }

  int ended() const { return ended_; }

  // When it has stopped.
  numbers written, unknown;
  std::vector<std::string> surprises;
  visor::duration longest{0};

 private:
  using session = watched::session;
  using done = visor::async<session>;

  void work() {
    boost::asio::io_context io{1};
    while (!is_over_) {
      auto const begin = std::chrono::steady_clock::now();
      std::int64_t const number = next_++;
      try {
        perform(io, number);
      } catch (visor::error const& thrown) {
        if (!may_be(thrown.portable_code())) surprises.push_back(std::string(thrown.what()) + " (" + thrown.server_text() + ")");
      } catch (std::exception const& thrown) {
        surprises.emplace_back(thrown.what());
      }
      longest = std::max(longest, std::chrono::duration_cast<visor::duration>(std::chrono::steady_clock::now() - begin));
      ++ended_;
    }
  }

  void perform(boost::asio::io_context& io, std::int64_t number) {
    auto const kind = up_to(99);
    if (kind == 0) {
      auto op = [this](session& on) { return watch(on, [this](session& in) { return wait_for_ever(in); }); };
      run(io, base_.read(op));
    } else if (kind < 30) {
      write(io, number);
    } else {
      question const asked{number, up_to(most_rows), std::string(static_cast<std::size_t>(up_to(60)), 'x') + std::to_string(number)};
      auto op = [&](session& on) { return watch(on, [&](session& in) { return ask(in, asked); }); };
      run(io, base_.read(op));
    }
  }

  void write(boost::asio::io_context& io, std::int64_t number) {
    number_row const row{number};
    auto op = [&](session& on) { return watch(on, [&](session& in) { return put(in, row); }); };
    try {
      run(io, base_.transact(op));
      written.push_back(number);
      ++told_.written;
    } catch (visor::error const& thrown) {
      if (thrown.code() != errc::outcome_unknown) throw;
      unknown.push_back(number);
    }
  }

  template <class Work>
  done watch(session& on, Work work) {
    running_now::entry const me(among_, on.below());
    try {
      co_await work(on);
    } catch (visor::error const& thrown) {
      if (thrown.code() == errc::timeout) ++told_.timed_out;
      if (thrown.code() == errc::connection_lost) ++(me.is_cancelled() ? told_.cancelled : told_.cut);
      throw;
    }
  }

  done ask(session& on, question const& asked) {
    number_row const single{asked.asked};
    for (int i = 0; i < 2; ++i) {
      auto const rows = co_await on.query(answers(), asked);
      check(asked, rows);
      auto const one = co_await on.find(echo(), single);
      if (!one || one->value != asked.asked) ++told_.mixed_up;
      told_.statements += 2;
    }
    ++told_.answered;
  }

  void check(question const& asked, std::vector<answer_row> const& rows) {
    bool good = static_cast<std::int64_t>(rows.size()) == asked.rows;
    std::int64_t nth = 0;
    for (auto const& row : rows) good = good && row.asked == asked.asked && row.nth == ++nth && row.text == asked.text;
    if (!good) ++told_.mixed_up;
  }

  done put(session& on, number_row const& row) {
    auto const one = co_await on.find(echo(), row);
    if (!one || one->value != row.value) ++told_.mixed_up;
    std::size_t const count = co_await on.execute(note(), row);
    if (count != 1) ++told_.mixed_up;
    told_.statements += 2;
  }

  /// Waits for a lock that another session holds for longer than any operation may take.
  done wait_for_ever(session& on) {
    std::string const patience = "SET LOCK_TIMEOUT " + std::to_string(std::chrono::milliseconds(3 * limit).count());
    co_await on.run(patience);
    co_await on.run("UPDATE locked SET value = 2");
    throw std::logic_error("a lock that somebody holds was given away");
  }

  static bool may_be(errc what) {
    return what == errc::connection_lost || what == errc::connection_failed || what == errc::timeout || what == errc::busy;
  }

  std::int64_t up_to(std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random_); }

  watched::database& base_;
  counts& told_;
  running_now& among_;
  std::mt19937 random_;
  std::int64_t next_;
  std::atomic<bool> is_over_{false};
  std::atomic<int> ended_{0};
  std::thread thread_;
};

/// Holds the lock of the table `locked`, over a connection of its own.
class holder {
 public:
  explicit holder(visor::mssql_settings const& settings) : source_(settings) {
    auto const connect = [this]() -> visor::task<> { on_ = co_await source_.connect(); };
    run(connect());
    on_->run("BEGIN TRANSACTION");
    on_->run("UPDATE locked SET value = 1");
  }

 private:
  connector source_;
  std::unique_ptr<connection> on_;
};

void make_tables(visor::mssql_settings const& settings) {
  database base(settings);
  run(base.open());
  std::string values = "INSERT INTO numbers VALUES (1)";
  for (std::int64_t i = 2; i <= most_rows; ++i) values += ",(" + std::to_string(i) + ")";
  auto op = [&](session& on) -> done {
    co_await on.run("CREATE TABLE notes (value bigint PRIMARY KEY)");
    co_await on.run("CREATE TABLE locked (value bigint)");
    co_await on.run("INSERT INTO locked VALUES (0)");
    co_await on.run(values);
  };
  run(base.transact(op));
  run(base.close());
}

numbers notes_in(visor::mssql_settings const& settings) {
  database base(settings);
  run(base.open());
  numbers found;
  auto op = [&](session& on) -> done {
    auto const rows = co_await on.query(all_notes());
    found.clear();
    for (auto const& row : rows) found.push_back(row.value);
  };
  run(base.read(op));
  run(base.close());
  return found;
}

/// Ends running operations and breaks their network, until it is told to stop: one fault after another, with a success between
/// two.
class trouble {
 public:
  trouble(tcp_gate& network, running_now& among, counts const& told, unsigned seed)
      : network_(network), among_(among), told_(told), random_(seed), thread_([this] { work(); }) {}
  trouble(trouble const&) = delete;
  trouble& operator=(trouble const&) = delete;
  ~trouble() {
    is_over_ = true;
    thread_.join();
  }

 private:
  void work() {
    while (!is_over_) {
      std::int64_t const enough = successes() + up_to(30);
      for (int tries = 0; successes() < enough && tries < 5000 && !is_over_; ++tries) std::this_thread::sleep_for(1ms);
      std::chrono::milliseconds const moment{up_to(300)};
      switch (up_to(5)) {
        case 0: network_.hold(); break;
        case 1: network_.delay(std::chrono::microseconds{up_to(2000)}); break;
        case 2:
        case 3: network_.cut_one(); continue;
        default: among_.cancel_one(random_); continue;
      }
      std::this_thread::sleep_for(moment);
      network_.let_pass();
      network_.delay(0us);
    }
  }

  std::int64_t successes() const { return told_.answered + told_.written; }
  std::int64_t up_to(std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random_); }

  tcp_gate& network_;
  running_now& among_;
  counts const& told_;
  std::mt19937 random_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("under load, cancelled, late and cut off, every answer is to its own question", "[mssql]") {
  unsigned const seed = from_environment("VISOR_SEED", std::random_device{}());
  std::chrono::seconds const length{from_environment("VISOR_SOAK_SECONDS", 5)};
  std::printf("VISOR_SEED=%u VISOR_SOAK_SECONDS=%lld\n", seed, static_cast<long long>(length.count()));
  test_database const where;
  make_tables(where.settings());
  holder const lock(where.settings());
  auto const files = count_of("/proc/self/fd");
  auto const threads = count_of("/proc/self/task");
  counts told;
  numbers written, allowed;
  visor::duration longest{0};
  auto settings = where.settings();
  {
    tcp_gate gate(where.endpoint(), seed);
    settings = where.settings(gate);
    settings.transaction_timeout = limit;
    settings.pool.max = 8;
    settings.pool.max_connecting = 4;
    settings.pool.acquire_timeout = 10s * slowness();
    settings.pool.connect_timeout = 5s * slowness();
    settings.pool.validation_timeout = limit;
    settings.pool.connect_backoff = 1ms;
    settings.pool.connect_backoff_cap = 50ms;
    watched::database base(settings);
    run(base.open());
    running_now among;
    std::list<worker> all;
    for (unsigned i = 0; i < 8; ++i) all.emplace_back(base, told, among, seed + i, 1'000'000'000LL * (i + 1));
    {
      trouble const some(gate, among, told, seed + 100);
      auto const end = std::chrono::steady_clock::now() + length;
      auto const patience = end + 120s;
      for (auto now = end - length; now < end || (!told.is_complete() && now < patience); now = std::chrono::steady_clock::now())
        std::this_thread::sleep_for(10ms);
    }
    // No worker hangs: each completes its current operation, and one more.
    std::vector<int> before;
    for (auto const& each : all) before.push_back(each.ended());
    auto const patience = std::chrono::steady_clock::now() + 120s;
    for (auto at = all.begin(); int const count : before) {
      while (at->ended() < count + 2 && std::chrono::steady_clock::now() < patience) std::this_thread::sleep_for(1ms);
      CHECK(at->ended() >= count + 2);
      ++at;
    }
    for (auto& each : all) {
      each.stop();
      for (auto const& line : each.surprises) FAIL_CHECK(line);
      written.insert(written.end(), each.written.begin(), each.written.end());
      allowed.insert(allowed.end(), each.unknown.begin(), each.unknown.end());
      longest = std::max(longest, each.longest);
    }
    run(base.close());
  }
  std::printf(
      "%lld statements, %lld cancelled, %lld timed out, %lld cut; %lld questions answered, %lld writes known, %zu unknown; "
      "longest %s\n",
      static_cast<long long>(told.statements), static_cast<long long>(told.cancelled), static_cast<long long>(told.timed_out),
      static_cast<long long>(told.cut), static_cast<long long>(told.answered), static_cast<long long>(told.written), allowed.size(),
      visor::to_string(std::chrono::floor<std::chrono::milliseconds>(longest)).c_str());
  CHECK(told.mixed_up == 0);
  // Otherwise nothing was tried.
  CHECK(told.answered > 0);
  CHECK(told.written > 0);
  CHECK(told.cancelled > 0);
  CHECK(told.timed_out > 0);
  CHECK(told.cut > 0);
  // The table has exactly the rows that were written.
  allowed.insert(allowed.end(), written.begin(), written.end());
  std::ranges::sort(written);
  std::ranges::sort(allowed);
  auto const found = notes_in(where.settings());
  CHECK(std::ranges::includes(found, written));
  CHECK(std::ranges::includes(allowed, found));
  // As that of the storm: see chaos.cpp.
  CHECK(longest < 5 * (settings.pool.acquire_timeout + limit + 1s) * slowness());
  CHECK(count_of("/proc/self/fd") == files);
  CHECK(count_of("/proc/self/task") == threads);
}

}  // namespace visor_test
