#ifndef VISOR_SQL_TEXT_HPP
#define VISOR_SQL_TEXT_HPP

#include <array>
#include <cstddef>
#include <string_view>

/// Text that is made while compiling. A source has `static constexpr void write(Sink&)`, which is run twice: over a sink that
/// counts, to learn the size, and over one that writes into an array of that size. No constexpr `std::string`: not every supported
/// standard library has one that every supported compiler accepts. One constant per statement keeps each evaluation small.
namespace visor::sql {

/// The first pass.
struct counting_sink {
  std::size_t characters = 0;
  std::size_t parameters = 0;
  constexpr void text(std::string_view piece) { characters += piece.size(); }
  constexpr void parameter(std::size_t) { ++parameters; }
  constexpr std::size_t parameters_so_far() const { return parameters; }
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

/// The second pass.
struct writing_sink {
  char* next;
  unsigned char* next_parameter;
  std::size_t parameters = 0;
  constexpr void text(std::string_view piece) {
    for (char const c : piece) *next++ = c;
  }
  constexpr void parameter(std::size_t member) {
    *next_parameter++ = static_cast<unsigned char>(member);
    ++parameters;
  }
  constexpr std::size_t parameters_so_far() const { return parameters; }
};

namespace detail {

template <class Source>
constexpr counting_sink measure() {
  counting_sink sink;
  Source::write(sink);
  return sink;
}

template <class Source>
constexpr auto render() {
  constexpr counting_sink size = measure<Source>();
  finished_text<size.characters, size.parameters> result;
  writing_sink sink{result.characters.data(), result.parameters.data()};
  Source::write(sink);
  return result;
}

}  // namespace detail

/// The text of a source: one object in the whole program.
template <class Source>
inline constexpr auto text_of = detail::render<Source>();

}  // namespace visor::sql

#endif
