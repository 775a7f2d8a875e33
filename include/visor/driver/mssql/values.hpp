#ifndef VISOR_DRIVER_MSSQL_VALUES_HPP
#define VISOR_DRIVER_MSSQL_VALUES_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/driver/mssql/library.hpp"
#include "visor/driver/mssql/mssql_dialect.hpp"
#include "visor/sql/statement.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Values in the form of ODBC. Texts are UTF-8 here, and in the server's encoding on the wire; FreeTDS converts.
namespace visor::mssql_driver {

inline SQL_TIMESTAMP_STRUCT to_timestamp(instant when) {
  auto const day = std::chrono::floor<std::chrono::days>(when);
  std::chrono::year_month_day const date(day);
  std::chrono::hh_mm_ss const time(when - day);
  if (date.year() < std::chrono::year{1} || date.year() > std::chrono::year{9999})
    throw error(errc::invalid_argument, "the instant " + to_string(when) + " is not among those of SQL Server, of the years 1 to 9999");
  SQL_TIMESTAMP_STRUCT result{};
  result.year = static_cast<SQLSMALLINT>(static_cast<int>(date.year()));
  result.month = static_cast<SQLUSMALLINT>(static_cast<unsigned>(date.month()));
  result.day = static_cast<SQLUSMALLINT>(static_cast<unsigned>(date.day()));
  result.hour = static_cast<SQLUSMALLINT>(time.hours().count());
  result.minute = static_cast<SQLUSMALLINT>(time.minutes().count());
  result.second = static_cast<SQLUSMALLINT>(time.seconds().count());
  result.fraction = static_cast<SQLUINTEGER>(std::chrono::nanoseconds(time.subseconds()).count());
  return result;
}

inline instant to_instant(SQL_TIMESTAMP_STRUCT const& from) {
  using namespace std::chrono;
  sys_days const day{year{from.year} / month{from.month} / std::chrono::day{from.day}};
  return instant{time_point_cast<duration>(day) + hours{from.hour} + minutes{from.minute} + seconds{from.second} +
                 duration_cast<duration>(nanoseconds{from.fraction})};
}

/// The parameters of a statement, at stable addresses. Texts are referenced until the next execution.
class parameters {
 public:
  explicit parameters(std::span<sql::kind const> kinds) : kinds_(kinds), values_(kinds.size()) {}
  parameters(parameters const&) = delete;
  parameters& operator=(parameters const&) = delete;

  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) {
    bound_value& here = at(index);
    here.number = value;
    here.length = 0;
  }
  void bind(int index, bool value) {
    bound_value& here = at(index);
    here.flag = value ? 1 : 0;
    here.length = 0;
  }
  void bind(int index, instant value) {
    bound_value& here = at(index);
    here.when = to_timestamp(value);
    here.length = 0;
    here.is_odd = here.when.year < first_year;
    if (!here.is_odd) return;
    here.written = to_string(value);
    here.written.pop_back();  // Z
    here.text = here.written.data();
    here.length = static_cast<SQLLEN>(here.written.size());
  }
  void bind(int index, std::string_view value) {
    bound_value& here = at(index);
    here.text = value.data() == nullptr ? "" : value.data();
    here.length = static_cast<SQLLEN>(value.size());
    here.is_odd = value.size() > longest_short_text && units_of(value) > longest_short_text;
  }
  void bind_null(int index) {
    bound_value& here = at(index);
    here.length = SQL_NULL_DATA;
    here.is_odd = false;
  }

  /// Binds the values to their statement, always the same. FreeTDS prepares a statement again whenever a parameter was bound. So each
  /// parameter is bound once, and for texts only the address is changed.
  /// \return true on success
  bool give_to(SQLHSTMT statement) {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      bound_value& here = values_[i];
      bool const has_its_type = here.is_bound && here.is_bound_odd == here.is_odd;
      if (has_its_type && kinds_[i] != sql::kind::text) continue;
      if (!SQL_SUCCEEDED(has_its_type ? refer(statement, i) : bind_to(statement, i))) return false;
      here.is_bound = true;
      here.is_bound_odd = here.is_odd;
    }
    return true;
  }

 private:
  static constexpr std::size_t longest_short_text = 4000;  // in code units of UTF-16: nvarchar(4000)
  static constexpr int first_year = 1753;  // FreeTDS miscounts the days of years before 1501; this is the first year of datetime

  struct bound_value {
    std::int64_t number = 0;
    SQL_TIMESTAMP_STRUCT when{};
    char const* text = "";
    std::string written;
    SQLLEN length = 0;
    unsigned char flag = 0;
    bool is_odd = false;  // of another type: a long text, or an instant that is sent as text
    bool is_bound = false;
    bool is_bound_odd = false;
  };

  /// Counts the UTF-16 code units of a text in UTF-8.
  static std::size_t units_of(std::string_view text) {
    std::size_t units = 0;
    for (char const c : text) {
      auto const byte = static_cast<unsigned char>(c);
      bool const goes_on = (byte & 0xC0u) == 0x80u;
      units += goes_on ? 0U : byte >= 0xF0u ? 2U : 1U;
    }
    return units;
  }

  SQLRETURN refer(SQLHSTMT statement, std::size_t index) const {
    SQLHDESC all = nullptr;
    SQLRETURN const done = SQLGetStmtAttr(statement, SQL_ATTR_APP_PARAM_DESC, &all, 0, nullptr);
    if (!SQL_SUCCEEDED(done)) return done;
    return SQLSetDescField(all, static_cast<SQLSMALLINT>(index + 1), SQL_DESC_DATA_PTR, const_cast<char*>(values_[index].text), 0);
  }

  SQLRETURN bind_to(SQLHSTMT statement, std::size_t index) {
    bound_value& here = values_[index];
    sql::kind const kind = kinds_[index];
    auto const bind = [&](SQLSMALLINT from, SQLSMALLINT to, SQLULEN size, SQLSMALLINT digits, void const* value, SQLLEN room) {
      return SQLBindParameter(statement, static_cast<SQLUSMALLINT>(index + 1), SQL_PARAM_INPUT, from, to, size, digits,
                              const_cast<void*>(value), room, &here.length);
    };
    switch (kind) {
      case sql::kind::integer: return bind(SQL_C_SBIGINT, SQL_INTEGER, 10, 0, &here.number, sizeof here.number);
      case sql::kind::bigint: return bind(SQL_C_SBIGINT, SQL_BIGINT, 19, 0, &here.number, sizeof here.number);
      case sql::kind::boolean: return bind(SQL_C_BIT, SQL_BIT, 1, 0, &here.flag, sizeof here.flag);
      case sql::kind::instant:
        if (here.is_odd) break;
        return bind(SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, 26, 6, &here.when, sizeof here.when);
      case sql::kind::text: break;
    }
    // A text longer than nvarchar(4000) is sent as ntext, which can be stored but not compared.
    SQLLEN const room = std::max<SQLLEN>(here.length, 0);
    bool const is_long = here.is_odd && kind == sql::kind::text;
    if (is_long) return bind(SQL_C_CHAR, SQL_WLONGVARCHAR, static_cast<SQLULEN>(room), 0, here.text, room);
    return bind(SQL_C_CHAR, SQL_WVARCHAR, longest_short_text, 0, here.text, room);
  }

  bound_value& at(int index) { return values_[static_cast<std::size_t>(index)]; }

  std::span<sql::kind const> kinds_;
  std::vector<bound_value> values_;
};

/// The current row of a statement.
class row_buffer {
 public:
  explicit row_buffer(std::span<sql::kind const> kinds) : kinds_(kinds), columns_(kinds.size()) {}

  /// \return true on success
  bool take(SQLHSTMT from) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (!take(from, i)) return false;
    return true;
  }

  bool is_null(int column) const { return at(column).length == SQL_NULL_DATA; }
  std::int64_t integer(int column) const { return at(column).number; }
  bool boolean(int column) const { return at(column).flag != 0; }
  instant when(int column) const { return to_instant(at(column).when); }
  std::string_view text(int column) const { return at(column).text; }

 private:
  struct column_buffer {
    std::int64_t number = 0;
    SQL_TIMESTAMP_STRUCT when{};
    std::string text;
    SQLLEN length = 0;
    unsigned char flag = 0;
  };

  bool take(SQLHSTMT from, std::size_t index) {
    column_buffer& here = columns_[index];
    auto const number = static_cast<SQLUSMALLINT>(index + 1);
    switch (kinds_[index]) {
      case sql::kind::integer:
      case sql::kind::bigint: return SQL_SUCCEEDED(SQLGetData(from, number, SQL_C_SBIGINT, &here.number, sizeof here.number, &here.length));
      case sql::kind::boolean: return SQL_SUCCEEDED(SQLGetData(from, number, SQL_C_BIT, &here.flag, sizeof here.flag, &here.length));
      case sql::kind::instant:
        return SQL_SUCCEEDED(SQLGetData(from, number, SQL_C_TYPE_TIMESTAMP, &here.when, sizeof here.when, &here.length));
      case sql::kind::text: break;
    }
    here.text.clear();
    char part[4096];
    for (;;) {
      SQLRETURN const done = SQLGetData(from, number, SQL_C_CHAR, part, sizeof part, &here.length);
      if (done == SQL_NO_DATA) return true;
      if (!SQL_SUCCEEDED(done)) return false;
      if (here.length == SQL_NULL_DATA) return true;
      bool const is_last = done == SQL_SUCCESS;  // otherwise it was cut
      here.text.append(part, is_last ? static_cast<std::size_t>(here.length) : sizeof part - 1);
      if (is_last) return true;
    }
  }

  column_buffer const& at(int index) const { return columns_[static_cast<std::size_t>(index)]; }

  std::span<sql::kind const> kinds_;
  std::vector<column_buffer> columns_;
};

}  // namespace visor::mssql_driver

#endif
