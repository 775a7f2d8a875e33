#ifndef VISOR_CRON_WORDS_HPP
#define VISOR_CRON_WORDS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// English words that expressions are explained with and that phrases are made of.
namespace visor::detail {

inline constexpr std::array<std::string_view, 12> long_months{"January", "February", "March",     "April",   "May",      "June",
                                                              "July",    "August",   "September", "October", "November", "December"};
inline constexpr std::array<std::string_view, 7> long_weekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                               "Thursday", "Friday", "Saturday"};

/// `a`, `a and b`, `a, b and c`.
inline std::string joined(std::vector<std::string> const& parts, std::string_view last = " and ") {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) text += i + 1 == parts.size() ? last : std::string_view{", "};
    text += parts[i];
  }
  return text;
}

/// `th`, `st`, `nd` or `rd`.
constexpr std::string_view ordinal_ending(int number) noexcept {
  if (number % 100 >= 11 && number % 100 <= 13) return "th";
  constexpr std::array<std::string_view, 4> endings{"th", "st", "nd", "rd"};
  return number % 10 < 4 ? endings[static_cast<std::size_t>(number % 10)] : "th";
}

/// `1st`.
inline std::string ordinal(int number) { return std::to_string(number) + std::string{ordinal_ending(number)}; }

/// `2 days`.
inline std::string counted(std::int64_t number, std::string_view unit) {
  return std::to_string(number) + " " + std::string{unit} + (number == 1 ? "" : "s");
}

}  // namespace visor::detail

#endif
