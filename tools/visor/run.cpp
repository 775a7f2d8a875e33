#include "ask.hpp"
#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "running_node.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/base/clock.hpp"
#include "visor/version.hpp"

#include <unistd.h>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <csignal>
#include <exception>
#include <functional>
#include <optional>

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

/// One line for each event on standard error, written whole, so that lines of several threads do not mix.
visor::log_sink log_to_stderr(visor::log_level least) {
  return [least](visor::log_level level, std::string_view message) {
    if (level < least) return;
    std::string const name{word(level)};
    std::string const line = painted(time_text(visor::wall_clock().now()), colour::faint, 2) + " " + painted(name, colour_of(level), 2) +
                             std::string(8 - name.size(), ' ') + escaped(message) + "\n";
    for (std::string_view rest = line; !rest.empty();) {
      auto const written = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (written <= 0) return;  // nobody reads it; the work goes on
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  };
}

/// Runs a node until that time is over or SIGINT, SIGTERM or SIGHUP comes, then drains. A second signal ends the waiting for running jobs,
/// a third one the process.
/// \throws visor::error when the node cannot start
void run_until_told(running_node& node, std::optional<visor::duration> length) {
  boost::asio::signal_set signals{node.context(), SIGINT, SIGTERM};
  struct sigaction inherited{};
  if (::sigaction(SIGHUP, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN) signals.add(SIGHUP);  // nohup ignores it
  boost::asio::steady_timer end{node.context()};
  int asked = 0;
  std::function<void(boost::system::error_code, int)> stop = [&](boost::system::error_code failed, int) {
    if (failed) return;
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
      if (!failed && asked++ == 0) node.stop();
    });
  }
  auto const thrown = node.run();
  signals.cancel();
  end.cancel();
  run_to_end(node.context(), node.store().close());
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

int run(invocation const& given) {
  auto const length = given.length("for");
  auto const least = value_of<visor::log_level>(given.text("log-level").value_or("info"));
  auto config = read_configuration(given);
  auto const& driver = find_driver(config.settings.storage.driver);

  // Whoever reads what is written here may go away: that is an error to be handled where it happens.
  std::signal(SIGPIPE, SIG_IGN);
  auto types = job_types_of(config.settings);
  auto schedules = schedules_of(config.settings);
  auto const log = log_to_stderr(least);
  log(visor::log_level::info, "visor " + std::string(visor::version_text) + ", " +
                                  (config.file.empty() ? "no configuration, defaults" : config.file) + ", " +
                                  driver.place(config.settings));
  for (auto const& each : config.settings.ignored) log(visor::log_level::warning, each);
  if (!config.settings.enabled) {
    log(visor::log_level::warning, "scheduler.enabled is false: nothing is run");
    return 0;
  }
  running_node node(driver.store(config.settings, log), config.settings.node, std::move(types), log);
  node.own(std::move(schedules));
  run_until_told(node, length);
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
