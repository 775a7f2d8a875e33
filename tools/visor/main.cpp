#include "command.hpp"
#include "own_process.hpp"
#include "report.hpp"

#include "visor/base/error.hpp"
#include "visor/base/no_descriptor.hpp"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace {

using visor_program::colour;

/// Prints one line for every line of the message, each with the program's name.
void complain(std::string_view message) {
  std::cout.flush();
  while (!message.empty()) {
    auto const end = std::min(message.find('\n'), message.size());
    std::cerr << visor_program::painted("visor:", colour::bad, 2) << ' ' << visor_program::escaped(message.substr(0, end)) << '\n';
    message.remove_prefix(std::min(end + 1, message.size()));
  }
}

/// The settings that an error of a database server concerns.
std::string_view settings_of_failure(visor::errc of) {
  if (of == visor::errc::authentication_failed)
    return " (scheduler.storage.connection.user and password; DATABASE_URL, DB_USER and DB_PASSWORD)";
  if (of == visor::errc::connection_failed)
    return " (scheduler.storage.connection: host and port or connection_string of a server, filename of SQLite; "
           "DATABASE_URL, DB_HOST, DB_PORT, VISOR_DB)";
  if (of == visor::errc::tls_failed)
    return " (scheduler.storage.connection.ssl: ca, cert, key and reject_unauthorized, or sslmode of the connection string; "
           "DB_SSL, DB_SSL_REJECT_UNAUTHORIZED, DB_SSL_CA, DB_SSL_CERT and DB_SSL_KEY)";
  return {};
}

int run(std::vector<std::string> const& words) {
  try {
    int const code = visor_program::run_command_line(words);
    if (!std::cout.flush()) visor_program::end_if_nobody_reads();
    if (!std::cout) throw visor_program::failure("standard output cannot be written");
    return code;
  } catch (visor_program::usage_error const& wrong) {
    complain(wrong.what());
    return 2;
  } catch (visor::error const& failed) {
    complain(failed.what() + std::string(settings_of_failure(failed.portable_code())));
    // For supervisors: the same program would end again if it were restarted.
    if (failed.code() == visor::errc::restored || failed.code() == visor::errc::superseded) return 3;
  } catch (std::bad_alloc const&) {
    complain("out of memory");
  } catch (std::exception const& failed) {
    std::string const lack = visor::detail::why_no_descriptor(std::string_view(failed.what()));
    complain(failed.what() + (lack.empty() ? lack : ": " + lack));
  } catch (...) {
    complain("something failed that has no description");
  }
  return 1;
}

/// Removes secrets on the command line from the list of processes.
void hide_secrets(int count, char** words) {
  for (int i = 1; i < count; ++i)
    for (auto const& each : visor_program::connection_options) {
      std::string const name = "--" + std::string(each.name);
      std::string_view const word = words[i];
      if (!each.secret || !word.starts_with(name)) continue;
      char* text = words[i] + name.size();
      if (word == name && i + 1 < count)
        text = words[i + 1];
      else if (*text++ != '=')
        continue;
      for (; *text != '\0'; ++text) *text = '*';
    }
}

}  // namespace

int main(int count, char** words) {
  visor_program::prepare_process();
  std::ios::sync_with_stdio(false);
  std::vector<std::string> const arguments(words + 1, words + std::max(count, 1));
  hide_secrets(count, words);
  return run(arguments);
}
