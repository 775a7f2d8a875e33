#ifndef VISOR_DRIVER_POSTGRESQL_PROBE_HPP
#define VISOR_DRIVER_POSTGRESQL_PROBE_HPP

#include "visor/base/clock.hpp"
#include "visor/driver/postgresql/connector.hpp"
#include "visor/driver/postgresql/session.hpp"
#include "visor/driver/report.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace visor::postgresql_driver {

/// Connects, looks around, and leaves.
/// \throws visor::error why there is no connection, and what may help
inline task<database_report> probe(postgresql_settings settings) {
  settings.check();
  boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
  connector source(std::move(settings));
  auto const made = co_await source.connect();
  database_report report;
  report.server = made->server();
  report.tls = made->tls();
  connection::attachment const here(*made, executor);
  session on(*made);
  wall_clock const clock;
  std::array<duration, 9> trips{};
  for (auto& trip : trips) {
    duration const begin = clock.elapsed();
    instant const there = co_await on.now();
    trip = clock.elapsed() - begin;
    report.clock_difference = there + trip / 2 - clock.now();
  }
  std::ranges::sort(trips);
  report.latency = trips[trips.size() / 2];
  co_return report;
}

}  // namespace visor::postgresql_driver

#endif
