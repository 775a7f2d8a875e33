#include "visor/config/commands.hpp"
#include "reading.hpp"
#include "support/catch.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace visor_test;

namespace {

/// A folder with a program, a file that is none, and a folder.
struct programs {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("visor-config-test-" + std::to_string(::getpid()));
  programs() {
    std::filesystem::create_directories(folder / "folder");
    write("program", 0755);
    write("text", 0644);
  }
  ~programs() { std::filesystem::remove_all(folder); }
  programs(programs const&) = delete;
  programs& operator=(programs const&) = delete;

  void write(char const* name, mode_t mode) const {
    std::ofstream{folder / name} << "#!/bin/sh\n";
    ::chmod((folder / name).c_str(), mode);
  }

  std::string check(std::string const& keys, std::map<std::string, std::string> more = {}) const {
    more.emplace("F", folder.string());
    auto lookup = variables(more);
    std::string lines;
    for (auto const& each : visor::check_commands(read(with_workflow(keys), lookup), lookup)) lines += to_string(each) + "\n";
    return lines;
  }
};

}  // namespace

TEST_CASE("programs are looked for as they will be when they start") {
  programs const made;
  std::string const folder = made.folder.string();
  std::string const at = "visor.yaml:2:21: workflows.report.command: ";
  CHECK(made.check("command: [" + folder + "/program]") == "");
  CHECK(made.check("command: [" + folder + "/none]") == at + "the program " + folder + "/none does not exist\n");
  CHECK(made.check("command: [" + folder + "/program/x]") == at + "the program " + folder + "/program/x does not exist\n");
  CHECK(made.check("command: [" + folder + "/text]") ==
        at + "the program " + folder + "/text is not executable for this user: try chmod +x\n");
  CHECK(made.check("command: [" + folder + "/folder]") == at + "the program " + folder + "/folder is a folder\n");
  CHECK(made.check("command: [/dev/null]") == at + "the program /dev/null is no regular file\n");

  CHECK(made.check("command: [program]", {{"PATH", "/nowhere:" + folder}}) == "");
  CHECK(made.check("command: [none]", {{"PATH", "/nowhere:" + folder}}) ==
        at + "the program none is in no folder of PATH (/nowhere:" + folder + "): give its full path or change PATH\n");
  CHECK(made.check("command: [text]", {{"PATH", "/nowhere:" + folder}}) ==
        at + "the program " + folder + "/text is not executable for this user: try chmod +x\n");
  CHECK(made.check("command: [program], env: {PATH: " + folder + "}", {{"PATH", "/nowhere"}}) == "");  // its own comes first
  CHECK(made.check("command: [sh]") == "");                                                            // a default path, as exec has

  CHECK(made.check("command: [./program], working_directory: " + folder) == "");
  CHECK(made.check("command: [./none], working_directory: " + folder) == at + "the program " + folder + "/./none does not exist\n");
  CHECK(made.check("command: [sh], working_directory: " + folder + "/none") ==
        "visor.yaml:2:" + std::to_string(46) + ": workflows.report.working_directory: there is no folder \"" + folder +
            "/none\" that this user may enter\n");

  CHECK(made.check("command: nobody-knows | sort, shell: true") == "");
  CHECK(made.check("webhook: {url: 'http://h'}") == "");
}

TEST_CASE("what came from the environment is not repeated when a program is missing") {
  programs const made;
  CHECK(made.check("command: ['${F}/program']") == "");
  CHECK(made.check("command: ['${F}/none']") ==
        "visor.yaml:2:21: workflows.report.command: the program does not exist or is not executable\n");
  CHECK(made.check("command: [sh], working_directory: '${F}/none'") ==
        "visor.yaml:2:46: workflows.report.working_directory: there is no such folder that this user may enter\n");
}
