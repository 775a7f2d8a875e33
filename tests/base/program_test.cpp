#include "support/catch.hpp"

#include "visor/base/program.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fs = std::filesystem;
using visor::detail::find_program;

namespace {

/// tool (may be run), text (may not), sub/tool, and a folder named folder.
struct files {
  files() {
    std::string name = (fs::temp_directory_path() / "visor-program-XXXXXX").string();
    path = ::mkdtemp(name.data());
    fs::create_directory(path + "/folder");
    fs::create_directory(path + "/sub");
    for (auto const* file : {"/tool", "/text", "/sub/tool"}) std::ofstream(path + file) << "#!/bin/sh\n";
    for (auto const* file : {"/tool", "/sub/tool"}) fs::permissions(path + file, fs::perms(0755));
  }
  files(files const&) = delete;
  files& operator=(files const&) = delete;
  ~files() { fs::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("a program is found where a command would find it") {
  files const made;
  auto const& path = made.path;
  CHECK(find_program(path + "/tool", "", "").file == path + "/tool");
  CHECK(find_program("./tool", "", path).file == path + "/./tool");
  CHECK(find_program("sub/tool", "", path).file == path + "/sub/tool");
  CHECK(find_program("tool", "/nowhere:" + path + ":" + path + "/sub", "").file == path + "/tool");
  CHECK(find_program("tool", "sub", path).file == path + "/sub/tool");      // an entry of PATH that is not absolute
  CHECK(find_program("tool", "/nowhere:", path).file == path + "/./tool");  // an empty one is the folder itself
  CHECK(find_program("sh", visor::detail::default_path, "").problem.empty());
}

TEST_CASE("a program that cannot be run says why") {
  files const made;
  auto const& path = made.path;
  auto const problem = [](std::string const& name, std::string const& where = "", std::string const& folder = "") {
    return find_program(name, where, folder).problem;
  };
  CHECK(problem(path + "/none") == path + "/none does not exist");
  CHECK(problem(path + "/tool/none") == path + "/tool/none does not exist");
  CHECK(problem(path + "/folder") == path + "/folder is a folder");
  CHECK(problem(path + "/text") == path + "/text is not executable for this user: try chmod +x");
  CHECK(problem("/dev/null") == "/dev/null is no regular file");
  CHECK(problem("none", path) == "none is in no folder of PATH (" + path + "): give its full path or change PATH");
  CHECK(problem("text", "/nowhere:" + path) == path + "/text is not executable for this user: try chmod +x");
  CHECK(problem("text", path + ":/bin:/usr/bin") == path + "/text is not executable for this user: try chmod +x");
}
