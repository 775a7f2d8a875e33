#ifndef VISOR_SQL_MIGRATION_HPP
#define VISOR_SQL_MIGRATION_HPP

#include "visor/sql/statement.hpp"

#include <boost/mp11/algorithm.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The schema as a chain of versions. Version n is generated from the records alone: the tables whose `since` is n, and the columns that
/// were added to older tables in n. A later version never changes the text of an earlier one, which its checksum guards.
namespace visor::sql {

/// One statement of a version, and the object that it makes or drops. A process that resumes an interrupted migration can therefore check
/// whether the statement was done.
struct change {
  std::string_view text;
  std::string table;
  std::string part;  ///< of the table: `column slots`, `index visor_job_type`; empty for all of it
  /// The names of that part in later versions. Where the table has one of them, it has the part.
  std::vector<std::string> later_parts = {};
  bool stays = false;  ///< the change remains when the version is rolled back: an older program works with it
  change(std::string_view statement, std::string of, std::string what) : text(statement), table(std::move(of)), part(std::move(what)) {}
};

/// The name of a column among the parts of its table.
inline std::string column_part(std::string_view name) { return "column " + std::string(name); }

/// The same of a column that was widened.
inline std::string widened_part(std::string_view name) { return "longer column " + std::string(name); }

/// The same of a column that the database numbers.
inline std::string numbered_part(std::string_view name) { return "numbered column " + std::string(name); }

/// The same of a primary key.
/// \param columns with commas between
inline std::string key_part(std::string_view columns) { return "primary key (" + std::string(columns) + ")"; }

/// The same of an index.
inline std::string index_part(std::string_view name) { return "index " + std::string(table_prefix) + std::string(name); }

namespace detail {

/// True when a column of text has the type for keys. An index that was added after its column does not change the type: such an index may
/// only have columns that already have it.
template <class Record>
constexpr bool is_key_text(std::string_view name) {
  if (pattern_has(table<Record>::key, name) || pattern_has(table<Record>::key_values, name)) return true;
  for (index const& one : table<Record>::indexes)
    if (one.since <= column_since<Record>(name) && pattern_has(one.columns, name)) return true;
  return false;
}

/// The type of a record's column in a dialect.
template <class Dialect, class Record, class Descriptor>
constexpr std::string_view column_type() {
  switch (kind_of<type_of<Descriptor>>) {
    case kind::integer: return Dialect::integer;
    case kind::bigint: return Dialect::bigint;
    case kind::boolean: return Dialect::boolean;
    case kind::instant: return Dialect::instant;
    case kind::text: return is_key_text<Record>(Descriptor::name) ? Dialect::key_text : Dialect::text;
  }
}

template <class Dialect, class Record>
constexpr writer schema_writer(text_sink& sink) {
  return writer(spelling_of<Dialect>, tables<Record>::all, {}, {}, sink);
}

/// Returns the name of a member's column in a version of the schema. A record without that member does not compile.
template <class Record>
constexpr std::string_view name_of_member_in(int version, std::string_view member) {
  if (member_index<Record>(member) == member_count<Record>) throw "the record has no member of this name";
  return column_name_in<Record>(version, member);
}

/// \param version in which the column had the name that is written
template <class Dialect, class Record, class Descriptor>
constexpr void column_definition(writer& out, int version, std::string_view value,
                                 std::string_view type = column_type<Dialect, Record, Descriptor>()) {
  out.quoted({}, column_name_in<Record>(version, Descriptor::name));
  out(" ").raw(type);
  if (!is_optional<type_of<Descriptor>>::value && !pattern_has(table<Record>::may_be_null, Descriptor::name)) out(" NOT NULL");
  if (!value.empty()) out(" DEFAULT ").raw(value);
  if (pattern_has(table<Record>::generated, Descriptor::name)) out.raw(Dialect::generated);
}

/// CREATE TABLE, as of the version that brought the table.
template <class Dialect, class Record>
struct create_table {
  static constexpr void write(text_sink& sink) {
    auto out = schema_writer<Dialect, Record>(sink);
    out("CREATE TABLE ").quoted(table_prefix, table<Record>::name);
    out(" (\n");
    boost::mp11::mp_for_each<members_of<Record>>([&]<class Descriptor>(Descriptor) {
      if (column_since<Record>(Descriptor::name) != table<Record>::since) return;
      out("  ");
      column_definition<Dialect, Record, Descriptor>(out, table<Record>::since, {});
      out(",\n");
    });
    out("  PRIMARY KEY (")(table<Record>::key)(")\n)");
    out.raw(table<Record>::clustered ? Dialect::clustered_end : Dialect::table_end);
  }
};

template <class Dialect, class Record>
struct drop_table {
  static constexpr void write(text_sink& sink) {
    auto out = schema_writer<Dialect, Record>(sink);
    out("DROP TABLE ").quoted(table_prefix, table<Record>::name);
  }
};

template <class Dialect, class Record, std::size_t Index>
struct create_index {
  static constexpr void write(text_sink& sink) {
    constexpr index what = table<Record>::indexes[Index];
    auto out = schema_writer<Dialect, Record>(sink);
    out("CREATE INDEX ").quoted(table_prefix, what.name);
    out(" ON ").quoted(table_prefix, table<Record>::name);
    out(" (")(what.columns)(")");
    if (Dialect::partial_indexes && !what.where.empty()) out(" WHERE ")(what.where);
  }
};

template <class Dialect, class Record, std::size_t Added>
struct add_column {
  static constexpr void write(text_sink& sink) {
    constexpr added_column what = table<Record>::added[Added];
    auto out = schema_writer<Dialect, Record>(sink);
    out("ALTER TABLE ").quoted(table_prefix, table<Record>::name);
    out(" ").raw(Dialect::add_column);
    out(" ");
    boost::mp11::mp_for_each<members_of<Record>>([&]<class Descriptor>(Descriptor) {
      if (what.column == Descriptor::name) column_definition<Dialect, Record, Descriptor>(out, what.since, what.value);
    });
  }
};

template <class Dialect, class Record, std::size_t Index>
struct widen_column {
  static constexpr void write(text_sink& sink) {
    constexpr widened_column what = table<Record>::widened[Index];
    auto out = schema_writer<Dialect, Record>(sink);
    out("ALTER TABLE ").quoted(table_prefix, table<Record>::name);
    out(" MODIFY ");
    boost::mp11::mp_for_each<members_of<Record>>([&]<class Descriptor>(Descriptor) {
      if (what.column == Descriptor::name) column_definition<Dialect, Record, Descriptor>(out, what.since, {}, Dialect::long_key_text);
    });
  }
};

template <class Dialect, class Record, std::size_t Added>
struct drop_column {
  static constexpr void write(text_sink& sink) {
    auto out = schema_writer<Dialect, Record>(sink);
    out("ALTER TABLE ").quoted(table_prefix, table<Record>::name);
    out(" DROP COLUMN ");
    constexpr added_column what = table<Record>::added[Added];
    out.quoted({}, name_of_member_in<Record>(what.since, what.column));
  }
};

/// \tparam Back gives the column its earlier name again
template <class Dialect, class Record, std::size_t Index, bool Back>
struct rename_column {
  static constexpr void write(text_sink& sink) {
    constexpr renamed_column what = table<Record>::renamed[Index];
    if (Index + 1 == table<Record>::renamed.size() && member_index<Record>(what.column) == member_count<Record>)
      throw "the record has no member of this name";
    auto out = schema_writer<Dialect, Record>(sink);
    std::string_view rest = Dialect::rename_column;
    for (std::size_t begin = rest.find('{'); begin != rest.npos; begin = rest.find('{')) {
      std::size_t const end = rest.find('}', begin);
      std::string_view const name = rest.substr(begin + 1, end - begin - 1);
      out.raw(rest.substr(0, begin));
      if (name == "table")
        out.raw(table_prefix).raw(table<Record>::name);
      else if (name == "from")
        out.raw(Back ? what.column : what.from);
      else if (name == "to")
        out.raw(Back ? what.from : what.column);
      else
        throw "a statement that renames a column has {table}, {from} and {to}";
      rest.remove_prefix(end + 1);
    }
    out.raw(rest);
  }
};

/// FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/. It detects that an applied text was edited; it is no signature.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (char const c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3;
  }
  return hash;
}

template <class Dialect, class Record, std::size_t Index>
struct drop_index {
  static constexpr void write(text_sink& sink) {
    auto out = schema_writer<Dialect, Record>(sink);
    out("DROP INDEX ").quoted(table_prefix, table<Record>::indexes[Index].name);
    if (Dialect::drops_index_of_table) out(" ON ").quoted(table_prefix, table<Record>::name);
  }
};

/// Changes, each with its version.
using versioned_changes = std::vector<std::pair<int, change>>;

template <class Record>
std::string table_name() {
  return std::string(table_prefix) + std::string(table<Record>::name);
}

template <class Record>
change change_of_table(std::string_view text) {
  return change(text, table_name<Record>(), {});
}

/// The later names of a column among the parts of its table.
/// \param name of the column in that version
template <class Record>
std::vector<std::string> later_column_parts(int version, std::string_view name) {
  std::vector<std::string> parts;
  for (renamed_column const& one : table<Record>::renamed)
    if (one.since > version && one.from == name) parts.push_back(column_part(name = one.column));
  return parts;
}

template <class Record>
change change_of_column(int version, std::string_view name, std::string_view text) {
  change result(text, table_name<Record>(), column_part(name));
  result.later_parts = later_column_parts<Record>(version, name);
  return result;
}

template <class Record>
change change_of(added_column const& what, std::string_view text) {
  return change_of_column<Record>(what.since, column_name_in<Record>(what.since, what.column), text);
}

template <class Record>
change change_of(renamed_column const& what, std::string_view text) {
  return change_of_column<Record>(what.since, what.column, text);
}

template <class Record>
change change_of(index const& what, std::string_view text) {
  return change(text, table_name<Record>(), index_part(what.name));
}

template <class Record>
constexpr int index_since(index const& what) {
  return what.since == 0 ? table<Record>::since : what.since;
}

/// Appends every change that was ever made to a record, in an order in which they can be applied.
template <class Dialect, class Record>
void append_ups(versioned_changes& to) {
  to.emplace_back(table<Record>::since, change_of_table<Record>(text_of<create_table<Dialect, Record>>.view()));
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const add = [&](added_column const& what, std::string_view text) { to.emplace_back(what.since, change_of<Record>(what, text)); };
    (add(table<Record>::added[I], text_of<add_column<Dialect, Record, I>>.view()), ...);
    (void)add;
  }(std::make_index_sequence<table<Record>::added.size()>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const rename = [&](renamed_column const& what, std::string_view text) {
      to.emplace_back(what.since, change_of<Record>(what, text));
    };
    (rename(table<Record>::renamed[I], text_of<rename_column<Dialect, Record, I, false>>.view()), ...);
    (void)rename;
  }(std::make_index_sequence<table<Record>::renamed.size()>{});
  if constexpr (Dialect::long_key_text != Dialect::key_text)
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      auto const widen = [&](widened_column const& what, std::string_view text) {
        to.emplace_back(what.since, change(text, table_name<Record>(), widened_part(what.column)));
        to.back().second.stays = true;
      };
      (widen(table<Record>::widened[I], text_of<widen_column<Dialect, Record, I>>.view()), ...);
      (void)widen;
    }(std::make_index_sequence<table<Record>::widened.size()>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const make = [&](index const& what, std::string_view text) {
      to.emplace_back(index_since<Record>(what), change_of<Record>(what, text));
    };
    (make(table<Record>::indexes[I], text_of<create_index<Dialect, Record, I>>.view()), ...);
    (void)make;
  }(std::make_index_sequence<table<Record>::indexes.size()>{});
}

/// Appends the changes that roll a record back. Objects that came with their table are dropped with it.
template <class Dialect, class Record>
void append_downs(versioned_changes& to) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const drop = [&](index const& what, std::string_view text) {
      if (index_since<Record>(what) != table<Record>::since) to.emplace_back(what.since, change_of<Record>(what, text));
    };
    (drop(table<Record>::indexes[I], text_of<drop_index<Dialect, Record, I>>.view()), ...);
    (void)drop;
  }(std::make_index_sequence<table<Record>::indexes.size()>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const rename = [&](renamed_column const& what, std::string_view text) {
      to.emplace_back(what.since, change_of<Record>(what, text));
    };
    (rename(table<Record>::renamed[I], text_of<rename_column<Dialect, Record, I, true>>.view()), ...);
    (void)rename;
  }(std::make_index_sequence<table<Record>::renamed.size()>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const drop = [&](added_column const& what, std::string_view text) { to.emplace_back(what.since, change_of<Record>(what, text)); };
    (drop(table<Record>::added[I], text_of<drop_column<Dialect, Record, I>>.view()), ...);
    (void)drop;
  }(std::make_index_sequence<table<Record>::added.size()>{});
  to.emplace_back(table<Record>::since, change_of_table<Record>(text_of<drop_table<Dialect, Record>>.view()));
}

}  // namespace detail

/// One version of the schema.
struct migration {
  int version = 0;
  std::string_view name;
  std::vector<change> up;
  std::vector<change> down;

  /// The checksum of `up`, in hexadecimal.
  std::string checksum() const {
    std::uint64_t hash = 0xCBF29CE484222325;
    for (change const& each : up) hash = detail::fnv1a(";", detail::fnv1a(each.text, hash));
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4) text[i] = "0123456789abcdef"[hash & 0xF];
    return text;
  }
};

/// Builds the chain of a schema in a dialect, oldest first.
/// \tparam Records all records, in the order in which their tables are made
/// \param names the name of each version, the first one first; there are as many versions as names
template <dialect Dialect, class Records, std::size_t N>
std::vector<migration> migrations_of(std::array<std::string_view, N> const& names) {
  detail::versioned_changes ups;
  detail::versioned_changes downs;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, Records>>(
      [&]<class Record>(boost::mp11::mp_identity<Record>) { detail::append_ups<Dialect, Record>(ups); });
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, boost::mp11::mp_reverse<Records>>>(
      [&]<class Record>(boost::mp11::mp_identity<Record>) { detail::append_downs<Dialect, Record>(downs); });
  std::vector<migration> chain;
  for (std::size_t i = 0; i < N; ++i) {
    migration one;
    one.version = static_cast<int>(i) + 1;
    one.name = names[i];
    for (auto const& [since, what] : ups)
      if (since == one.version) one.up.push_back(what);
    for (auto const& [since, what] : downs)
      if (since == one.version) one.down.push_back(what);
    chain.push_back(std::move(one));
  }
  return chain;
}

/// CREATE TABLE of the table that records the applied versions.
template <dialect Dialect, class Record>
inline constexpr std::string_view create_table_text = text_of<detail::create_table<Dialect, Record>>.view();

}  // namespace visor::sql

#endif
