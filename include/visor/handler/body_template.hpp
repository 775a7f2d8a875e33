#ifndef VISOR_HANDLER_BODY_TEMPLATE_HPP
#define VISOR_HANDLER_BODY_TEMPLATE_HPP

#include "visor/base/error.hpp"
#include "visor/base/text.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/context_fields.hpp"
#include "visor/handler/one_line.hpp"
#include "visor/handler/scalar_text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// Text with places such as `{{payload}}` in it, for JSON bodies. `{{payload}}` is the payload as it is; `{{payload.NAME}}` a field at
/// its top; `{{type}}` and those of `context_fields` facts of the job. What is inserted is escaped as inside a JSON string, without
/// quotation marks, but for arrays and objects, which are JSON; what there is none of is inserted as nothing.
class body_template {
 public:
  /// \throws visor::error `invalid_argument` that names the place that is not understood and the nearest one that is
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
    std::optional<boost::json::value> payload;
    std::string result;
    for (auto const& [before, name] : pieces_) {
      result += before;
      if (name == "payload") {
        result += job.payload();
      } else if (name.starts_with(field_prefix)) {
        if (!payload) payload = parse(job.payload());
        result += field(*payload, name.substr(field_prefix.size()));
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

  [[noreturn]] static void refuse(std::string const& why) { throw error(condition::invalid_argument, why); }

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

  static boost::json::value parse(std::string const& text) {
    boost::system::error_code failed;
    auto value = boost::json::parse(text, failed);
    return failed ? boost::json::value() : value;
  }

  static std::string escaped(std::string_view text) {
    std::string const quoted = boost::json::serialize(boost::json::string_view(text.data(), text.size()));
    return quoted.substr(1, quoted.size() - 2);
  }

  static std::string field(boost::json::value const& payload, std::string_view name) {
    if (!payload.is_object()) return {};
    auto const* const value = payload.get_object().if_contains(boost::json::string_view(name.data(), name.size()));
    if (value == nullptr || value->is_null()) return {};
    auto const text = scalar_text(*value);
    return text ? escaped(*text) : boost::json::serialize(*value);
  }

  std::vector<std::pair<std::string, std::string>> pieces_;  ///< text, and the name of what follows it
};

}  // namespace visor::detail

#endif
