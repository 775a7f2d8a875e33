#ifndef VISOR_DRIVER_POSTGRESQL_CLEAR_PASSWORD_HPP
#define VISOR_DRIVER_POSTGRESQL_CLEAR_PASSWORD_HPP

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Detects requests for a password in clear text. libpq before version 16 answers each of them, and has no option against it.
namespace visor::postgresql_driver {

/// True when messages of a server ask for the password in clear text (AuthenticationCleartextPassword).
/// https://www.postgresql.org/docs/15/protocol-message-formats.html
inline bool asks_in_clear(std::string_view messages) {
  auto const number = [](std::string_view bytes) {
    std::uint32_t value = 0;
    for (char const c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  };
  constexpr std::uint32_t in_clear = 3;
  while (messages.size() >= 9) {
    std::size_t const size = 1 + std::size_t{number(messages.substr(1))};
    if (messages[0] == 'R' && size == 9 && number(messages.substr(5)) == in_clear) return true;
    if (size < 5 || size > messages.size()) return false;
    messages.remove_prefix(size);
  }
  return false;
}

/// The same for the received bytes of a socket that were not read yet. It leaves them there.
inline bool asks_in_clear(int socket) {
  std::array<char, 4096> come;
  auto const size = ::recv(socket, come.data(), come.size(), MSG_PEEK | MSG_DONTWAIT);
  return size > 0 && asks_in_clear(std::string_view(come.data(), static_cast<std::size_t>(size)));
}

}  // namespace visor::postgresql_driver

#endif
