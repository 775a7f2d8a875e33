#ifndef VISOR_TESTS_SUPPORT_TEST_DATABASE_URL_HPP
#define VISOR_TESTS_SUPPORT_TEST_DATABASE_URL_HPP

#include "visor/base/secret.hpp"
#include "visor/config/connection_url.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace visor_test {

/// The server that TEST_DATABASE_URL names, if it is one of these schemes; the user there may make and drop databases and users, and end
/// connections. The tests use it instead of a server of their own, in databases of their own.
template <class Settings>
std::optional<Settings> test_database_url(std::string_view scheme, std::string_view other_scheme) {
  char const* const given = std::getenv("TEST_DATABASE_URL");
  std::string_view const url = given == nullptr ? "" : given;
  auto const is = [url](std::string_view which) { return url.starts_with(std::string(which) + "://"); };
  if (!is(scheme) && !is(other_scheme)) return std::nullopt;
  visor::storage_settings storage;
  storage.connection.connection_string = visor::secret(std::string(url));
  return visor::server_settings<Settings>(storage);
}

/// A name that nobody else has on a server that several use.
inline std::string new_name() {
  static std::atomic<int> last{0};
  return "visor_test_" + std::to_string(::getpid()) + "_" + std::to_string(++last);
}

}  // namespace visor_test

#endif
