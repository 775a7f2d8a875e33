#ifndef VISOR_SQL_DIALECT_HPP
#define VISOR_SQL_DIALECT_HPP

#include <concepts>
#include <cstddef>
#include <string_view>

namespace visor::sql {

/// How a database spells the n-th parameter: `?`, `$n` or `@Pn`.
enum class placeholder_style { question, dollar, at };

/// How a claim removes what it took from the front of a queue: within the query itself; by key; or, where nobody writes at the same time
/// and a statement for each row would cost more, as all up to the last. A row that nobody has read makes their number wrong.
enum class front_removal { by_query, by_key, up_to_last };

/// Where numbers come from that are given out once, whatever becomes of the transaction: a counter in a row, which is locked until that
/// ends; a query that gives as many as it is asked for; or rows of a table that numbers them.
enum class number_source { counter, query, rows };

/// Part of a dialect: of a database where whoever writes is alone, so that nothing has to be locked.
struct one_writer {
  static constexpr std::string_view lock = "";
  static constexpr std::string_view skip_locked = "";
  static constexpr front_removal removal = front_removal::by_key;
  static constexpr std::string_view before_front = "";
  static constexpr std::string_view front = "{ready}";
  static constexpr std::string_view front_where = " WHERE r.[queue] = :queue";
  static constexpr std::string_view front_end = "";
  static constexpr bool keeps_removed = false;
  static constexpr number_source numbers = number_source::counter;
  static constexpr std::string_view generated = "";
  static constexpr std::string_view before_number = "";
  static constexpr std::string_view next_numbers = "";
  static constexpr std::string_view raise_numbers = "";
  static constexpr std::string_view raise_numbers_end = "";
  static constexpr std::string_view clock = ":now";
  static constexpr std::string_view clock_after = ":now + :ttl";
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
/// - `long_key_text`: of text that stands in a key, and holds several names; the same as `key_text` where that is long enough, or no key
///   may be longer.
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
/// - `bytes_of`: the function that tells how long a text is without reading all of it, where there is one: in bytes or, if the database
///   counts those only by reading it twice, in characters.
/// - `empty_text`: as a value of the type of texts.
/// - `add_column`: the words before a new column of a table.
/// - `partial_indexes`: an index can be of the rows that meet a condition; otherwise it is of all.
/// - `drops_index_of_table`: DROP INDEX names the table too.
/// - `each_job`, `each_job_value`: what joins `{lease} l` with a table of the ids in its JSON array `l.[jobs]`, and the value column of
///   that table, a 64-bit integer.
/// - `numbers`: a `number_source`; the rest is of those that are no counter. `generated`: what stands behind a column that the database
///   numbers. `next_numbers`: a query for `:count` numbers of the table `{job_number}`, or, where it has rows, for the next
///   one, as (number, highest id of a job); `before_number`: the statement that goes before that. `raise_numbers`, `raise_numbers_end`:
///   around a number, a text after which greater ones come.
/// - `clock`, `clock_after`: the database's time when a row is written, and `:ttl` later; or, of a database without a clock, `:now`.
/// - `catalog`: a query without parameters for what is there, as (table_name, kind, part): kind `column` with each column of each
///   table whose name starts with `visor_`, kind `index` with each index whose name does, kind
///   `longer column` with each column that has `long_key_text`, where that differs from `key_text`, and, where it can tell, kind
///   `numbered column` with each column that the database numbers.
/// - `catalog_hides`: the catalog does not show what its reader has no right to.
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
  { D::long_key_text } -> std::convertible_to<std::string_view>;
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
  { D::bytes_of } -> std::convertible_to<std::string_view>;
  { D::empty_text } -> std::convertible_to<std::string_view>;
  { D::add_column } -> std::convertible_to<std::string_view>;
  { D::partial_indexes } -> std::convertible_to<bool>;
  { D::drops_index_of_table } -> std::convertible_to<bool>;
  { D::each_job } -> std::convertible_to<std::string_view>;
  { D::each_job_value } -> std::convertible_to<std::string_view>;
  { D::numbers } -> std::convertible_to<number_source>;
  { D::generated } -> std::convertible_to<std::string_view>;
  { D::before_number } -> std::convertible_to<std::string_view>;
  { D::next_numbers } -> std::convertible_to<std::string_view>;
  { D::raise_numbers } -> std::convertible_to<std::string_view>;
  { D::raise_numbers_end } -> std::convertible_to<std::string_view>;
  { D::clock } -> std::convertible_to<std::string_view>;
  { D::clock_after } -> std::convertible_to<std::string_view>;
  { D::catalog } -> std::convertible_to<std::string_view>;
  { D::catalog_hides } -> std::convertible_to<bool>;
  { D::longest_identifier } -> std::convertible_to<std::size_t>;
};

}  // namespace visor::sql

#endif
