#ifndef VISOR_DRIVER_PROBE_HPP
#define VISOR_DRIVER_PROBE_HPP

#include "visor/base/clock.hpp"
#include "visor/base/run_on.hpp"
#include "visor/base/task.hpp"
#include "visor/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace visor {

/// What is found at the other end of a connection, for whoever sets one up.
struct database_report {
  std::string server;                        ///< product and version
  std::string tls;                           ///< protocol and cipher; empty: none
  std::optional<duration> latency;           ///< of a round trip, the median of some
  std::optional<duration> clock_difference;  ///< how far the server's clock is ahead of this machine's
};

/// Connects, looks around, and leaves.
/// \tparam Driver of a server: its connections say what they are connected to, by `server()` and `tls()`
/// \throws visor::error why there is no connection, and what may help
template <class Driver>
task<database_report> probe(typename Driver::settings settings) {
  using connection = typename Driver::connector::connection;
  settings.check();
  boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
  typename Driver::connector source(std::move(settings));
  auto const made = co_await source.connect();
  database_report report;
  report.server = made->server();
  report.tls = made->tls();
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

}  // namespace visor

#endif
