#ifndef VISOR_TESTS_SUPPORT_TIME_HPP
#define VISOR_TESTS_SUPPORT_TIME_HPP

#include "visor/async/manual_clock.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>

namespace visor_test {

/// Runs all that can run without time passing.
inline void settle(boost::asio::io_context& io) {
  io.restart();
  while (io.poll() != 0) io.restart();
}

/// Lets time pass, stopping at every instant that something waits for.
inline void pass(boost::asio::io_context& io, visor::manual_clock& clock, visor::duration length) {
  settle(io);
  while (length > visor::duration{0}) {
    auto const next = clock.until_next_wait();
    auto const step = next && *next < length ? std::max(*next, visor::duration{1}) : length;
    clock.advance(step);
    length -= step;
    settle(io);
  }
}

}  // namespace visor_test

#endif
