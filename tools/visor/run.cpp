#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "legacy.hpp"
#include "own_process.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "running_node.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/async/clock.hpp"
#include "visor/base/log_buffer.hpp"
#include "visor/version.hpp"

#include <poll.h>
#include <unistd.h>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace visor_program {

constinit option const run_options[3] = {
    config_option,
    {"for", "LENGTH", "stop after this, such as 12s or 1h; default: until SIGINT or SIGTERM"},
    {"log-level", "LEVEL", "the least that is said on standard error; default info", words_of<visor::log_level>},
};

namespace {

colour colour_of(visor::log_level level) {
  switch (level) {
    case visor::log_level::debug: return colour::faint;
    case visor::log_level::info: return colour::none;
    case visor::log_level::warning: return colour::warning;
    case visor::log_level::error: return colour::bad;
  }
  return colour::none;
}

std::string time_text(visor::instant now) {
  auto const milliseconds = std::chrono::floor<std::chrono::milliseconds>(now);
  auto const seconds = std::chrono::floor<std::chrono::seconds>(milliseconds);
  std::string text = visor::to_string(visor::instant(seconds));
  std::string const fraction = std::to_string((milliseconds - seconds).count() + 1000);
  text.replace(text.size() - 1, 1, "." + fraction.substr(1) + "Z");
  return text;
}

std::string line_of(visor::log_level level, std::string_view message) {
  std::string const name{word(level)};
  return painted(time_text(visor::wall_clock().now()), colour::faint, 2) + " " + painted(name, colour_of(level), 2) +
         std::string(8 - name.size(), ' ') + escaped(message) + "\n";
}

/// Writes a line whole, so that lines of several processes do not mix. \return false when it cannot be written
bool write_to_stderr(std::string_view line) {
  while (!line.empty()) {
    auto const written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written > 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {  // another process that shares the descriptor made it non-blocking
      pollfd room{STDERR_FILENO, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

/// Writes one line for each event to standard error, on a thread of its own: the reader may be slow, or have stopped. Lines
/// have the time at which they were logged.
class error_log {
 public:
  explicit error_log(visor::log_level least) : least_(least) {}

  visor::log_sink sink() {
    return [least = least_, lines = buffer_.sink()](visor::log_level level, std::string_view message) {
      if (level >= least) lines(level, line_of(level, message));
    };
  }

  /// Waits a moment for the lines to be written. \return false when nobody reads them
  bool flush() { return buffer_.flush(visor::log_buffer::default_flush_timeout); }

 private:
  static bool write(visor::log_level level, std::string_view line) {
    // The buffer itself reports the number of lost lines, without a time.
    return line.ends_with('\n') ? write_to_stderr(line) : write_to_stderr(line_of(level, line));
  }

  visor::log_level least_;
  visor::log_buffer buffer_{visor::log_buffer::writer(&write)};
};

/// Ends the process when a node that was told to stop cannot leave its store, as where a server hangs. A stop takes at most the
/// time that jobs may take to end, and a moment for leaving.
class leave_watch {
 public:
  leave_watch(running_node const& node, visor::node_settings const& of, std::function<void()> give_up)
      : node_(node),
        longest_leave_(std::max(of.stop_grace, shortest_leave)),
        longest_stop_(of.drain_timeout + of.stop_grace + longest_leave_),
        give_up_(std::move(give_up)) {}

  /// Starts the countdown.
  void begin() {
    if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token over) { watch(over); });
  }

 private:
  static constexpr visor::duration shortest_leave{std::chrono::seconds{5}};

  void watch(std::stop_token const& over) {
    visor::wall_clock const clock;
    auto const began = clock.elapsed();
    std::optional<visor::duration> drained;
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    while (!over.stop_requested()) {
      auto const now = clock.elapsed();
      if (!drained && node_.has_drained()) drained = now;
      if (now - began >= longest_stop_ || (drained && now - *drained >= longest_leave_)) give_up_();
      changed.wait_for(lock, over, std::chrono::milliseconds{100}, [] { return false; });
    }
  }

  running_node const& node_;
  visor::duration longest_leave_;
  visor::duration longest_stop_;
  std::function<void()> give_up_;
  std::jthread thread_;
};

/// Runs a node for a given time, or until SIGINT, SIGTERM or SIGHUP comes, then drains. After a second signal the drain no
/// longer waits for jobs; a third one ends the process.
/// \throws visor::error when the node cannot start
void run_until_told(running_node& node, std::optional<visor::duration> length, leave_watch& leaving) {
  boost::asio::signal_set signals{node.context(), SIGINT, SIGTERM};
  struct sigaction inherited{};
  if (::sigaction(SIGHUP, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN) signals.add(SIGHUP);  // nohup ignores it
  boost::asio::steady_timer end{node.context()};
  int asked = 0;
  std::function<void(boost::system::error_code, int)> stop = [&](boost::system::error_code failed, int) {
    if (failed) return;
    leaving.begin();
    node.stop();
    if (++asked < 2)
      signals.async_wait(stop);
    else
      signals.clear();
  };
  signals.async_wait(stop);
  if (length) {
    end.expires_after(*length);
    end.async_wait([&](boost::system::error_code failed) {
      if (failed || asked++ != 0) return;
      leaving.begin();
      node.stop();
    });
  }
  auto const thrown = node.run();
  signals.cancel();
  end.cancel();
  run_to_end(node.context(), node.store().close());
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

int run(invocation const& arguments) {
  auto const length = arguments.length("for");
  auto const least = value_of<visor::log_level>(arguments.text("log-level").value_or("info"));
  leave_process_1_to_reaper();
  auto config = read_configuration(arguments);
  auto const& driver = find_driver(config.settings.storage.driver);

  std::vector<std::string> unchecked;
  auto types = job_types_of(config.settings, unchecked);
  auto schedules = schedules_of(config.settings);
  error_log lines(least);
  auto const log = lines.sink();
  log(visor::log_level::info, "visor " + std::string(visor::version_text) + ", " +
                                  (config.file.empty() ? "no configuration, defaults" : config.file) + ", " +
                                  driver.display_name(config.settings));
  for (auto const& each : config.settings.ignored) log(visor::log_level::warning, each);
  for (auto const& each : unchecked) log(visor::log_level::warning, each);
  for (auto const& each : ended_schedules(schedules)) log(visor::log_level::warning, each);
  if (!config.settings.enabled) {
    log(visor::log_level::warning, "scheduler.enabled is false: nothing is run");
    return 0;
  }
  for (auto const& each : limits_too_low_for(config.settings)) log(visor::log_level::warning, each);
  try {
    running_node node(driver.store(config.settings, log), config.settings.node, std::move(types), log);
    if (config.settings.declares_schedules()) node.declare(set_of(config.settings), std::move(schedules));
    if (!legacy_file(config.settings).empty()) {
      run_sync(node.store().open());
      take_over_legacy(node.store(), config.settings, log);
    }
    leave_watch leaving(node, config.settings.node, [&] {
      log(visor::log_level::error,
          "the database does not answer: this node ends without having left it, and whoever takes its place takes over its jobs");
      lines.flush();
      std::_Exit(1);
    });
    config = configuration();  // a hundred thousand schedules, and where each of their keys stands, need not be kept
    run_until_told(node, length, leaving);
  } catch (...) {
    if (!lines.flush()) return 1;  // the reason would find no reader either, and writing it would block for ever
    throw;
  }
  return 0;
}

constinit command const run_commands[1] = {
    {"",
     "Runs schedules and jobs until it is told to stop",
     "SIGINT, SIGTERM, SIGHUP or the end of --for: no new work is taken, running jobs may finish within\n"
     "scheduler.node.drain_timeout, and the rest goes back unharmed. A second signal stops running jobs at once.",
     "visor run --config visor.yaml\nvisor run --for 30s --log-level debug",
     {},
     run_options,
     run}};

}  // namespace visor_program
