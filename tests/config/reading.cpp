#include "reading.hpp"

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

}  // namespace visor_test
