#ifndef VISOR_TOOLS_NODE_VIEW_HPP
#define VISOR_TOOLS_NODE_VIEW_HPP

#include "visor/store/records.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

/// What commands make of the record of a node.
namespace visor_program {

inline std::vector<std::string> words_between_commas(std::string const& text) {
  std::vector<std::string> words;
  if (!text.empty()) boost::algorithm::split(words, text, boost::algorithm::is_any_of(","));
  return words;
}

inline bool is_live(visor::node_record const& node, visor::instant now) {
  return node.state != visor::node_state::offline && now < node.lease_until;
}

/// Whether it takes jobs of a queue, which can be one that needs a capability.
inline bool serves(visor::node_record const& node, std::string_view queue) {
  auto const plus = queue.find('+');
  auto const own = std::string(queue.substr(0, plus)) + ":";
  auto const queues = words_between_commas(node.queues.value_or(""));
  if (std::ranges::none_of(queues, [&](std::string const& each) { return each.starts_with(own); })) return false;
  if (plus == std::string_view::npos) return true;
  auto const capabilities = words_between_commas(node.capabilities.value_or(""));
  return std::ranges::find(capabilities, queue.substr(plus + 1)) != capabilities.end();
}

}  // namespace visor_program

#endif
