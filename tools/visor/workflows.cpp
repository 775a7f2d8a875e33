#include "workflows.hpp"

#include "words.hpp"

#include "visor/config/commands.hpp"
#include "visor/config/error.hpp"
#include "visor/handler/command.hpp"
#include "visor/handler/text.hpp"
#include "visor/handler/webhook.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>

namespace visor_program {
namespace {

/// The job type of schedules that name no workflow: their text is their output. No workflow can have this name, it has a slash.
constexpr char const* text_type = "visor/text";

visor::webhook_options webhook_of(visor::webhook_settings const& given) {
  visor::webhook_options options{given.url};
  options.method = word(given.method);
  options.headers = given.headers;
  options.body = given.body;
  return options;
}

visor::command_options command_of(visor::workflow const& workflow, visor::settings const& settings) {
  visor::command_options options{workflow.command};
  options.shell = workflow.shell;
  options.env = workflow.env;
  options.working_directory = workflow.working_directory;
  // A little less than the node waits, so that it sees the end of those that have to be killed.
  options.stop_grace = settings.node.stop_grace - std::min<visor::duration>(settings.node.stop_grace / 5, std::chrono::seconds{1});
  return options;
}

/// Collects what is wrong with the options of handlers, at the keys of the configuration that they come from.
class fault_finder {
 public:
  fault_finder(visor::settings const& settings, std::vector<visor::config_error>& errors) : settings_(settings), errors_(errors) {}

  /// \param below the path of the keys that are the options
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

std::optional<std::string> output_of(visor::cron_entry const& entry) {
  if (entry.output.type == visor::output_kind::none) return std::nullopt;
  boost::json::object output{{"type", word(entry.output.type)}};
  if (!entry.output.target.empty()) output["target"] = entry.output.target;
  if (!entry.output.thread_id.empty()) output["thread_id"] = entry.output.thread_id;
  return boost::json::serialize(output);
}

}  // namespace

std::vector<visor::job_type> job_types_of(visor::settings const& settings) {
  auto errors = visor::check_commands(settings);
  fault_finder finder(settings, errors);
  std::vector<visor::job_type> types;
  for (auto const& workflow : settings.workflows) {
    std::string const path = visor::detail::join_path("workflows", workflow.name);
    auto const before = errors.size();
    if (workflow.webhook) {
      auto options = webhook_of(*workflow.webhook);
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

std::vector<visor::schedule_record> schedules_of(visor::settings const& settings) {
  std::vector<visor::schedule_record> schedules;
  for (auto const& entry : settings.cron) {
    if (!entry.enabled) continue;
    visor::schedule_record schedule;
    schedule.id = entry.name;
    schedule.origin = visor::origin::config;
    schedule.expression = entry.schedule;
    schedule.zone = entry.timezone;
    schedule.type = entry.workflow.empty() ? text_type : entry.workflow;
    schedule.payload = entry.inputs.text;
    if (entry.queue) schedule.queue = *entry.queue;
    if (auto const* const workflow = settings.find_workflow(entry.workflow)) {
      schedule.queue = visor::queue_of(entry.queue.value_or(workflow->queue), workflow->capability, workflow->limits, workflow->name);
      schedule.priority = workflow->priority;
      schedule.max_attempts = workflow->max_attempts;
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

}  // namespace visor_program
