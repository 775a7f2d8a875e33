#ifndef VISOR_TOOLS_NODE_RUN_HPP
#define VISOR_TOOLS_NODE_RUN_HPP

#include "drivers.hpp"
#include "storage_of.hpp"

#include "visor/engine/engine.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <csignal>
#include <exception>
#include <functional>
#include <utility>

namespace visor_program {

/// Runs a node on a store until the plan's time is over or SIGINT, SIGTERM or SIGHUP comes, then drains. A second signal ends the waiting
/// for running jobs, a third one the process.
/// \throws visor::error when the node cannot start
template <visor::store Store>
void run_node(Store& store, node_plan plan) {
  boost::asio::io_context io{1};
  visor::engine<Store> node{io.get_executor(), store, plan.settings.node, visor::wall_clock(), plan.log};
  for (auto& type : plan.types) node.add(std::move(type));
  node.owns_schedules_of(visor::origin::config);
  for (auto& schedule : plan.schedules) node.add(std::move(schedule));

  boost::asio::signal_set signals{io, SIGINT, SIGTERM};
  struct sigaction inherited{};
  if (::sigaction(SIGHUP, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN) signals.add(SIGHUP);  // nohup ignores it
  boost::asio::steady_timer end{io};
  int asked = 0;
  std::function<void(boost::system::error_code, int)> stop = [&](boost::system::error_code failed, int) {
    if (failed) return;
    node.stop();
    if (++asked < 2)
      signals.async_wait(stop);
    else
      signals.clear();
  };
  signals.async_wait(stop);
  if (plan.length) {
    end.expires_after(*plan.length);
    end.async_wait([&](boost::system::error_code failed) {
      if (!failed && asked++ == 0) node.stop();
    });
  }

  bool over = false;
  std::exception_ptr thrown;
  boost::asio::co_spawn(io, node.run(), [&](std::exception_ptr failed) {
    over = true;
    thrown = std::move(failed);
    signals.cancel();
    end.cancel();
  });
  while (!over && io.run_one() != 0) {  // what a handler left behind keeps nobody
  }
  run_to_end(io, store.close());
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace visor_program

#endif
