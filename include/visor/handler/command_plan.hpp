#ifndef VISOR_HANDLER_COMMAND_PLAN_HPP
#define VISOR_HANDLER_COMMAND_PLAN_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/program.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/child_process.hpp"
#include "visor/handler/context_fields.hpp"
#include "visor/handler/option_fault.hpp"

#include <boost/describe/class.hpp>

#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor {

/// A program that a job runs.
struct command_options {
  /// The program and its arguments, passed on unchanged. A name without a slash is looked up in `PATH`; a path that is not absolute is
  /// relative to `working_directory`. With `shell`: exactly one text.
  std::vector<std::string> argv;
  bool shell = false;  ///< run the text with `/bin/sh -c`
  /// The variables of visor's own environment that the program gets: `all`, `none`, or the names of some. PATH, HOME, USER, LANG and TZ are
  /// always passed on, and none of the others that are `withheld`.
  std::vector<std::string> inherit_env{"all"};
  std::vector<std::string> withheld;  ///< names of variables with secrets, which the program gets only from `env`
  /// Texts that are replaced by asterisks in errors, which contain the last line of the output; the longest first.
  std::vector<secret> hidden;
  /// Additional variables. Names that start with `VISOR_INPUT_` and those that visor sets for every job are refused.
  std::map<std::string, secret> env;
  std::string working_directory;                 ///< current folder of the program; empty: that of visor
  duration stop_grace{std::chrono::seconds{3}};  ///< between SIGTERM and SIGKILL, for a stopped job; 0 to 1 h

  command_options() = default;
  explicit command_options(std::vector<std::string> program_and_arguments) : argv(std::move(program_and_arguments)) {}
  friend bool operator==(command_options const&, command_options const&) = default;
};
BOOST_DESCRIBE_STRUCT(command_options, (), (argv, shell, inherit_env, withheld, hidden, env, working_directory, stop_grace))

namespace detail {

inline std::string upper_case(std::string_view name) {
  std::string result(name);
  for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

/// Adds `VISOR_INPUT_<NAME>` for the text, number and boolean fields at the top of a payload; see `command`.
inline void add_inputs(std::string const& payload, std::vector<std::string>& environment) {
  // A kernel accepts 128 KiB in one variable and, with the usual stack limit, 2 MiB in all.
  constexpr std::size_t longest = 32 * 1024;
  std::size_t room = 256 * 1024;
  struct input {
    std::string_view key;
    std::string_view value;
  };
  std::vector<std::string> names;  // in the order of the payload
  std::unordered_map<std::string, input> inputs;
  std::size_t names_room = room;
  bool const is_json = for_each_json_field(payload, [&](std::string_view key, std::string_view value) {
    if (key.empty() || key.size() > longest) return;
    std::string variable = "VISOR_INPUT_";
    for (char const c : upper_case(key.find('\\') == key.npos ? std::string(key) : unescaped_json(key)))
      variable += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    if (auto const taken = inputs.find(variable); taken != inputs.end()) {
      if (taken->second.key == key) taken->second.value = value;  // of several fields with one name the last counts
    } else if (variable.size() <= names_room) {
      names_room -= variable.size();
      names.push_back(variable);
      inputs.emplace(std::move(variable), input{key, value});
    }
  });
  if (!is_json) return;
  for (std::string const& name : names) {
    std::string_view const value = inputs.at(name).value;
    if (value.size() > 6 * longest) continue;  // each character may be written as \uXXXX
    auto const text = json_scalar_text(value);
    if (!text || text->size() > longest || text->find('\0') != text->npos) continue;
    std::string variable = name + "=" + *text;
    if (variable.size() > room) continue;
    room -= variable.size();
    environment.push_back(std::move(variable));
  }
}

/// True when a command gets a variable of visor's own environment, provided that its `env` has no other of that name.
inline bool is_inherited(std::string_view name, std::vector<std::string> const& inherit, std::vector<std::string> const& withheld) {
  static constexpr std::string_view always[] = {"PATH", "HOME", "USER", "LANG", "TZ"};
  auto const has = [&](auto const& names) { return std::ranges::find(names, name) != std::end(names); };
  if (has(always)) return true;
  if (has(withheld)) return false;
  return (inherit.size() == 1 && inherit.front() == "all") || has(inherit);
}

/// True when visor sets this variable for every job.
inline bool is_own_variable(std::string_view name) {
  if (name.starts_with("VISOR_INPUT_")) return true;
  return std::ranges::any_of(context_fields, [&](context_field const& field) { return name == "VISOR_" + upper_case(field.name); });
}

}  // namespace detail

/// Returns all faults of these options; does not look up programs and folders.
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
  for (auto const* const names : {&options.inherit_env, &options.withheld})
    for (auto const& name : *names)
      if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos)
        fault(names == &options.withheld ? "withheld" : "inherit_env", "has a name that is empty, or holds '=' or NUL");
  if (options.working_directory.find('\0') != std::string::npos) fault("working_directory", "holds a NUL byte");
  if (options.stop_grace < duration{0} || options.stop_grace > std::chrono::hours{1})
    fault("stop_grace", "is " + to_string(options.stop_grace) + ": allowed is 0s to 1h");
  return faults;
}

namespace detail {

/// A command prepared once, for all of its runs. Immutable.
class command_plan {
 public:
  /// \throws visor::error `invalid_argument`
  explicit command_plan(command_options options) : options_(std::move(options)) {
    refuse_faults("command", check_options(options_));
    if (!options_.working_directory.empty()) options_.working_directory = std::filesystem::absolute(options_.working_directory).string();
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      std::string_view const name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
      bool const given = options_.env.contains(std::string(name)) || is_own_variable(name);
      if (!given && is_inherited(name, options_.inherit_env, options_.withheld)) environment_.emplace_back(*entry);
    }
    for (auto const& [name, value] : options_.env) environment_.push_back(name + "=" + value.reveal());
    for (auto const& entry : environment_)
      if (entry.starts_with("PATH=")) path_ = entry.substr(5);
    candidates_ = program_candidates(options_.shell ? "/bin/sh" : options_.argv[0], path_, options_.working_directory);
  }

  command_options const& options() const noexcept { return options_; }

  std::vector<std::string> arguments() const {
    if (options_.shell) return {"/bin/sh", "-c", options_.argv[0]};
    return options_.argv;
  }

  std::vector<std::string> environment_of(job_context const& job) const {
    auto result = environment_;
    for (auto const& field : context_fields)
      // A NUL ends the text; the bytes behind it are not passed on.
      if (auto const value = field.value(job)) result.push_back("VISOR_" + upper_case(field.name) + "=" + *value);
    add_inputs(job.payload(), result);
    return result;
  }

  /// Fills in the request to start the program for a job.
  /// \throws boost::system::system_error when memory or descriptors are used up
  void prepare(spawn_request& request, job_context const& job) const {
    request.candidates = candidates_;
    request.directory = options_.working_directory;
    request.arguments = arguments();
    request.environment = environment_of(job);
    request.input = file_of(job.payload());
  }

  /// Returns the reason why no file can be run.
  /// \param obstacles as found by a start
  std::string search_problem(std::vector<int> const& obstacles) const {
    return search_result(options_.argv[0], path_, candidates_, obstacles).problem;
  }

 private:
  command_options options_;
  std::vector<std::string> environment_;
  std::string path_{default_path};
  std::vector<program_candidate> candidates_;
};

}  // namespace detail
}  // namespace visor

#endif
