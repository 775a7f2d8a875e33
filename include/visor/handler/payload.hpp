#ifndef VISOR_HANDLER_PAYLOAD_HPP
#define VISOR_HANDLER_PAYLOAD_HPP

#include "visor/base/error.hpp"
#include "visor/handler/payload_reader.hpp"
#include "visor/handler/payload_writer.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <type_traits>

/// \file
/// A job's payload as a C++ value, and back. A payload is a struct that is described with BOOST_DESCRIBE_STRUCT; it is kept as a JSON
/// object with a field for each member, bases included. Members are
///
/// | C++ | JSON |
/// |---|---|
/// | `bool`, numbers, `std::string` | the same; text without NUL bytes |
/// | described enum | text: the enumerator's name |
/// | `std::chrono` duration of microseconds or longer | text: `1h30m`, as `visor::to_string` writes it |
/// | `visor::instant` or a coarser `std::chrono::sys_time` | text: RFC 3339 |
/// | `std::optional<T>` | `null` or as `T` |
/// | `std::vector<T>` | array |
/// | `std::map<std::string, T>` | object |
/// | described struct | object |
/// | `boost::json::value` | anything |
/// | what Boost.JSON converts with `value_to` and `value_from` | as that does |
namespace visor {

/// Writes a payload.
/// \throws visor::error `invalid_argument` that names the field whose value JSON or a database cannot keep: a number that is not
/// finite, text that is not UTF-8 or holds NUL, a time out of range
template <class Payload>
std::string to_payload(Payload const& payload) {
  std::string text;
  detail::field_path path;
  detail::write_value(text, payload, path);
  return text;
}

/// Reads a payload. Fields that are not there keep the value that a default-constructed `Payload` has; an empty text and `null` are
/// read as an object without fields. A field that the struct does not have is refused, since it is a misspelt one or belongs to a
/// newer version of the program, and the job would run without it.
/// \throws visor::error `invalid_argument` that names the field, what was expected and what was found
template <class Payload>
Payload from_payload(std::string_view text) {
  static_assert(std::is_default_constructible_v<Payload>,
                "visor: a payload needs a default constructor: fields that are missing keep the values it gives");
  boost::json::value root;
  if (!text.empty()) {
    boost::system::error_code failed;
    boost::json::parse_options options;
    options.max_depth = 256;
    root = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed, {}, options);
    if (failed) throw error(condition::invalid_argument, "not JSON: " + failed.message());
  }
  if constexpr (detail::payload_struct<Payload>)
    if (root.is_null()) root.emplace_object();
  Payload payload{};
  detail::field_path path;
  detail::read_value(root, payload, path);
  return payload;
}

}  // namespace visor

#endif
