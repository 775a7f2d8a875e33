#ifndef VISOR_DRIVER_STATEMENT_LOG_HPP
#define VISOR_DRIVER_STATEMENT_LOG_HPP

#include "visor/async/clock.hpp"
#include "visor/base/log.hpp"
#include "visor/base/time.hpp"
#include "visor/settings/statement_log_settings.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace visor::detail {

/// Logs the statements of a connection. While logging is off, no time is measured and no text is built.
class statement_log {
 public:
  statement_log() = default;
  statement_log(statement_log_settings how, log_sink sink) : how_(how), sink_(std::move(sink)) {}

  bool is_on() const noexcept { return sink_ && (how_.all || how_.slow != duration{0}); }

  static duration now() noexcept { return wall_clock().elapsed(); }

  /// Returns the front of unprepared text, up to the first possible value.
  static std::string_view without_values(std::string_view text) noexcept { return text.substr(0, text.find_first_of("'\"$")); }

  /// \param rows found or changed; none: the statement failed
  void tell(std::string_view text, std::size_t parameters, std::optional<std::size_t> rows, duration took) const {
    bool const is_slow = how_.slow != duration{0} && took >= how_.slow;
    if (!how_.all && !is_slow) return;
    std::string line = is_slow ? "slow statement, " : "statement, ";
    line += to_string(took) + (rows ? ", " + std::to_string(*rows) + " rows, " : std::string(", failed, ")) + std::to_string(parameters) +
            " parameters: ";
    line += text.substr(0, longest_text);
    if (text.size() > longest_text) line += "...";
    sink_(is_slow ? log_level::warning : log_level::info, line);
  }

  /// A running statement; the destructor logs it.
  class entry {
   public:
    entry(statement_log const& in, std::string_view text, std::size_t parameters)
        : in_(in.is_on() ? &in : nullptr), text_(text), parameters_(parameters), begin_(in_ != nullptr ? now() : duration{0}) {}
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() {
      if (in_ != nullptr) in_->tell(text_, parameters_, rows, now() - begin_);
    }

    std::optional<std::size_t> rows;  ///< when it succeeded

   private:
    statement_log const* in_;
    std::string_view text_;
    std::size_t parameters_;
    duration begin_;
  };

 private:
  static constexpr std::size_t longest_text = 200;

  statement_log_settings how_;
  log_sink sink_;
};

}  // namespace visor::detail

#endif
