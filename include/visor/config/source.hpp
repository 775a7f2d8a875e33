#ifndef VISOR_CONFIG_SOURCE_HPP
#define VISOR_CONFIG_SOURCE_HPP

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace visor {

/// Looks up a variable of the environment: its value, or nothing when it is not set.
using environment = std::function<std::optional<std::string>(std::string const& name)>;

/// The environment of this process. Not safe against a `setenv` in another thread, as `getenv` itself.
inline environment process_environment() {
  return [](std::string const& name) -> std::optional<std::string> {
    char const* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

/// Where a value came from.
struct source {
  std::string file;                    ///< or what else it is called: `profile production`, `flag --url`; empty: see `variables`
  int line = 0;                        ///< from 1; 0: not from a file
  int column = 0;                      ///< from 1, in characters
  std::vector<std::string> variables;  ///< of the environment, that the value was made of
  std::string written;  ///< of a text that was made of variables: what the file says, so that it can be shown in the text's place
  friend bool operator==(source const&, source const&) = default;
};

/// `visor.yaml:12:7`, `environment NAME`, both when a value in a file was made of variables, `profile production`, `flag --url`, or
/// `default`.
inline std::string to_string(source const& where) {
  std::string text = where.file;
  if (where.line > 0) text += ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
  for (auto const& name : where.variables) text += (text.empty() ? "" : ", ") + ("environment " + name);
  return text.empty() ? "default" : text;
}

/// A value that was given on a command line.
struct setting_flag {
  std::string name;  ///< as messages call it: `--url`
  std::string path;  ///< of the key, `scheduler.storage.connection.connection_string`
  std::string value;
};

}  // namespace visor

#endif
