#ifndef VISOR_CONFIG_LAYER_HPP
#define VISOR_CONFIG_LAYER_HPP

#include "visor/config/document.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace visor::detail {

/// One value from a source other than a file. It is a document of its own, and so is read and checked like a file.
struct layer {
  std::string origin;  ///< the name of its source in messages: `environment DB_HOST`
  std::string path;    ///< of the value, `scheduler.storage.connection.host`
  node root;
  layer(std::string from, std::string_view key, node value) : origin(std::move(from)), path(key), root(std::move(value)) {
    for (std::string_view rest = path; !rest.empty();) {
      auto const dot = rest.rfind('.');
      root.key = rest.substr(dot == std::string_view::npos ? 0 : dot + 1);
      node above;
      above.what = node::kind::mapping;
      above.children.push_back(std::move(root));
      root = std::move(above);
      rest = rest.substr(0, dot == std::string_view::npos ? 0 : dot);
    }
  }
};

/// Makes a single value. \param variable the environment variable that has this value; empty: none
inline node make_value(std::string text, std::string variable = {}) {
  node made;
  made.what = node::kind::scalar;
  made.text = std::move(text);
  if (!variable.empty()) made.variables.push_back(std::move(variable));
  return made;
}

/// The part of a document with a path of plain keys, or null.
inline node const* find_node(node const& root, std::string_view path) noexcept {
  node const* found = &root;
  while (found != nullptr && !path.empty()) {
    auto const dot = std::min(path.find('.'), path.size());
    found = found->find(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return found;
}

}  // namespace visor::detail

#endif
