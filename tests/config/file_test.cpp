#include "reading.hpp"
#include "support/catch.hpp"
#include "visor/config/yaml.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace visor_test;

namespace {

struct file {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("visor-config-test-" + std::to_string(::getpid()) + ".yaml");
  explicit file(std::string_view text) { std::ofstream{path, std::ios::binary} << text; }
  ~file() { std::filesystem::remove(path); }
  file(file const&) = delete;
  file& operator=(file const&) = delete;
};

}  // namespace

TEST_CASE("a path that a file names is beside that file") {
  auto const filename = [](std::string const& said, visor::environment const& lookup = variables()) {
    std::string const text = "scheduler: {storage: {path: old.json, connection: {filename: " + said + "}}}";
    auto const all = visor::parse_settings(text, "below/visor.yaml", lookup);
    CHECK(all.storage.path == "below/old.json");
    return all.storage.connection.filename;
  };
  CHECK(filename("data/x.db") == "below/data/x.db");
  CHECK(filename("/x.db") == "/x.db");
  CHECK(filename("y.db", variables({{"VISOR_DB", "x.db"}})) == "x.db");
}

TEST_CASE("settings are loaded from a file") {
  std::string text = "scheduler: {storage: {connection: {filename: x.db}}}\n";
  text += "# " + std::string(200'000, 'x') + "\nworkflows: {last: {command: [y]}}\n";
  file const made{text};
  auto const all = visor::load_settings(made.path, variables());
  CHECK(all.storage.connection.filename == (made.path.parent_path() / "x.db").string());
  REQUIRE(all.workflows.size() == 1);
  CHECK(to_string(all.workflows[0].where) == made.path.string() + ":3:13");
}

TEST_CASE("a file that cannot be read") {
  try {
    visor::load_settings("/nowhere/visor.yaml", variables());
    FAIL("it was read");
  } catch (visor::error const& refused) {
    CHECK(refused.code() == visor::errc::not_found);
    CHECK(std::string{refused.what()} == "cannot read the configuration /nowhere/visor.yaml: No such file or directory");
  }
  try {
    visor::load_settings("/tmp", variables());
    FAIL("it was read");
  } catch (visor::error const& refused) {
    CHECK(refused.code() == visor::errc::invalid_argument);
    CHECK(std::string{refused.what()} == "cannot read the configuration /tmp: Is a directory");
  }
}

TEST_CASE("a file without end is not read to it") {
  try {
    visor::load_settings("/dev/zero", variables());
    FAIL("it was read");
  } catch (visor::config_failure const& refused) {
    CHECK(std::string{refused.what()} == "/dev/zero: the file is larger than 16 MiB");
  }
}
