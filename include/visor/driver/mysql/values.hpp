#ifndef VISOR_DRIVER_MYSQL_VALUES_HPP
#define VISOR_DRIVER_MYSQL_VALUES_HPP

#include "visor/base/time.hpp"
#include "visor/driver/mysql/library.hpp"
#include "visor/driver/mysql/mysql_dialect.hpp"
#include "visor/sql/statement.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Values in the binary protocol of prepared statements, in the form of the library; numbers have 64 bits.
namespace visor::mysql_driver {

/// The parameters of one execution. Texts are referenced.
template <std::size_t N>
class parameters {
 public:
  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) {
    auto const at = static_cast<std::size_t>(index);
    numbers_[at] = value;
    binds_[at].buffer_type = MYSQL_TYPE_LONGLONG;
    binds_[at].buffer = &numbers_[at];
  }
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  void bind(int index, instant value) { bind(index, std::int64_t{value.time_since_epoch().count()}); }
  void bind(int index, std::string_view value) {
    auto& what = binds_[static_cast<std::size_t>(index)];
    what.buffer_type = MYSQL_TYPE_STRING;
    what.buffer = const_cast<char*>(value.data() == nullptr ? "" : value.data());  // it is only read
    what.buffer_length = static_cast<unsigned long>(value.size());
    bytes_ += value.size();
  }
  void bind_null(int index) { binds_[static_cast<std::size_t>(index)].buffer_type = MYSQL_TYPE_NULL; }

  MYSQL_BIND* all() { return binds_.data(); }
  std::size_t bytes_of_text() const { return bytes_; }

 private:
  std::array<MYSQL_BIND, N + 1> binds_{};
  std::array<std::int64_t, N + 1> numbers_{};
  std::size_t bytes_ = 0;
};

/// The parameters of many executions in one message, column by column. Texts are referenced.
class parameter_columns {
 public:
  explicit parameter_columns(std::span<sql::kind const> kinds) : columns_(kinds.size()) {
    for (std::size_t i = 0; i < kinds.size(); ++i) columns_[i].is_text = kinds[i] == sql::kind::text;
  }

  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) { add_number(at(index), value, STMT_INDICATOR_NONE); }
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  void bind(int index, instant value) { bind(index, std::int64_t{value.time_since_epoch().count()}); }
  void bind(int index, std::string_view value) {
    add_text(at(index), value, STMT_INDICATOR_NONE);
    bytes_ += value.size();
  }
  void bind_null(int index) {
    column& here = at(index);
    if (here.is_text)
      add_text(here, {}, STMT_INDICATOR_NULL);
    else
      add_number(here, 0, STMT_INDICATOR_NULL);
  }

  /// Returns the descriptors of the bound values.
  MYSQL_BIND* all() {
    binds_.assign(columns_.size() + 1, MYSQL_BIND{});
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      column& here = columns_[i];
      binds_[i].buffer_type = here.is_text ? MYSQL_TYPE_STRING : MYSQL_TYPE_LONGLONG;
      binds_[i].buffer = here.is_text ? static_cast<void*>(here.texts.data()) : here.numbers.data();
      binds_[i].length = here.lengths.data();
      binds_[i].u.indicator = here.indicators.data();
    }
    return binds_.data();
  }
  std::size_t bytes_of_text() const { return bytes_; }

 private:
  struct column {
    bool is_text = false;
    std::vector<std::int64_t> numbers;
    std::vector<char const*> texts;
    std::vector<unsigned long> lengths;
    std::vector<char> indicators;
  };

  column& at(int index) { return columns_[static_cast<std::size_t>(index)]; }

  static void add_number(column& to, std::int64_t value, char indicator) {
    to.numbers.push_back(value);
    to.indicators.push_back(indicator);
  }
  static void add_text(column& to, std::string_view value, char indicator) {
    to.texts.push_back(value.data() == nullptr ? "" : value.data());
    to.lengths.push_back(static_cast<unsigned long>(value.size()));
    to.indicators.push_back(indicator);
  }

  std::vector<column> columns_;
  std::vector<MYSQL_BIND> binds_;
  std::size_t bytes_ = 0;
};

/// The placeholders of a statement, each as the index of a parameter.
template <sql::statement Definition>
inline constexpr auto const& placeholders = sql::text_of<sql::spelled<mysql_dialect, Definition>>.parameters;

/// The buffer for the current row of a statement. Short texts fit into it; a longer one is fetched separately.
class row_buffer {
 public:
  explicit row_buffer(std::span<sql::kind const> kinds) : columns_(kinds.size()), binds_(kinds.size()) {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      column_buffer& here = columns_[i];
      MYSQL_BIND& what = binds_[i];
      if (kinds[i] == sql::kind::text) {
        what.buffer_type = MYSQL_TYPE_STRING;
        what.buffer = here.text.data();
        what.buffer_length = here.text.size();
      } else {
        what.buffer_type = MYSQL_TYPE_LONGLONG;
        what.buffer = &here.number;
      }
      what.length = &here.length;
      what.is_null = &here.is_null;
    }
  }
  row_buffer(row_buffer const&) = delete;  // the library has its address
  row_buffer& operator=(row_buffer const&) = delete;

  MYSQL_BIND* all() { return binds_.data(); }

  /// Fetches the texts of the current row that did not fit.
  /// \return true on success
  bool complete(MYSQL_STMT* from) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      column_buffer& here = columns_[i];
      if (binds_[i].buffer_type != MYSQL_TYPE_STRING || here.is_null || here.length <= here.text.size()) continue;
      here.long_text.resize(here.length);
      MYSQL_BIND what{};
      unsigned long length = 0;
      my_bool is_null = 0;
      what.buffer_type = MYSQL_TYPE_STRING;
      what.buffer = here.long_text.data();
      what.buffer_length = here.length;
      what.length = &length;
      what.is_null = &is_null;
      if (mysql_stmt_fetch_column(from, &what, static_cast<unsigned>(i), 0) != 0) return false;
    }
    return true;
  }

  /// Releases long texts.
  void clear() {
    for (column_buffer& here : columns_) here.long_text = std::string();
  }

  bool is_null(int column) const { return at(column).is_null != 0; }
  std::int64_t integer(int column) const { return at(column).number; }
  bool boolean(int column) const { return at(column).number != 0; }
  instant when(int column) const { return instant{duration{at(column).number}}; }
  std::string_view text(int column) const {
    auto const& here = at(column);
    return {here.length <= here.text.size() ? here.text.data() : here.long_text.data(), here.length};
  }

 private:
  struct column_buffer {
    std::int64_t number = 0;
    unsigned long length = 0;
    my_bool is_null = 0;
    std::array<char, 256> text;
    std::string long_text;
  };

  column_buffer const& at(int index) const { return columns_[static_cast<std::size_t>(index)]; }

  std::vector<column_buffer> columns_;
  std::vector<MYSQL_BIND> binds_;
};

}  // namespace visor::mysql_driver

#endif
