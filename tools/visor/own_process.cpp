#include "own_process.hpp"

#include "visor/base/descriptor_limit.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

namespace visor_program {
namespace {

bool was_sigpipe_ignored = false;

/// Opens descriptors 0 to 2 where they are closed. The next file or socket would get such a number, and others would write
/// messages into it.
void open_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // Read-only, so that a write fails as it does with a closed descriptor. This is the lowest free number, so `open` returns
    // it.
    if (::open("/dev/null", O_RDONLY) < 0) ::open("/", O_RDONLY);
  }
}

bool is_sent_on(int signal) {
  constexpr int all[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  return std::ranges::find(all, signal) != std::end(all);
}

[[noreturn]] void reap_until_end_of(pid_t child, sigset_t const& signals) {
  for (;;) {
    int const signal = ::sigwaitinfo(&signals, nullptr);
    if (is_sent_on(signal)) ::kill(child, signal);
    if (signal != SIGCHLD) continue;
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (ended == child) ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  }
}

/// The greatest number of something that the system allows, and the setting that limits it.
struct system_limit {
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::string name;

  void consider(std::optional<std::uint64_t> number, std::string_view called) {
    if (!number || *number >= most) return;
    most = *number;
    name = called;
  }
};

std::optional<std::uint64_t> number_in(std::string const& file) {
  std::ifstream from(file);
  std::uint64_t number = 0;
  if (from >> number) return number;
  return std::nullopt;  // no such file, or "max"
}

std::optional<std::uint64_t> soft_limit(decltype(RLIMIT_NOFILE) of) {
  rlimit limit{};
  if (::getrlimit(of, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

/// Considers the limits of the process's control group and of those around it.
void consider_control_groups(system_limit& limit) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    auto const first = line.find(':');
    auto const second = line.find(':', first + 1);
    if (second == line.npos) continue;
    auto const controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers != "pids") continue;
    std::string const root = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    for (std::string group = line.substr(second + 1);; group.resize(group.rfind('/'))) {
      if (group.ends_with('/')) group.pop_back();
      limit.consider(number_in(root + group + "/pids.max"),
                     "pids.max of the control group: TasksMax= of systemd, --pids-limit of containers");
      if (group.find('/') == group.npos) break;
    }
  }
}

}  // namespace

void prepare_process() {
  open_standard_descriptors();
  struct sigaction action{};
  ::sigaction(SIGPIPE, nullptr, &action);
  was_sigpipe_ignored = action.sa_handler == SIG_IGN;
  // A reader that goes away and a limit on the size of files are errors of a write, and are handled there.
  action = {};
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
  ::sigaction(SIGXFSZ, &action, nullptr);
  // The parent may have ignored or blocked signals, and both survive exec. The exit codes of commands depend on SIGCHLD.
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Orphans of commands go to the reaper, even if this process was a subreaper itself.
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  visor::detail::raise_descriptor_limit();
}

void leave_process_1_to_reaper() {
  if (::getpid() != 1) return;
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  pid_t const child = ::fork();
  if (child > 0) {
    ::prctl(PR_SET_NAME, "reaper");  // `pkill visor` means the child
    reap_until_end_of(child, all);
  }
  // A group of its own: signals of a terminal or a supervisor to the whole group arrive once, from the reaper.
  if (child == 0) ::setpgid(0, 0);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

std::vector<std::string> limits_too_low_for(visor::settings const& settings) {
  std::vector<std::string> texts;
  std::uint64_t slots = 0;
  for (auto const& queue : settings.node.queues) slots += static_cast<std::uint64_t>(queue.slots);
  bool const has_commands = std::ranges::any_of(settings.workflows, [](visor::workflow const& each) { return !each.command.empty(); });
  auto const complain = [&](std::uint64_t needed, std::string const& what, system_limit const& limit) {
    if (needed <= limit.most) return;
    texts.push_back("all " + std::to_string(slots) + " slots together need about " + std::to_string(needed) + " " + what +
                    ", and there can be " + std::to_string(limit.most) + " (" + limit.name + "): jobs that cannot be started wait");
  };
  if (settings.workflows.empty()) return texts;

  // A command needs two descriptors, for its output and its end, a webhook one. Others serve the store, the log and starting
  // commands.
  constexpr std::uint64_t own_descriptors = 40;
  system_limit descriptors;
  descriptors.consider(soft_limit(RLIMIT_NOFILE), "ulimit -Hn, LimitNOFILE= of systemd");
  complain(own_descriptors + slots * (has_commands ? 2 : 1), "descriptors", descriptors);

  constexpr std::uint64_t own_threads = 10;
  system_limit processes;
  if (::geteuid() != 0) processes.consider(soft_limit(RLIMIT_NPROC), "ulimit -u, LimitNPROC= of systemd");
  consider_control_groups(processes);
  processes.consider(number_in("/proc/sys/kernel/pid_max"), "kernel.pid_max");
  processes.consider(number_in("/proc/sys/kernel/threads-max"), "kernel.threads-max");
  if (has_commands) complain(own_threads + slots, "processes", processes);
  return texts;
}

void end_if_nobody_reads() {
  pollfd asked{STDOUT_FILENO, POLLOUT, 0};
  if (was_sigpipe_ignored || ::poll(&asked, 1, 0) <= 0 || (asked.revents & POLLERR) == 0) return;
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
}

}  // namespace visor_program
