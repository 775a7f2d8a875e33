#ifndef VISOR_SQL_DIALECT_HPP
#define VISOR_SQL_DIALECT_HPP

#include <concepts>
#include <cstddef>
#include <string_view>

namespace visor::sql {

/// How a database spells the n-th parameter: `?`, `$n` or `@Pn`.
enum class placeholder_style { question, dollar, at };

/// How what a claim took from the front of a queue is removed: by the query itself, by key one by one, or as all that is `in_front`.
enum class front_removal { by_query, by_key, as_range };

/// Part of a dialect: of a database where whoever writes is alone, so that nothing has to be locked.
struct one_writer {
  static constexpr std::string_view lock = "";
  static constexpr std::string_view skip_locked = "";
  static constexpr front_removal removal = front_removal::as_range;
  static constexpr std::string_view before_front = "";
  static constexpr std::string_view front = "{ready}";
  static constexpr std::string_view front_where = " WHERE r.[queue] = :queue";
  static constexpr std::string_view front_end = "";
  static constexpr bool keeps_removed = false;
};

/// How a database spells what the others spell differently. A dialect is a type with nothing but constants; statements are written
/// once, in the pattern language of `statement.hpp`, and these are put in its places. What no dialect spells differently is no
/// constant here.
///
/// - `name`: of the dialect, for golden files and messages.
/// - `quote_open`, `quote_close`: around an identifier.
/// - `placeholder`: a `placeholder_style`.
/// - `integer`, `bigint`, `boolean`, `instant`, `text`: column types: signed 32 and 64 bits; true or false; microseconds UTC; UTF-8 of any
///   length.
/// - `key_text`: of text that stands in a key or an index, where the database limits its length; else the same as `text`. What is too long
///   must be refused, not cut.
/// - `table_end`, `clustered_end`: what follows the columns of a table; of one whose rows lie in the order of its key.
/// - `limit`: at most `:limit` rows, at the end of an ordered query.
/// - `new_row`: what stands behind the columns of an INSERT that leaves a row alone whose key exists, and does not count it. In it are
///   `{values}`, the parameters; `{some_column}`, a column of the table; `{this}`, the table; `{same_key}`, the condition that a row of it
///   has the key of the parameters.
/// - `lock`, `skip_locked`: at the end of a query: keep its rows, and wait for those that others keep; or pass over these. Empty where
///   transactions that write do not go beside each other.
/// - `removal`: a `front_removal`. `before_front`, `front`: what stands before the query for the front of a queue, and the table that it is
///   taken from, with the columns of `ready`: this itself, or what `before_front` has removed from it. `front_where`: its condition on that
///   table, `r`, from WHERE on, if any; `front_end`: its end.
/// - `keeps_removed`: what a claim removed stays in the way of the next ones as long as some older transaction is open. Then the front
///   is what lies behind `:priority, :run_at, :job`, in a spelling for which the database begins there.
/// - `in_front`: where that is removed as a range: of the table `ready`: the first `:count` rows of `:queue`, of which the last is at
///   `:priority, :run_at, :job`, in a spelling for which the database goes along the key, and no further; else nothing.
/// - `add_column`: the words before a new column of a table.
/// - `partial_indexes`: an index can be of the rows that meet a condition; otherwise it is of all.
/// - `drops_index_of_table`: DROP INDEX names the table too.
/// - `each_job`, `each_job_value`: what joins `{lease} l` with a table of the ids in its JSON array `l.[jobs]`, and the value column of
///   that table, a 64-bit integer.
/// - `catalog`: a query without parameters for what is there, as (table_name, kind, part): kind `column` with each column of each
///   table whose name starts with `visor_`, kind `index` with each index whose name does.
/// - `longest_identifier`: in bytes.
template <class D>
concept dialect = requires {
  { D::name } -> std::convertible_to<std::string_view>;
  { D::quote_open } -> std::convertible_to<char>;
  { D::quote_close } -> std::convertible_to<char>;
  { D::placeholder } -> std::convertible_to<placeholder_style>;
  { D::integer } -> std::convertible_to<std::string_view>;
  { D::bigint } -> std::convertible_to<std::string_view>;
  { D::boolean } -> std::convertible_to<std::string_view>;
  { D::instant } -> std::convertible_to<std::string_view>;
  { D::text } -> std::convertible_to<std::string_view>;
  { D::key_text } -> std::convertible_to<std::string_view>;
  { D::table_end } -> std::convertible_to<std::string_view>;
  { D::clustered_end } -> std::convertible_to<std::string_view>;
  { D::limit } -> std::convertible_to<std::string_view>;
  { D::new_row } -> std::convertible_to<std::string_view>;
  { D::lock } -> std::convertible_to<std::string_view>;
  { D::skip_locked } -> std::convertible_to<std::string_view>;
  { D::removal } -> std::convertible_to<front_removal>;
  { D::before_front } -> std::convertible_to<std::string_view>;
  { D::front } -> std::convertible_to<std::string_view>;
  { D::front_where } -> std::convertible_to<std::string_view>;
  { D::front_end } -> std::convertible_to<std::string_view>;
  { D::keeps_removed } -> std::convertible_to<bool>;
  { D::in_front } -> std::convertible_to<std::string_view>;
  { D::add_column } -> std::convertible_to<std::string_view>;
  { D::partial_indexes } -> std::convertible_to<bool>;
  { D::drops_index_of_table } -> std::convertible_to<bool>;
  { D::each_job } -> std::convertible_to<std::string_view>;
  { D::each_job_value } -> std::convertible_to<std::string_view>;
  { D::catalog } -> std::convertible_to<std::string_view>;
  { D::longest_identifier } -> std::convertible_to<std::size_t>;
};

}  // namespace visor::sql

#endif
