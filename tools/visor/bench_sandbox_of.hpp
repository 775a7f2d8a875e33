#ifndef VISOR_TOOLS_BENCH_SANDBOX_OF_HPP
#define VISOR_TOOLS_BENCH_SANDBOX_OF_HPP

#include "bench_sandbox.hpp"
#include "command.hpp"
#include "run_sync.hpp"
#include "schema_of.hpp"

#include "visor/store/sql/sql_store.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

/// The benchmark sandboxes of drivers with tables.
namespace visor_program {

struct bench_number {
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(bench_number, (), (value))

/// The position of the write-ahead log.
template <class Ways>
struct bench_written : visor::sql::statement_defaults {
  static constexpr std::string_view name = "written";
  using row = bench_number;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw(Ways::written); }
};

struct bench_fill_params {
  std::int64_t first = 0;
  std::int64_t count = 0;
  visor::instant now{};
};
BOOST_DESCRIBE_STRUCT(bench_fill_params, (), (first, count, now))

/// The greatest number of jobs that one fill adds.
inline constexpr std::int64_t bench_fill_most = 100'000;
inline constexpr std::string_view bench_numbers =
    " FROM (SELECT d1.n + 10 * d2.n + 100 * d3.n + 1000 * d4.n + 10000 * d5.n AS i FROM "
    "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 "
    "UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d1 CROSS JOIN "
    "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 "
    "UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d2 CROSS JOIN "
    "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 "
    "UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d3 CROSS JOIN "
    "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 "
    "UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d4 CROSS JOIN "
    "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 "
    "UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d5) x WHERE x.i < :count";

/// Inserts the job itself, which every state needs.
struct bench_fill_jobs : visor::sql::statement_defaults {
  static constexpr std::string_view name = "fill_jobs";
  using params = bench_fill_params;
  using used = visor::sql::tables<visor::job_record>;
  static constexpr void write(auto& out) {
    out("INSERT INTO {job} ([id], [type], [queue], [priority], [payload], [max_attempts], [run_at], [created_at]) "
        "SELECT :first + x.i, 'bench', 'default', 100, 'null', 1, :now, :now")(bench_numbers);
  }
};

struct bench_fill_finished : visor::sql::statement_defaults {
  static constexpr std::string_view name = "fill_finished";
  using params = bench_fill_params;
  using used = visor::sql::tables<visor::attempt_record>;
  static constexpr void write(auto& out) {
    out("INSERT INTO {attempt} ([job], [number], [lease], [node], [epoch], [started_at], [finished_at], [final_state]) "
        "SELECT :first + x.i, 1, 0, 'bench', 0, :now, :now, ")(visor::job_state::completed)(bench_numbers);
  }
};

struct bench_fill_ready : visor::sql::statement_defaults {
  static constexpr std::string_view name = "fill_ready";
  using params = bench_fill_params;
  using used = visor::sql::tables<visor::ready_record>;
  static constexpr void write(auto& out) {
    out("INSERT INTO {ready} ([queue], [priority], [run_at], [job], [attempt]) SELECT 'default', 100, :now, :first + x.i, 1")(
        bench_numbers);
  }
};

/// Runs transactions without a store.
template <visor::driver Driver>
class bench_database {
 public:
  using session = typename Driver::session;
  using operation = std::function<visor::async<session>(session&)>;  // one type for all: a transaction is slow to compile

  explicit bench_database(typename Driver::settings settings) : database_(std::move(settings)) { run_sync(database_.open()); }
  ~bench_database() { close_after_use(database_); }

  void transact(operation op) { run_sync(database_.transact(op)); }
  void look(operation op) { run_sync(database_.read(op)); }

  void run(std::string text) {
    transact([&text](session& on) -> visor::async<session> { co_await on.run(text); });
  }

 private:
  typename Driver::database database_;
};

/// The functions of a sandbox with tables, once its schema or database exists.
template <visor::driver Driver, class Ways>
class bench_sql_sandbox : public bench_sandbox {
 public:
  using kind = visor::sql_store<Driver>;
  using settings = typename Driver::settings;
  using session = typename Driver::session;

  std::string display_name() const override { return inside_.display_name(); }

  std::unique_ptr<storage> store(visor::log_sink log) const override {
    settings how = inside_;
    how.auto_init = true;
    how.log_statements.all = log != nullptr;
    return std::make_unique<storage_of<kind>>(std::move(how), visor::wall_clock(), std::move(log));
  }

  std::optional<double> written_bytes() const override {
    if constexpr (requires { Ways::written; }) {
      try {
        std::optional<double> bytes;
        bench_database<Driver>(inside_).look([&bytes](session& on) -> visor::async<session> {
          auto const found = co_await on.find(bench_written<Ways>());
          if (found) bytes = static_cast<double>(found->value);
        });
        return bytes;
      } catch (visor::error const&) {
        // Not every server reports this to every user.
      }
    }
    return std::nullopt;
  }

  void fill(std::int64_t first, std::int64_t finished, std::int64_t ready) const override {
    bench_database<Driver> database(inside_);
    auto const all = finished + ready;
    for (std::int64_t done = 0; done < all;) {
      // Jobs of one kind, and no more than one statement can take.
      auto const count = std::min(bench_fill_most, done < finished ? finished - done : all - done);
      bench_fill_params const given{first + done, count, visor::wall_clock().now()};
      bool const has_ended = done < finished;
      database.transact([&given, has_ended](session& on) -> visor::async<session> {
        co_await on.post(bench_fill_jobs(), given);
        if (has_ended)
          co_await on.post(bench_fill_finished(), given);
        else
          co_await on.post(bench_fill_ready(), given);
      });
      done += count;
    }
  }

  void settle() const override {
    if constexpr (requires { Ways::settle; }) bench_database<Driver>(inside_).run(Ways::settle);
  }

  /// Reads again and again, since a server ends an idle transaction.
  class watcher {
   public:
    explicit watcher(settings where) : thread_([this, where = std::move(where)]() mutable { look(std::move(where)); }) {
      has_looked_.get_future().get();
    }
    watcher(watcher const&) = delete;
    watcher& operator=(watcher const&) = delete;
    ~watcher() {
      is_over_ = true;
      thread_.join();
    }

   private:
    void look(settings where) {
      bool told = false;
      try {
        if constexpr (requires { where.transaction_timeout; }) where.transaction_timeout = std::chrono::hours{1};
        bench_database<Driver> database(std::move(where));
        database.look([this, &told](session& on) -> visor::async<session> {
          visor::statements::at_most const one{1};
          while (!is_over_) {
            co_await on.find(visor::statements::any_waiting(), one);
            if (!std::exchange(told, true)) has_looked_.set_value();
            if constexpr (std::same_as<visor::async<session>, visor::task<>>) {
              boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor, std::chrono::milliseconds{100});
              auto waiting = pause.async_wait(boost::asio::use_awaitable);
              co_await std::move(waiting);
            } else {
              std::this_thread::sleep_for(std::chrono::milliseconds{100});
            }
          }
        });
      } catch (...) {
        if (!told) has_looked_.set_exception(std::current_exception());
      }
    }

    std::atomic<bool> is_over_{false};
    std::promise<void> has_looked_;
    std::thread thread_;
  };

  std::shared_ptr<void> pin() const override { return std::make_shared<watcher>(inside_); }

 protected:
  explicit bench_sql_sandbox(settings inside) : inside_(std::move(inside)) {}

  settings inside_;
};

/// A schema or a database of a server.
/// \tparam Ways says how to reach it (`inside`), and which statements create and remove it (`make`, `remove`). Where the server
///   can, it also has the statements for the position of the log (`written`) and for statistics of the tables (`settle`)
template <visor::driver Driver, class Ways>
class bench_server_sandbox final : public bench_sql_sandbox<Driver, Ways> {
 public:
  explicit bench_server_sandbox(bench_plan const& plan)
      : bench_sql_sandbox<Driver, Ways>(Ways::inside(driver_settings(Driver(), plan.settings.storage))),
        around_(driver_settings(Driver(), plan.settings.storage)) {
    bench_database<Driver> outside(around_);
    if (plan.replace) outside.run(Ways::remove);
    try {
      outside.run(Ways::make);
    } catch (visor::error const& refused) {
      throw failure("cannot make " + std::string(Ways::what) + " " + bench_sandbox_name + " in " + around_.display_name() +
                    ", which is where benchmarks work: " + refused.what() +
                    "; the user must be allowed to, and where an earlier run left one behind, --replace removes it");
    }
  }
  ~bench_server_sandbox() override {
    try {
      bench_database<Driver>(around_).run(Ways::remove);
    } catch (std::exception const& refused) {
      std::fprintf(stderr, "visor: warning: %s %s is left behind: %s\n", std::string(Ways::what).c_str(), bench_sandbox_name,
                   refused.what());
    }
  }

 private:
  typename Driver::settings around_;
};

/// A file beside the one that the configuration names.
template <class Driver, class Ways>
class bench_file_sandbox final : public bench_sql_sandbox<Driver, Ways> {
 public:
  explicit bench_file_sandbox(bench_plan const& plan)
      : bench_sql_sandbox<Driver, Ways>(Ways::inside(driver_settings(Driver(), plan.settings.storage))) {
    if (plan.replace) remove();
    if (std::filesystem::exists(this->inside_.filename))
      throw failure("the file '" + this->inside_.filename +
                    "' is there already, which is where benchmarks work: where an earlier run left it behind, --replace removes it");
  }
  ~bench_file_sandbox() override { remove(); }

 private:
  void remove() const {
    std::error_code ignored;
    for (char const* const end : {"", "-wal", "-shm", "-node"}) std::filesystem::remove(this->inside_.filename + end, ignored);
  }
};

/// A database of a server that somebody else has created for benchmarks, as the driver cannot. Its tables are created and
/// removed.
/// \tparam Ways says how to reach it (`inside`) and how it is created (`how_to_make`)
template <visor::driver Driver, class Ways>
class bench_existing_sandbox final : public bench_sql_sandbox<Driver, Ways> {
 public:
  explicit bench_existing_sandbox(bench_plan const& plan)
      : bench_sql_sandbox<Driver, Ways>(Ways::inside(driver_settings(Driver(), plan.settings.storage))) {
    schema_of<typename bench_existing_sandbox::kind> tables(this->inside_);
    if (!has_tables(tables)) return;
    if (!plan.replace)
      throw failure("there are tables of visor in " + this->inside_.display_name() +
                    ", which is where benchmarks work: where an earlier run left them behind, --replace removes them");
    tables.roll_back(tables.status().current);
  }
  ~bench_existing_sandbox() override {
    try {
      schema_of<typename bench_existing_sandbox::kind> tables(this->inside_);
      tables.roll_back(tables.status().current);
    } catch (std::exception const& refused) {
      std::fprintf(stderr, "visor: warning: the tables of the benchmark are left behind: %s\n", refused.what());
    }
  }

 private:
  static bool has_tables(schema_of<typename bench_existing_sandbox::kind>& tables) {
    try {
      return tables.status().has_tables;
    } catch (visor::error const& refused) {
      throw failure(std::string("benchmarks work in the database ") + bench_sandbox_name +
                    " of the server, never in that of the configuration: " + refused.what() +
                    "; where it is not there, make it with: " + Ways::how_to_make);
    }
  }
};

}  // namespace visor_program

#endif
