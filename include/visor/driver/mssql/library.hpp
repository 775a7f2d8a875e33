#ifndef VISOR_DRIVER_MSSQL_LIBRARY_HPP
#define VISOR_DRIVER_MSSQL_LIBRARY_HPP

#include <sql.h>
#include <sqlext.h>
#include <sqlucode.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// ODBC, through unixODBC. The driver below it is that of FreeTDS 1.3 or newer (Debian: tdsodbc).
namespace visor::mssql_driver {

template <SQLSMALLINT Kind>
struct handle_closer {
  void operator()(void* handle) const noexcept {
    if constexpr (Kind == SQL_HANDLE_DBC) SQLDisconnect(handle);
    SQLFreeHandle(Kind, handle);
  }
};
using environment_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_ENV>>;
using connection_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_DBC>>;
using statement_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_STMT>>;

/// Converts text for the functions of ODBC that take UTF-16. The other functions use the character set of the process's locale, which may
/// be any.
/// \param text UTF-8
inline std::vector<SQLWCHAR> to_wide(std::string_view text) {
  std::vector<SQLWCHAR> result;
  result.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size();) {
    auto const lead = static_cast<unsigned char>(text[i++]);
    int const more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    std::uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (int k = 0; k < more && i < text.size(); ++k) code = code << 6 | (static_cast<unsigned char>(text[i++]) & 0x3Fu);
    if (code >= 0x10000) {
      result.push_back(static_cast<SQLWCHAR>(0xD800 + ((code - 0x10000) >> 10)));
      code = 0xDC00 + ((code - 0x10000) & 0x3FF);
    }
    result.push_back(static_cast<SQLWCHAR>(code));
  }
  result.push_back(0);
  return result;
}

/// Converts text from UTF-16.
/// \param text ends with 0; half a pair becomes U+FFFD
inline std::string from_wide(SQLWCHAR const* text) {
  std::string result;
  auto const is_in = [](std::uint32_t code, std::uint32_t first) { return code >= first && code < first + 0x400; };
  while (*text != 0) {
    std::uint32_t code = *text++;
    if (is_in(code, 0xD800) && is_in(*text, 0xDC00))
      code = 0x10000 + ((code - 0xD800) << 10) + (*text++ - 0xDC00u);
    else if (is_in(code, 0xD800) || is_in(code, 0xDC00))
      code = 0xFFFD;
    int const more = code >= 0x10000 ? 3 : code >= 0x800 ? 2 : code >= 0x80 ? 1 : 0;
    static constexpr unsigned char leads[]{0, 0xC0, 0xE0, 0xF0};
    result += static_cast<char>(leads[more] | code >> (6 * more));
    for (int k = more; k-- > 0;) result += static_cast<char>(0x80 | (code >> (6 * k) & 0x3F));
  }
  return result;
}

/// The diagnostic record of a failed ODBC call.
struct diagnosis {
  std::string state;  ///< five characters
  int number = 0;     ///< the server's, or from 20000 to 20999 FreeTDS's
  std::string text;
};

inline std::vector<diagnosis> diagnoses(SQLSMALLINT kind, SQLHANDLE of) {
  std::vector<diagnosis> all;
  for (SQLSMALLINT i = 1;; ++i) {
    std::array<SQLWCHAR, 6> state{};
    std::array<SQLWCHAR, 2048> text{};
    SQLINTEGER number = 0;
    SQLSMALLINT length = 0;
    if (!SQL_SUCCEEDED(SQLGetDiagRecW(kind, of, i, state.data(), &number, text.data(), static_cast<SQLSMALLINT>(text.size()), &length)))
      return all;
    diagnosis one;
    one.state = from_wide(state.data());
    one.number = number;
    one.text = from_wide(text.data());
    all.push_back(std::move(one));
  }
}

}  // namespace visor::mssql_driver

#endif
