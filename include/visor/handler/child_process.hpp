#ifndef VISOR_HANDLER_CHILD_PROCESS_HPP
#define VISOR_HANDLER_CHILD_PROCESS_HPP

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Why not Boost.Process: in 1.81 its second version forks on the thread of the caller, runs code in the child that allocates, leaves
// its pipes open to processes that other threads start at that moment, and needs Boost.Filesystem. Here the child is made as the
// C library's posix_spawn makes it, with what that cannot do: a death signal, all other descriptors closed, and errors by step.
namespace visor::detail {

/// A file descriptor that is closed with its owner.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Where starting a program failed, and with which `errno`.
struct spawn_failure {
  enum step : int { none, prepare, directory, program };
  step at = none;
  int number = 0;
  spawn_failure() = default;
  spawn_failure(step where, int what) : at(where), number(what) {}
};

/// What the child needs, laid out before it exists: it shares our memory and may not allocate.
struct spawn_request {
  char const* program;
  char const* directory;  ///< null: stay
  char* const* argv;
  char* const* environment;
  int input;
  int output;
  int report;
  pid_t parent;
};

inline void close_from(unsigned first) noexcept {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, first, ~0U, 0U) == 0) return;
#endif
  // Old kernels and some sandboxes: our own descriptors close by themselves, so this is for what others left open.
  long const most = ::sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd < (most < 0 || most > 65536 ? 65536U : static_cast<unsigned>(most)); ++fd) ::close(static_cast<int>(fd));
}

/// The child's side: becomes the program or reports why it cannot. Only calls that are safe between vfork and exec.
[[noreturn]] inline void become(spawn_request const& request) noexcept {
  auto const fail = [&](spawn_failure::step step) {
    spawn_failure const failure(step, errno);
    [[maybe_unused]] auto const written = ::write(request.report, &failure, sizeof failure);
    ::_exit(127);
  };
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= 64; ++signal) ::sigaction(signal, &standard, nullptr);
  if (::setsid() < 0) fail(spawn_failure::prepare);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(spawn_failure::prepare);
  if (::getppid() != request.parent) ::_exit(127);  // it died before the signal was set
  // Away from 0 to 3 first: we may have been started with some of these closed.
  int const input = ::fcntl(request.input, F_DUPFD, 4);
  int const output = ::fcntl(request.output, F_DUPFD, 4);
  int const report = ::fcntl(request.report, F_DUPFD, 4);
  if (input < 0 || output < 0 || report < 0) fail(spawn_failure::prepare);
  if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0 || ::dup3(report, 3, O_CLOEXEC) < 0)
    fail(spawn_failure::prepare);
  close_from(4);
  auto const fail_late = [](spawn_failure::step step) {
    spawn_failure const failure(step, errno);
    [[maybe_unused]] auto const written = ::write(3, &failure, sizeof failure);
    ::_exit(127);
  };
  if (request.directory != nullptr && ::chdir(request.directory) != 0) fail_late(spawn_failure::directory);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(request.program, request.argv, request.environment);
  fail_late(spawn_failure::program);
  ::_exit(127);
}

/// In a function of its own, so that the child, which returns first on the same stack, finds nothing to spoil.
[[gnu::noinline]] inline pid_t fork_into(spawn_request const& request) noexcept {
  pid_t const id = ::vfork();
  if (id == 0) become(request);
  return id;
}

/// A file in memory that holds `text`, ready to be read from its start, which nobody can change any more. A program reads its
/// standard input from it at its own pace or not at all: no writer that could block, be killed by SIGPIPE or keep a loop busy.
/// \throws std::system_error when memory or descriptors are used up
inline unique_fd file_of(std::string_view text) {
  auto const check = [](bool good) {
    if (!good) throw boost::system::system_error(errno, boost::system::system_category(), "standard input cannot be made");
  };
  unique_fd file(::memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  check(file.get() >= 0);
  while (!text.empty()) {
    auto const written = ::write(file.get(), text.data(), text.size());
    check(written >= 0 || errno == EINTR);
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  check(::lseek(file.get(), 0, SEEK_SET) == 0);
  check(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
  return file;
}

/// A running program, the leader of a session and process group of its own. Its id stays ours until `reap`, also when it has
/// ended, so that a signal never reaches a stranger. Whoever drops one that was not reaped kills the group.
class child_process {
 public:
  child_process() = default;
  child_process(pid_t id, unique_fd watch, unique_fd output) noexcept : id_(id), watch_(std::move(watch)), output_(std::move(output)) {}
  child_process(child_process&& other) noexcept
      : id_(std::exchange(other.id_, 0)), watch_(std::move(other.watch_)), output_(std::move(other.output_)) {}
  child_process& operator=(child_process&& other) noexcept {
    std::swap(id_, other.id_);
    watch_ = std::move(other.watch_);
    output_ = std::move(other.output_);
    return *this;
  }
  ~child_process() {
    if (id_ == 0) return;
    signal_group(SIGKILL);
    // A killed process is gone at once, unless the kernel itself is stuck in it: that one is left behind rather than waited for.
    for (int tries = 0; tries < 100 && !reap(); ++tries) ::usleep(10'000);
  }

  bool is_watched() const noexcept { return watch_.get() >= 0; }
  int release_watch() noexcept { return watch_.release(); }    ///< a pidfd: readable when the leader has ended
  int release_output() noexcept { return output_.release(); }  ///< the read end of standard output and error, non-blocking

  void signal_group(int signal) const noexcept {
    if (id_ > 0) ::kill(-id_, signal);
  }

  /// The status as `waitpid` gives it, once, when the leader has ended; nothing before that.
  /// `status_unknown` when another part of the program took it.
  std::optional<int> reap() noexcept {
    int status = 0;
    pid_t got = -1;
    do got = ::waitpid(id_, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0) return std::nullopt;
    id_ = 0;
    return got < 0 ? status_unknown : status;
  }
  static constexpr int status_unknown = -1;

 private:
  pid_t id_ = 0;
  unique_fd watch_;
  unique_fd output_;
};

/// What `start_process` did.
struct spawn_result {
  child_process child;
  spawn_failure failure;
  spawn_result() = default;
  explicit spawn_result(spawn_failure why) : failure(why) {}
  explicit spawn_result(child_process started) : child(std::move(started)) {}
};

/// Starts `program` with exactly these arguments, environment and standard input, its output and error in one pipe, no other
/// descriptor, no controlling terminal, all signals at their defaults. It is killed when the calling *thread* ends, however that
/// comes. Blocks until the program has replaced the child, about a millisecond.
inline spawn_result start_process(std::string const& program, std::string const& directory, std::vector<std::string> const& arguments,
                                  std::vector<std::string> const& environment, unique_fd const& input) {
  auto const pointers = [](std::vector<std::string> const& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (auto const& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
  };
  auto const argv = pointers(arguments);
  auto const envp = pointers(environment);
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) return spawn_result(spawn_failure(spawn_failure::prepare, errno));
  unique_fd output_read(output[0]), output_write(output[1]);
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return spawn_result(spawn_failure(spawn_failure::prepare, errno));
  unique_fd report_read(report[0]), report_write(report[1]);
  ::fcntl(output_read.get(), F_SETFL, O_NONBLOCK);

  spawn_request const request{program.c_str(),    directory.empty() ? nullptr : directory.c_str(),
                              argv.data(),        envp.data(),
                              input.get(),        output_write.get(),
                              report_write.get(), ::getpid()};
  // No handler of ours may run in the child, where it would see our memory.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t const id = fork_into(request);
  int const fork_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (id < 0) return spawn_result(spawn_failure(spawn_failure::prepare, fork_error));
  child_process child(id, unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, id, 0))), std::move(output_read));
  int const watch_error = errno;

  report_write = unique_fd();
  spawn_failure failure;
  ssize_t got = 0;
  do got = ::read(report_read.get(), &failure, sizeof failure);
  while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failure)) return spawn_result(failure);
  if (!child.is_watched()) return spawn_result(spawn_failure(spawn_failure::prepare, watch_error));
  return spawn_result(std::move(child));
}

}  // namespace visor::detail

#endif
