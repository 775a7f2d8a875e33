#include "command.hpp"
#include "report.hpp"

#include "visor/base/nearest_name.hpp"
#include "visor/version.hpp"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>

namespace visor_program {
namespace {

namespace options = boost::program_options;

std::string join(std::span<std::string_view const> words, std::string_view between = ", ") {
  std::string text;
  for (auto const word : words) {
    if (!text.empty()) text += between;
    text += word;
  }
  return text;
}

options::options_description describe(command const& which) {
  options::options_description described{"Options", 110, 50};
  for (auto const& each : which.options) {
    std::string summary{each.summary};
    if (!each.choices.empty()) summary += ": " + join(each.choices);
    std::string const name{each.name}, value{each.value};
    if (value.empty())
      described.add_options()(name.c_str(), summary.c_str());
    else if (each.many)
      described.add_options()(name.c_str(), options::value<std::vector<std::string>>()->multitoken()->composing()->value_name(value),
                              summary.c_str());
    else
      described.add_options()(name.c_str(), options::value<std::string>()->value_name(value), summary.c_str());
  }
  described.add_options()("help,h", "print this");
  return described;
}

std::string title_of(command_group const& group, command const& which) {
  std::string title{group.name};
  if (!which.name.empty()) title.append(" ").append(which.name);
  return title;
}

void print_help(std::ostream& out, std::string const& title, command const& which) {
  out << "Usage: visor " << title;
  for (auto const& each : which.arguments) out << (each.required ? " <" : " [") << each.name << (each.required ? ">" : "]");
  out << " [options]\n\n" << which.summary << ".\n";
  if (!which.details.empty()) out << '\n' << which.details << '\n';
  for (auto const& each : which.arguments)
    if (!each.choices.empty()) out << '\n' << each.name << ": " << join(each.choices) << '\n';
  out << '\n' << describe(which) << "\nExample:\n";
  for (std::string_view rest = which.example; !rest.empty();) {
    auto const end = std::min(rest.find('\n'), rest.size());
    out << "  " << rest.substr(0, end) << '\n';
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void print_help(std::ostream& out, command_group const& group) {
  out << "Usage: visor " << group.name << " <command> [options]\n\n" << group.summary << ".\n\nCommands:\n";
  std::size_t width = 0;
  for (auto const& each : group.commands) width = std::max(width, each.name.size());
  for (auto const& each : group.commands)
    out << "  " << each.name << std::string(width + 2 - each.name.size(), ' ') << each.summary << '\n';
  out << "\n'visor " << group.name << " <command> --help' tells more and shows an example.\n";
}

void print_help(std::ostream& out) {
  out << "Usage: visor <command> [options]\n\nRuns cron schedules and jobs, and keeps them in a database.\n\nCommands:\n";
  std::size_t width = 0;
  for (auto const& group : command_groups())
    for (auto const& each : group.commands) width = std::max(width, title_of(group, each).size());
  for (auto const& group : command_groups())
    for (auto const& each : group.commands) {
      auto const title = title_of(group, each);
      out << "  " << title << std::string(width + 2 - title.size(), ' ') << each.summary << '\n';
    }
  out << "\n'visor <command> --help' tells more and shows an example. 'visor --version' prints the version.\n"
         "Exit codes: 0 success, 1 failure or a value that is refused, 2 a command line that cannot be understood.\n"
         "Example:\n  visor run --config visor.yaml\n";
}

void check_choice(std::string_view what, std::string const& value, std::span<std::string_view const> choices) {
  if (choices.empty() || std::ranges::find(choices, value) != choices.end()) return;
  throw usage_error(std::string(what) + " cannot be " + in_quotes(value) + suggestion(value, choices) + " (allowed: " + join(choices) +
                    ")");
}

[[noreturn]] void refuse_value(std::string_view option, std::string const& value, std::string const& allowed) {
  throw usage_error("--" + std::string(option) + " cannot be " + in_quotes(value) + ": " + allowed);
}

bool wants_help(std::vector<std::string> const& words) {
  auto const end = std::ranges::find(words, "--");
  return std::any_of(words.begin(), end, [](auto const& word) { return word == "--help" || word == "-h"; });
}

/// Finds a word among the names of a table, or refuses it with the nearest.
template <class Entry>
Entry const& find(std::span<Entry const> table, std::string const& name, std::string_view prefix) {
  std::vector<std::string_view> names;
  for (auto const& each : table) {
    if (each.name == name) return each;
    names.push_back(each.name);
  }
  bool const is_option = name.starts_with('-');
  throw usage_error((is_option ? "unknown option " : "unknown command ") + in_quotes(std::string(prefix) + name) +
                    (is_option ? "" : suggestion(name, names)) + "; 'visor " + std::string(prefix) + "--help' lists what there is");
}

int run(std::string const& title, command const& which, std::vector<std::string> const& words) {
  if (wants_help(words)) {
    print_help(std::cout, title, which);
    return 0;
  }
  return which.run(parse(title, which, words));
}

}  // namespace

std::string suggestion(std::string_view text, std::span<std::string_view const> known) {
  auto const best = visor::nearest(text, known);
  return best.empty() ? std::string() : ", did you mean '" + std::string(best) + "'?";
}

invocation parse(std::string_view title, command const& which, std::vector<std::string> const& words) {
  auto const described = describe(which);
  // Words that belong to no option end up in one hidden option, to be counted against the arguments below.
  options::options_description with_arguments;
  with_arguments.add(described);
  with_arguments.add_options()("<argument>", options::value<std::vector<std::string>>());
  options::positional_options_description positional;
  positional.add("<argument>", -1);

  invocation result;
  result.known = which.options;
  try {
    using style = options::command_line_style::style_t;
    auto const parsed = options::command_line_parser(words)
                            .options(with_arguments)
                            .positional(positional)
                            .style(style::unix_style & ~style::allow_guessing)
                            .run();
    for (auto const& each : parsed.options) {
      auto& values = each.string_key == "<argument>" ? result.arguments : result.options[each.string_key];
      values.insert(values.end(), each.value.begin(), each.value.end());
    }
    options::variables_map checked;  // refuses repeated options
    options::store(parsed, checked);
  } catch (options::unknown_option const& unknown) {
    std::vector<std::string> names;
    for (auto const& each : which.options) names.push_back("--" + std::string(each.name));
    names.emplace_back("--help");
    std::string const name = unknown.get_option_name();
    std::vector<std::string_view> const views(names.begin(), names.end());
    throw usage_error("unknown option " + in_quotes(name) + suggestion(name, views) + "; 'visor " + std::string(title) +
                      " --help' lists the options");
  } catch (options::error const& wrong) {
    throw usage_error(escaped(wrong.what()) + "; see 'visor " + std::string(title) + " --help'");
  }

  for (std::size_t i = 0; i < which.arguments.size(); ++i) {
    auto const& wanted = which.arguments[i];
    if (i < result.arguments.size())
      check_choice(wanted.name, result.arguments[i], wanted.choices);
    else if (wanted.required)
      throw usage_error("<" + std::string(wanted.name) + "> is missing; see 'visor " + std::string(title) + " --help'");
  }
  if (result.arguments.size() > which.arguments.size())
    throw usage_error("do not know what to do with " + in_quotes(result.arguments[which.arguments.size()]) + "; see 'visor " +
                      std::string(title) + " --help' (text with spaces needs quotes)");
  for (auto const& each : which.options)
    if (auto const given = result.options.find(each.name); given != result.options.end())
      for (auto const& value : given->second) check_choice("--" + std::string(each.name), value, each.choices);
  return result;
}

std::optional<std::string> invocation::text(std::string_view option) const {
  auto const found = options.find(option);
  if (found == options.end()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> invocation::all(std::string_view option) const {
  auto const found = options.find(option);
  return found == options.end() ? std::vector<std::string>() : found->second;
}

std::optional<std::int64_t> invocation::number(std::string_view option, std::int64_t least, std::int64_t most) const {
  auto const given = text(option);
  if (!given) return std::nullopt;
  std::int64_t value = 0;
  auto const [end, failed] = std::from_chars(given->data(), given->data() + given->size(), value);
  if (failed != std::errc{} || end != given->data() + given->size() || value < least || value > most)
    refuse_value(option, *given, "a whole number from " + std::to_string(least) + " to " + std::to_string(most) + " is wanted");
  return value;
}

std::optional<visor::duration> invocation::length(std::string_view option) const {
  auto const given = text(option);
  if (!given) return std::nullopt;
  auto const value = visor::parse_duration(*given);
  if (!value) refuse_value(option, *given, "a length of time such as 90s, 10m or 1h30m is wanted, at most 36600d");
  return value;
}

std::optional<visor::instant> invocation::point(std::string_view option) const {
  auto const given = text(option);
  if (!given) return std::nullopt;
  auto const value = visor::parse_instant(*given);
  if (!value) refuse_value(option, *given, "an instant such as 2026-11-21T14:00:00Z or 2026-11-21T15:00:00+01:00 is wanted");
  return value;
}

std::string const& invocation::argument(std::size_t index) const {
  static std::string const none;
  return index < arguments.size() ? arguments[index] : none;
}

int run_command_line(std::vector<std::string> const& words) {
  if (words.empty()) {
    print_help(std::cerr);
    return 2;
  }
  std::string const& first = words.front();
  if (first == "help") {  // `visor help job list` is `visor job list --help`
    std::vector<std::string> about(words.begin() + 1, words.end());
    about.emplace_back("--help");
    return run_command_line(about);
  }
  if (first == "--help" || first == "-h") {
    print_help(std::cout);
    return 0;
  }
  if (first == "--version") {
    std::cout << "visor " << visor::version_text << '\n';
    return 0;
  }
  auto const& group = find(command_groups(), first, "");
  std::vector<std::string> rest(words.begin() + 1, words.end());
  if (group.commands.size() == 1 && group.commands.front().name.empty()) return run(std::string(group.name), group.commands.front(), rest);
  if (rest.empty()) {
    print_help(std::cerr, group);
    return 2;
  }
  if (rest.front() == "--help" || rest.front() == "-h" || rest.front() == "help") {
    print_help(std::cout, group);
    return 0;
  }
  auto const& which = find(group.commands, rest.front(), first + " ");
  rest.erase(rest.begin());
  return run(title_of(group, which), which, rest);
}

}  // namespace visor_program
