#ifndef VISOR_BASE_HOME_HPP
#define VISOR_BASE_HOME_HPP

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace visor {

/// Expands a leading `~/` as a shell does: to HOME or, without HOME, to the folder that the system knows for this user. Any other path is
/// returned unchanged, and so is every path when there is no such folder. Thread-safe while no thread sets HOME.
inline std::string with_home(std::string_view path) {
  if (!path.starts_with("~/")) return std::string(path);
  std::string home;
  if (char const* const said = std::getenv("HOME"); said != nullptr) home = said;
  if (home.empty()) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16384> texts{};
    if (::getpwuid_r(::getuid(), &entry, texts.data(), texts.size(), &found) == 0 && found != nullptr && found->pw_dir != nullptr)
      home = found->pw_dir;
  }
  if (home.empty()) return std::string(path);
  while (home.size() > 1 && home.ends_with('/')) home.pop_back();
  return home + std::string(path.substr(home == "/" ? 2 : 1));
}

}  // namespace visor

#endif
