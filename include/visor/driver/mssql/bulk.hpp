#ifndef VISOR_DRIVER_MSSQL_BULK_HPP
#define VISOR_DRIVER_MSSQL_BULK_HPP

#include "visor/base/time.hpp"
#include "visor/driver/mssql/mssql_dialect.hpp"
#include "visor/sql/codec.hpp"
#include "visor/sql/statement.hpp"

#include <boost/describe/class.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>
#include <boost/mp11/algorithm.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Many rows in one message: one text, a JSON array of objects whose members are columns.
namespace visor::mssql_driver {

struct json_rows {
  std::string rows;
};
BOOST_DESCRIBE_STRUCT(json_rows, (), (rows))

inline constexpr std::array<std::string_view, 5> json_types{mssql_dialect::integer, mssql_dialect::bigint, mssql_dialect::boolean,
                                                            mssql_dialect::instant, "nvarchar(max)"};  // in the order of sql::kind

/// Writes the columns of such rows, with commas between.
template <class Members>
constexpr void json_columns(auto& out, std::string_view before, bool typed) {
  std::string_view between;
  boost::mp11::mp_for_each<sql::members_of<Members>>([&](auto member) {
    out.raw(between).raw(before);
    out.column(member.name);
    if (typed) out.raw(" ").raw(json_types[static_cast<std::size_t>(sql::kind_of<sql::type_of<decltype(member)>>)]);
    between = ", ";
  });
}

/// Writes such a column as the right side of a comparison: text from JSON has the collation of the database, not that of our columns.
template <class Member>
constexpr void json_operand(auto& out) {
  out("v.").column(Member::name);
  if (sql::kind_of<sql::type_of<Member>> == sql::kind::text) out(" COLLATE Latin1_General_100_BIN2");
}

/// The INSERT of such rows.
/// \tparam BulkForm the `bulk_form` of a statement
template <class BulkForm>
struct insert_json : sql::statement_defaults {
  static constexpr std::string_view name = BulkForm::name;
  using params = json_rows;
  using used = typename BulkForm::used;

  static constexpr void write(auto& out) {
    out("INSERT INTO {this} (");
    json_columns<members>(out, "", false);
    out(") SELECT ");
    json_columns<members>(out, "v.", false);
    // Of several rows with one key only the first is inserted; they are the same.
    if constexpr (BulkForm::ignores) out(" FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ")(key)(" ORDER BY ")(key)(") AS nth");
    out(" FROM OPENJSON(CAST(:rows AS nvarchar(max))) WITH (");
    json_columns<members>(out, "", true);
    out(BulkForm::ignores ? ") r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM {this} t WHERE " : ") v");
    if constexpr (BulkForm::ignores) {
      same_key(out);
      out(")");
    }
  }

 private:
  using members = typename BulkForm::params;
  static constexpr std::string_view key = used::all[0].key;

  static constexpr void same_key(auto& out) {
    std::string_view between;
    boost::mp11::mp_for_each<sql::members_of<members>>([&](auto member) {
      if (!sql::detail::pattern_has(key, member.name)) return;
      out.raw(between).raw("t.").column(member.name);
      out.raw(" = ");
      json_operand<decltype(member)>(out);
      between = " AND ";
    });
  }
};

/// The DELETE of rows by their keys.
/// \tparam BulkForm the `bulk_form` of a statement that removes the row of a key
template <class BulkForm>
struct delete_json : sql::statement_defaults {
  static constexpr std::string_view name = BulkForm::name;
  using params = json_rows;
  using used = typename BulkForm::used;

  static constexpr void write(auto& out) {
    out("DELETE FROM {this} WHERE EXISTS (SELECT 1 FROM OPENJSON(CAST(:rows AS nvarchar(max))) WITH (");
    json_columns<typename BulkForm::params>(out, "", true);
    out(") v WHERE ");
    std::string_view between;
    boost::mp11::mp_for_each<sql::members_of<typename BulkForm::params>>([&](auto member) {
      out.raw(between)("{this}.").column(member.name);
      out(" = ");
      json_operand<decltype(member)>(out);
      between = " AND ";
    });
    out(")");
  }
};

/// The bulk form of a statement.
template <class BulkForm>
struct with_json_of {
  using type = insert_json<BulkForm>;
};
template <class BulkForm>
  requires(BulkForm::removes)
struct with_json_of<BulkForm> {
  using type = delete_json<BulkForm>;
};
template <class BulkForm>
using with_json = typename with_json_of<BulkForm>::type;

/// Writes the members of one row, as JSON.
class json_object {
 public:
  json_object(std::string& to, std::span<std::string_view const> names) : to_(to), names_(names) {}

  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) { begin(index) += std::to_string(value); }
  void bind(int index, bool value) { begin(index) += value ? "true" : "false"; }
  void bind(int index, instant value) {
    std::string text = to_string(value);
    if (text.ends_with('Z')) text.pop_back();
    begin(index) += '"' + text + '"';
  }
  void bind(int index, std::string_view value) {
    longest_text_ = std::max(longest_text_, value.size());
    begin(index) += boost::json::serialize(boost::json::string_view(value.data(), value.size()));
  }
  void bind_null(int) {}  // an absent member is NULL
  std::size_t longest_text() const { return longest_text_; }

 private:
  std::string& begin(int index) {
    to_ += to_.back() == '{' ? "\"" : ",\"";
    to_ += names_[static_cast<std::size_t>(index)];
    return to_ += "\":";
  }

  std::string& to_;
  std::span<std::string_view const> names_;
  std::size_t longest_text_ = 0;
};

/// The longest text in bytes that is sent in JSON: Babelfish (4.3) cuts texts of more than 4000 characters.
inline constexpr std::size_t longest_text_in_json = 4000;

/// Converts rows to JSON.
/// \param many rows, at least one
/// \return nothing when a text in them is too long
template <class Params>
std::optional<json_rows> as_json(std::span<Params const> many) {
  json_rows result;
  result.rows.reserve(many.size() * 200);
  for (Params const& each : many) {
    result.rows += result.rows.empty() ? "[{" : ",{";
    json_object object(result.rows, sql::member_names<Params>);
    int index = 0;
    boost::mp11::mp_for_each<sql::members_of<Params>>([&](auto member) { sql::bind_value(object, index++, each.*member.pointer); });
    if (object.longest_text() > longest_text_in_json) return std::nullopt;
    result.rows += '}';
  }
  result.rows += ']';
  return result;
}

}  // namespace visor::mssql_driver

#endif
