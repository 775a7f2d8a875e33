#ifndef VISOR_TOOLS_COMMAND_HPP
#define VISOR_TOOLS_COMMAND_HPP

#include "visor/base/time.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// The program's command line, described as data: parsing, help, suggestions and shell completion all come from these tables.
namespace visor_program {

/// A command line that cannot be understood. Exit code 2.
class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An expected failure, such as an object that does not exist, reported on standard error. Exit code 1.
class failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct option {
  std::string_view name;   ///< without the dashes
  std::string_view value;  ///< the placeholder of its value in the help; empty: a flag
  std::string_view summary;
  std::span<std::string_view const> choices = {};  ///< all values that are allowed; empty: any
  bool many = false;                               ///< takes several values, and may be repeated
  std::string_view setting = {};                   ///< the key of the configuration that it sets, overriding all other sources
  bool secret = false;                             ///< hidden from the list of processes
};

struct argument {
  std::string_view name;
  bool required = true;
  std::span<std::string_view const> choices = {};
};

class invocation;

struct command {
  std::string_view name;     ///< empty where the group is the command
  std::string_view summary;  ///< one line
  std::string_view details;  ///< more lines for the help, or none
  std::string_view example;  ///< one or more whole lines
  std::span<argument const> arguments;
  std::span<option const> options;
  int (*run)(invocation const&);
};

struct command_group {
  std::string_view name;
  std::string_view summary;
  std::span<command const> commands;
};

/// All groups, in the order of the help.
std::span<command_group const> command_groups();

/// One command as the user gave it: allowed options and arguments only.
class invocation {
 public:
  std::span<option const> known;  ///< options of the command
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> arguments;

  bool has(std::string_view option) const { return options.contains(option); }

  /// The value of an option that takes one.
  std::optional<std::string> text(std::string_view option) const;

  /// All values of an option that takes many.
  std::vector<std::string> all(std::string_view option) const;

  /// A whole number in a range. \throws usage_error
  std::optional<std::int64_t> number(std::string_view option, std::int64_t least, std::int64_t most) const;

  /// A length of time such as `90s`. \throws usage_error
  std::optional<visor::duration> length(std::string_view option) const;

  /// An RFC 3339 instant. \throws usage_error
  std::optional<visor::instant> point(std::string_view option) const;

  /// An argument, or an empty text where an optional one was left out.
  std::string const& argument(std::size_t index) const;
};

/// Reads the options and arguments of one command. \throws usage_error with the nearest known option
invocation parse(std::string_view title, command const& which, std::vector<std::string> const& words);

/// Runs a whole command line, without the program's own name. \returns the exit code
int run_command_line(std::vector<std::string> const& words);

/// ", did you mean 'x'?" or nothing.
std::string suggestion(std::string_view text, std::span<std::string_view const> known);

inline constexpr option config_option{"config", "FILE", "the configuration; else $VISOR_CONFIG, else .visor.yaml or visor.yaml here"};
inline constexpr option json_option{"json", "", "print JSON"};

inline constexpr auto connection_options = std::to_array<option>({
    {.name = "url",
     .value = "URL",
     .summary = "the database, as postgresql://user:password@host:port/database",
     .setting = "scheduler.storage.connection.connection_string",
     .secret = true},
    {.name = "host", .value = "HOST", .summary = "its server, or a folder of Unix sockets", .setting = "scheduler.storage.connection.host"},
    {.name = "port", .value = "PORT", .summary = "its port", .setting = "scheduler.storage.connection.port"},
    {.name = "database", .value = "NAME", .summary = "its name", .setting = "scheduler.storage.connection.database"},
    {.name = "user", .value = "USER", .summary = "who connects", .setting = "scheduler.storage.connection.user"},
    {.name = "password",
     .value = "PASSWORD",
     .summary = "of the user; others may see it in the shell's history: $DB_PASSWORD is better",
     .setting = "scheduler.storage.connection.password",
     .secret = true},
});

/// These options, those of the connection, and `config_option`.
template <std::size_t N>
constexpr auto with_connection(std::array<option, N> const& own) {
  std::array<option, N + connection_options.size() + 1> all{};
  auto next = std::copy(own.begin(), own.end(), all.begin());
  *next++ = config_option;
  std::copy(connection_options.begin(), connection_options.end(), next);
  return all;
}

}  // namespace visor_program

#endif
