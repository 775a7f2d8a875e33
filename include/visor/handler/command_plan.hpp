#ifndef VISOR_HANDLER_COMMAND_PLAN_HPP
#define VISOR_HANDLER_COMMAND_PLAN_HPP

#include "visor/base/error.hpp"
#include "visor/base/program.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/context_fields.hpp"
#include "visor/handler/option_fault.hpp"
#include "visor/handler/scalar_text.hpp"

#include <boost/describe/class.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// A program that a job runs.
struct command_options {
  /// The program and its arguments, passed on as they are. A name without a slash is looked for in `PATH`; a path that is not
  /// absolute starts at `working_directory`. With `shell`: exactly one text.
  std::vector<std::string> argv;
  bool shell = false;  ///< run the text with `/bin/sh -c`
  /// Variables beside those that visor itself was started with. Names that start with `VISOR_INPUT_` and those that visor sets
  /// for every job are refused.
  std::map<std::string, secret> env;
  std::string working_directory;                 ///< where it runs; empty: where visor runs
  duration stop_grace{std::chrono::seconds{3}};  ///< between SIGTERM and SIGKILL, for a job that is stopped; 0 to 1 h

  command_options() = default;
  explicit command_options(std::vector<std::string> program_and_arguments) : argv(std::move(program_and_arguments)) {}
  friend bool operator==(command_options const&, command_options const&) = default;
};
BOOST_DESCRIBE_STRUCT(command_options, (), (argv, shell, env, working_directory, stop_grace))

namespace detail {

inline std::string upper_case(std::string_view name) {
  std::string result(name);
  for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

/// Adds `VISOR_INPUT_<NAME>` for the text, number and boolean fields at the top of a payload; see `command`.
inline void add_inputs(std::string const& payload, std::vector<std::string>& environment) {
  // A kernel takes 128 KiB in one variable and, with the usual stack limit, 2 MiB in all.
  constexpr std::size_t longest = 32 * 1024;
  std::size_t room = 256 * 1024;
  boost::system::error_code failed;
  boost::json::value const root = boost::json::parse(payload, failed);
  if (failed || !root.is_object()) return;
  auto const first = environment.size();
  for (auto const& [key, value] : root.get_object()) {
    std::string variable = "VISOR_INPUT_";
    for (char const c : upper_case(key)) variable += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    variable += '=';
    bool const taken = std::any_of(environment.begin() + static_cast<std::ptrdiff_t>(first), environment.end(),
                                   [&](std::string const& other) { return other.starts_with(variable); });
    if (key.empty() || taken) continue;
    auto const text = scalar_text(value);
    if (!text || text->size() > longest || text->find('\0') != text->npos) continue;
    variable += *text;
    if (variable.size() > room) continue;
    room -= variable.size();
    environment.push_back(std::move(variable));
  }
}

/// Whether visor sets this variable for every job.
inline bool is_own_variable(std::string_view name) {
  if (name.starts_with("VISOR_INPUT_")) return true;
  return std::ranges::any_of(context_fields, [&](context_field const& field) { return name == "VISOR_" + upper_case(field.name); });
}

}  // namespace detail

/// Everything that is wrong with these options; programs and folders are not looked for.
inline std::vector<option_fault> check_options(command_options const& options) {
  std::vector<option_fault> faults;
  auto const fault = [&](std::string option, std::string reason) {
    std::string subject = option;
    faults.push_back({std::move(option), "", std::move(subject), std::move(reason), ""});
  };
  auto const& argv = options.argv;
  if (argv.empty() || argv[0].empty()) fault("argv", "is empty: give the program and its arguments");
  if (options.shell && argv.size() != 1)
    faults.push_back({"argv", "", "with shell,", "argv is exactly one text, found " + std::to_string(argv.size()), ""});
  for (std::size_t i = 0; i < argv.size(); ++i)
    if (argv[i].find('\0') != std::string::npos) faults.push_back({"argv", "", "argv[" + std::to_string(i) + "]", "holds a NUL byte", ""});
  for (auto const& [name, value] : options.env) {
    if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos)
      faults.push_back({"env", name, "env:", "a name must not be empty and not hold '=' or NUL", ""});
    else if (detail::is_own_variable(name))
      faults.push_back({"env", name, "env: " + name, "is set by visor itself: choose another name", ""});
    else if (value.reveal().find('\0') != std::string::npos)
      faults.push_back({"env", name, "env: the value of " + name, "holds a NUL byte", ""});
  }
  if (options.working_directory.find('\0') != std::string::npos) fault("working_directory", "holds a NUL byte");
  if (options.stop_grace < duration{0} || options.stop_grace > std::chrono::hours{1})
    fault("stop_grace", "is " + to_string(options.stop_grace) + ": allowed is 0s to 1h");
  return faults;
}

namespace detail {

/// A command made ready once, for all of its runs. Never changed afterwards.
class command_plan {
 public:
  /// \throws visor::error `invalid_argument`
  explicit command_plan(command_options options) : options_(std::move(options)) {
    refuse_faults("command", check_options(options_));
    if (!options_.working_directory.empty()) options_.working_directory = std::filesystem::absolute(options_.working_directory).string();
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      std::string_view const name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
      if (!options_.env.contains(std::string(name)) && !is_own_variable(name)) environment_.emplace_back(*entry);
    }
    for (auto const& [name, value] : options_.env) environment_.push_back(name + "=" + value.reveal());
    for (auto const& entry : environment_)
      if (entry.starts_with("PATH=")) path_ = entry.substr(5);
  }

  command_options const& options() const noexcept { return options_; }

  std::vector<std::string> arguments() const {
    if (options_.shell) return {"/bin/sh", "-c", options_.argv[0]};
    return options_.argv;
  }

  std::vector<std::string> environment_of(job_context const& job) const {
    auto result = environment_;
    for (auto const& field : context_fields)
      // A NUL would end the text; what follows it is not passed on.
      if (auto const value = field.value(job)) result.push_back("VISOR_" + upper_case(field.name) + "=" + *value);
    add_inputs(job.payload(), result);
    return result;
  }

  /// The file to run.
  /// \throws visor::error `not_found` that says where it was looked for, or what keeps it from being run
  std::string program() const {
    if (options_.shell) return "/bin/sh";
    auto found = find_program(options_.argv[0], path_, options_.working_directory);
    if (!found.problem.empty()) throw error(condition::not_found, "command " + found.problem);
    return std::move(found.file);
  }

  /// \throws visor::error `not_found` that names the directory
  void check_directory() const {
    struct stat about{};
    if (options_.working_directory.empty()) return;
    if (::stat(options_.working_directory.c_str(), &about) != 0)
      throw error(condition::not_found,
                  "directory " + options_.working_directory + " of command " + options_.argv[0] + ": " + std::strerror(errno));
    if (!S_ISDIR(about.st_mode))
      throw error(condition::not_found,
                  "directory " + options_.working_directory + " of command " + options_.argv[0] + " is not a directory");
  }

 private:
  command_options options_;
  std::vector<std::string> environment_;
  std::string path_{usual_path};
};

}  // namespace detail
}  // namespace visor

#endif
