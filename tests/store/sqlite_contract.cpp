#include "contract/adapt.hpp"

#include "visor/base/manual_clock.hpp"
#include "visor/sqlite.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace visor_test {

namespace {

/// A folder that goes with the last who uses it.
struct temporary_folder {
  std::string path = (std::filesystem::temp_directory_path() / "visor-store-XXXXXX").string();
  temporary_folder() {
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

std::unique_ptr<subject> make_subject() {
  using store = visor::sqlite_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const folder = std::make_shared<temporary_folder>();
  auto const make = [clock, folder] {
    visor::sqlite_settings settings(folder->path + "/schedules.db");
    settings.synchronous = visor::sqlite_synchronous::normal;
    return std::make_shared<store>(settings, clock);
  };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make);
}

}  // namespace visor_test
