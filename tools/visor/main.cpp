#include "command.hpp"
#include "report.hpp"

#include "visor/base/error.hpp"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

namespace {

using visor_program::colour;

/// One line for every line of the message, each with the program's name.
void complain(std::string_view message) {
  std::cout.flush();
  while (!message.empty()) {
    auto const end = std::min(message.find('\n'), message.size());
    std::cerr << visor_program::painted("visor:", colour::bad, 2) << ' ' << visor_program::escaped(message.substr(0, end)) << '\n';
    message.remove_prefix(std::min(end + 1, message.size()));
  }
}

int run(std::vector<std::string> const& words) {
  try {
    int const code = visor_program::run_command_line(words);
    if (!std::cout.flush()) throw visor_program::failure("standard output cannot be written");
    return code;
  } catch (visor_program::usage_error const& wrong) {
    complain(wrong.what());
    return 2;
  } catch (std::bad_alloc const&) {
    complain("out of memory");
  } catch (std::exception const& failed) {
    complain(failed.what());
  } catch (...) {
    complain("something failed that has no description");
  }
  return 1;
}

}  // namespace

int main(int count, char** words) {
  std::ios::sync_with_stdio(false);
  return run(std::vector<std::string>(words + 1, words + std::max(count, 1)));
}
