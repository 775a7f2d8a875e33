#ifndef VISOR_DRIVER_MSSQL_DEFERRED_HPP
#define VISOR_DRIVER_MSSQL_DEFERRED_HPP

#include "visor/base/time.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/mssql/mssql_dialect.hpp"
#include "visor/driver/mssql/values.hpp"
#include "visor/driver/statement_form.hpp"
#include "visor/sql/codec.hpp"
#include "visor/sql/statement.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// Deferred writes: a transaction keeps its writes until its end and sends them as one message. A SQL Server never aborts a transaction
/// whose client is silent. A client that is stopped between two messages would keep its locks, and block all others, for as long as it is
/// stopped.
namespace visor::mssql_driver {

/// The numbers of errors that such a message raises itself. Those of users begin at 50000.
enum class raised : int {
  no_turn = 2'000'118'001,       ///< others wrote for too long
  out_of_date = 2'000'118'002,   ///< others have written since the first query
  other_number = 2'000'118'003,  ///< a statement affected another number of rows than it must
  others_turn = 2'000'118'004,   ///< another transaction has announced that it will write
};

/// True when an error means that the server does not understand such a message.
inline bool is_not_understood(int number) noexcept {
  switch (number) {
    case 102:       // syntax
    case 105:       // the same: a text without an end
    case 137:       // no such variable
    case 156:       // syntax, at a word of the language
    case 201:       // a parameter is missing
    case 319:       // syntax
    case 2812:      // no such procedure
    case 33557097:  // Babelfish, for all errors without a number
      return true;
    default: return false;
  }
}

/// Whether the servers of a connector accept such messages, which is assumed until one does not.
struct deferral_state {
  std::atomic<bool> is_off{false};
  std::atomic<bool> is_understood{false};  ///< a message was accepted; so a Babelfish error without a number has another cause
};

/// Statements with their values, in order.
class deferred_statements {
 public:
  bool is_empty() const noexcept { return count_ == 0; }

  void clear() {
    text_.clear();
    kinds_.clear();
    values_.clear();
    written_.clear();
    count_ = 0;
  }

  /// True when a query on these tables would have to see the writes kept here.
  template <class Tables>
  bool touches() const {
    return std::ranges::any_of(Tables::all,
                               [this](sql::known_table const& each) { return std::ranges::find(written_, each.name) != written_.end(); });
  }

  /// Appends a statement.
  /// \param rows the number that it must affect; none: any number
  /// \throws detail::cannot_defer when there are too many statements for one message
  template <sql::statement S>
  void add(typename S::params const& given, std::optional<std::size_t> rows) {
    append<S>(given);
    if (rows) text_ += "IF @@ROWCOUNT <> " + std::to_string(*rows) + " " + raising(raised::other_number) + " ";
    if constexpr (!S::used::all.empty()) written_.push_back(S::used::all.front().name);  // the table that a statement writes comes first
  }

  /// Appends a query about the writes before it.
  template <sql::statement S>
  void add_query(typename S::params const& given) {
    append<S>(given);
  }

  /// Text before and behind the statements of `add_counted`.
  void begin_counts() { text_ += "DECLARE @counts nvarchar(max) = N''; "; }
  static constexpr std::string_view select_counts = "SELECT @counts";

  /// Appends a statement whose row count is added to the text `@counts`.
  template <sql::statement S>
  void add_counted(typename S::params const& given) {
    append<S>(given);
    text_ += "SET @counts = CONCAT(@counts, @@ROWCOUNT, N' '); ";
  }

  std::string const& text() const noexcept { return text_; }

  /// Returns the kinds of the values, behind those of `first`.
  std::vector<sql::kind> kinds_behind(std::vector<sql::kind> first) const {
    first.insert(first.end(), kinds_.begin(), kinds_.end());
    return first;
  }

  /// Binds the values; refers to the texts.
  void bind_to(parameters& to, int from) const {
    for (value const& each : values_) {
      int const index = from++;
      auto const bind = [&]<class T>(T const& one) {
        if constexpr (std::is_same_v<T, std::monostate>)
          to.bind_null(index);
        else if constexpr (std::is_same_v<T, std::string>)
          to.bind(index, std::string_view(one));
        else
          to.bind(index, one);
      };
      std::visit(bind, each);
    }
  }

  /// Returns the statement that aborts the transaction with a number of ours.
  static std::string raising(raised what) { return "BEGIN; THROW " + std::to_string(static_cast<int>(what)) + ", N'visor', 1; END;"; }

 private:
  using value = std::variant<std::monostate, std::int64_t, bool, instant, std::string>;

  // A server accepts 2100.
  static constexpr std::size_t most_parameters = 2000;
  static constexpr std::size_t most_statements = 500;

  struct keeper {
    std::vector<value>& to;
    std::size_t from;
    value& at(int index) { return to[from + static_cast<std::size_t>(index)]; }
    void bind(int index, std::int32_t given) { at(index) = std::int64_t{given}; }
    void bind(int index, std::int64_t given) { at(index) = given; }
    void bind(int index, bool given) { at(index) = given; }
    void bind(int index, instant given) { at(index) = given; }
    void bind(int index, std::string_view given) { at(index) = std::string(given); }
    void bind_null(int index) { at(index) = std::monostate(); }
  };

  template <sql::statement S>
  void append(typename S::params const& given) {
    auto const form = visor::detail::form_of<mssql_dialect, S>();
    if (count_ == most_statements || kinds_.size() + form.parameters.size() > most_parameters) throw visor::detail::cannot_defer();
    ++count_;
    text_.append(form.text).append("; ");
    kinds_.insert(kinds_.end(), form.parameters.begin(), form.parameters.end());
    keeper to{values_, values_.size()};
    values_.resize(kinds_.size());
    sql::bind_all<sql::spelled<mssql_dialect, S>>(to, given);
  }

  std::string text_;
  std::vector<sql::kind> kinds_;
  std::vector<value> values_;
  std::vector<std::string_view> written_;  // names of the written tables
  std::size_t count_ = 0;
};

}  // namespace visor::mssql_driver

#endif
