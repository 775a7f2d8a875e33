#ifndef VISOR_TOOLS_RUNNING_NODE_HPP
#define VISOR_TOOLS_RUNNING_NODE_HPP

#include "storage.hpp"

#include "visor/base/log.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/settings/node_settings.hpp"

#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <vector>

namespace visor_program {

/// An engine on a context of its own. Behind a pointer, since it is slow to compile: only `running_node.cpp` compiles it.
class running_node {
 public:
  running_node(std::shared_ptr<storage> on, visor::node_settings how, std::vector<visor::job_type> types, visor::log_sink log);
  ~running_node();

  /// Makes the node declare these schedules of a configuration.
  void declare(visor::schedule_set set, std::vector<visor::schedule_record> of_configuration);

  /// Runs until it is told to stop, and has drained. Called once. \return the exception that was thrown, or null
  std::exception_ptr run();

  /// Does what `visor::engine::stop` does, from any thread.
  void stop();

  /// Returns what `visor::engine::has_drained` does, from any thread.
  bool has_drained() const;

  boost::asio::io_context& context() { return context_; }
  storage& store() { return *store_; }

 private:
  struct engine;

  boost::asio::io_context context_{1};  // outlives the store, whose threads may still be leaving it
  std::shared_ptr<storage> store_;
  std::unique_ptr<engine> engine_;
};

}  // namespace visor_program

#endif
