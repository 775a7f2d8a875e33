#ifndef VISOR_BENCHMARKS_SERVERS_ROUND_TRIPS_HPP
#define VISOR_BENCHMARKS_SERVERS_ROUND_TRIPS_HPP

#include "visor/async/clock.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/io.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

/// Measures a driver: one round trip beside the same statement by blocking calls of the client library, and jobs through a
/// store.
namespace visor_bench {

inline void run(boost::asio::io_context& io, visor::task<> work) {
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown) { failure = thrown; });
  io.restart();
  io.run();
  if (failure) std::rethrow_exception(failure);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class F>
double seconds_of(F const& what) {
  auto const start = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The statement that both execute: it selects one row of a lease by its key, which does not exist.
using statement = visor::statements::find_lease;
template <class Driver>
std::string const statement_text{visor::sql::text_in<typename Driver::dialect, statement>};

template <class Driver>
visor::task<> find_rows(typename Driver::connector::connection& on, int rounds) {
  boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
  typename Driver::connector::connection::attachment const here(on, executor);
  typename Driver::session in(on);
  visor::statements::lease_params const which{1, "bench", 1};
  for (int i = 0; i < rounds; ++i) {
    auto const found = co_await in.find(statement(), which);
    if (found) std::abort();
  }
}

/// \param command the floor, without the number of rounds
/// \return microseconds
inline double floor_of(std::vector<std::string> command, int rounds) {
  command.push_back(std::to_string(rounds));
  std::vector<std::string> const arguments(std::next(command.begin()), command.end());
  boost::process::ipstream out;
  boost::process::child floor(command.front(), boost::process::args(arguments), boost::process::std_out > out);
  double each = 0;
  out >> each;
  floor.wait();
  if (floor.exit_code() != 0) throw std::runtime_error(command.front() + " failed");
  return each;
}

template <class Driver>
void measure_round_trips(typename Driver::settings const& settings, std::vector<std::string> const& floor) {
  constexpr int rounds = 20'000;
  boost::asio::io_context io(1);
  typename Driver::connector source(settings);
  std::unique_ptr<typename Driver::connector::connection> on;
  run(io, [](auto& from, auto& to) -> visor::task<> { to = co_await from.connect(); }(source, on));
  run(io, find_rows<Driver>(*on, 100));
  std::vector<double> ours, floors;
  for (int i = 0; i < 5; ++i) {
    ours.push_back(seconds_of([&] { run(io, find_rows<Driver>(*on, rounds)); }) / rounds * 1e6);
    floors.push_back(floor_of(floor, rounds));
  }
  double const each = median(ours);
  double const floor_each = median(floors);
  std::printf("one round trip       %10.1f us   floor %10.1f us   ratio %.2f\n", each, floor_each, each / floor_each);
  std::fflush(stdout);
  if constexpr (requires { source.stop(); }) source.stop();
}

/// Runs jobs that do nothing, through a store.
template <class Store>
class jobs {
 public:
  explicit jobs(typename Store::settings settings) : store_(std::move(settings)) {
    run(io_, store_.open());
    run(io_, join());
  }
  ~jobs() { run(io_, store_.close()); }

  void measure(int count, int batch) {
    double const enqueued = seconds_of([&] { run(io_, enqueue_all(count, batch)); });
    double const worked = seconds_of([&] { run(io_, work_all(static_cast<std::size_t>(batch))); });
    std::printf("batch %4d            enqueue %10.0f /s   claim and complete %10.0f /s\n", batch, count / enqueued, count / worked);
    std::fflush(stdout);
  }

 private:
  visor::task<> join() {
    visor::join_request request;
    request.node = "bench";
    request.ttl = std::chrono::hours{1};
    lease_ = co_await store_.join(request);
  }

  visor::task<> enqueue_all(int count, int batch) {
    std::vector<visor::new_job> group(static_cast<std::size_t>(batch));
    for (int done = 0; done < count; done += batch) {
      for (auto& job : group) {
        job.id = ++last_;
        job.type = "bench";
        job.payload = R"({"to":"ops@example.com","pages":12,"subject":"the nightly report of platform"})";
      }
      co_await store_.enqueue(group);
    }
  }

  visor::task<> work_all(std::size_t batch) {
    std::vector<visor::claim_request> const wanted{visor::claim_request("default", batch)};
    std::vector<visor::job_result> done;
    std::vector<visor::release> const nothing_back;
    for (;;) {
      auto const got = co_await store_.exchange(lease_, done, nothing_back, wanted);
      if (!got.refused.empty()) std::abort();
      done.clear();
      if (got.claims.empty()) co_return;
      auto const now = visor::wall_clock().now();
      for (auto const& job : got.claims[0].jobs) {
        visor::job_result& end = done.emplace_back();
        end.lease = got.claims[0].lease;
        end.job = job.id;
        end.attempt = job.attempt;
        end.started_at = now;
        end.finished_at = now;
      }
    }
  }

  boost::asio::io_context io_;
  Store store_;
  visor::node_lease lease_;
  std::int64_t last_ = 0;
};

/// \param floor the command of the floor's program, without the number of rounds
template <class Driver>
void measure(typename Driver::settings const& settings, std::vector<std::string> const& floor) {
  jobs<visor::sql_store<Driver>> work(settings);
  measure_round_trips<Driver>(settings, floor);
  work.measure(2'000, 1);
  work.measure(50'000, 500);
}

}  // namespace visor_bench

#endif
