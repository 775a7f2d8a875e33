#ifndef VISOR_ENGINE_PROCESS_HPP
#define VISOR_ENGINE_PROCESS_HPP

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <unistd.h>

namespace visor {

/// Identifies a process precisely enough for another one on the same machine to tell whether it is still alive. A process id alone is
/// reused, so the start time, the boot and the process namespace go with it. Linux.
struct process_identity {
  std::string host;
  long pid = 0;
  int engine = 1;         ///< its number within the process, see `engine_number`
  std::string start;      ///< clock ticks since boot
  std::string machine;    ///< id of the machine, empty where it has none: machines may share a host name
  std::string boot;       ///< id of the boot
  std::string space;      ///< the namespace of process ids: containers have their own
  std::string resources;  ///< of the machine, in the format of `node_record`

  static process_identity current() {
    process_identity self;
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) == 0) self.host = name;
    self.pid = static_cast<long>(::getpid());
    self.start = start_of(self.pid).value_or("");
    std::getline(std::ifstream("/etc/machine-id"), self.machine);
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), self.boot);
    self.space = current_space();
    auto const processors = std::max(0L, ::sysconf(_SC_NPROCESSORS_ONLN));
    auto const memory = std::max(0LL, 1LL * ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE));
    self.resources = "processors:" + std::to_string(processors) + ",memory:" + std::to_string(memory);
    return self;
  }

  /// The text that the node's `address` stores.
  std::string text() const {
    auto const which = engine > 1 ? " engine " + std::to_string(engine) : std::string();
    return host + " pid " + std::to_string(pid) + which + " start " + start + " machine " + machine + " boot " + boot + " space " + space;
  }

  /// Whether the process that wrote `address` is certainly gone. False also when this machine cannot tell.
  static bool is_gone(std::string_view address) {
    auto const field = [address](std::string_view name) -> std::string_view {
      auto const at = address.find(name);
      if (at == std::string_view::npos) return {};
      auto const rest = address.substr(at + name.size());
      return rest.substr(0, rest.find(' '));
    };
    process_identity const self = current();
    if (address.substr(0, address.find(' ')) != self.host || self.boot.empty() || self.space.empty()) return false;
    // Another boot is no proof: machines that were made of one image share a host name and a machine id.
    if (field(" boot ") != self.boot || field(" space ") != self.space) return false;
    long pid = 0;
    for (char const digit : field(" pid ")) {
      if (digit < '0' || digit > '9' || pid > 1'000'000'000) return false;
      pid = pid * 10 + (digit - '0');
    }
    if (pid == 0) return false;
    if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return true;
    auto const start = start_of(pid);
    return start && *start != field(" start ");
  }

 private:
  static std::string current_space() {
    char link[64] = "";
    auto const length = ::readlink("/proc/self/ns/pid", link, sizeof link - 1);
    return length > 0 ? std::string(link, static_cast<std::size_t>(length)) : std::string();
  }

  /// Reads field 22 of /proc/PID/stat (proc(5)). The second field, the name, may hold anything and ends with the last parenthesis. Empty
  /// for a process that has ended and only waits to be reaped. None where the file cannot be read, which proves nothing: /proc may hide the
  /// processes of other users.
  static std::optional<std::string> start_of(long pid) {
    std::string line;
    if (!std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line)) return std::nullopt;
    std::size_t at = line.rfind(')');
    if (at != std::string::npos && (line.compare(at + 1, 2, " Z") == 0 || line.compare(at + 1, 2, " X") == 0)) return "";
    for (int field = 2; at != std::string::npos && field < 22; ++field) at = line.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
    return line.substr(at + 1, line.find(' ', at + 1) - at - 1);
  }
};

namespace detail {

/// The number of an engine within its process: the smallest one, from 1, that no other engine has at the time. So an engine that follows
/// another one is known as the same node, and one that runs beside it is not.
class engine_number {
 public:
  engine_number() {
    auto& all = taken();
    std::scoped_lock const lock{all.mutex};
    while (!all.numbers.insert(value_).second) ++value_;
  }
  engine_number(engine_number const&) = delete;
  engine_number& operator=(engine_number const&) = delete;
  ~engine_number() {
    auto& all = taken();
    std::scoped_lock const lock{all.mutex};
    all.numbers.erase(value_);
  }

  int value() const noexcept { return value_; }

 private:
  struct numbers_in_use {
    std::mutex mutex;
    std::set<int> numbers;
  };

  static numbers_in_use& taken() {
    static numbers_in_use all;
    return all;
  }

  int value_ = 1;
};

}  // namespace detail
}  // namespace visor

#endif
