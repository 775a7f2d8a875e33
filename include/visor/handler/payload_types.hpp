#ifndef VISOR_HANDLER_PAYLOAD_TYPES_HPP
#define VISOR_HANDLER_PAYLOAD_TYPES_HPP

#include "visor/base/error.hpp"
#include "visor/engine/job_context.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor {

/// The error of a payload for another version of the program: it has a field or an enumerator that this version does not know, or a number
/// with more digits than the type of the member keeps.
class payload_mismatch : public error {
 public:
  explicit payload_mismatch(std::string message) : error(errc::invalid_argument, std::move(message)) {}
};

}  // namespace visor

namespace visor::detail {

template <class T>
concept payload_struct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <class T>
concept payload_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
inline constexpr bool is_character =
    std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> || std::same_as<T, char16_t> || std::same_as<T, char32_t>;
template <class T>
concept payload_integer = std::integral<T> && !std::same_as<T, bool> && !is_character<T>;

template <class T>
concept payload_real = std::same_as<T, float> || std::same_as<T, double>;

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_instance<Template<Args...>, Template> = true;

template <class T>
inline constexpr bool is_text_map = false;
template <class T, class Compare, class Allocator>
inline constexpr bool is_text_map<std::map<std::string, T, Compare, Allocator>> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = std::ratio_less_equal_v<std::micro, Period>;

template <class T>
inline constexpr bool is_instant = false;
template <class Duration>
inline constexpr bool is_instant<std::chrono::sys_time<Duration>> = is_duration<Duration>;

/// All members, including those of bases.
template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;

/// The longest length of time that has a text form; see `parse_duration`.
inline constexpr double longest_duration_us = 100.0 * 366 * 86'400e6;

/// The current position in a payload: `items[2].pages`.
class field_path {
 public:
  /// \param unknown_fields the treatment of fields that a struct does not have
  explicit field_path(visor::unknown_fields unknown_fields = visor::unknown_fields::refuse) : unknown_fields_(unknown_fields) {}

  bool ignores_unknown_fields() const noexcept { return unknown_fields_ == visor::unknown_fields::ignore; }

  /// Enters a field or an element; the destructor leaves it.
  class step {
   public:
    step(field_path& path, std::string_view name) : path_(path), before_(path.text_.size()) {
      if (before_ != 0) path_.text_ += '.';
      path_.text_ += name;
    }
    step(field_path& path, std::size_t index) : path_(path), before_(path.text_.size()) {
      path_.text_ += '[';
      path_.text_ += std::to_string(index);
      path_.text_ += ']';
    }
    step(step const&) = delete;
    step& operator=(step const&) = delete;
    ~step() { path_.text_.resize(before_); }

   private:
    field_path& path_;
    std::size_t before_;
  };

  [[noreturn]] void refuse(std::string const& why) const { throw error(errc::invalid_argument, at(why)); }

  /// Refuses a payload that another version of the program may understand.
  [[noreturn]] void refuse_version(std::string const& why) const { throw payload_mismatch(at(why)); }

 private:
  std::string at(std::string const& why) const { return text_.empty() ? why : "field \"" + text_ + "\": " + why; }

  visor::unknown_fields unknown_fields_;
  std::string text_;
};

}  // namespace visor::detail

#endif
