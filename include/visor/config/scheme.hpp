#ifndef VISOR_CONFIG_SCHEME_HPP
#define VISOR_CONFIG_SCHEME_HPP

#include "visor/config/settings.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <vector>

/// The schemes of connection strings.
namespace visor::detail {

struct url_scheme {
  std::string_view begins;
  storage_driver driver;

  /// The scheme without `://`.
  constexpr std::string_view name() const noexcept { return begins.substr(0, begins.find(':')); }
};

inline constexpr std::array<url_scheme, 6> url_schemes{{{"postgresql://", storage_driver::postgresql},
                                                        {"postgres://", storage_driver::postgresql},
                                                        {"mysql://", storage_driver::mysql},
                                                        {"mariadb://", storage_driver::mysql},
                                                        {"mssql://", storage_driver::mssql},
                                                        {"sqlserver://", storage_driver::mssql}}};

/// The driver of a connection string; none for an unknown scheme.
constexpr std::optional<storage_driver> driver_of_url(std::string_view url) noexcept {
  for (auto const& each : url_schemes)
    if (url.starts_with(each.begins)) return each.driver;
  return std::nullopt;
}

/// The schemes of a driver's connection strings; those of all drivers when none is named.
inline std::vector<std::string_view> schemes_of(std::optional<storage_driver> driver) {
  std::vector<std::string_view> found;
  for (auto const& each : url_schemes)
    if (!driver || each.driver == *driver) found.push_back(each.begins);
  return found;
}

/// Whether the database is a server, with a network address and with connections that are expensive.
constexpr bool is_server(storage_driver driver) noexcept { return driver != storage_driver::sqlite && driver != storage_driver::memory; }

}  // namespace visor::detail

#endif
