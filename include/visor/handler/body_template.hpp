#ifndef VISOR_HANDLER_BODY_TEMPLATE_HPP
#define VISOR_HANDLER_BODY_TEMPLATE_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/nearest_name.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/context_fields.hpp"
#include "visor/handler/one_line.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// Text with placeholders such as `{{payload}}`, for JSON bodies. `{{payload}}` is the payload unchanged; `{{payload.NAME}}` a field at its
/// top; `{{type}}` and those of `context_fields` facts of the job. Inserted text is escaped as inside a JSON string, without quotation
/// marks; numbers, arrays and objects are inserted as they are written, and absent values as nothing.
class body_template {
 public:
  /// \throws visor::error `invalid_argument` that names the unknown placeholder and the nearest known one
  explicit body_template(std::string_view text) {
    for (;;) {
      auto const begin = text.find("{{");
      pieces_.emplace_back(std::string(text.substr(0, begin)), std::string());
      if (begin == text.npos) return;
      auto const end = text.find("}}", begin);
      if (end == text.npos) refuse("\"" + one_line(text.substr(begin), 30) + "\" has no closing \"}}\"");
      std::string_view name = text.substr(begin + 2, end - begin - 2);
      while (name.starts_with(' ')) name.remove_prefix(1);
      while (name.ends_with(' ')) name.remove_suffix(1);
      check(name);
      pieces_.back().second = name;
      text.remove_prefix(end + 2);
    }
  }

  std::string fill(job_context const& job) const {
    std::string result;
    for (auto const& [before, name] : pieces_) {
      result += before;
      if (name == "payload") {
        result += job.payload();
      } else if (name.starts_with(field_prefix)) {
        result += field(job.payload(), std::string_view(name).substr(field_prefix.size()));
      } else if (name == "type") {
        result += escaped(job.type());
      } else {
        for (auto const& field : context_fields)
          if (field.name == name) result += escaped(field.value(job).value_or(std::string()));
      }
    }
    return result;
  }

 private:
  static constexpr std::string_view field_prefix = "payload.";

  [[noreturn]] static void refuse(std::string const& why) { throw error(errc::invalid_argument, why); }

  static void check(std::string_view name) {
    std::vector<std::string_view> known{"payload", "type"};
    for (auto const& field : context_fields) known.push_back(field.name);
    if (name.starts_with(field_prefix) && name.size() > field_prefix.size()) return;
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    auto const meant = nearest(name, known);
    std::string list = "payload.NAME";
    for (auto const one : known) (list += ", ") += one;
    refuse("\"{{" + one_line(name, 30) + "}}\" is not known" +
           (meant.empty() ? "; there are: " + list : "; did you mean \"{{" + std::string(meant) + "}}\"?"));
  }

  static std::string escaped(std::string_view text) {
    std::string const quoted = boost::json::serialize(boost::json::string_view(text.data(), text.size()));
    return quoted.substr(1, quoted.size() - 2);
  }

  /// A JSON string keeps its escapes.
  static std::string_view field(std::string_view payload, std::string_view name) {
    auto const value = find_json_field(payload, name);
    if (!value || *value == "null") return {};
    return value->front() == '"' ? value->substr(1, value->size() - 2) : *value;
  }

  std::vector<std::pair<std::string, std::string>> pieces_;  ///< text, and the name of the placeholder behind it
};

}  // namespace visor::detail

#endif
