#ifndef VISOR_HANDLER_COMMAND_HPP
#define VISOR_HANDLER_COMMAND_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/base/is_ready.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/child_process.hpp"
#include "visor/handler/command_plan.hpp"
#include "visor/handler/launcher.hpp"
#include "visor/handler/one_line.hpp"
#include "visor/handler/stopped.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <new>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace visor {
namespace detail {

/// One run of a command. All members belong to one strand.
struct command_run {
  boost::asio::any_io_executor strand;
  child_process child;
  boost::asio::posix::stream_descriptor output;
  boost::asio::posix::stream_descriptor watch;
  boost::asio::steady_timer changed;  ///< cancelled whenever one of the flags below has changed
  job_context* job;                   ///< must not be used once `closed`
  last_line last;
  std::array<char, 16 * 1024> chunk{};
  bool started = false;  ///< also set after a failed start
  bool exited = false;
  bool output_ended = false;
  bool stop = false;
  bool closed = false;

  command_run(boost::asio::any_io_executor on, job_context& of)
      : strand(std::move(on)), output(strand), watch(strand), changed(strand), job(&of) {}

  void begin(child_process with) {
    child = std::move(with);
    unique_fd text(child.release_output());
    output.assign(text.get());
    text.release();
    unique_fd end(child.release_watch());
    watch.assign(end.get());
    end.release();
  }

  void set(bool command_run::* flag) {
    this->*flag = true;
    changed.cancel();
  }

  void close() {
    boost::system::error_code ignored;
    closed = true;
    output.close(ignored);
    watch.close(ignored);
  }

  static bool started_or_stopped(command_run const& run) { return run.started || run.stop; }
  static bool is_started(command_run const& run) { return run.started; }
  static bool ended_or_stopped(command_run const& run) { return run.exited || run.stop; }
  static bool ended(command_run const& run) { return run.exited; }
  static bool silent(command_run const& run) { return run.output_ended; }
};

template <class = void>
task<> read_output(std::shared_ptr<command_run> run) {
  boost::system::error_code failed;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  while (!failed) {
    std::size_t const size = co_await run->output.async_read_some(boost::asio::buffer(run->chunk), token);
    if (run->closed) co_return;
    std::string_view const text(run->chunk.data(), size);
    run->job->append(text);
    run->last.add(text);
  }
  run->set(&command_run::output_ended);
}

template <class = void>
task<> watch_leader(std::shared_ptr<command_run> run) {
  boost::system::error_code failed;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  while (!failed && !is_ready(run->watch.native_handle(), POLLIN))
    co_await run->watch.async_wait(boost::asio::posix::stream_descriptor::wait_read, token);
  if (!failed) run->set(&command_run::exited);
}

/// Waits until the condition holds, for at most `most`.
template <class = void>
task<> wait_until(std::shared_ptr<command_run> run, bool (*holds)(command_run const&), std::chrono::steady_clock::duration most) {
  using clock = std::chrono::steady_clock;
  auto const now = clock::now();
  auto const deadline = most >= clock::time_point::max() - now ? clock::time_point::max() : now + most;
  boost::system::error_code ignored;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, ignored);
  while (!holds(*run) && clock::now() < deadline) {
    run->changed.expires_at(deadline);
    co_await run->changed.async_wait(token);
  }
}

inline std::string signal_name(int number) {
  char const* const name = ::sigabbrev_np(number);
  std::string const text = name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
  char const* const meaning = ::sigdescr_np(number);
  return meaning == nullptr ? text : text + " (" + meaning + ")";
}

inline constexpr char const* status_was_lost = "its exit status was lost: this program ignores SIGCHLD or waits for all of its children";

/// Checks the exit status of a program.
/// \throws visor::error `handler_failed` unless the status is that of success
inline void check_status(int status, std::string const& last_words) {
  std::string what;
  if (status == child_process::status_unknown)
    what = status_was_lost;
  else if (WIFSIGNALED(status))
    what = "killed by " + signal_name(WTERMSIG(status));
  else if (WEXITSTATUS(status) != 0)
    what = "exited with code " + std::to_string(WEXITSTATUS(status));
  if (what.empty()) return;
  if (!last_words.empty()) what += ": " + last_words;
  throw error(errc::handler_failed, what);
}

/// True when a program could not be started for lack of a resource that will be available again. Such resources are descriptors, processes,
/// memory, a file server that answers, and a file that is open for writing nowhere. E2BIG is none of them: the size of the job causes it.
inline bool is_passing(int number) noexcept {
  switch (number) {
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOMEM:
    case ENOBUFS:
    case ETXTBSY:
    case ESTALE:
    case EINTR:
    case EBUSY:
    case EIO:
    case EREMOTEIO:
    case ENOLCK:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED: return true;
    default: return false;
  }
}

/// Throws the error of a failed start.
/// \throws visor::not_started for a temporary error, else visor::error
[[noreturn]] inline void fail_to_start(errc what, std::string const& message, int number) {
  if (is_passing(number)) throw not_started(static_cast<std::errc>(number), message);
  throw error(what, message + ": " + std::strerror(number));
}

/// Returns the program of a completed start.
/// \throws visor::error that names the program or the directory; `not_started`
inline child_process started_child(command_plan const& plan, launch& start) {
  std::string const command = "command " + plan.options().argv[0];
  if (start.is_refused()) throw not_started(std::errc::device_or_resource_busy, command + " waits for an earlier start of it that hangs");
  spawn_request const* request = nullptr;
  child_process child;
  try {
    child = start.take(request);
  } catch (std::bad_alloc const&) {
    fail_to_start(errc::handler_failed, command + " could not be started", ENOMEM);
  } catch (boost::system::system_error const& failure) {
    fail_to_start(errc::handler_failed, command + " could not be started", failure.code().value());
  }
  auto const& [at, number] = request->failure;
  switch (at) {
    case spawn_failure::none: break;
    case spawn_failure::prepare: fail_to_start(errc::handler_failed, command + " could not be started", number);
    case spawn_failure::directory: {
      std::string const directory = "directory " + plan.options().working_directory + " of " + command;
      if (number == ENOTDIR) throw error(errc::not_found, directory + " is not a directory");
      fail_to_start(errc::not_found, directory, number);
    }
    case spawn_failure::search: {
      for (int const obstacle : request->obstacles)
        if (is_passing(obstacle)) fail_to_start(errc::not_found, command + " cannot be reached", obstacle);
      throw error(errc::not_found, "command " + plan.search_problem(request->obstacles));
    }
    case spawn_failure::program: {
      std::string const program = "command " + request->candidates[request->chosen].file;
      if (number == ENOENT) throw error(errc::not_found, program + " names an interpreter in its first line that does not exist");
      if (number == ENOEXEC) throw error(errc::not_found, program + " is no program: a script starts with a line such as #!/bin/sh");
      fail_to_start(errc::not_found, program + " could not be started", number);
    }
  }
  return child;
}

/// The time between SIGTERM and SIGKILL for a command that has to stop.
inline duration grace_of(command_plan const& plan, job_context const& job) {
  // After a lost lease the job may already run on another node, so there is no grace period.
  return job.why_stopped() == stop_reason::lease_lost ? duration{0} : std::min(plan.options().stop_grace, job.stop_limit());
}

/// A launch that is left when its handler ends first.
class awaited_launch {
 public:
  explicit awaited_launch(std::shared_ptr<launch> start) : start_(std::move(start)) {}
  awaited_launch(awaited_launch const&) = delete;
  awaited_launch& operator=(awaited_launch const&) = delete;
  ~awaited_launch() { start_->leave(); }
  launch& operator*() const { return *start_; }

 private:
  std::shared_ptr<launch> start_;
};

/// Starts the program of a plan.
/// \throws visor::error, also when the job is stopped before the program runs
template <class = void>
task<> start(std::shared_ptr<command_plan const> plan, std::shared_ptr<command_run> run) {
  using namespace std::chrono_literals;
  // A start takes about a millisecond. A start that takes longer than this is killed when its job has to stop, and left if that does not
  // help.
  constexpr duration start_wait = 500ms;

  auto const threads = launcher::of(run->strand);
  auto prepare = [plan, job = run->job](spawn_request& request) { plan->prepare(request, *job); };
  auto on_end = [strand = run->strand, weak = std::weak_ptr(run)] {
    boost::asio::post(strand, [weak] {
      if (auto const still = weak.lock()) still->set(&command_run::started);
    });
  };
  auto const shared = std::make_shared<launch>(plan.get(), std::move(prepare), std::move(on_end));
  awaited_launch const starting(shared);
  try {
    threads->begin(shared);
  } catch (boost::system::system_error const& failure) {
    fail_to_start(errc::handler_failed, "command " + plan->options().argv[0] + " could not be started", failure.code().value());
  } catch (std::system_error const& failure) {
    fail_to_start(errc::handler_failed, "command " + plan->options().argv[0] + " could not be started", failure.code().value());
  }
  co_await wait_until(run, &command_run::started_or_stopped, std::chrono::steady_clock::duration::max());
  if (!run->started && (*starting).withdraw()) throw stopped(*run->job, "the command was not started");
  if (!run->started) co_await wait_until(run, &command_run::is_started, std::min(start_wait, grace_of(*plan, *run->job)));
  if (!run->started) {
    (*starting).kill();
    co_await wait_until(run, &command_run::is_started, start_wait);
    // The program may have begun to run just before the kill.
    throw stopped(*run->job, run->started ? "the command was killed as it started" : "its start hangs, the command was left behind");
  }
  run->begin(started_child(*plan, *starting));
}

/// Runs on a strand, with cancellation disabled.
template <class = void>
task<> supervise(std::shared_ptr<command_plan const> plan, job_context& job) {
  using namespace std::chrono_literals;
  // A process that still writes after the leader has ended (`exec > >(tee log)`) may finish; one that only holds the pipe open must not
  // hold the job.
  constexpr auto output_wait = 1s;
  constexpr auto last_wait = 100ms;
  constexpr auto kill_wait = 5s;

  auto const strand = co_await boost::asio::this_coro::executor;
  auto const run = std::make_shared<command_run>(strand, job);
  std::stop_callback const on_stop(job.stop_token(), [run] { boost::asio::post(run->strand, [run] { run->set(&command_run::stop); }); });
  co_await start(plan, run);
  boost::asio::co_spawn(strand, read_output(run), boost::asio::detached);
  boost::asio::co_spawn(strand, watch_leader(run), boost::asio::detached);

  co_await wait_until(run, &command_run::ended_or_stopped, std::chrono::steady_clock::duration::max());
  std::string how;
  if (!run->exited) {
    if (auto const grace = grace_of(*plan, job); grace > duration{0}) {
      how = "the command was ended with SIGTERM";
      run->child.signal_group(SIGTERM);
      run->child.signal_group(SIGCONT);
      co_await wait_until(run, &command_run::ended, grace);
    }
    if (!run->exited) {
      how = "the command was killed";
      run->child.signal_group(SIGKILL);
      co_await wait_until(run, &command_run::ended, kill_wait);
    }
  }
  co_await wait_until(run, &command_run::silent, output_wait);
  run->child.signal_group(SIGKILL);
  co_await wait_until(run, &command_run::silent, last_wait);
  run->close();
  auto const status = run->child.reap();
  if (!how.empty()) throw stopped(job, how);
  check_status(status.value_or(child_process::status_unknown), run->last.text(plan->options().hidden));
}

template <class = void>
task<> run_command(std::shared_ptr<command_plan const> plan, job_context& job) {
  // The stop token ends a command in order; cancellation at an await would skip the rest.
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  if (job.stop_requested()) throw stopped(job, "the command was not started");
  auto const executor = co_await boost::asio::this_coro::executor;
  auto supervising = boost::asio::co_spawn(boost::asio::make_strand(executor), supervise(std::move(plan), job), boost::asio::use_awaitable);
  co_await std::move(supervising);
}

}  // namespace detail

/// A handler that runs a program (Linux 5.3 or newer).
///
/// The program gets the payload on its standard input, as a file that it may read, read twice or ignore. Its environment holds the
/// variables that visor was started with and `options.env`, and in addition
///
/// - `VISOR_JOB_ID`, `VISOR_ATTEMPT`, `VISOR_NODE`, `VISOR_FENCE` and `VISOR_EPOCH`;
/// - for a job of a schedule `VISOR_SCHEDULE` and `VISOR_PLANNED_AT` (RFC 3339, UTC);
/// - `VISOR_INPUT_<NAME>` for each field at the top of the payload that is a text, number or boolean. The name is in capitals, with `_` for
///   every character other than a letter or digit.
///
/// Some values are on standard input only: texts that are longer than 32 KiB or hold NUL, fields beyond 256 KiB in all, and a field whose
/// name is taken by one before it. The environment is that of the moment when the handler is made.
///
/// Standard output and error, in the order of writing, become the attempt's output. The program runs in a session and process group of its
/// own, without a terminal, without any of visor's descriptors, with all signals at their defaults; it is killed when visor dies.
///
/// Exit code 0 is success. Anything else throws `visor::error` `handler_failed`: `exited with code 3: <last line of the output>` or `killed
/// by SIGSEGV (Segmentation fault)`. A program or directory that does not exist, or may not be run, is `not_found`. That is retried like
/// any failure, since another node may have it.
///
/// A temporary lack of resources on this node is `not_started`, and no attempt is counted: descriptors, processes, memory, a file server
/// that answers, a program file that is open for writing nowhere. The same holds while another start of the command hangs, which is known
/// after 5 s; until then further starts of the command wait for it.
///
/// When the program has ended, processes that it left running in its process group have a second to finish their output and are then
/// killed.
///
/// When the job is asked to stop, the whole process group gets SIGTERM and, after `stop_grace`, SIGKILL; when this node's lease is lost, it
/// gets SIGKILL at once. The handler returns when the program has ended, and throws `timeout`, `lease_lost` or `cancelled`. A process that
/// is stuck in the kernel is left behind after 5 s, and after 1 s if it had not become the program. A slow start, such as on a file server
/// that does not answer, delays no other command.
///
/// \param options the program to run; checked here, except for the files it names, which are looked up at each run
/// \throws visor::error `invalid_argument` that names the field
///
/// Thread-safe: one handler may run any number of jobs at the same time.
template <class = void>
handler command(command_options options) {
  return [plan = std::make_shared<detail::command_plan const>(std::move(options))](job_context& job) {
    return detail::run_command(plan, job);
  };
}

}  // namespace visor

#endif
