#include "commands.hpp"
#include "configuration.hpp"
#include "job_number.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "stored_text.hpp"
#include "words.hpp"

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/store/check_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <iostream>

namespace visor_program {
namespace {

constexpr argument id_argument[] = {{"id"}};
constexpr argument workflow_argument[] = {{"workflow"}};
constexpr option list_options[] = {
    config_option,
    {"state", "STATE", "only jobs in this state", words_of<visor::job_state>},
    {"type", "TYPE", "only jobs of this workflow"},
    {"schedule", "ID", "only jobs of this schedule"},
    {"limit", "N", "how many, the newest first; default 100"},
    json_option,
};
constexpr option show_options[] = {config_option, json_option};
constexpr option change_options[] = {config_option};
constexpr option enqueue_options[] = {
    config_option,
    {"inputs", "NAME=VALUE", "texts for the job, as many as needed", {}, true},
    {"payload", "JSON", "the whole payload in place of inputs; '-' reads it from standard input"},
    {"priority", "P", "high (50), normal (100), low (200) or a number, lower runs first; default: the workflow's"},
    {"in", "LENGTH", "start after this, such as 10m"},
    {"at", "INSTANT", "start at this instant, such as 2026-11-21T14:00:00Z"},
    {"max-attempts", "N", "how often to try; default: the workflow's"},
    {"key", "TEXT", "jobs of one key are limited together, where the workflow has such limits"},
    json_option,
};

colour colour_of(visor::job_state state) {
  switch (state) {
    case visor::job_state::completed: return colour::good;
    case visor::job_state::running: return colour::strong;
    case visor::job_state::failed:
    case visor::job_state::dead: return colour::bad;
    case visor::job_state::cancelled: return colour::warning;
    default: return colour::none;
  }
}

boost::json::object as_object(visor::job_view const& view) {
  boost::json::object all;
  all["id"] = view.job.id;
  all["type"] = view.job.type;
  all["state"] = word(view.state);
  all["attempts"] = view.attempts;
  all["max_attempts"] = view.job.max_attempts;
  all["uncounted"] = view.job.uncounted.value_or(0);
  all["schedule"] = json_of(view.job.schedule);
  all["planned_at"] = json_of(view.job.planned_at);
  all["run_at"] = visor::to_string(view.job.run_at);
  all["created_at"] = visor::to_string(view.job.created_at);
  all["started_at"] = json_of(view.started_at);
  all["finished_at"] = json_of(view.finished_at);
  all["node"] = json_of(view.node);
  all["error"] = json_of(view.error);
  all["queue"] = view.job.queue;
  all["priority"] = view.job.priority;
  all["owner"] = json_of(view.job.owner);
  return all;
}

boost::json::object as_object(visor::attempt_record const& attempt) {
  boost::json::object all;
  all["number"] = attempt.number;
  all["outcome"] = word(attempt.outcome);
  all["node"] = json_of(attempt.node);
  all["started_at"] = json_of(attempt.started_at);
  all["finished_at"] = visor::to_string(attempt.finished_at);
  all["error"] = json_of(attempt.error);
  all["output"] = json_of(attempt.output);
  return all;
}

int list(invocation const& arguments) {
  visor::job_filter filter;
  if (auto const state = arguments.text("state")) filter.state = value_of<visor::job_state>(*state);
  filter.type = arguments.text("type");
  filter.schedule = arguments.text("schedule");
  filter.limit = static_cast<std::size_t>(arguments.number("limit", 1, 1'000'000).value_or(100));
  auto const config = read_configuration(arguments);
  auto const store = look_at_storage(config);
  auto const found = store ? run_sync(store->jobs(filter)) : std::vector<visor::job_view>();
  if (arguments.has("json")) {
    boost::json::array all;
    for (auto const& view : found) all.emplace_back(as_object(view));
    print_json(std::cout, all);
    return 0;
  }
  table rows({"ID", "TYPE", "STATE", "TRIES", "SCHEDULE", "PLANNED", "STARTED", "TOOK", "NODE", "ERROR"});
  for (auto const& view : found) {
    auto const took = view.started_at && view.finished_at ? to_seconds_text(*view.finished_at - *view.started_at) : "-";
    rows.add({std::to_string(view.job.id),
              view.job.type,
              {std::string(word(view.state)), colour_of(view.state)},
              std::to_string(view.attempts - view.job.uncounted.value_or(0)) + "/" + std::to_string(view.job.max_attempts),
              view.job.schedule.value_or("-"),
              view.job.planned_at ? view.job.planned_at : view.job.run_at,
              view.started_at,
              took,
              view.node.value_or("-"),
              {view.error.value_or(""), colour::faint}});
  }
  if (rows.empty())
    std::cout << "no jobs\n";
  else
    rows.print(std::cout);
  return 0;
}

int show(invocation const& arguments) {
  auto const id = job_id_of(arguments.argument(0));
  auto const store = look_at_storage(read_configuration(arguments));
  auto const view = store ? run_sync(store->find_job(id)) : std::nullopt;
  if (!view) no_such_job(id);
  auto const attempts = run_sync(store->attempts(id));
  if (arguments.has("json")) {
    auto all = as_object(*view);
    auto& list = all["attempt_list"].emplace_array();
    for (auto const& attempt : attempts) list.emplace_back(as_object(attempt));
    std::cout << with_json(all, "payload", view->job.payload) << '\n';
    return 0;
  }
  fields shown;
  shown.add("job", std::to_string(view->job.id));
  shown.add("type", view->job.type);
  shown.add("state", {std::string(word(view->state)), colour_of(view->state)});
  if (view->job.schedule) shown.add("schedule", *view->job.schedule);
  if (view->job.planned_at) shown.add("planned", visor::to_string(*view->job.planned_at));
  shown.add("runs at", visor::to_string(view->job.run_at));
  shown.add("created", visor::to_string(view->job.created_at));
  if (view->job.owner) shown.add("owner", *view->job.owner);
  shown.add("queue", view->job.queue + ", priority " + std::to_string(view->job.priority));
  shown.add("payload", view->job.payload);
  shown.add("attempts", tries_in_words(*view));
  if (view->state == visor::job_state::running)
    shown.add("", std::to_string(view->attempts) + ": running on " + view->node.value_or("-") + " since " +
                      (view->started_at ? visor::to_string(*view->started_at) : "-"));
  for (auto const& attempt : attempts) {
    std::string line =
        std::to_string(attempt.number) + ": " + std::string(word(attempt.outcome)) + " at " + visor::to_string(attempt.finished_at);
    if (attempt.started_at) line += " after " + to_seconds_text(attempt.finished_at - *attempt.started_at);
    if (attempt.node) line += " on " + *attempt.node;
    shown.add("", line);
    if (attempt.error) shown.add("", {"   " + *attempt.error, colour::bad});
  }
  shown.print(std::cout);
  if (view->output && !view->output->empty()) print_text(std::cout, "output of the last attempt", *view->output);
  return 0;
}

int priority_of(invocation const& arguments, int otherwise) {
  auto const text = arguments.text("priority");
  if (!text) return otherwise;
  if (*text == "high") return 50;
  if (*text == "normal") return 100;
  if (*text == "low") return 200;
  int value = 0;
  auto const [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc{} || end != text->data() + text->size() || value < -32768 || value > 32767)
    throw usage_error("--priority cannot be " + in_quotes(*text) + ": high, normal, low or a whole number from -32768 to 32767 is wanted");
  return value;
}

/// \param limit in bytes; no more is read
/// \throws visor::error when it is too long, or not JSON
std::string payload_of(invocation const& arguments, std::size_t limit) {
  auto const inputs = arguments.all("inputs");
  auto const payload = arguments.text("payload");
  if (!payload) return inputs_as_json(inputs);
  if (!inputs.empty()) throw usage_error("--inputs and --payload cannot be given together");
  std::string text = *payload;
  if (text == "-") {
    text.resize(limit + 1);
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > limit)
      throw failure("the payload has more than " + std::to_string(limit) +
                    " bytes, which is what scheduler.node.payload_limit allows: nothing was stored");
  }
  if (!visor::is_storable_text(text)) throw failure("the payload is not UTF-8 text, or holds a NUL byte: nothing was stored");
  if (auto const fault = visor::detail::find_json_fault(text))
    throw failure("the payload " + fault->message() + ": nothing was stored; an object is such as '{\"to\": \"ops\"}'");
  return text;
}

int enqueue(invocation const& arguments) {
  auto const delay = arguments.length("in");
  auto const at = arguments.point("at");
  if (delay && at) throw usage_error("--in and --at cannot be given together");
  auto const attempts = arguments.number("max-attempts", 1, 1'000'000);
  auto const config = read_configuration(arguments);
  auto const& workflow = find_workflow(config, arguments.argument(0));
  visor::new_job job;
  job.type = workflow.name;
  auto const key = arguments.text("key");
  if (key && key->empty()) throw usage_error("--key is empty: give a text, or leave it out");
  if (key && !workflow.limits.any_by_key())
    throw usage_error("--key cannot be given: workflow " + in_quotes(workflow.name) +
                      " has no limits.key_concurrency and no limits.key_rate");
  job.queue = visor::queue_of(workflow.queue, workflow.capability, workflow.limits, workflow.name, key.value_or(""));
  job.priority = priority_of(arguments, workflow.priority);
  job.payload = payload_of(arguments, config.settings.node.payload_limit);
  visor::detail::check_payload_size(job.payload, config.settings.node.payload_limit, "scheduler.node.payload_limit",
                                    [] { return std::string("nothing was stored"); });
  job.max_attempts = attempts ? static_cast<int>(*attempts) : workflow.max_attempts;
  job.max_lost = workflow.max_lost;
  job.owner = user_name();
  auto const store = open_storage(config);
  job.run_at = at;
  if (delay) job.run_at = run_sync(store->now()) + *delay;
  job.id = run_sync(store->reserve_ids(1)).take();
  store_texts({{"the workflow's name", job.type},
               {"--key", key.value_or("")},
               {"the workflow's queue", job.queue},
               {"the payload", job.payload},
               {"the name of the user", job.owner.value_or("")}},
              [&] { run_sync(store->enqueue({&job, 1})); });
  if (arguments.has("json"))
    std::cout << boost::json::serialize(boost::json::object{{"id", job.id}}) << '\n';
  else
    std::cout << "job " << job.id << " enqueued: " << escaped(job.type)
              << (job.run_at ? ", not before " + visor::to_string(*job.run_at) : "") << '\n';
  return 0;
}

int cancel(invocation const& arguments) {
  auto const id = job_id_of(arguments.argument(0));
  auto const store = open_storage(read_configuration(arguments));
  switch (run_sync(store->cancel_job(id))) {
    case visor::cancel_result::cancelled: std::cout << "job " << id << " cancelled\n"; return 0;
    case visor::cancel_result::requested: std::cout << "job " << id << " is running: its node is asked to stop it\n"; return 0;
    case visor::cancel_result::finished: throw failure("job " + std::to_string(id) + " has ended already: there is nothing to cancel");
    case visor::cancel_result::not_found: break;
  }
  no_such_job(id);
}

int retry(invocation const& arguments) {
  auto const id = job_id_of(arguments.argument(0));
  auto const store = open_storage(read_configuration(arguments));
  try {
    run_sync(store->retry_job(id));
  } catch (visor::error const& refused) {
    if (refused.code() == visor::errc::not_found) no_such_job(id);
    if (refused.code() == visor::errc::conflict)
      throw failure("job " + std::to_string(id) + " has not ended yet: it cannot be tried again");
    throw;
  }
  std::cout << "job " << id << " will be tried once more\n";
  return 0;
}

}  // namespace

constinit command const job_commands[6] = {
    {"enqueue", "Adds a job, to be run by 'visor run' as soon as it can",
     "Works whether or not 'visor run' is running: the job waits in the database.",
     "visor job enqueue report --inputs team=platform day=monday --priority high\n"
     "echo '{\"rows\": 3}' | visor job enqueue report --payload - --in 10m",
     workflow_argument, enqueue_options, enqueue},
    {"list",
     "Lists jobs, the newest first",
     "",
     "visor job list --state failed --limit 20\nvisor job list --schedule nightly-report --json",
     {},
     list_options,
     list},
    {"show", "Shows one job with its attempts and its last output", "", "visor job show 42", id_argument, show_options, show},
    {"why", "Tells why a job is where it is, and what it needs to go on", "", "visor job why 42", id_argument, change_options, why},
    {"cancel", "Cancels a job: one that waits will not run, one that runs is stopped", "", "visor job cancel 42", id_argument,
     change_options, cancel},
    {"retry", "Runs a job that has ended once more", "", "visor job retry 42", id_argument, change_options, retry},
};

}  // namespace visor_program
