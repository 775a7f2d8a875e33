#ifndef VISOR_DRIVER_SQLITE_LOCK_HOLDER_HPP
#define VISOR_DRIVER_SQLITE_LOCK_HOLDER_HPP

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

/// Finds the process that holds the write lock of a database. SQLite itself only knows that there is one.
namespace visor::sqlite_driver {

/// A locked byte of a file.
struct locked_byte {
  unsigned major = 0;
  unsigned minor = 0;
  std::uint64_t inode = 0;
  std::int64_t offset = 0;
};

/// Returns the process that has a write lock on a byte, from the text of /proc/locks (proc(5)); 0 when none is listed.
inline long writer_of(locked_byte const& byte, std::string_view locks) {
  std::istringstream lines{std::string(locks)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, kind, how, mode, file, last;
    long process = 0;
    std::int64_t first = 0;
    if (!(words >> number >> kind >> how >> mode >> process >> file >> first >> last) || kind != "POSIX" || mode != "WRITE") continue;
    unsigned major = 0, minor = 0;
    unsigned long long inode = 0;
    if (std::sscanf(file.c_str(), "%x:%x:%llu", &major, &minor, &inode) != 3) continue;
    bool const is_file = major == byte.major && minor == byte.minor && inode == byte.inode;
    bool const covers = first <= byte.offset && (last == "EOF" || std::stoll(last) >= byte.offset);
    if (is_file && covers && process > 0) return process;
  }
  return 0;
}

/// Returns the process that writes a database, as `process 12 (name)`. Empty where the kernel does not list it, such as one in another
/// container.
inline std::string writer_of(std::string const& filename) {
  // The bytes are those of SQLite's file format: of the index of a write-ahead log, and of the file itself where there is none.
  constexpr std::int64_t writing_the_log = 120, reserved = 0x40000001;
  std::ifstream file("/proc/locks");
  std::string const locks(std::istreambuf_iterator<char>(file), {});
  auto const of = [&](std::string const& path, std::int64_t offset) -> long {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) return 0;
    locked_byte const byte{::major(about.st_dev), ::minor(about.st_dev), about.st_ino, offset};
    return writer_of(byte, locks);
  };
  long process = of(filename + "-shm", writing_the_log);
  if (process == 0) process = of(filename, reserved);
  if (process == 0) return {};
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(process) + "/comm"), name);
  return "process " + std::to_string(process) + (name.empty() ? "" : " (" + name + ")");
}

}  // namespace visor::sqlite_driver

#endif
