#include "workflows.hpp"

#include "when.hpp"
#include "words.hpp"

#include "visor/async/clock.hpp"
#include "visor/config/commands.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/secrets.hpp"
#include "visor/cron/phrase.hpp"
#include "visor/handler/command.hpp"
#include "visor/handler/webhook.hpp"
#include "visor/handler/write_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace visor_program {
namespace {

visor::webhook_options webhook_of(visor::webhook_settings const& given, visor::settings const& settings) {
  visor::webhook_options options{given.url};
  options.hidden = visor::secret_texts(settings);
  options.method = word(given.method);
  options.headers = given.headers;
  options.body = given.body;
  return options;
}

visor::command_options command_of(visor::workflow const& workflow, visor::settings const& settings) {
  visor::command_options options{workflow.command};
  options.shell = workflow.shell;
  options.inherit_env = workflow.inherit_env;
  options.withheld = settings.secret_variables;
  options.hidden = visor::secret_texts(settings);
  options.env = workflow.env;
  options.working_directory = workflow.working_directory;
  // A little less than the node waits, so that the node sees the end of commands that have to be killed.
  options.stop_grace = settings.node.stop_grace - std::min<visor::duration>(settings.node.stop_grace / 5, std::chrono::seconds{1});
  return options;
}

/// Collects the faults in the options of handlers, at their keys in the configuration.
class fault_finder {
 public:
  fault_finder(visor::settings const& settings, std::vector<visor::config_error>& errors) : settings_(settings), errors_(errors) {}

  /// \param below the path of the keys that hold the options
  void add(std::vector<visor::option_fault> const& faults, visor::workflow const& workflow, std::string const& below) {
    for (auto const& fault : faults) {
      std::string path = visor::detail::join_path(below, fault.option);
      if (!fault.entry.empty()) path = visor::detail::join_path(path, fault.entry);
      auto const found = settings_.sources.find(path);
      auto const& where = found == settings_.sources.end() ? workflow.where : found->second;
      bool const is_hidden = !where.variables.empty() && !fault.general.empty();
      errors_.push_back({where.file, where.line, where.column, std::move(path), is_hidden ? fault.general : fault.reason});
    }
  }

 private:
  visor::settings const& settings_;
  std::vector<visor::config_error>& errors_;
};

/// Calls `visor::check_commands` on a thread of its own. A thread that hangs is abandoned, since nothing can end its wait.
std::vector<visor::config_error> check_commands_in_time(visor::settings const& settings, std::vector<std::string>& unchecked) {
  constexpr std::chrono::seconds longest{5};
  struct search {
    explicit search(visor::settings const& of) : settings(of) {}
    visor::settings settings;
    std::promise<std::vector<visor::config_error>> found;
    std::mutex mutex;
    std::string workflow;  ///< the one that is being checked
  };
  auto const shared = std::make_shared<search>(settings);
  auto found = shared->found.get_future();
  std::thread searching([shared] {
    auto const begins_with = [&](visor::workflow const& next) {
      std::scoped_lock const lock(shared->mutex);
      shared->workflow = next.name;
    };
    shared->found.set_value(visor::check_commands(shared->settings, visor::process_environment(), begins_with));
  });
  if (found.wait_for(longest) == std::future_status::ready) {
    searching.join();
    return found.get();
  }
  searching.detach();
  std::scoped_lock const lock(shared->mutex);
  unchecked.push_back("the file system of the program or folder of workflow " + shared->workflow +
                      " does not answer: it and the workflows behind it were not looked for");
  return {};
}

std::optional<std::string> output_of(visor::cron_entry const& entry) {
  if (entry.output.type == visor::output_kind::none) return std::nullopt;
  boost::json::object output{{"type", word(entry.output.type)}};
  if (!entry.output.target.empty()) output["target"] = entry.output.target;
  if (!entry.output.thread_id.empty()) output["thread_id"] = entry.output.thread_id;
  return boost::json::serialize(output);
}

}  // namespace

std::vector<visor::job_type> job_types_of(visor::settings const& settings, std::vector<std::string>& unchecked) {
  auto errors = check_commands_in_time(settings, unchecked);
  fault_finder finder(settings, errors);
  std::vector<visor::job_type> types;
  for (auto const& workflow : settings.workflows) {
    if (!settings.runs_here(workflow)) continue;  // other nodes have the capability, and perhaps the program
    std::string const path = visor::detail::join_path("workflows", workflow.name);
    auto const before = errors.size();
    if (workflow.webhook) {
      auto options = webhook_of(*workflow.webhook, settings);
      finder.add(check_options(options), workflow, path + ".webhook");
      if (errors.size() == before) types.emplace_back(workflow.name, visor::webhook(std::move(options)), workflow);
    } else {
      auto options = command_of(workflow, settings);
      finder.add(check_options(options), workflow, path);
      if (errors.size() == before) types.emplace_back(workflow.name, visor::command(std::move(options)), workflow);
    }
  }
  if (!errors.empty()) {
    visor::detail::sort_errors(errors);
    throw visor::config_failure(std::move(errors));
  }
  types.emplace_back(text_type, visor::write_text());
  return types;
}

visor::schedule_set set_of(visor::settings const& settings) { return {visor::origin::config, settings.set}; }

namespace {

/// Other nodes may know the data of a zone that is unknown here; on this node UTC only determines the day.
visor::time_zone zone_or_utc(std::string const& name) {
  try {
    return visor::find_zone(name);
  } catch (visor::error const&) {
    return visor::time_zone::utc();
  }
}

/// Sets the time of a schedule. An interval that a phrase names counts from the creation of the schedule, unless the file names
/// an anchor. The anchor is stored apart, so that the definition is the same whenever the file is read.
void set_when(visor::schedule_record& schedule, visor::cron_entry const& entry, visor::instant now) {
  constexpr std::string_view blanks = " \t\r\n";
  std::string const text = entry.schedule.substr(0, entry.schedule.find_last_not_of(blanks) + 1);
  schedule.zone = entry.timezone;
  schedule.dst_gap = entry.dst.gap;
  schedule.dst_overlap = entry.dst.overlap;
  auto const parsed = visor::parse_phrase(text, now, zone_or_utc(entry.timezone), entry.anchor);
  auto const& when = std::get<visor::recurrence>(parsed.when);
  bool const from_creation = parsed.is_phrase && when.expression().is_interval() && !entry.anchor;
  schedule.expression = parsed.is_phrase || entry.anchor ? when.to_string() : text;
  if (parsed.is_phrase) schedule.phrase = text;
  if (!from_creation) return;
  schedule.expression = when.expression().to_string();
  schedule.anchor = when.anchor_text();
}

}  // namespace

std::vector<visor::schedule_record> schedules_of(visor::settings const& settings) {
  auto const now = visor::wall_clock().now();
  std::vector<visor::schedule_record> schedules;
  for (auto const& entry : settings.cron) {
    if (!entry.enabled) continue;
    visor::schedule_record schedule;
    schedule.id = entry.name;
    schedule.origin = visor::origin::config;
    set_when(schedule, entry, now);
    schedule.type = entry.workflow.empty() ? text_type : entry.workflow;
    schedule.payload = entry.inputs.text;
    if (entry.queue) schedule.queue = *entry.queue;
    if (auto const* const workflow = settings.find_workflow(entry.workflow)) {
      schedule.queue = visor::queue_of(entry.queue.value_or(workflow->queue), workflow->capability, workflow->limits, workflow->name);
      schedule.priority = workflow->priority;
      schedule.max_attempts = workflow->max_attempts;
      schedule.max_lost = workflow->max_lost;
    }
    if (entry.priority) schedule.priority = *entry.priority;
    schedule.misfire = entry.misfire.policy;
    schedule.misfire_limit = entry.misfire.limit;
    schedule.misfire_window = entry.misfire.within;
    schedule.overlap = entry.overlap;
    if (!entry.description.empty()) schedule.description = entry.description;
    schedule.output = output_of(entry);
    schedules.push_back(std::move(schedule));
  }
  return schedules;
}

std::vector<std::string> ended_schedules(std::vector<visor::schedule_record> const& schedules) {
  auto const now = visor::wall_clock().now();
  std::vector<std::string> lines;
  for (auto const& schedule : schedules) {
    // Only the seventh field, the year, can end.
    if (std::ranges::count_if(schedule.expression, [](char c) { return c == ' ' || c == '\t'; }) < 6) continue;
    try {
      auto const when = moment_of(schedule);
      if (!when.next(now)) lines.push_back("schedule " + schedule.id + ": " + when.why_never(now));
    } catch (visor::error const&) {  // this machine lacks the data of the zone, and other nodes may have them
    }
  }
  return lines;
}

}  // namespace visor_program
