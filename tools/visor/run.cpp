#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/base/clock.hpp"
#include "visor/version.hpp"

#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>

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

}  // namespace

int run(invocation const& given) {
  auto const length = given.length("for");
  auto const least = value_of<visor::log_level>(given.text("log-level").value_or("info"));
  auto config = read_configuration(given);
  auto const& driver = find_driver(config.settings.storage.driver);

  // Whoever reads what is written here may go away: that is an error to be handled where it happens.
  std::signal(SIGPIPE, SIG_IGN);
  node_plan plan;
  plan.types = job_types_of(config.settings);
  plan.schedules = schedules_of(config.settings);
  plan.log = log_to_stderr(least);
  plan.length = length;
  plan.log(visor::log_level::info, "visor " + std::string(visor::version_text) + ", " +
                                       (config.file.empty() ? "no configuration, defaults" : config.file) + ", " +
                                       driver.place(config.settings));
  if (!config.settings.enabled) {
    plan.log(visor::log_level::warning, "scheduler.enabled is false: nothing is run");
    return 0;
  }
  plan.settings = std::move(config.settings);
  driver.run(std::move(plan));
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
