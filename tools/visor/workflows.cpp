#include "workflows.hpp"

#include "words.hpp"

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

visor::handler handler_of(visor::workflow const& workflow, visor::settings const& settings) {
  if (workflow.webhook) {
    visor::webhook_options options{workflow.webhook->url};
    options.method = word(workflow.webhook->method);
    options.headers = workflow.webhook->headers;
    options.body = workflow.webhook->body;
    return visor::webhook(std::move(options));
  }
  visor::command_options options{workflow.command};
  options.shell = workflow.shell;
  options.env = workflow.env;
  options.working_directory = workflow.working_directory;
  // A little less than the node waits, so that it sees the end of those that have to be killed.
  options.stop_grace = settings.node.stop_grace - std::min<visor::duration>(settings.node.stop_grace / 5, std::chrono::seconds{1});
  return visor::command(std::move(options));
}

std::optional<std::string> output_of(visor::cron_entry const& entry) {
  if (entry.output.type == visor::output_kind::none) return std::nullopt;
  boost::json::object output{{"type", word(entry.output.type)}};
  if (!entry.output.target.empty()) output["target"] = entry.output.target;
  if (!entry.output.thread_id.empty()) output["thread_id"] = entry.output.thread_id;
  return boost::json::serialize(output);
}

}  // namespace

std::vector<visor::job_type> job_types_of(visor::settings const& settings) {
  std::vector<visor::job_type> types;
  std::vector<visor::config_error> errors;
  for (auto const& workflow : settings.workflows) {
    try {
      types.emplace_back(workflow.name, handler_of(workflow, settings), workflow);
    } catch (visor::error const& refused) {
      auto const& where = workflow.where;
      errors.push_back({where.file, where.line, where.column, "workflows." + workflow.name, refused.what()});
    }
  }
  if (!errors.empty()) throw visor::config_failure(std::move(errors));
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
    if (auto const* const workflow = settings.find_workflow(entry.workflow)) {
      schedule.queue = workflow->queue;
      schedule.priority = workflow->priority;
      schedule.max_attempts = workflow->max_attempts;
    }
    if (entry.queue) schedule.queue = *entry.queue;
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
