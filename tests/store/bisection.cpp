#include "visor/store/bisection.hpp"

#include "support/catch.hpp"

#include <string>

namespace {

using visor::detail::reduced;
using visor::detail::refused_character;
using visor::detail::text_reduction;

}  // namespace

TEST_CASE("the character that a server refuses is read from its words", "[store]") {
  CHECK(refused_character("character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"") ==
        "€");
  CHECK(refused_character("Incorrect string value: '\\xE2\\x82\\xAC\\x0A' for column `d`.`t`.`output` at row 1") == "€");
  CHECK(refused_character("Incorrect string value: '\\xF0\\x9F\\x98\\x80 ok' for column") == "😀");
  CHECK(refused_character("Zeichen mit Byte-Folge 0xc5 0x81 in Kodierung »UTF8« hat keine Entsprechung in Kodierung »LATIN1«") == "Ł");
  for (auto const* other : {"", "0x", "0x4", "0xzz", "\\x", "value too long", "at 0x41", "0xe2 0x82", "\\xFF\\xFE"})
    CHECK(refused_character(other).empty());
}

TEST_CASE("a text that a database refuses is reduced between characters", "[store]") {
  CHECK(reduced("10 € für 3 кг", text_reduction{true, std::string::npos}) == "10 ? f?r 3 ??");
  CHECK(reduced("für", text_reduction{false, 10}) == "für");
  CHECK(reduced("üüü", text_reduction{false, 3}) == "ü... [4 bytes more]");
  CHECK(reduced("üüü", text_reduction{true, 2}) == "??... [1 bytes more]");
  CHECK(reduced("anything", text_reduction{true, 0}).empty());
}
