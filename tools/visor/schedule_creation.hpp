#ifndef VISOR_TOOLS_SCHEDULE_CREATION_HPP
#define VISOR_TOOLS_SCHEDULE_CREATION_HPP

#include "command.hpp"
#include "words.hpp"

#include "visor/config/settings.hpp"
#include "visor/store/records.hpp"

#include <functional>
#include <optional>
#include <string>

namespace visor_program {

class storage;

inline constexpr option creation_options[] = {
    config_option,
    {"at", "WHEN", "when: a phrase, a cron expression or an instant"},
    {"name", "ID", "its id; default: one is made up"},
    {"zone", "ZONE", "an IANA time zone; default: the configuration's"},
    {"anchor", "INSTANT", "from where an interval counts; default: from now for a phrase, from 1970 for @every"},
    {"dst-gap", "WHAT", "a time that the clocks skip; default run where the hour is fixed", words_of<visor::dst_gap>},
    {"dst-overlap", "WHAT", "a time that the clocks repeat; default first where the hour is fixed", words_of<visor::dst_overlap>},
    {"inputs", "NAME=VALUE", "texts for its jobs, as many as needed", {}, true},
    {"output-type", "TYPE", "where results go: none, so far", words_of<visor::output_kind>},
    {"output-target", "TARGET", "refused: results go nowhere yet"},
    {"misfire", "POLICY", "about instants that were missed: skip, latest, all, all:N or window:LENGTH; default latest"},
    {"overlap", "POLICY", "when the last job still runs; default allow", words_of<visor::overlap>},
    {"description", "TEXT", "what it is for"},
    json_option,
};

/// The options of `schedule create`.
struct creation {
  std::string at;
  std::optional<std::string> name;
  std::optional<std::string> zone;
  std::optional<std::string> anchor;
  visor::dst_policy dst;
  std::string payload;
  std::optional<std::string> description;
  visor::misfire_settings misfire;
  visor::overlap overlap = visor::overlap::allow;
};

/// \throws usage_error
creation read_creation(invocation const& arguments);

/// Makes a schedule of the calling user for a workflow, without id, time and zone.
visor::schedule_record schedule_of(creation const& plan, visor::workflow const& runs);

/// Sets the given id, or a generated one.
void choose_id(visor::schedule_record& schedule, std::optional<std::string> const& id);

/// Stores a schedule under the chosen id. A generated id that is taken is replaced by another one.
/// \throws failure when the id that was asked for is taken
void add_with_id(storage& store, visor::schedule_record& schedule, std::optional<std::string> const& id,
                 std::function<void()> const& on_another_id);

}  // namespace visor_program

#endif
