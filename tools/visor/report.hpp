#ifndef VISOR_TOOLS_REPORT_HPP
#define VISOR_TOOLS_REPORT_HPP

#include "visor/base/time.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Formats results for terminals and as JSON.
namespace visor_program {

enum class colour { none, good, warning, bad, faint, strong };

/// Whether standard output (or error) is a terminal that shows colour: not with `NO_COLOR` set or `TERM=dumb`.
bool shows_colour(int descriptor);

/// The text in a colour, where `descriptor` shows colour.
std::string painted(std::string_view text, colour with, int descriptor = 1);

/// Makes control characters, marks that turn the direction of writing, and bytes that are not UTF-8 visible (`\n`, `\x1b`,
/// `\u202e`), so that stored texts cannot drive the terminal.
std::string escaped(std::string_view text);

/// The escaped text between single quotes, cut after 80 characters.
std::string in_quotes(std::string_view text);

/// The number of columns that a terminal uses for UTF-8 text.
std::size_t columns_of(std::string_view text);

/// The text, or its beginning and an ellipsis, in at most so many columns.
std::string shortened(std::string_view text, std::size_t columns);

/// A table with aligned columns. Cells are escaped, and cut after 60 columns.
class table {
 public:
  struct cell {
    std::string text;
    colour with = colour::none;
    cell(std::string shown, colour in = colour::none) : text(std::move(shown)), with(in) {}
    cell(char const* shown) : text(shown) {}
    cell(std::optional<visor::instant> const& when);
  };

  explicit table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const noexcept { return rows_.empty(); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<cell>> rows_;
};

/// The facts about one object: a label and a value a line. Values are escaped.
class fields {
 public:
  void add(std::string label, table::cell value) { rows_.emplace_back(std::move(label), std::move(value)); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::pair<std::string, table::cell>> rows_;
};

/// Prints text of several lines below a title, each line escaped and indented.
void print_text(std::ostream& out, std::string_view title, std::string_view text);

/// Writes an array with one element a line, so that it reads well and is still one JSON value.
void print_json(std::ostream& out, boost::json::array const& all);

/// Writes an array whose elements are JSON texts.
void print_json(std::ostream& out, std::vector<std::string> const& all);

/// The text of a JSON object with one field more, whose value is a JSON text: it stays as it was written but for blanks between its
/// parts. A text that is not JSON becomes a string.
std::string with_json(boost::json::object const& all, std::string_view key, std::string const& json);

/// An instant in JSON: RFC 3339, or null.
boost::json::value json_of(std::optional<visor::instant> const& when);
boost::json::value json_of(std::optional<std::string> const& text);

/// An instant in a table: whole seconds.
std::string to_seconds(visor::instant when);

/// A length of time for a table: `40ms`, `1.25s`, `2m5s`.
std::string to_seconds_text(visor::duration length);

/// The name of the user who runs this program: the owner of the objects that it creates.
std::string user_name();

}  // namespace visor_program

#endif
