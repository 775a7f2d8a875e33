#ifndef VISOR_SQL_DIALECT_HPP
#define VISOR_SQL_DIALECT_HPP

#include <concepts>
#include <cstddef>
#include <string_view>

namespace visor::sql {

/// The spelling of the n-th parameter: `?`, `$n` or `@Pn`.
enum class placeholder_style { question, dollar, at };

/// The way in which a claim removes its rows from the front of a queue.
///
/// - `by_query`: within the query itself.
/// - `by_key`: each row by its key.
/// - `up_to_last`: all rows up to the last one, where no other transaction writes at the same time and a statement for each row would cost
///   more. A row among them that the claim did not read makes the number of removed rows wrong.
enum class front_removal { by_query, by_key, up_to_last };

/// The source of numbers that are given out once, whatever becomes of the transaction.
///
/// - `counter`: a counter in a row, which is locked until the transaction ends.
/// - `query`: a query that returns as many numbers as requested.
/// - `rows`: the rows of a table that numbers them.
enum class number_source { counter, query, rows };

/// A part of the dialects of databases with one writer at a time, where nothing has to be locked.
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

/// The parts of SQL that databases spell differently. A dialect is a type that holds only constants. Statements are written once, in the
/// pattern language of `statement.hpp`, which inserts these constants. A spelling that all dialects share is no constant here.
///
/// - `name`: of the dialect, for golden files and messages.
/// - `quote_open`, `quote_close`: around an identifier.
/// - `placeholder`: a `placeholder_style`.
/// - `integer`, `bigint`, `boolean`, `instant`, `text`: column types: signed 32 and 64 bits; true or false; microseconds UTC; UTF-8 of any
///   length.
/// - `key_text`: the type of text in a key or an index, where the database limits its length; else the same as `text`. The database must
///   refuse text that is too long, not cut it.
/// - `long_key_text`: the type of text in a key that holds several names. It is the same as `key_text` where that is long enough, or where
///   no key may be longer.
/// - `table_end`, `clustered_end`: the text behind the columns of a table, and behind those of a table whose rows lie in the order of its
///   key.
/// - `limit`: at most `:limit` rows, at the end of an ordered query.
/// - `new_row`: the text behind the columns of an INSERT that skips a row whose key exists, and does not count it. It may contain
///   `{values}`, the parameters; `{some_column}`, a column of the table; `{this}`, the table; `{same_key}`, the condition that a row of it
///   has the key of the parameters.
/// - `lock`, `skip_locked`: at the end of a query: locks its rows, and waits for rows that others have locked, or skips these. Empty where
///   write transactions do not run concurrently.
/// - `removal`: a `front_removal`.
/// - `before_front`, `front`: the text before the query for the front of a queue, and the table of that query, with the columns of `ready`.
///   The table is `ready` itself or the rows that `before_front` has removed from it.
/// - `front_where`, `front_end`: the condition on that table, `r`, from WHERE on, if any, and the end of the query.
/// - `keeps_removed`: rows that a claim removed slow down later claims as long as some older transaction is open. Then the front starts
///   behind `:priority, :run_at, :job`, in a spelling for which the database begins its scan there.
/// - `bytes_of`: the function that returns the length of a text without reading all of it, where there is one. The length is in bytes or,
///   if the database counts bytes only by reading the text twice, in characters.
/// - `empty_text`: the empty text, as a value of the type of texts.
/// - `add_column`: the words before a new column of a table.
/// - `rename_column`: the statement that renames a column, with `{table}`, `{from}` and `{to}` for the names, which it quotes itself.
/// - `partial_indexes`: an index can cover the rows that meet a condition; otherwise it covers all.
/// - `drops_index_of_table`: DROP INDEX names the table too.
/// - `each_job`, `each_job_value`: the join of `{lease} l` with a table of the ids in its JSON array `l.[jobs]`, and the value column of
///   that table, a 64-bit integer.
/// - `numbers`: a `number_source`. The following constants serve sources other than `counter`.
/// - `generated`: the text behind a column that the database numbers.
/// - `next_numbers`, `before_number`: a query for `:count` numbers of the table `{job_number}`, or, where that has rows, for the next one,
///   as (number, highest id of a job); and the statement that runs before the query.
/// - `raise_numbers`, `raise_numbers_end`: the text around a number, after which the source returns only greater ones.
/// - `clock`, `clock_after`: the database's time when a row is written, and `:ttl` later; `:now` for a database without a clock.
/// - `catalog`: a query without parameters for the existing objects, as (table_name, kind, part). Kind `column` lists each column of each
///   table whose name starts with `visor_`, and kind `index` each index whose name starts so. Kind `longer column` lists each column with
///   `long_key_text`, where that differs from `key_text`. Three kinds stand there where the catalog can tell.
///   `numbered column` lists each column that the database numbers, and `limited sequence` each source of its numbers that ends or begins
///   anew. `primary key` lists each column of a primary key, behind its position in it and a space.
/// - `catalog_hides`: the catalog does not show objects that its reader has no right to.
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
  { D::rename_column } -> std::convertible_to<std::string_view>;
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
