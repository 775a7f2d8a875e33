#ifndef VISOR_DRIVER_PROBE_HPP
#define VISOR_DRIVER_PROBE_HPP

#include "visor/async/clock.hpp"
#include "visor/async/run_on.hpp"
#include "visor/async/task.hpp"
#include "visor/async/with_timeout.hpp"
#include "visor/base/error.hpp"
#include "visor/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace visor {

/// A report on the other end of a connection, for an administrator who sets one up.
struct database_report {
  std::string server;                        ///< product and version
  std::string tls;                           ///< protocol and cipher; empty: none
  std::string shortcoming;                   ///< limitation for jobs in this database; empty: none
  std::optional<duration> latency;           ///< of a round trip, the median of several
  std::optional<duration> clock_difference;  ///< lead of the server's clock over this machine's
};

namespace detail {

/// Interrupts the running operation of a connection after a length of time.
template <class Connection>
class time_limit {
 public:
  time_limit(boost::asio::any_io_executor const& executor, Connection& on, duration length) : timer_(executor, length) {
    timer_.async_wait([&on](boost::system::error_code cancelled) {
      if (!cancelled) on.interrupt(true);
    });
  }

 private:
  boost::asio::steady_timer timer_;
};

/// Collects the report over a connection.
template <class Driver>
task<database_report> look_around(typename Driver::connector::connection& on_connection, duration limit) {
  using connection = typename Driver::connector::connection;
  boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
  time_limit<connection> const until(executor, on_connection, limit);
  connection* const made = &on_connection;
  database_report report;
  report.server = made->server();
  report.tls = made->tls();
  if constexpr (requires { made->shortcoming(); }) report.shortcoming = made->shortcoming();
  typename connection::attachment const here(*made, executor);
  typename Driver::session on(*made);
  wall_clock const clock;
  std::array<duration, 9> trips{};
  for (auto& trip : trips) {
    duration const begin = clock.elapsed();
    instant there;
    if constexpr (requires { made->threads(); }) {
      auto const look = [&on] { return on.now().await_resume(); };
      auto looking = detail::run_on(made->threads(), look);
      there = co_await std::move(looking);
    } else {
      there = co_await on.now();
    }
    trip = clock.elapsed() - begin;
    report.clock_difference = there + trip / 2 - clock.now();
  }
  std::ranges::sort(trips);
  report.latency = trips[trips.size() / 2];
  co_return report;
}

}  // namespace detail

/// Connects, collects the report, and disconnects. Each of the first two steps takes `pool.connect_timeout` at most.
/// \tparam Driver of a server: its connections describe their server, by `server()` and `tls()`
/// \throws visor::error the reason of a failed connect, and a remedy
template <class Driver>
task<database_report> probe(typename Driver::settings settings) {
  using connection = typename Driver::connector::connection;
  settings.check();
  boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
  duration const limit = settings.pool.connect_timeout;
  typename Driver::connector source(settings);
  auto connecting = detail::with_timeout<std::unique_ptr<connection>>(executor, wall_clock(), limit, source.connect());
  auto const made = co_await std::move(connecting);
  if (!made)
    throw error(errc::connection_failed,
                settings.display_name() + " did not answer within " + to_string(limit) + " (pool.connect_timeout)");
  try {
    co_return co_await detail::look_around<Driver>(*made, limit);
  } catch (error const& failure) {
    if (failure.code() != errc::timeout) throw;
  }
  throw error(errc::connection_failed,
              settings.display_name() + " lets us in, and then did not answer within " + to_string(limit) + " (pool.connect_timeout)");
}

}  // namespace visor

#endif
