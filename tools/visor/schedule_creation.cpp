#include "schedule_creation.hpp"

#include "configuration.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "stored_text.hpp"

#include "visor/base/error.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <functional>
#include <random>

namespace visor_program {
namespace {

/// The number of jobs in a row that may fail before a schedule that a user made stops.
constexpr int most_failures = 3;

[[noreturn]] void refuse_misfire(std::string const& text) {
  throw usage_error("--misfire cannot be " + in_quotes(text) +
                    ": skip, latest, all, all:N (N from 1 to 100000) or window:LENGTH (such as window:1h) is wanted");
}

visor::misfire_settings read_misfire(std::string const& text) {
  auto const colon = text.find(':');
  auto const policy = text.substr(0, colon);
  auto const rest = colon == std::string::npos ? std::string() : text.substr(colon + 1);
  visor::misfire_settings result;
  if (std::ranges::find(words_of<visor::misfire>, policy) == words_of<visor::misfire>.end()) refuse_misfire(text);
  result.policy = value_of<visor::misfire>(policy);
  if (result.policy == visor::misfire::window) {
    auto const within = visor::parse_duration(rest);
    if (!within || *within < std::chrono::seconds(1)) refuse_misfire(text);
    result.within = *within;
  } else if (result.policy == visor::misfire::all && colon != std::string::npos) {
    auto const [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), result.limit);
    if (failed != std::errc{} || end != rest.data() + rest.size() || result.limit < 1 || result.limit > 100'000) refuse_misfire(text);
  } else if (colon != std::string::npos) {
    refuse_misfire(text);
  }
  return result;
}

/// Generates an id: short enough to be typed, long enough to be unique (50 bits), without letters that look like digits.
std::string made_up_id() {
  constexpr std::string_view letters = "23456789abcdefghjkmnpqrstuvwxyz0";
  std::random_device random;
  std::uniform_int_distribution<std::size_t> pick(0, letters.size() - 1);
  std::string id;
  for (int i = 0; i < 10; ++i) id += letters[pick(random)];
  return id;
}

std::string checked_id(std::string const& name) {
  bool const plain = escaped(name) == name && name.find_first_of(" /\\'\"") == std::string::npos;
  if (name.empty() || name.size() > 200 || name.front() == '-' || !plain)
    throw usage_error("--name cannot be " + in_quotes(name) + ": 1 to 200 characters without spaces, quotes and slashes are wanted");
  return name;
}

}  // namespace

creation read_creation(invocation const& arguments) {
  creation plan;
  auto const at = arguments.text("at");
  if (!at) throw usage_error("--at is missing: it says when, such as --at 'every weekday at 9am'; see 'visor schedule create --help'");
  plan.at = *at;
  if (auto const name = arguments.text("name")) plan.name = checked_id(*name);
  plan.zone = arguments.text("zone");
  plan.anchor = arguments.text("anchor");
  if (auto const gap = arguments.text("dst-gap")) plan.dst.gap = value_of<visor::dst_gap>(*gap);
  if (auto const overlap = arguments.text("dst-overlap")) plan.dst.overlap = value_of<visor::dst_overlap>(*overlap);
  plan.payload = inputs_as_json(arguments.all("inputs"));
  plan.description = arguments.text("description");
  if (arguments.text("output-type").value_or("none") != "none" || arguments.text("output-target"))
    throw usage_error("--output-type and --output-target: results are sent nowhere yet; let the workflow send what is wanted");
  if (auto const misfire = arguments.text("misfire")) plan.misfire = read_misfire(*misfire);
  if (auto const overlap = arguments.text("overlap")) plan.overlap = value_of<visor::overlap>(*overlap);
  return plan;
}

visor::schedule_record schedule_of(creation const& plan, visor::workflow const& runs) {
  visor::schedule_record schedule;
  schedule.origin = visor::origin::user;
  schedule.type = runs.name;
  schedule.queue = visor::queue_of(runs.queue, runs.capability, runs.limits, runs.name);
  schedule.priority = runs.priority;
  schedule.max_attempts = runs.max_attempts;
  schedule.max_lost = runs.max_lost;
  schedule.payload = plan.payload;
  schedule.description = plan.description;
  schedule.misfire = plan.misfire.policy;
  schedule.misfire_limit = plan.misfire.limit;
  schedule.misfire_window = plan.misfire.within;
  schedule.overlap = plan.overlap;
  schedule.dst_gap = plan.dst.gap;
  schedule.dst_overlap = plan.dst.overlap;
  schedule.max_failures = most_failures;
  schedule.owner = user_name();
  return schedule;
}

void choose_id(visor::schedule_record& schedule, std::optional<std::string> const& id) { schedule.id = id.value_or(made_up_id()); }

void add_with_id(storage& store, visor::schedule_record& schedule, std::optional<std::string> const& id,
                 std::function<void()> const& on_another_id) {
  for (int attempt = 0;; ++attempt) {
    if (attempt != 0) {
      choose_id(schedule, id);
      on_another_id();
    }
    try {
      store_texts({{"the schedule's name", schedule.id},
                   {"--at", schedule.phrase.value_or("")},
                   {"the workflow's name", schedule.type},
                   {"the workflow's queue", schedule.queue},
                   {"the payload", schedule.payload},
                   {"--description", schedule.description.value_or("")},
                   {"the name of the user", schedule.owner.value_or("")}},
                  [&] { run_sync(store.add_schedule(schedule)); });
      return;
    } catch (visor::error const& refused) {
      if (refused.code() != visor::errc::already_exists) throw;
      if (id) throw failure("there is a schedule " + in_quotes(*id) + " already: choose another --name, or cancel that one first");
      if (attempt == 3) throw;
    }
  }
}

}  // namespace visor_program
