#ifndef VISOR_HANDLER_PAYLOAD_HPP
#define VISOR_HANDLER_PAYLOAD_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/handler/payload_reader.hpp"
#include "visor/handler/payload_writer.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <type_traits>

/// \file Conversion between a job's payload and a C++ value. A payload is a struct that is described with BOOST_DESCRIBE_STRUCT. It is
/// stored as a JSON object with a field for each member, bases included. The types of members and their JSON are:
///
/// - `bool`, numbers, `std::string`: the same; text without NUL bytes
/// - described enum: text, the enumerator's name
/// - `std::chrono` duration of microseconds or longer: text such as `1h30m`, as `visor::to_string` writes it
/// - `visor::instant` or a coarser `std::chrono::sys_time`: text, RFC 3339
/// - `std::optional<T>`: `null` or as `T`
/// - `std::vector<T>`: array
/// - `std::map<std::string, T>`: object
/// - described struct: object
/// - `boost::json::value`: anything
/// - a type that Boost.JSON converts with `value_to` and `value_from`: as that does
namespace visor {

/// Writes a payload.
/// \throws visor::error `invalid_argument` that names the field whose value JSON or a database cannot store: a number that is not finite,
/// text that is not UTF-8 or holds NUL, a time out of range
template <class Payload>
std::string to_payload(Payload const& payload) {
  std::string text;
  detail::field_path path;
  detail::write_value(text, payload, path);
  return text;
}

/// Reads a payload. Absent fields keep the value of a default-constructed `Payload`; an empty text and `null` are read as an object without
/// fields. A field that the struct does not have is refused: it is misspelt or belongs to a newer version of the program, and the job would
/// run without it.
/// \param unknown_fields `ignore`: such fields are skipped
/// \throws visor::error `invalid_argument` that names the field, the expected and the actual value. Its subclass `payload_mismatch` stands
/// for an unknown field or enumerator, and for a number that would lose digits
template <class Payload>
Payload from_payload(std::string_view text, unknown_fields what = unknown_fields::refuse) {
  static_assert(std::is_default_constructible_v<Payload>,
                "visor: a payload needs a default constructor: fields that are missing keep the values it gives");
  boost::json::value root;
  if (!text.empty()) {
    auto const malformed = [](detail::json_fault const& fault) { return error(errc::invalid_argument, "the payload " + fault.message()); };
    if (detail::could_lose_digits(text))
      if (auto const fault = detail::find_lost_digits(text)) {
        if (auto const wrong = detail::find_json_fault(text)) throw malformed(*wrong);
        throw payload_mismatch("the payload " + fault->message());
      }
    boost::json::parse_options options;
    options.max_depth = json_limits::depth;
    boost::system::error_code failed;
    root = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed, {}, options);
    if (failed) {
      if (auto const wrong = detail::find_json_fault(text)) throw malformed(*wrong);
      throw error(errc::invalid_argument, "the payload is not JSON: " + failed.message());
    }
  }
  if constexpr (detail::payload_struct<Payload>)
    if (root.is_null()) root.emplace_object();
  Payload payload{};
  detail::field_path path(what);
  detail::read_value(root, payload, path);
  return payload;
}

}  // namespace visor

#endif
