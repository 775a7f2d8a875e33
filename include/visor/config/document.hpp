#ifndef VISOR_CONFIG_DOCUMENT_HPP
#define VISOR_CONFIG_DOCUMENT_HPP

#include "visor/base/json_text.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/source.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// A document as a tree, independent of its syntax, with the position of every part. `config/yaml.hpp` makes one from YAML.
namespace visor::detail {

struct source_position {
  int line = 0;
  int column = 0;
};

struct node {
  enum class kind { null, scalar, sequence, mapping };

  kind what = kind::null;
  source_position at;
  std::string text;                    ///< of a scalar, with variables replaced; of null `~`, `Null` or `NULL` where it is written so
  bool quoted = false;                 ///< a quoted scalar, which is text whatever it looks like
  std::string written;                 ///< of a scalar with variables: the text before they were replaced
  std::vector<std::string> variables;  ///< the variables whose values are in `text`
  int inset = 0;                       ///< characters between `at` and the text itself
  bool refused = false;                ///< reported already, so that nothing reads it further
  std::size_t exact = 0;               ///< how many first bytes of the text stand in the file as they are, on one line
  std::string key;                     ///< within a mapping
  source_position key_at;
  std::vector<node> children;  ///< of a sequence or mapping

  /// Whether the text may not be repeated in a message.
  bool from_environment() const noexcept { return !variables.empty(); }

  /// Whether the text is the value of one variable that no file mentions.
  bool is_variable() const noexcept { return from_environment() && at.line == 0; }

  /// The description of the text in a message.
  std::string shown() const {
    if (is_variable()) return "the value";
    return from_environment() ? "the value of " + in_quotes(written) : in_quotes(text);
  }

  /// The position of a byte of the text, or the nearest position that is known.
  source_position position(std::size_t offset) const {
    if (offset > exact || from_environment()) return at;
    auto const characters = std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size())),
                                          [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return {at.line, at.column + inset + static_cast<int>(characters)};
  }

  node const* find(std::string_view name) const noexcept {
    for (auto const& child : children)
      if (child.key == name) return &child;
    return nullptr;
  }
};

/// A part of a document, and the name of its source in messages.
struct found_node {
  node const* what = nullptr;
  std::string_view origin;
};

/// Parts of documents by their paths. Of several with the same path, the one in force.
using found_nodes = std::map<std::string, found_node, std::less<>>;

/// The name of a kind for users.
inline std::string_view name_of(node::kind kind) noexcept {
  switch (kind) {
    case node::kind::null: return "nothing";
    case node::kind::scalar: return "a single value";
    case node::kind::sequence: return "a list";
    case node::kind::mapping: return "a group of keys";
  }
  return {};
}

/// Limits that no honest file reaches, and that keep a hostile one from using up time or memory.
struct document_limits {
  static constexpr std::size_t bytes = 16 * 1024 * 1024;        ///< of the file
  static constexpr std::size_t values = 1'000'000;              ///< aliases followed; a larger file may have as many as it has bytes
  static constexpr std::size_t text_bytes = 64 * 1024 * 1024;   ///< of all texts together, variables replaced
  static constexpr std::size_t errors = 1'000;                  ///< reported; more are mostly the same error again and again
  static constexpr std::size_t depth = 4 + json_limits::depth;  ///< a payload stands in four groups: the file, and `scheduler.cron.NAME`
};

}  // namespace visor::detail

#endif
