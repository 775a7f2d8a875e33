#ifndef VISOR_TESTS_CONFIG_READING_HPP
#define VISOR_TESTS_CONFIG_READING_HPP

#include "visor/config/config_error.hpp"
#include "visor/config/settings.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor_test {

/// An environment of these variables and no others.
inline visor::environment variables(std::map<std::string, std::string> values = {}) {
  return [values = std::move(values)](std::string const& name) -> std::optional<std::string> {
    auto const found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

/// Settings of a file called `visor.yaml`. Compiled once: the parser is a large header.
/// \throws visor::config_failure
visor::settings read(std::string_view text, visor::environment const& lookup = variables(),
                     std::vector<visor::setting_flag> const& flags = {});

/// Every error, one line each with a line feed at its end; nothing where the text is right.
std::string wrong(std::string_view text, visor::environment const& lookup = variables(),
                  std::vector<visor::setting_flag> const& flags = {});

/// `value (source)` of a key, as people are shown it.
std::string line(visor::settings const& all, std::string const& path);

inline std::size_t count(std::string_view text, char wanted) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), wanted));
}

/// A schedule and its workflow around one more line below the schedule.
inline std::string with_entry(std::string const& line) {
  return "scheduler:\n  cron:\n    nightly:\n      schedule: \"0 2 * * *\"\n      workflow: report\n      " + line +
         "\nworkflows:\n  report: {command: [/bin/true]}\n";
}

/// A workflow of these keys in line 2.
inline std::string with_workflow(std::string const& keys) { return "workflows:\n  report: {" + keys + "}\n"; }

}  // namespace visor_test

#endif
