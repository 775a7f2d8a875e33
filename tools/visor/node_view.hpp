#ifndef VISOR_TOOLS_NODE_VIEW_HPP
#define VISOR_TOOLS_NODE_VIEW_HPP

#include "run_sync.hpp"
#include "storage.hpp"

#include "visor/settings/queue_name.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Views of the record of a node, for commands.
namespace visor_program {

inline std::vector<std::string> words_between_commas(std::string const& text) {
  std::vector<std::string> words;
  if (!text.empty()) boost::algorithm::split(words, text, boost::algorithm::is_any_of(","));
  return words;
}

/// The number of running jobs on each node.
inline std::map<std::string, int> running_on_nodes(storage& in) {
  std::map<std::string, int> running;
  visor::job_filter which;
  which.state = visor::job_state::running;
  which.limit = std::numeric_limits<int>::max();
  for (auto const& view : run_sync(in.jobs(which))) ++running[view.node.value_or("")];
  return running;
}

inline bool is_live(visor::node_record const& node, visor::instant now) {
  return node.state != visor::node_state::offline && now < node.lease_until;
}

/// Whether a node takes jobs of a queue, which can be one that needs a capability.
inline bool serves(visor::node_record const& node, std::string_view queue) {
  visor::queue_name const name(queue);
  auto const own = std::string(name.queue) + ":";
  auto const queues = words_between_commas(node.queues.value_or(""));
  if (std::ranges::none_of(queues, [&](std::string const& each) { return each.starts_with(own); })) return false;
  if (name.capability.empty()) return true;
  auto const capabilities = words_between_commas(node.capabilities.value_or(""));
  return std::ranges::find(capabilities, name.capability) != capabilities.end();
}

}  // namespace visor_program

#endif
