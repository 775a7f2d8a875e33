#ifndef VISOR_CRON_PARSER_HPP
#define VISOR_CRON_PARSER_HPP

#include "visor/base/time.hpp"
#include "visor/cron/fields.hpp"
#include "visor/cron/parse_failure.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace visor::detail {

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr bool is_line_break(char c) noexcept { return c == '\n' || c == '\r'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
constexpr bool is_letter(char c) noexcept { return upper(c) >= 'A' && upper(c) <= 'Z'; }

constexpr bool same_word(std::string_view text, std::string_view word) noexcept {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (upper(text[i]) != upper(word[i])) return false;
  return true;
}

/// The result of parsing a text: fields, or a period, or a failure.
struct parsed_cron_text {
  cron_fields fields;
  duration period{0};  ///< `@every`; zero for everything else
  parse_failure failure;
};

/// Reads a cron expression. One pass over the text; every function returns false after it has noted a failure.
class cron_parser {
 public:
  constexpr explicit cron_parser(std::string_view text) noexcept : text_(text) {}

  constexpr parsed_cron_text parse() noexcept {
    std::size_t begin = 0;
    std::size_t end = text_.size();
    while (begin < end && is_blank(text_[begin])) ++begin;
    // YAML's block texts and files of one line end with a line break.
    while (end > begin && (is_blank(text_[end - 1]) || is_line_break(text_[end - 1]))) --end;
    if (begin == end)
      fail(cron_fault::empty, 0, 0);
    else if (!is_plain(begin, end))
      return result_;
    else if (text_[begin] == '@')
      parse_nickname(begin, end);
    else if (parse_fields(begin, end)) {
      if (!ever_matches(result_.fields.any_hash() ? with_all_hashes(result_.fields) : result_.fields)) fail_never();
      choose_hashes(result_.fields, {});
    }
    return result_;
  }

 private:
  struct span {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// A set of the values of any field, counted from the field's lowest.
  struct value_set {
    std::array<std::uint64_t, 4> words{};
    constexpr void add(int bit) noexcept { words[static_cast<std::size_t>(bit / 64)] |= std::uint64_t{1} << bit % 64; }
  };

  constexpr bool fail(cron_fault why, std::size_t position, std::size_t length, int value = 0) noexcept {
    auto& failure = result_.failure;
    failure.why = why;
    failure.where = field_;
    failure.field = number_;
    failure.position = static_cast<std::uint32_t>(position);
    failure.length = static_cast<std::uint32_t>(length);
    failure.value = value;
    return false;
  }

  /// Finds lookalikes before the fields are counted, since a no-break space joins two of them.
  constexpr bool is_plain(std::size_t begin, std::size_t end) noexcept {
    for (std::size_t at = begin; at < end; ++at) {
      if (static_cast<unsigned char>(text_[at]) >= 0x80) return fail(cron_fault::unexpected_character, at, character_length(text_, at));
      if (is_line_break(text_[at])) return fail(cron_fault::unexpected_character, at, 1);
    }
    return true;
  }

  constexpr bool fail_unexpected() noexcept {
    if (at_ >= end_ || text_[at_] == ',' || text_[at_] == '-' || text_[at_] == '/')
      return fail(cron_fault::value_missing, at_, at_ < end_ ? 1 : 0);
    return fail(cron_fault::unexpected_character, at_, 1);
  }

  constexpr bool fail_never() noexcept {
    // The day field is where the reader looks for the mistake.
    field_ = cron_field::day_of_month;
    number_ = static_cast<std::uint8_t>(field_count_ == 5 ? 3 : 4);
    return fail(cron_fault::never, day_span_.begin, day_span_.end - day_span_.begin);
  }

  constexpr void parse_nickname(std::size_t begin, std::size_t end) noexcept {
    struct nickname {
      std::string_view name;
      std::string_view meaning;
    };
    constexpr std::array<nickname, 9> nicknames{{{"@yearly", "0 0 1 1 *"},
                                                 {"@annually", "0 0 1 1 *"},
                                                 {"@monthly", "0 0 1 * *"},
                                                 {"@weekly", "0 0 * * 0"},
                                                 {"@daily", "0 0 * * *"},
                                                 {"@midnight", "0 0 * * *"},
                                                 {"@hourly", "0 * * * *"},
                                                 {"@every_minute", "* * * * *"},
                                                 {"@every_second", "* * * * * *"}}};
    std::size_t word_end = begin;
    while (word_end < end && !is_blank(text_[word_end])) ++word_end;
    std::string_view const word = text_.substr(begin, word_end - begin);
    std::size_t rest = word_end;
    while (rest < end && is_blank(text_[rest])) ++rest;
    if (same_word(word, "@every")) {
      auto const period = parse_duration(text_.substr(rest, end - rest));
      if (!period || *period < std::chrono::seconds{1})
        fail(cron_fault::bad_period, rest, end - rest);
      else
        result_.period = *period;
      return;
    }
    for (auto const& known : nicknames) {
      if (!same_word(word, known.name)) continue;
      if (rest < end)
        fail(cron_fault::unexpected_character, rest, 1);
      else
        result_ = cron_parser{known.meaning}.parse();
      return;
    }
    fail(cron_fault::unknown_nickname, begin, word.size());
  }

  constexpr bool parse_fields(std::size_t begin, std::size_t end) noexcept {
    std::array<span, 7> spans{};
    std::size_t count = 0;
    for (std::size_t at = begin; at < end;) {
      std::size_t field_end = at;
      while (field_end < end && !is_blank(text_[field_end])) ++field_end;
      if (count < spans.size()) spans[count] = {at, field_end};
      ++count;
      at = field_end;
      while (at < end && is_blank(text_[at])) ++at;
    }
    if (count < 5 || count > 7) return fail(cron_fault::field_count, begin, end - begin, count > 1000 ? 1000 : static_cast<int>(count));
    field_count_ = static_cast<int>(count);
    // Five fields start with the minute.
    std::size_t const first = count == 5 ? 1 : 0;
    day_span_ = spans[3 - first];
    for (std::size_t i = 0; i < count; ++i) {
      field_ = static_cast<cron_field>(i + first);
      number_ = static_cast<std::uint8_t>(i + 1);
      at_ = spans[i].begin;
      end_ = spans[i].end;
      if (!parse_field()) return false;
    }
    number_ = 0;
    return true;
  }

  constexpr bool parse_field() noexcept {
    auto& fields = result_.fields;
    if (field_ == cron_field::second) fields.seconds = 0;
    value_set values;
    if (field_ == cron_field::day_of_week && text_[at_] == '+') {
      fields.both_days = true;
      ++at_;
    }
    bool const star = at_ < end_ && (text_[at_] == '*' || text_[at_] == '?');
    if (is_hash_here()) return parse_hash();
    if (star && text_[at_] == '?' && is_day_field()) {
      ++at_;
      if (at_ != end_) return fail(cron_fault::unexpected_character, at_, 1);
      keep(every_value(), star);
      return true;
    }
    while (true) {
      if (is_hash_here()) return fail(cron_fault::bad_hash, at_, 1);
      if (!parse_item(values)) return false;
      if (at_ == end_) break;
      if (text_[at_] != ',') return fail(cron_fault::unexpected_character, at_, 1);
      ++at_;
    }
    keep(values, star);
    return true;
  }

  constexpr value_set every_value() const noexcept {
    value_set every;
    for (int bit = 0; bit <= rule_of(field_).high - rule_of(field_).low; ++bit) every.add(bit);
    return every;
  }

  constexpr bool is_day_field() const noexcept { return field_ == cron_field::day_of_month || field_ == cron_field::day_of_week; }

  constexpr void keep(value_set const& values, bool star) noexcept {
    auto& fields = result_.fields;
    set_values(fields, field_, values.words[0]);
    if (field_ == cron_field::day_of_month) fields.day_star = star;
    if (field_ == cron_field::day_of_week) fields.weekday_star = star;
    if (field_ == cron_field::year) fields.years = values.words == every_value().words ? value_set{}.words : values.words;
  }

  constexpr bool is_hash_here() const noexcept {
    return at_ < end_ && upper(text_[at_]) == 'H' && (at_ + 1 == end_ || !is_letter(text_[at_ + 1])) && field_ != cron_field::year;
  }

  /// `H`, `H(0-29)`, `H/15` or `H(0-29)/10`, alone in its field.
  constexpr bool parse_hash() noexcept {
    auto const& rule = rule_of(field_);
    std::size_t const item = at_++;
    int const size = rule.high - rule.low + 1;
    int low = rule.low;
    int high = field_ == cron_field::day_of_month ? last_day_of_every_month : rule.high;
    int step = 0;
    bool const has_range = take('(');
    if (has_range) {
      if (!parse_value(low)) return false;
      if (!take('-')) return fail(cron_fault::bad_hash, item, at_ - item);
      if (!parse_value(high)) return false;
      if (!take(')')) return fail(cron_fault::bad_hash, item, at_ - item);
    }
    int const count = (high < low ? high + size : high) - low + 1;
    if (take('/')) {
      std::size_t const begin = at_;
      if (!parse_step(step)) return false;
      if (step > count) return fail(cron_fault::hash_step, begin, at_ - begin, count);
      if (field_ == cron_field::hour) result_.fields.hour_interval = !has_range;
    }
    if (at_ != end_) return fail(cron_fault::bad_hash, item, at_ - item + 1);
    auto& hash = result_.fields.hashes[static_cast<std::size_t>(field_)];
    hash.low = static_cast<std::uint8_t>((low - rule.low) % size + rule.low);
    hash.count = static_cast<std::uint8_t>(count < size ? count : size);
    hash.step = static_cast<std::uint8_t>(step);
    return true;
  }

  constexpr bool at_item_end() const noexcept { return at_ == end_ || text_[at_] == ','; }
  constexpr bool take(char wanted) noexcept {
    if (at_ == end_ || upper(text_[at_]) != wanted) return false;
    ++at_;
    return true;
  }

  constexpr bool parse_item(value_set& values) noexcept {
    auto const& rule = rule_of(field_);
    std::size_t const item = at_;
    int first = rule.low;
    int last = rule.high;
    bool open = true;  // runs to the end of the field
    if (!take('*')) {
      if (field_ == cron_field::day_of_month && take('L')) return parse_last_day();
      if (field_ == cron_field::day_of_week && take('L')) {
        if (at_item_end()) return fail(cron_fault::bare_last, item, 1);
        at_ = item;
      }
      if (!parse_value(first)) return false;
      if (field_ == cron_field::day_of_month && take('W')) {
        result_.fields.near_days |= std::uint32_t{1} << first;
        return true;
      }
      if (field_ == cron_field::day_of_week && take('L')) {
        result_.fields.last_weekdays = static_cast<std::uint8_t>(result_.fields.last_weekdays | 1u << first % 7);
        return true;
      }
      if (field_ == cron_field::day_of_week && take('#')) return parse_occurrence(first);
      if (take('-')) {
        if (!parse_value(last)) return false;
        open = false;
      } else if (at_ == end_ || text_[at_] != '/') {
        return add_range(values, first, first, 1, item);
      }
    }
    int step = 1;
    if (take('/') && !parse_step(step)) return false;
    if (open && field_ == cron_field::hour) result_.fields.hour_interval = true;
    return add_range(values, first, last, step, item);
  }

  constexpr bool parse_step(int& step) noexcept {
    auto const& rule = rule_of(field_);
    std::size_t const begin = at_;
    if (!parse_number(step)) return false;
    if (step == 0) return fail(cron_fault::step_zero, begin, at_ - begin);
    int const longest = field_ == cron_field::year ? rule.high - rule.low : rule.high;
    if (step > longest) return fail(cron_fault::step_above, begin, at_ - begin, step);
    return true;
  }

  constexpr bool add_range(value_set& values, int first, int last, int step, std::size_t item) noexcept {
    auto const& rule = rule_of(field_);
    int const size = rule.high - rule.low + 1;
    if (first > rule.high && first > last) first -= size;
    if (first > last) {
      if (field_ == cron_field::year) return fail(cron_fault::reversed_years, item, at_ - item);
      last += size;
    }
    for (int value = first; value <= last; value += step) values.add((value - rule.low) % size);
    return true;
  }

  /// After `L` in the day of month: nothing, `W`, `-n` or `-nW`.
  constexpr bool parse_last_day() noexcept {
    int before = 0;
    if (take('-')) {
      std::size_t const begin = at_;
      if (!parse_number(before)) return false;
      if (before > 30) return fail(cron_fault::before_month, begin, at_ - begin, before);
    }
    auto& days = take('W') ? result_.fields.near_days_from_end : result_.fields.days_from_end;
    days |= std::uint32_t{1} << before;
    return true;
  }

  /// After `n#`: 1 to 5, or `L` for the last.
  constexpr bool parse_occurrence(int weekday) noexcept {
    if (take('L')) {
      result_.fields.last_weekdays = static_cast<std::uint8_t>(result_.fields.last_weekdays | 1u << weekday % 7);
      return true;
    }
    std::size_t const begin = at_;
    int occurrence = 0;
    if (at_item_end() || !is_digit(text_[at_])) return fail(cron_fault::bad_occurrence, at_, 0);
    if (!parse_number(occurrence)) return false;
    if (occurrence < 1 || occurrence > 5) return fail(cron_fault::bad_occurrence, begin, at_ - begin, occurrence);
    result_.fields.nth_weekdays |= std::uint64_t{1} << (7 * (occurrence - 1) + weekday % 7);
    return true;
  }

  /// A number or a name, checked against the field.
  constexpr bool parse_value(int& value) noexcept {
    auto const& rule = rule_of(field_);
    if (at_ < end_ && is_letter(text_[at_])) return parse_name(value);
    std::size_t const begin = at_;
    if (!parse_number(value)) return false;
    if (value > rule.written_high) return fail(cron_fault::value_above, begin, at_ - begin, value);
    if (value < rule.low) return fail(cron_fault::value_below, begin, at_ - begin, value);
    return true;
  }

  constexpr bool parse_number(int& value) noexcept {
    constexpr int enough = 1'000'000;  // above every limit, and ten times it still fits
    if (at_ == end_ || !is_digit(text_[at_])) return fail_unexpected();
    value = 0;
    for (; at_ < end_ && is_digit(text_[at_]); ++at_)
      if (value < enough) value = value * 10 + (text_[at_] - '0');
    return true;
  }

  constexpr bool parse_name(int& value) noexcept {
    std::size_t const begin = at_;
    while (at_ < end_ && is_letter(text_[at_])) ++at_;
    std::string_view word = text_.substr(begin, at_ - begin);
    if (field_ == cron_field::day_of_week && word.size() == 4 && upper(word.back()) == 'L') {
      word.remove_suffix(1);
      --at_;
    }
    auto const find = [&](auto const& names, int low) {
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!same_word(word, names[i])) continue;
        value = static_cast<int>(i) + low;
        return true;
      }
      return false;
    };
    if (field_ == cron_field::month && find(month_names, 1)) return true;
    if (field_ == cron_field::day_of_week && find(weekday_names, 0)) return true;
    while (at_ < end_ && is_letter(text_[at_])) ++at_;
    return fail(cron_fault::unknown_name, begin, at_ - begin);
  }

  static constexpr int last_day_of_every_month = 28;

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  cron_field field_ = cron_field::second;
  std::uint8_t number_ = 0;
  int field_count_ = 0;
  span day_span_;
  parsed_cron_text result_;
};

}  // namespace visor::detail

#endif
