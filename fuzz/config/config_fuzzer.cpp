// Reading any bytes ends, soon, with settings or with errors that name the file and repeat no value of the environment.

#include "visor/config/describe.hpp"
#include "visor/config/yaml.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view secret = "hunter2";

void require(bool held, char const* what) {
  if (held) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

std::optional<std::string> lookup(std::string const& name) {
  if (name == "S") return std::string{secret};
  if (name == "N") return "7";
  return std::nullopt;
}

bool one_line(std::string_view text) { return text.find_first_of(std::string_view{"\n\r\0\x1b", 4}) == std::string_view::npos; }

/// Reads the bytes as the value of one of the variables, which the first byte chooses. No message repeats them.
void read_variable(std::string_view data) {
  if (data.empty()) return;
  auto const& chosen = visor::detail::named_variables[static_cast<unsigned char>(data[0]) % visor::detail::named_variables.size()];
  auto const value = [&](std::string const& name) -> std::optional<std::string> {
    if (name != chosen.name) return std::nullopt;
    return std::string{secret} + std::string{data.substr(1)};
  };
  for (auto const& each : visor::read_settings("scheduler: {storage: {driver: postgresql}}", "f", value).errors) {
    std::string const line = to_string(each);
    require(one_line(line) && each.file == "environment " + std::string{chosen.name}, "an error names its variable");
    require(line.find(secret) == std::string::npos, "an error repeats a variable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  bool const written_by_hand = text.find(secret) != std::string_view::npos;
  read_variable(text);
  auto const result = visor::read_settings(text, "f", lookup);
  for (auto const& each : result.errors) {
    std::string const line = to_string(each);
    require(one_line(line), "an error is one line");
    require(each.file == "f" && each.line >= 0 && each.column >= 0 && !each.message.empty(), "an error has a position and a message");
    require(written_by_hand || line.find(secret) == std::string::npos, "an error repeats what came from a variable");
    require(visor::is_storable_text(line), "an error is valid text");
  }
  if (!result.errors.empty()) return 0;
  result.value.node.check();
  for (auto const& each : visor::describe(result.value)) {
    require(visor::is_storable_text(each.value) && visor::is_storable_text(each.path), "a value is valid text");
    require(written_by_hand || each.value.find(secret) == std::string::npos, "a description repeats what came from a variable");
  }
  require(visor::check_settings(result.value).empty(), "settings of a file pass the checks");
  return 0;
}
