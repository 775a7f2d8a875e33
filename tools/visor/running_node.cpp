#include "running_node.hpp"

#include "visor/engine/engine.hpp"

#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace visor_program {

struct running_node::engine : visor::engine<storage> {
  using visor::engine<storage>::engine;
};

running_node::running_node(std::shared_ptr<storage> on, visor::node_settings how, std::vector<visor::job_type> types, visor::log_sink log)
    : store_(std::move(on)),
      engine_(std::make_unique<engine>(context_.get_executor(), *store_, std::move(how), visor::wall_clock(), std::move(log))) {
  for (auto& type : types) engine_->add(std::move(type));
}

running_node::~running_node() = default;

void running_node::declare(visor::schedule_set set, std::vector<visor::schedule_record> of_configuration) {
  engine_->declare(std::move(set));
  for (auto& schedule : of_configuration) engine_->add(std::move(schedule));
}

std::exception_ptr running_node::run() {
  bool over = false;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context_, engine_->run(), [&](std::exception_ptr failed) {
    over = true;
    thrown = std::move(failed);
  });
  while (!over && context_.run_one() != 0) {  // abandoned handlers do not delay the return
  }
  return thrown;
}

void running_node::stop() { engine_->stop(); }

bool running_node::has_drained() const { return engine_->has_drained(); }

}  // namespace visor_program
