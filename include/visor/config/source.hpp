#ifndef VISOR_CONFIG_SOURCE_HPP
#define VISOR_CONFIG_SOURCE_HPP

#include <string>
#include <vector>

namespace visor {

/// The source of a value.
struct source {
  std::string file;                    ///< or another name: `profile production`, `flag --url`; empty: see `variables`
  int line = 0;                        ///< from 1; 0: not from a file
  int column = 0;                      ///< from 1, in characters
  std::vector<std::string> variables;  ///< the environment variables that the value was made of
  std::string written;  ///< for a text that was made of variables: its form in the file, which can be shown in the text's place
  friend bool operator==(source const&, source const&) = default;
};

/// Formats a source: `visor.yaml:12:7`, `environment NAME`, both when a value in a file was made of variables, `profile
/// production`, `flag --url`, or `default`.
inline std::string to_string(source const& where) {
  std::string text = where.file;
  if (where.line > 0) text += ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
  for (auto const& name : where.variables) text += (text.empty() ? "" : ", ") + ("environment " + name);
  return text.empty() ? "default" : text;
}

/// A value from a command line.
struct setting_flag {
  std::string name;  ///< the name in messages: `--url`
  std::string path;  ///< of the key, `scheduler.storage.connection.connection_string`
  std::string value;
};

}  // namespace visor

#endif
