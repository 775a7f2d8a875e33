#ifndef VISOR_HANDLER_CHILD_PROCESS_HPP
#define VISOR_HANDLER_CHILD_PROCESS_HPP

#include "visor/base/descriptor_limit.hpp"
#include "visor/base/program.hpp"

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Why not Boost.Process: in 1.81 its second version forks on the thread of the caller and runs code in the child that allocates. It leaves
// its pipes open to processes that other threads start at that moment, and needs Boost.Filesystem. Here the child is made as the C
// library's posix_spawn makes it, with what posix_spawn lacks: a death signal, all other descriptors closed, and errors by step.
//
// The child makes all calls that may hang in the kernel, such as on a file server that does not answer: it can be killed, a thread cannot.
#ifdef __GLIBC__
extern "C" int __clone(int (*)(void*), void*, int, void*, ...) noexcept;  // `clone`, which sanitizers replace with a version for forks
#else
#define __clone ::clone
#endif

namespace visor::detail {

/// A file descriptor that its owner closes on destruction.
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

/// The step at which starting a program failed, and its `errno`.
struct spawn_failure {
  enum step : int { none, prepare, directory, search, program };
  step at = none;
  int number = 0;
  spawn_failure() = default;
  spawn_failure(step where, int what) : at(where), number(what) {}
};

/// The start of a program: its input and its result. The child shares this memory, so the object must live until the child has become the
/// program or has ended, however long that takes.
struct spawn_request {
  std::vector<program_candidate> candidates;  ///< the first that can be run is chosen
  std::string directory;                      ///< empty: unchanged
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  unique_fd input;

  // Written by the child.
  std::vector<int> obstacles;  ///< one for each candidate that was checked, see `search_result`
  std::size_t chosen = 0;      ///< index of the candidate that is run
  spawn_failure failure;

  /// A pidfd, as soon as the child exists; -1 before. Other threads may read it while the child becomes the program.
  std::atomic<int> watch{-1};
  std::atomic<bool> is_cancelled{false};  ///< set by another thread: the child ends instead of becoming the program
};

inline void close_from(unsigned first) noexcept {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, first, ~0U, 0U) == 0) return;
#endif
  // Old kernels and some sandboxes: our own descriptors close by themselves, so this covers those that other code left open.
  long const most = ::sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd < (most < 0 || most > 65536 ? 65536U : static_cast<unsigned>(most)); ++fd) ::close(static_cast<int>(fd));
}

/// The child's arguments besides the request, laid out before it exists: the child may not allocate.
struct spawn_arguments {
  spawn_request& request;
  char* const* argv;
  char* const* environment;
  int output;
  pid_t parent;
};

/// Ends the child and stores the reason in the request. Not instrumented, as `become`: a child has its parent's memory, but none of its
/// threads.
[[noreturn, gnu::no_sanitize_address, gnu::no_sanitize_thread]] inline void give_up(spawn_request& request, spawn_failure::step step,
                                                                                    int number) noexcept {
  request.failure.at = step;
  request.failure.number = number;
  ::_exit(127);
}

/// The child's side: becomes the program, or stores in the request why it cannot. Makes only calls that are safe between vfork and exec.
[[gnu::no_sanitize_address, gnu::no_sanitize_thread]] inline int become(void* with) noexcept {
  auto const& [request, argv, environment, output, parent] = *static_cast<spawn_arguments*>(with);
  // Bypasses the C library where a sanitizer records calls: it would take the child's calls for its parent's.
  constexpr std::array<unsigned long, 4> standard{};  // the kernel's struct sigaction: SIG_DFL, no flags, no mask
  for (int signal = 1; signal <= 64; ++signal) ::syscall(SYS_rt_sigaction, signal, standard.data(), nullptr, std::size_t{8});
  if (::setsid() < 0) give_up(request, spawn_failure::prepare, errno);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(request, spawn_failure::prepare, errno);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the signal was set
  auto const copy = [](int from, int to) { return ::syscall(SYS_dup3, from, to, 0) >= 0; };
  if (!copy(request.input.get(), 0) || !copy(output, 1) || !copy(output, 2)) give_up(request, spawn_failure::prepare, errno);
  close_from(3);
  restore_descriptor_limit();
  if (request.is_cancelled) give_up(request, spawn_failure::prepare, ECANCELED);
  if (!request.directory.empty() && ::chdir(request.directory.c_str()) != 0) give_up(request, spawn_failure::directory, errno);
  std::size_t& chosen = request.chosen;
  while (chosen < request.candidates.size()) {
    int const obstacle = obstacle_to_running(request.candidates[chosen]);
    request.obstacles[chosen] = obstacle;
    if (obstacle == 0) break;
    ++chosen;
  }
  if (chosen == request.candidates.size()) give_up(request, spawn_failure::search, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(request.candidates[chosen].file.c_str(), argv, environment);
  give_up(request, spawn_failure::program, errno);
}

/// The stack of children before they become programs. Only one child at a time may use it.
class child_stack {
 public:
  /// \throws boost::system::system_error when memory is used up
  child_stack() {
    begin_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (begin_ == MAP_FAILED) throw boost::system::system_error(errno, boost::system::system_category(), "no stack for a child");
    ::mprotect(begin_, guard, PROT_NONE);
  }
  child_stack(child_stack const&) = delete;
  child_stack& operator=(child_stack const&) = delete;
  ~child_stack() { ::munmap(begin_, size); }

  void* top() const noexcept { return static_cast<char*>(begin_) + size; }  ///< stacks grow down on every supported machine

 private:
  static constexpr std::size_t size = 256 * 1024;
  static constexpr std::size_t guard = 64 * 1024;  ///< a multiple of every page size
  void* begin_ = nullptr;
};

/// Moves a descriptor away from 0, 1 and 2, which a program may have been started without. `errno` holds the reason of a failure.
inline unique_fd above_standard(unique_fd from) noexcept {
  return from.get() < 0 || from.get() > 2 ? std::move(from) : unique_fd(::fcntl(from.get(), F_DUPFD_CLOEXEC, 3));
}

/// Returns a file in memory that holds `text`, positioned at its start and sealed against changes. A program reads its standard input from
/// it at its own pace or not at all: no writer could block, be killed by SIGPIPE or keep a loop busy.
/// \throws boost::system::system_error when memory or descriptors are used up
inline unique_fd file_of(std::string_view text) {
  auto const check = [](bool good) {
    if (!good) throw boost::system::system_error(errno, boost::system::system_category(), "standard input cannot be made");
  };
  unique_fd file = above_standard(unique_fd(::memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
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

/// Killed children that did not end at once, since the kernel itself is stuck in them. They are reaped at a later start of a program, once
/// they have ended.
class stuck_children {
 public:
  static void add(pid_t id) {
    std::scoped_lock const lock(mutex_);
    ids_.push_back(id);
  }
  static void reap() {
    std::scoped_lock const lock(mutex_);
    std::erase_if(ids_, [](pid_t id) { return ::waitpid(id, nullptr, WNOHANG) != 0; });
  }

 private:
  static inline std::mutex mutex_;
  static inline std::vector<pid_t> ids_;
};

/// A running program, the leader of a session and process group of its own. Its id stays reserved until `reap`, also after its end, so that
/// a signal never reaches a stranger. The destructor kills the group of a process that was not reaped.
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
    ::kill(id_, SIGKILL);  // the child may not have made its group yet
    // A killed process ends at once, unless the kernel itself is stuck in it.
    for (int tries = 0; tries < 50 && !reap(); ++tries) ::usleep(1'000);
    if (id_ != 0) stuck_children::add(id_);
  }

  int release_watch() noexcept { return watch_.release(); }    ///< a pidfd: readable when the leader has ended
  int release_output() noexcept { return output_.release(); }  ///< the read end of standard output and error, non-blocking

  void signal_group(int signal) const noexcept {
    if (id_ > 0) ::kill(-id_, signal);
  }

  /// Returns the status of `waitpid`, once, when the leader has ended; nothing before that. `status_unknown` when another part of the
  /// program took the status.
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

/// Starts the program of a request with exactly its arguments, environment and standard input. Its output and error share one pipe; it has
/// no other descriptor and no controlling terminal, and all signals are at their defaults. It is killed when the calling *thread* ends, for
/// any reason. Blocks until the program has replaced the child: about a millisecond, or for as long as the kernel waits for a file server.
/// \return the program, unless `failure` of the request is set
/// \pre the calling thread has blocked all signals: no signal handler may run in the child, where it would see our memory
inline child_process start_process(spawn_request& request, child_stack const& stack) {
  stuck_children::reap();
  auto const pointers = [](std::vector<std::string> const& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (auto const& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
  };
  auto const argv = pointers(request.arguments);
  auto const environment = pointers(request.environment);
  request.obstacles.assign(request.candidates.size(), ENOENT);
  auto const fail = [&](int number) {
    request.failure = spawn_failure(spawn_failure::prepare, number);
    return child_process();
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno);
  unique_fd read_end = above_standard(unique_fd(ends[0]));
  unique_fd const write_end = above_standard(unique_fd(ends[1]));
  if (read_end.get() < 0 || write_end.get() < 0) return fail(errno);
  if (is_reserved_descriptor(read_end.get())) return fail(EMFILE);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);

  spawn_arguments with{request, argv.data(), environment.data(), write_end.get(), ::getpid()};
  static_assert(sizeof request.watch == sizeof(int) && std::atomic<int>::is_always_lock_free);
  // Together with its pidfd, so that no program exists yet when descriptors are used up.
  int const flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
  pid_t const id = __clone(become, stack.top(), flags, &with, reinterpret_cast<int*>(&request.watch));
  if (id < 0) return fail(errno);
  child_process child(id, unique_fd(request.watch.load()), std::move(read_end));
  if (request.watch.load() < 0) return fail(ENOSYS);  // a kernel before 5.2
  return child;
}

}  // namespace visor::detail

#endif
