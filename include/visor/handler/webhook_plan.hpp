#ifndef VISOR_HANDLER_WEBHOOK_PLAN_HPP
#define VISOR_HANDLER_WEBHOOK_PLAN_HPP

#include "visor/base/error.hpp"
#include "visor/base/http_url.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/body_template.hpp"
#include "visor/handler/context_fields.hpp"
#include "visor/handler/one_line.hpp"
#include "visor/handler/option_fault.hpp"

#include <boost/describe/class.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// A call over HTTP or HTTPS that a job makes.
struct webhook_options {
  std::string method = "POST";  ///< GET, POST, PUT, PATCH or DELETE
  std::string url;              ///< absolute, `https` or `http`, without user and password
  /// Sent unchanged. `Content-Type` and `User-Agent` replace ours; `Host`, `Content-Length`, `Transfer-Encoding`, `Connection` and names
  /// that start with `Visor-` are refused.
  std::map<std::string, secret> headers;
  /// A template, see `webhook`; none: the payload, except for GET, which then has no body.
  std::optional<std::string> body;
  std::vector<secret> hidden;                        ///< further texts that are masked in errors and output
  std::string ca_file;                               ///< trusted certificates in PEM form; empty: those of the system
  duration stage_timeout{std::chrono::seconds{30}};  ///< for each of: name, connection, TLS, sending, answer; 1 ms to 1 h

  webhook_options() = default;
  explicit webhook_options(std::string to) : url(std::move(to)) {}
  friend bool operator==(webhook_options const&, webhook_options const&) = default;
};
BOOST_DESCRIBE_STRUCT(webhook_options, (), (method, url, headers, body, hidden, ca_file, stage_timeout))

namespace detail {

/// The parts of a URL that `check_url` has accepted.
struct url_parts {
  bool tls = false;
  std::string authority;  ///< host and port as written
  std::string host;       ///< without brackets
  std::string port;
  std::string target = "/";

  explicit url_parts(std::string_view url) {
    tls = (url[4] | 0x20) == 's';
    url.remove_prefix(url.find("://") + 3);
    auto const end = std::min(url.find_first_of("/?#"), url.size());
    authority = url.substr(0, end);
    std::string_view path = url.substr(end);
    if (path.starts_with('/')) target.clear();
    target += path;
    bool const bracketed = authority.starts_with('[');
    auto const host_end = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
    host = bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
    auto const colon = authority.find(':', host_end);
    port = colon == authority.npos ? (tls ? "443" : "80") : authority.substr(colon + 1);
  }

  /// Returns the part of the URL that may be shown: paths and queries hold tokens.
  std::string origin() const { return (tls ? "https://" : "http://") + authority; }
};

inline bool same_header(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : +c; };
    return lower(x) == lower(y);
  });
}

/// Returns the reason why a header cannot be sent; empty if there is none.
inline std::string header_fault(std::string_view name, std::string_view value) {
  bool const token = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
  if (!token) return "is no name of a header";
  for (auto const* ours : {"Host", "Content-Length", "Transfer-Encoding", "Connection"})
    if (same_header(name, ours)) return "is set by visor itself";
  if (same_header(name.substr(0, 6), "Visor-")) return "is set by visor itself: choose a name without Visor-";
  if (std::any_of(value.begin(), value.end(), [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }))
    return "has a value with a line break or another control character";
  return {};
}

}  // namespace detail

/// Returns all faults of these options, except for the file of certificates.
inline std::vector<option_fault> check_options(webhook_options const& options) {
  std::vector<option_fault> faults;
  static constexpr std::array<std::string_view, 5> methods{"GET", "POST", "PUT", "PATCH", "DELETE"};
  if (std::find(methods.begin(), methods.end(), options.method) == methods.end())
    faults.push_back({"method", "", "method",
                      "\"" + detail::one_line(options.method, 20) + "\" is not known: there are GET, POST, PUT, PATCH and DELETE",
                      "is not known: there are GET, POST, PUT, PATCH and DELETE"});
  if (auto const fault = detail::check_url(options.url); !fault.message.empty())
    faults.push_back({"url", "", "url", std::string(fault.message) + " (at byte " + std::to_string(fault.offset + 1) + ")", ""});
  for (auto const& [name, value] : options.headers)
    if (auto fault = detail::header_fault(name, value.reveal()); !fault.empty())
      faults.push_back({"headers", name, "header \"" + detail::one_line(name, 60) + "\"", std::move(fault), ""});
  for (auto each = options.headers.begin(); each != options.headers.end(); ++each)
    if (std::any_of(options.headers.begin(), each, [&](auto const& other) { return detail::same_header(other.first, each->first); }))
      faults.push_back({"headers", each->first, "header \"" + detail::one_line(each->first, 60) + "\"", "is given twice", ""});
  if (options.stage_timeout < std::chrono::milliseconds{1} || options.stage_timeout > std::chrono::hours{1})
    faults.push_back({"stage_timeout", "", "stage_timeout", "is " + to_string(options.stage_timeout) + ": allowed is 1ms to 1h", ""});
  try {
    if (options.body) detail::body_template const readable(*options.body);
  } catch (error const& refused) {
    faults.push_back({"body", "", "body:", refused.message(), "has a \"{{\" without \"}}\", or between them what is not known"});
  }
  return faults;
}

namespace detail {

/// A webhook prepared once, for all of its runs. Immutable.
class webhook_plan {
 public:
  /// \throws visor::error `invalid_argument`
  explicit webhook_plan(webhook_options options) : options_(checked(std::move(options))), url_(options_.url) {
    if (options_.body) body_.emplace(*options_.body);
    for (auto const& each : options_.hidden) add_hidden(each.reveal());
    for (auto const& [_, value] : options_.headers) add_header(value.reveal());
    for (auto const& token : tokens_in_url(options_.url)) add_hidden(token);
  }

  webhook_options const& options() const noexcept { return options_; }
  url_parts const& url() const noexcept { return url_; }
  std::string name() const { return redact("webhook " + url_.origin()); }

  std::optional<std::string> body_for(job_context const& job) const {
    if (body_) return body_->fill(job);
    if (options_.method == "GET") return std::nullopt;
    return job.payload();
  }

  /// `Visor-Job-Id` and so on. A value consists of visible ASCII and spaces; other bytes and `%` are percent-encoded.
  static std::vector<std::pair<std::string, std::string>> context_headers(job_context const& job) {
    std::vector<std::pair<std::string, std::string>> headers;
    for (auto const& field : context_fields) {
      auto const value = field.value(job);
      if (!value) continue;
      std::string name = "Visor-";
      for (bool first = true; char const c : field.name) {
        name += c == '_' ? '-' : first ? static_cast<char>(c - 'a' + 'A') : c;
        first = c == '_';
      }
      std::string text;
      for (char const c : *value) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        auto const byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F && c != '%')
          text += c;
        else
          ((text += '%') += digits[byte >> 4]) += digits[byte & 15];
      }
      headers.emplace_back(std::move(name), std::move(text));
    }
    return headers;
  }

  /// Masks what this program sends as a secret, in case the server sends it back.
  std::string redact(std::string text) const {
    for (auto const& each : hidden_) hide(text, each.reveal());
    return text;
  }

 protected:
  /// Masks the value of a header from now on, and its last word, which is the secret of an `Authorization`.
  void add_header(std::string_view value) {
    add_hidden(value);
    if (auto const space = value.rfind(' '); space != value.npos) add_hidden(value.substr(space + 1));
  }

 private:
  static webhook_options checked(webhook_options options) {
    refuse_faults("webhook", check_options(options));
    return options;
  }

  /// Masks a text from now on, unless it is so short that it would be found everywhere. The longest comes first: one text may be a part of
  /// another.
  void add_hidden(std::string_view text) {
    if (text.size() < 4) return;
    auto const is_longer = [&](secret const& each) { return each.reveal().size() >= text.size(); };
    hidden_.emplace(std::ranges::partition_point(hidden_, is_longer), std::string(text));
  }

  webhook_options options_;
  url_parts url_;
  std::optional<body_template> body_;
  std::vector<secret> hidden_;  ///< the longest first
};

}  // namespace detail
}  // namespace visor

#endif
