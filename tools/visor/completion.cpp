#include "commands.hpp"

#include <iostream>
#include <string>

// A script for each shell, written from the table of commands. The shells ask for words. The reply depends only on the group
// and command typed so far and, after an option, on its choices.
namespace visor_program {
namespace {

std::string words(auto const& table, std::string (*word)(typename std::remove_cvref_t<decltype(table)>::value_type const&)) {
  std::string all;
  for (auto const& each : table) {
    if (!all.empty()) all += ' ';
    all += word(each);
  }
  return all;
}

std::string spaced(std::span<std::string_view const> list) {
  std::string all;
  for (auto const each : list) (all += all.empty() ? "" : " ") += each;
  return all;
}

/// Quotes text for all three shells that are used here.
std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (char const c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string title(command_group const& group, command const& each) {
  return std::string(group.name) + (each.name.empty() ? "" : " " + std::string(each.name));
}

/// All words that may follow a command: its options and the choices of its arguments.
std::string words_after(command const& each) {
  std::string all;
  for (auto const& argument : each.arguments)
    if (!argument.choices.empty()) all += spaced(argument.choices) + ' ';
  for (auto const& option : each.options) all += "--" + std::string(option.name) + ' ';
  return all + "--help";
}

bool is_single(command_group const& group) { return group.commands.size() == 1 && group.commands.front().name.empty(); }

void bash(std::ostream& out) {
  out << "# visor completion for bash: eval \"$(visor completion bash)\"\n"
         "_visor() {\n"
         "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" words='' command=\"${COMP_WORDS[1]}\"\n"
         "  COMPREPLY=()\n"
         "  case \"$command\" in\n    ";
  std::string groups;
  for (auto const& group : command_groups())
    if (!is_single(group)) groups += (groups.empty() ? "" : "|") + std::string(group.name);
  out << groups
      << ") if [ \"$COMP_CWORD\" -gt 2 ]; then command=\"$command ${COMP_WORDS[2]}\"; fi ;;\n  esac\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then words='"
      << words(command_groups(), [](command_group const& group) { return std::string(group.name); })
      << " --help --version'\n"
         "  else case \"$command $before\" in\n";
  for (auto const& group : command_groups())
    for (auto const& each : group.commands)
      for (auto const& option : each.options) {
        if (option.value.empty()) continue;
        out << "    '" << title(group, each) << " --" << option.name << "') ";
        if (!option.choices.empty())
          out << "words='" << spaced(option.choices) << "' ;;\n";
        else if (option.value == "FILE")
          out << "COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n";
        else
          out << "return ;;\n";
      }
  out << "    *) case \"$command\" in\n";
  for (auto const& group : command_groups()) {
    if (!is_single(group))
      out << "      " << group.name << ") words='" << words(group.commands, [](command const& each) { return std::string(each.name); })
          << " --help' ;;\n";
    for (auto const& each : group.commands) out << "      '" << title(group, each) << "') words='" << words_after(each) << "' ;;\n";
  }
  out << "    esac ;;\n"
         "  esac; fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -F _visor visor\n";
}

void zsh(std::ostream& out) {
  out << "#compdef visor\n"
         "# visor completion for zsh: put this into a file named _visor in a folder of $fpath\n"
         "_visor() {\n"
         "  local -a found\n"
         "  local before=\"${words[CURRENT-1]}\" command=\"${words[2]}\"\n"
         "  case \"$command\" in\n    ";
  std::string groups;
  for (auto const& group : command_groups())
    if (!is_single(group)) groups += (groups.empty() ? "" : "|") + std::string(group.name);
  out << groups << ") if (( CURRENT > 3 )); then command=\"$command ${words[3]}\"; fi ;;\n  esac\n";
  auto const described = [](std::string_view name, std::string_view summary) {
    std::string text;
    for (char const c : name) text += c == ':' ? std::string("\\:") : std::string(1, c);
    return in_quotes(text + ":" + std::string(summary));
  };
  out << "  if (( CURRENT == 2 )); then\n    found=(";
  for (auto const& group : command_groups()) out << ' ' << described(group.name, group.summary);
  out << " )\n    _describe command found; return\n  fi\n  case \"$command $before\" in\n";
  for (auto const& group : command_groups())
    for (auto const& each : group.commands)
      for (auto const& option : each.options) {
        if (option.value.empty()) continue;
        out << "    '" << title(group, each) << " --" << option.name << "') ";
        if (!option.choices.empty())
          out << "compadd -- " << spaced(option.choices) << "; return ;;\n";
        else if (option.value == "FILE")
          out << "_files; return ;;\n";
        else
          out << "return ;;\n";
      }
  out << "  esac\n  case \"$command\" in\n";
  for (auto const& group : command_groups()) {
    if (!is_single(group)) {
      out << "    " << group.name << ") found=(";
      for (auto const& each : group.commands) out << ' ' << described(each.name, each.summary);
      out << " ) ;;\n";
    }
    for (auto const& each : group.commands) {
      out << "    '" << title(group, each) << "') found=(";
      for (auto const& argument : each.arguments)
        for (auto const choice : argument.choices) out << ' ' << described(choice, argument.name);
      for (auto const& option : each.options) out << ' ' << described("--" + std::string(option.name), option.summary);
      out << " '--help:print help' ) ;;\n";
    }
  }
  out << "  esac\n  _describe word found\n}\n"
         "if [ \"$funcstack[1]\" = _visor ]; then _visor \"$@\"; else compdef _visor visor; fi\n";
}

void fish(std::ostream& out) {
  out << "# visor completion for fish: visor completion fish > ~/.config/fish/completions/visor.fish\ncomplete -c visor -f\n";
  for (auto const& group : command_groups()) {
    out << "complete -c visor -n __fish_use_subcommand -a " << group.name << " -d " << in_quotes(group.summary) << '\n';
    std::string names;
    for (auto const& each : group.commands) names += ' ' + std::string(each.name);
    for (auto const& each : group.commands) {
      std::string condition = "__fish_seen_subcommand_from " + std::string(group.name);
      if (!is_single(group)) {
        out << "complete -c visor -n " << in_quotes(condition + "; and not __fish_seen_subcommand_from" + names) << " -a " << each.name
            << " -d " << in_quotes(each.summary) << '\n';
        condition += "; and __fish_seen_subcommand_from " + std::string(each.name);
      }
      for (auto const& argument : each.arguments)
        if (!argument.choices.empty())
          out << "complete -c visor -n " << in_quotes(condition) << " -a " << in_quotes(spaced(argument.choices)) << '\n';
      for (auto const& option : each.options) {
        out << "complete -c visor -n " << in_quotes(condition) << " -l " << option.name << " -d " << in_quotes(option.summary);
        if (!option.value.empty()) out << (option.value == "FILE" ? " -r -F" : " -x");
        if (!option.choices.empty()) out << " -a " << in_quotes(spaced(option.choices));
        out << '\n';
      }
    }
  }
}

constexpr std::string_view shells[] = {"bash", "zsh", "fish"};
constexpr argument completion_arguments[] = {{"shell", true, shells}};

int print_completion(invocation const& arguments) {
  auto const& shell = arguments.argument(0);
  shell == "bash" ? bash(std::cout) : shell == "zsh" ? zsh(std::cout) : fish(std::cout);
  return 0;
}

}  // namespace

constinit command const completion_commands[1] = {{"",
                                                   "Prints a script that completes commands and options in a shell",
                                                   "",
                                                   "eval \"$(visor completion bash)\"\nvisor completion zsh > ~/.zfunc/_visor\n"
                                                   "visor completion fish > ~/.config/fish/completions/visor.fish",
                                                   completion_arguments,
                                                   {},
                                                   print_completion}};

}  // namespace visor_program
