#ifndef VISOR_BASE_SECRET_HPP
#define VISOR_BASE_SECRET_HPP

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace visor {

/// Text that must not be seen: a password, a token. It cannot be printed, compared by eye or turned into a string by accident; code that
/// needs the text calls `reveal()`.
class secret {
 public:
  secret() = default;
  explicit secret(std::string text) : text_(std::move(text)) {}

  bool empty() const noexcept { return text_.empty(); }
  std::string const& reveal() const noexcept { return text_; }

  friend bool operator==(secret const&, secret const&) = default;

  template <class Char, class Traits>
  friend std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>&, secret const&) = delete;

 private:
  std::string text_;
};

/// The text that is shown in place of a secret.
inline constexpr std::string_view masked = "********";

}  // namespace visor

#endif
