#ifndef VISOR_TOOLS_STORED_TEXT_HPP
#define VISOR_TOOLS_STORED_TEXT_HPP

#include "command.hpp"

#include "visor/base/error.hpp"
#include "visor/store/bisection.hpp"
#include "visor/store/row_refusals.hpp"

#include <string>
#include <utility>
#include <vector>

namespace visor_program {

/// Stores something. Where the encoding of the database lacks a character, the error names the text that has it.
/// \param texts that are stored, each with its name
template <class Store>
void store_texts(std::vector<visor::detail::named_text> const& texts, Store&& store) {
  try {
    std::forward<Store>(store)();
  } catch (visor::error const& why) {
    std::string const character = visor::detail::refused_character(why.server_text());
    for (auto const& each : texts)
      if (!character.empty() && each.text.find(character) != std::string::npos)
        throw failure(each.what + " has the character '" + character +
                      "', which the encoding of the database lacks: leave it out, or use a database whose encoding is UTF-8; nothing was "
                      "stored");
    throw;
  }
}

}  // namespace visor_program

#endif
