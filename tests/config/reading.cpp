#include "reading.hpp"

#include "visor/config/describe.hpp"
#include "visor/config/yaml.hpp"
#include "visor/zone.hpp"

namespace visor_test {

visor::settings read(std::string_view text, visor::environment const& lookup, std::vector<visor::setting_flag> const& flags) {
  return visor::parse_settings(text, "visor.yaml", lookup, flags);
}

std::string wrong(std::string_view text, visor::environment const& lookup, std::vector<visor::setting_flag> const& flags) {
  std::string lines;
  for (auto const& each : visor::read_settings(text, "visor.yaml", lookup, flags).errors) lines += to_string(each) + "\n";
  return lines;
}

std::string line(visor::settings const& all, std::string const& path) {
  for (auto const& each : visor::describe(all))
    if (each.path == path) return each.value + " (" + to_string(each.from) + ")";
  return "none";
}

}  // namespace visor_test
