#ifndef VISOR_SQL_CONSTEXPR_TEXT_HPP
#define VISOR_SQL_CONSTEXPR_TEXT_HPP

#include <array>
#include <cstddef>
#include <string_view>

/// Text that is generated at compile time. A source has `static constexpr void write(text_sink&)`, which runs twice: once over a sink that
/// only counts, to learn the size, and once over a sink that writes into an array of that size. A constexpr `std::string` is no option: not
/// every supported standard library has one that every supported compiler accepts. One constant per statement keeps each evaluation small.
namespace visor::sql {

/// The output of a source. One type serves both passes, so that each source is compiled once.
struct text_sink {
  char* room = nullptr;  ///< null: the sink only counts
  unsigned char* room_for_parameters = nullptr;
  std::size_t characters = 0;  ///< so far
  std::size_t parameters = 0;  ///< the same

  constexpr void text(std::string_view piece) {
    if (room != nullptr)
      for (char const c : piece) *room++ = c;
    characters += piece.size();
  }
  constexpr void parameter(std::size_t member) {
    if (room_for_parameters != nullptr) *room_for_parameters++ = static_cast<unsigned char>(member);
    ++parameters;
  }
};

/// The finished text, in static storage and ended by a NUL, and the parameters in the order of their placeholders, each as the
/// index of its member.
template <std::size_t Characters, std::size_t Parameters>
struct finished_text {
  std::array<char, Characters + 1> characters{};
  std::array<unsigned char, Parameters> parameters{};
  constexpr std::string_view view() const { return {characters.data(), Characters}; }
  constexpr char const* c_str() const { return characters.data(); }
};

namespace detail {

template <class Source>
constexpr text_sink measure() {
  text_sink sink;
  Source::write(sink);
  return sink;
}

template <class Source>
constexpr auto render() {
  constexpr text_sink size = measure<Source>();
  finished_text<size.characters, size.parameters> result;
  text_sink sink{result.characters.data(), result.parameters.data()};
  Source::write(sink);
  return result;
}

}  // namespace detail

/// The text of a source: one object in the whole program.
template <class Source>
inline constexpr auto text_of = detail::render<Source>();

}  // namespace visor::sql

#endif
