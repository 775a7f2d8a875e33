#ifndef VISOR_TOOLS_LEGACY_HPP
#define VISOR_TOOLS_LEGACY_HPP

#include "visor/base/log.hpp"
#include "visor/base/time.hpp"
#include "visor/config/settings.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace visor_program {

class storage;

/// The content of a JSON file of an older scheduler.
struct legacy_schedules {
  std::vector<visor::schedule_record> records;
  std::size_t without_id = 0;
  std::vector<std::string> errors;  ///< a line for each row that cannot be taken over
  std::vector<std::string> notes;   ///< a line for each part of a row that is not taken over
};

/// Reads `{"schedules": [...]}`. The type, queue and attempts of a schedule are those of its workflow.
/// \throws visor_program::failure when the text is no JSON object
legacy_schedules read_legacy(std::string_view text, visor::settings const& settings, visor::instant now);

/// Takes over the schedules that `storage.path`, or `.visor/schedules.json` where that is not set, still has. Then renames the
/// file to `NAME.migrated`, or `NAME.migrated.1` and so on where there is one. Schedules without an id, and those whose id is
/// taken, are left out. Does nothing where there is no file. A file that is not JSON is left alone with a warning.
/// \param store open
/// \throws visor_program::failure with a line for each row that is wrong: then nothing is stored, and the file stays
void take_over_legacy(storage& store, visor::settings const& settings, visor::log_sink const& log);

/// The file to be taken over; empty when there is none.
std::string legacy_file(visor::settings const& settings);

}  // namespace visor_program

#endif
