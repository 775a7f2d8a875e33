#ifndef VISOR_TOOLS_SCHEDULE_CREATION_HPP
#define VISOR_TOOLS_SCHEDULE_CREATION_HPP

#include "command.hpp"
#include "words.hpp"

#include "visor/config/settings.hpp"
#include "visor/store/records.hpp"

#include <optional>
#include <string>

namespace visor_program {

class storage;

inline constexpr option creation_options[] = {
    config_option,
    {"at", "WHEN", "when: a phrase, a cron expression or an instant"},
    {"name", "ID", "its id; default: one is made up"},
    {"zone", "ZONE", "an IANA time zone; default: the configuration's"},
    {"inputs", "NAME=VALUE", "texts for its jobs, as many as needed", {}, true},
    {"output-type", "TYPE", "where results go", words_of<visor::output_kind>},
    {"output-target", "TARGET", "the channel, issue or URL that they go to"},
    {"misfire", "POLICY", "about instants that were missed: skip, latest, all, all:N or window:LENGTH; default latest"},
    {"overlap", "POLICY", "when the last job still runs; default allow", words_of<visor::overlap>},
    {"description", "TEXT", "what it is for"},
    json_option,
};

/// What the options of `schedule create` say.
struct creation {
  std::string at;
  std::optional<std::string> name;
  std::optional<std::string> zone;
  std::string payload;
  std::optional<std::string> output;
  std::optional<std::string> description;
  visor::misfire_settings misfire;
  visor::overlap overlap = visor::overlap::allow;
};

/// \throws usage_error
creation read_creation(invocation const& given);

/// A schedule of the calling user for a workflow, without id, time and zone.
visor::schedule_record schedule_of(creation const& plan, visor::workflow const& runs);

/// Stores it under that id, or under one that is made up and free. \throws failure when the id is taken
void add_with_id(storage& store, visor::schedule_record& schedule, std::optional<std::string> const& id);

}  // namespace visor_program

#endif
