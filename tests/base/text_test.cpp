#include "support/catch.hpp"

#include "visor/base/nearest_name.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/storable_text.hpp"

#include <array>
#include <sstream>
#include <string>
#include <type_traits>

using visor::edit_distance;
using visor::is_storable_text;
using visor::nearest;
using visor::to_storable_text;

TEST_CASE("the distance of two texts") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("shcedule", "schedule") == 1);
  CHECK(edit_distance("ca", "abc") == 3);  // a swap is not opened again
}

TEST_CASE("the nearest text is one that may have been meant") {
  std::array<std::string_view, 4> const known{"skip", "allow", "queue", "cancel"};
  CHECK(nearest("skpi", known) == "skip");
  CHECK(nearest("cancle", known) == "cancel");
  CHECK(nearest("queue", known) == "queue");
  CHECK(nearest("drop", known).empty());
  CHECK(nearest("", known).empty());
}

TEST_CASE("only well-formed UTF-8 without NUL is storable") {
  for (auto const* good :
       {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    CAPTURE(good);
    CHECK(is_storable_text(good));
    CHECK(to_storable_text(good) == good);
  }
  for (auto const* bad : {"\x80", "\xC3", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xE2\x28\xA1z"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_storable_text(bad));
    CHECK(is_storable_text(to_storable_text(bad)));
  }
  // An odd byte is found anywhere: plain text is checked in words.
  for (std::size_t length = 1; length <= 24; ++length)
    for (std::size_t at = 0; at < length; ++at)
      for (char const odd : {'\0', '\x80', '\xFF', '\x01', '\x7F'}) {
        std::string text(length, 'a');
        text[at] = odd;
        CAPTURE(length, at, static_cast<int>(odd));
        CHECK(is_storable_text(text) == (odd == '\x01' || odd == '\x7F'));
        CHECK(is_storable_text(text.replace(at, 1, "\xC3\xA9")));
      }
  CHECK_FALSE(is_storable_text(std::string_view("a\0b", 3)));
  CHECK(to_storable_text(std::string("a\0b", 3)) ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(to_storable_text("a\xFFz") == "a\xEF\xBF\xBDz");
}

namespace {
template <class T>
concept printable = requires(std::ostream& out, T const& value) { out << value; };
}  // namespace

TEST_CASE("a secret cannot be printed or turned into text by accident") {
  STATIC_REQUIRE_FALSE(printable<visor::secret>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<visor::secret, std::string>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<visor::secret, std::string_view>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<std::string, visor::secret>);
  CHECK(visor::secret("x").reveal() == "x");
  CHECK(visor::secret().empty());
}
