#include "commands.hpp"
#include "configuration.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "schedule_creation.hpp"
#include "schedule_sets.hpp"
#include "storage.hpp"
#include "when.hpp"
#include "words.hpp"

#include "visor/base/error.hpp"
#include "visor/cron/explain.hpp"
#include "visor/store/check_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <iostream>

namespace visor_program {
namespace {

using visor::schedule_record;
using visor::schedule_state;

constexpr argument id_argument[] = {{"id"}};
constexpr argument optional_id_argument[] = {{"id", false}};
constexpr argument workflow_argument[] = {{"workflow"}};
constexpr option list_options[] = {
    config_option,
    {"user", "NAME", "only schedules of this user"},
    {"status", "STATUS", "only schedules in this state", words_of<schedule_state>},
    {"all", "", "completed schedules too"},
    {"limit", "N", "how many, by id; default 1000"},
    json_option,
};
constexpr option show_options[] = {config_option, {"limit", "N", "how many of its last fires; default 5"}, json_option};
constexpr option next_options[] = {config_option, {"count", "N", "how many; default 5"}, json_option};
constexpr option force_option{"force", "", "also a schedule of somebody else"};
constexpr option change_options[] = {config_option, force_option};
constexpr option diff_options[] = {config_option, json_option};
constexpr option set_options[] = {config_option};

colour colour_of(schedule_state state) {
  switch (state) {
    case schedule_state::active: return colour::good;
    case schedule_state::paused: return colour::warning;
    case schedule_state::failed: return colour::bad;
    case schedule_state::completed: break;
  }
  return colour::faint;
}

boost::json::value parsed(std::optional<std::string> const& json) {
  if (!json) return nullptr;
  boost::system::error_code failed;
  auto value = boost::json::parse(*json, failed);
  return failed ? boost::json::value(*json) : value;
}

boost::json::object as_object(schedule_record const& schedule) {
  boost::json::object all;
  all["id"] = schedule.id;
  all["status"] = word(schedule.state);
  all["origin"] = word(schedule.origin);
  all["set"] = schedule.origin == visor::origin::user ? boost::json::value(nullptr)
                                                      : boost::json::value(schedule.set_name.value_or(visor::default_set));
  all["workflow"] = schedule.type;
  all["schedule"] = schedule.expression.empty() ? boost::json::value(nullptr) : boost::json::value(schedule.expression);
  all["phrase"] = json_of(schedule.phrase);
  all["timezone"] = schedule.zone;
  all["next_at"] = json_of(schedule.next_at);
  all["last_at"] = json_of(schedule.last_at);
  all["last_job"] = schedule.last_job ? boost::json::value(*schedule.last_job) : boost::json::value(nullptr);
  all["run_count"] = schedule.run_count;
  all["failure_count"] = schedule.failure_count;
  all["max_failures"] = schedule.max_failures;
  all["last_error"] = json_of(schedule.last_error);
  all["misfire"] = word(schedule.misfire);
  all["misfire_limit"] = schedule.misfire == visor::misfire::all ? boost::json::value(schedule.misfire_limit) : nullptr;
  all["misfire_window"] =
      schedule.misfire == visor::misfire::window ? boost::json::value(visor::to_string(schedule.misfire_window)) : nullptr;
  all["overlap"] = word(schedule.overlap);
  all["dst"] = boost::json::object{{"gap", schedule.dst_gap ? boost::json::value(word(*schedule.dst_gap)) : nullptr},
                                   {"overlap", schedule.dst_overlap ? boost::json::value(word(*schedule.dst_overlap)) : nullptr}};
  all["anchor"] = json_of(schedule.anchor);
  all["owner"] = json_of(schedule.owner);
  all["description"] = json_of(schedule.description);
  all["output"] = parsed(schedule.output);
  all["created_at"] = visor::to_string(schedule.created_at);
  all["updated_at"] = visor::to_string(schedule.updated_at);
  return all;
}

/// The time of a schedule, as its user wrote it.
std::string when_text(schedule_record const& schedule) {
  if (schedule.phrase) return *schedule.phrase;
  return schedule.expression.empty() ? "once" : schedule.expression;
}

/// Adds the meaning of a schedule's time, as far as this program understands it: a newer one may understand more.
void add_meaning(fields& shown, schedule_record const& schedule) {
  if (schedule.expression.empty()) return;
  try {
    auto const moment = moment_of(schedule);
    auto const& recurs = *moment.recurring();
    shown.add("meaning", visor::explain(recurs));
    if (auto const chosen = visor::explain_hashes(recurs.expression()); !chosen.empty()) shown.add("chosen", chosen + ", by its id");
    shown.add("clocks", clocks_text(recurs));
  } catch (visor::error const& failure) {
    shown.add("meaning", {failure.what(), colour::bad});
  }
}

/// The misfire policy in the form of `create --misfire`.
std::string misfire_text(schedule_record const& schedule) {
  std::string text{word(schedule.misfire)};
  if (schedule.misfire == visor::misfire::all) text += ":" + std::to_string(schedule.misfire_limit);
  if (schedule.misfire == visor::misfire::window) text += ":" + visor::to_string(schedule.misfire_window);
  return text;
}

/// Finds the schedule of an id, or of the beginning of one if no other begins like that.
schedule_record find(storage& store, std::string const& id) {
  if (auto const exact = run_sync(store.find_schedule(id))) return *exact;
  visor::schedule_filter filter;
  filter.id_prefix = id;
  filter.limit = 6;
  auto const found = id.empty() ? std::vector<schedule_record>() : run_sync(store.schedules(filter));
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    std::vector<std::string> ids;
    for (auto const& each : run_sync(store.schedules(visor::schedule_filter()))) ids.push_back(each.id);
    std::vector<std::string_view> const known(ids.begin(), ids.end());
    throw failure("there is no schedule " + in_quotes(id) + suggestion(id, known) +
                  "; 'visor schedule list --all' shows those that there are");
  }
  std::string candidates;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 5); ++i) (candidates += i == 0 ? "" : ", ") += found[i].id;
  throw failure(in_quotes(id) + " begins the ids of several schedules: " + candidates + (found.size() > 5 ? ", ..." : "") +
                "; give more of the id");
}

/// \throws failure when somebody else made it and `--force` is not given
void check_owner(invocation const& arguments, schedule_record const& schedule) {
  if (!schedule.owner || arguments.has("force") || *schedule.owner == user_name()) return;
  throw failure("schedule " + in_quotes(schedule.id) + " belongs to " + in_quotes(*schedule.owner) + "; --force changes it all the same");
}

/// Changes a schedule with an optimistic check: after a concurrent change the decision is made again.
template <class Change>
schedule_record change(invocation const& arguments, storage& store, Change const& decide) {
  for (int attempt = 0;; ++attempt) {
    auto schedule = find(store, arguments.argument(0));
    check_owner(arguments, schedule);
    decide(schedule);
    try {
      return run_sync(store.update_schedule(schedule));
    } catch (visor::error const& refused) {
      if (refused.code() != visor::errc::conflict || attempt == 5) throw;
    }
  }
}

int list(invocation const& arguments) {
  visor::schedule_filter filter;
  if (auto const state = arguments.text("status")) filter.state = value_of<schedule_state>(*state);
  filter.owner = arguments.text("user");
  filter.hide_completed = !arguments.has("all") && !filter.state;
  filter.limit = static_cast<std::size_t>(arguments.number("limit", 1, 1'000'000).value_or(1000));
  auto const config = read_configuration(arguments);
  auto const store = look_at_storage(config);
  auto const found = store ? run_sync(store->schedules(filter)) : std::vector<schedule_record>();
  if (arguments.has("json")) {
    std::vector<std::string> all;
    for (auto const& each : found) all.push_back(with_json(as_object(each), "inputs", each.payload));
    print_json(std::cout, all);
    return 0;
  }
  table rows({"ID", "STATUS", "WORKFLOW", "WHEN", "ZONE", "NEXT", "LAST", "RUNS", "FAILED", "OWNER"});
  for (auto const& each : found)
    rows.add({each.id,
              {std::string(word(each.state)), colour_of(each.state)},
              each.type,
              when_text(each),
              each.zone,
              each.next_at,
              each.last_at,
              std::to_string(each.run_count),
              std::to_string(each.failure_count),
              each.owner.value_or("(" + std::string(word(each.origin)) + ")")});
  if (rows.empty())
    std::cout << "no schedules\n";
  else
    rows.print(std::cout);
  return 0;
}

int show(invocation const& arguments) {
  auto const limit = static_cast<std::size_t>(arguments.number("limit", 1, 10'000).value_or(5));
  auto const store = look_at_storage(read_configuration(arguments));
  if (!store) throw failure("there is no schedule " + in_quotes(arguments.argument(0)));
  auto const schedule = find(*store, arguments.argument(0));
  auto const fires = run_sync(store->fires(schedule.id, limit));
  if (arguments.has("json")) {
    auto all = as_object(schedule);
    auto& list = all["fires"].emplace_array();
    for (auto const& fire : fires)
      list.emplace_back(boost::json::object{{"planned_at", visor::to_string(fire.planned_at)},
                                            {"fired_at", visor::to_string(fire.fired_at)},
                                            {"node", fire.node},
                                            {"result", word(fire.result)},
                                            {"job", fire.job ? boost::json::value(*fire.job) : boost::json::value(nullptr)},
                                            {"reason", json_of(fire.reason)}});
    std::cout << with_json(all, "inputs", schedule.payload) << '\n';
    return 0;
  }
  fields shown;
  shown.add("schedule", schedule.id);
  shown.add("status", {std::string(word(schedule.state)), colour_of(schedule.state)});
  shown.add("workflow", schedule.type);
  shown.add("when", when_text(schedule) + (schedule.phrase && !schedule.expression.empty() ? " (" + schedule.expression + ")" : ""));
  shown.add("zone", schedule.zone);
  add_meaning(shown, schedule);
  shown.add("next", schedule.next_at ? visor::to_string(*schedule.next_at) : "-");
  if (schedule.description) shown.add("description", *schedule.description);
  shown.add("made by", schedule.origin == visor::origin::user ? schedule.owner.value_or("-") : std::string(word(schedule.origin)));
  shown.add("inputs", schedule.payload);
  if (schedule.output) shown.add("output", *schedule.output);
  shown.add("misfire", misfire_text(schedule));
  shown.add("overlap", std::string(word(schedule.overlap)));
  shown.add("runs", std::to_string(schedule.run_count));
  shown.add("failed", std::to_string(schedule.failure_count) + " in a row" +
                          (schedule.max_failures != 0 ? ", stops at " + std::to_string(schedule.max_failures) : ""));
  if (schedule.last_error) shown.add("last error", {*schedule.last_error, colour::bad});
  for (std::size_t i = 0; i < fires.size(); ++i)
    shown.add(i == 0 ? "last fires" : "",
              visor::to_string(fires[i].planned_at) +
                  (fires[i].job ? " job " + std::to_string(*fires[i].job) : " " + std::string(word(fires[i].result))) + " on " +
                  fires[i].node + (fires[i].reason ? ": " + *fires[i].reason : ""));
  shown.print(std::cout);
  return 0;
}

int create(invocation const& arguments) {
  auto const plan = read_creation(arguments);
  auto const config = read_configuration(arguments);
  auto const store = open_storage(config);
  auto const now = run_sync(store->now());
  auto when = read_moment(plan.at, plan.zone.value_or(config.settings.default_timezone), now, plan.anchor);
  auto schedule = schedule_of(plan, find_workflow(config, arguments.argument(0)));
  visor::detail::check_payload_size(schedule.payload, config.settings.node.payload_limit, "scheduler.node.payload_limit",
                                    [] { return std::string("nothing was stored"); });
  schedule.zone = std::string(when.zone.name());
  bool const has_clocks = when.recurring() && when.recurring()->follows_clocks();
  if ((plan.dst.gap || plan.dst.overlap) && !has_clocks)
    throw failure(
        "--dst-gap and --dst-overlap go with a schedule that follows the clocks; an instant and an interval of less than days do not");
  if (!when.recurring() && arguments.has("overlap")) throw failure("--overlap goes with a schedule that recurs: an instant is fired once");
  if (!when.recurring() && plan.misfire.policy == visor::misfire::all)
    throw failure("--misfire all goes with a schedule that recurs: of one instant, `latest` fires as much");
  if (auto const* const recurs = when.recurring()) schedule.expression = recurs->to_string();
  if (when.is_phrase) schedule.phrase = plan.at;
  choose_id(schedule, plan.name);
  std::vector<visor::instant> next;
  // The id chooses the values of H, and so the first instant.
  auto const find_next = [&] {
    if (when.recurring()) when.when = *moment_of(schedule).recurring();
    next = when.next(now, 3);
    if (next.empty()) throw failure(when.why_never(now));
    schedule.next_at = next.front();
  };
  find_next();
  add_with_id(*store, schedule, plan.name, find_next);

  if (arguments.has("json")) {
    auto const stored = run_sync(store->find_schedule(schedule.id));
    auto const shown = stored.value_or(schedule);
    auto all = as_object(shown);
    if (!when.note.empty()) all["note"] = when.note;
    std::cout << with_json(std::move(all), "inputs", shown.payload) << '\n';
    return 0;
  }
  std::cout << "schedule " << escaped(schedule.id) << " created\n";
  fields shown;
  shown.add("workflow", schedule.type);
  shown.add("when", when.understood);
  shown.add("zone", schedule.zone);
  if (!when.note.empty()) shown.add("clocks", {when.note, colour::warning});
  if (auto const* const recurs = when.recurring())
    if (auto const chosen = visor::explain_hashes(recurs->expression()); !chosen.empty()) shown.add("chosen", chosen + ", by its id");
  for (std::size_t i = 0; i < next.size(); ++i) shown.add(i == 0 ? "next" : "", visor::to_string(next[i]));
  shown.print(std::cout);
  return 0;
}

int pause(invocation const& arguments) {
  auto const store = open_storage(read_configuration(arguments));
  auto const paused = change(arguments, *store, [](schedule_record& schedule) {
    if (schedule.state != schedule_state::active)
      throw failure("schedule " + in_quotes(schedule.id) + " is " + std::string(word(schedule.state)) +
                    ": only an active one can be paused");
    schedule.state = schedule_state::paused;
  });
  std::cout << "schedule " << escaped(paused.id) << " paused; what it fired already still runs\n";
  return 0;
}

int resume(invocation const& arguments) {
  auto const store = open_storage(read_configuration(arguments));
  auto const resumed = change(arguments, *store, [&](schedule_record& schedule) {
    if (schedule.state != schedule_state::paused && schedule.state != schedule_state::failed)
      throw failure("schedule " + in_quotes(schedule.id) + " is " + std::string(word(schedule.state)) +
                    ": only a paused or failed one can be resumed");
    auto const now = run_sync(store->now());
    // Instants that passed during the pause were not wanted: the schedule goes on with the next instant from now.
    if (!schedule.expression.empty())
      schedule.next_at = moment_of(schedule).next(now);
    else if (schedule.next_at && *schedule.next_at <= now)
      throw failure("the only instant of schedule " + in_quotes(schedule.id) + ", " + visor::to_string(*schedule.next_at) +
                    ", has passed: cancel it and create another");
    if (!schedule.next_at) throw failure("schedule " + in_quotes(schedule.id) + " has no instant left");
    schedule.state = schedule_state::active;
  });
  std::cout << "schedule " << escaped(resumed.id) << " resumed, next at " << visor::to_string(*resumed.next_at) << '\n';
  return 0;
}

int cancel(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  auto const store = open_storage(config);
  auto const schedule = find(*store, arguments.argument(0));
  if (schedule.origin == visor::origin::config)
    throw failure("schedule " + in_quotes(schedule.id) + " stands in the configuration: remove it or set 'enabled: false' in " +
                  (config.file.empty() ? "that file" : escaped(config.file)) +
                  " and start 'visor run' again; 'visor schedule pause' stops it for now");
  if (schedule.origin == visor::origin::code)
    throw failure("schedule " + in_quotes(schedule.id) +
                  " is made by a C++ program: remove it there; 'visor schedule pause' stops it for now");
  check_owner(arguments, schedule);
  if (!run_sync(store->remove_schedule(schedule.id))) throw failure("schedule " + in_quotes(schedule.id) + " is gone already");
  std::cout << "schedule " << escaped(schedule.id) << " cancelled; its jobs stay\n";
  return 0;
}

int print_next(invocation const& arguments) {
  auto const count = static_cast<std::size_t>(arguments.number("count", 1, 100'000).value_or(5));
  auto const store = look_at_storage(read_configuration(arguments));
  std::vector<std::pair<visor::instant, std::string>> found;
  auto const add = [&](schedule_record const& schedule) {
    if (schedule.state != schedule_state::active || !schedule.next_at) return;
    found.emplace_back(*schedule.next_at, schedule.id);
    if (schedule.expression.empty() || count == 1) return;
    try {
      for (auto const at : moment_of(schedule).next(*schedule.next_at, count - 1)) found.emplace_back(at, schedule.id);
    } catch (
        visor::error const& unknown) {  // a zone of which this machine lacks the data: other nodes may have them, and others still fire
      std::cerr << "visor: note: schedule " << escaped(schedule.id)
                << ": only its next instant is known here: " << escaped(unknown.message()) << '\n';
    }
  };
  bool const one = !arguments.arguments.empty();
  if (one) {
    if (!store) throw failure("there is no schedule " + in_quotes(arguments.argument(0)));
    auto const schedule = find(*store, arguments.argument(0));
    add(schedule);
    if (found.empty())
      throw failure("schedule " + in_quotes(schedule.id) + " is " + std::string(word(schedule.state)) + ": it will not fire");
  } else if (store) {
    visor::schedule_filter filter;
    filter.state = schedule_state::active;
    filter.limit = 1'000'000;
    for (auto const& schedule : run_sync(store->schedules(filter))) add(schedule);
    std::ranges::sort(found);
  }
  if (found.size() > count) found.resize(count);
  if (arguments.has("json")) {
    boost::json::array all;
    for (auto const& [at, id] : found) all.emplace_back(boost::json::object{{"at", visor::to_string(at)}, {"schedule", id}});
    print_json(std::cout, all);
    return 0;
  }
  for (auto const& [at, id] : found) {
    std::cout << visor::to_string(at);
    if (!one) std::cout << "  " << escaped(id);
    std::cout << '\n';
  }
  return 0;
}

constexpr std::string_view id_details = "The id may be shortened as long as no other begins like it.";

}  // namespace

constinit command const schedule_commands[11] = {
    {"list",
     "Lists schedules by id",
     "",
     "visor schedule list --status active\nvisor schedule list --user anna --all --json",
     {},
     list_options,
     list},
    {"show", "Shows one schedule with its last fires", id_details, "visor schedule show nightly-report", id_argument, show_options, show},
    {"create", "Creates a schedule that lives in the database",
     "WHEN is a phrase, a cron expression or an instant: 'every weekday at 9am', '0 9 * * 1-5', 'in 2 hours',\n"
     "2026-11-21T14:00:00Z. What was understood is shown with its next three instants. A schedule whose jobs\n"
     "fail three times in a row stops, until it is resumed. The workflow must stand in the configuration.",
     "visor schedule create report --at 'every weekday at 9am' --zone Europe/Berlin --inputs team=platform", workflow_argument,
     creation_options, create},
    {"pause", "Stops a schedule from firing until it is resumed", id_details, "visor schedule pause nightly-report", id_argument,
     change_options, pause},
    {"resume", "Lets a paused or failed schedule fire again, from its next instant on", id_details, "visor schedule resume nightly-report",
     id_argument, change_options, resume},
    {"cancel", "Removes a schedule that was made with 'create'", id_details, "visor schedule cancel 4k8zq", id_argument, change_options,
     cancel},
    {"next", "Prints the next instants of one schedule, or of all", id_details, "visor schedule next nightly-report --count 10",
     optional_id_argument, next_options, print_next},
    {"diff",
     "Compares the schedules of the configuration with those in the database",
     "'+' is missing there, '~' is different there, '-' is there and declared neither by the configuration nor by a\n"
     "living node, '!' is there as a schedule of somebody else, '=' is left as a living node of a newer version has it.",
     "visor schedule diff --config visor.yaml",
     {},
     diff_options,
     diff},
    {"apply",
     "Adds and changes schedules as the configuration says",
     "As a node with this configuration does when it starts. It removes nothing. When the nodes of another file come\n"
     "or go, the schedules become again what living nodes declare.",
     "visor schedule apply --config visor.yaml",
     {},
     set_options,
     apply},
    {"prune",
     "Removes schedules that neither the configuration nor a living node declares",
     "Only those of the configuration's set (scheduler.set). Should one of them be declared again, it has its state and\n"
     "its counters again, and a pause with them.",
     "visor schedule prune --config visor.yaml",
     {},
     set_options,
     prune},
    {"start", "Runs schedules and jobs: another name of 'visor run'", "", "visor schedule start --config visor.yaml", {}, run_options, run},
};

}  // namespace visor_program
