#include "schedule_sets.hpp"

#include "configuration.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/engine/set_steps.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace visor_program {
namespace {

using visor::schedule_record;

/// The comparison of the schedules of the configuration with those of the database.
struct comparison {
  visor::schedule_set set;
  std::vector<schedule_record> wanted;  ///< by id
  std::vector<std::string> basis;       ///< the declarations of living nodes
  std::vector<visor::manifest> others;  ///< of these, the ones of other configurations
  visor::set_plan plan;
};

/// \throws failure when the configuration declares no schedules
comparison compare(configuration const& config, storage& store) {
  if (!config.settings.declares_schedules())
    throw failure("the configuration has no scheduler.cron, so it wants nothing of the schedules in the database; 'cron: {}' wants none");
  comparison result;
  result.set = set_of(config.settings);
  result.wanted = schedules_of(config.settings);
  for (auto& each : result.wanted) {
    each.set_name = result.set.name;
    each.digest = visor::definition_digest(each);
  }
  std::ranges::sort(result.wanted, {}, &schedule_record::id);
  result.basis = run_sync(store.declared(result.set));
  auto mine = visor::manifest_of(result.wanted, run_sync(store.now()));
  auto const own = mine.digest(result.set);
  if (!result.basis.empty()) mine = run_sync(visor::detail::known_manifest(store, result.set, std::move(mine)));
  for (auto const& digest : result.basis)
    if (digest != own) result.others.push_back(run_sync(visor::detail::read_manifest(store, digest)));
  auto const stored = run_sync(store.schedule_digests(result.set.origin));
  result.plan = visor::plan_set(result.set, result.wanted, mine, result.others, stored);
  return result;
}

std::string text_of(std::optional<std::string> const& value) { return value ? in_quotes(*value) : std::string("none"); }

/// The parts of a definition that differ in the file: `when "0 2 * * *" -> "0 3 * * *"`.
std::string difference(schedule_record const& stored, schedule_record const& wanted) {
  std::string all;
  auto const compare = [&](char const* name, std::string const& before, std::string const& after) {
    if (before != after) all += (all.empty() ? "" : ", ") + std::string(name) + " " + before + " -> " + after;
  };
  compare("schedule", in_quotes(stored.expression), in_quotes(wanted.expression));
  compare("timezone", stored.zone, wanted.zone);
  compare("workflow", stored.type, wanted.type);
  compare("inputs", in_quotes(stored.payload), in_quotes(wanted.payload));
  compare("queue", stored.queue, wanted.queue);
  compare("priority", std::to_string(stored.priority), std::to_string(wanted.priority));
  compare("max_attempts", std::to_string(stored.max_attempts), std::to_string(wanted.max_attempts));
  compare("misfire", std::string(word(stored.misfire)), std::string(word(wanted.misfire)));
  compare("overlap", std::string(word(stored.overlap)), std::string(word(wanted.overlap)));
  compare("description", text_of(stored.description), text_of(wanted.description));
  compare("output", text_of(stored.output), text_of(wanted.output));
  return all.empty() ? "another option" : all;
}

/// One line of the comparison.
struct line {
  char sign = ' ';
  std::string what;
  std::string id;
  std::string details;
};

std::vector<line> lines_of(comparison const& found, storage& store) {
  std::vector<line> lines;
  for (auto const which : found.plan.add) {
    auto const& wanted = found.wanted[which];
    auto const theirs = run_sync(store.find_schedule(wanted.id));
    if (theirs)
      lines.push_back(
          {'!', "taken", wanted.id,
           theirs->origin == visor::origin::user
               ? "created by " + theirs->owner.value_or("a user") + ": cancel that one, and apply again; or rename the one in the file"
               : "of the set " + theirs->set_name.value_or(visor::default_set) + ": rename the one in the file"});
    else
      lines.push_back({'+', "missing", wanted.id, "\"" + wanted.expression + "\" " + wanted.zone});
  }
  for (auto const& back : found.plan.bring_back)
    lines.push_back({'+', "retired", found.wanted[back.which].id, "comes back with its state"});
  for (auto const& change : found.plan.change) {
    auto const& wanted = found.wanted[change.which];
    auto const stored = run_sync(store.find_schedule(wanted.id));
    if (stored && !visor::same_definition(*stored, wanted)) lines.push_back({'~', "different", wanted.id, difference(*stored, wanted)});
  }
  for (auto const which : found.plan.left)
    lines.push_back({'=', "left", found.wanted[which].id, "a living node declares another definition, which is newer"});
  for (auto const& gone : found.plan.retire) lines.push_back({'-', "undeclared", gone.id, "no living node declares it"});
  std::ranges::stable_sort(lines, {}, &line::id);
  return lines;
}

/// Takes those steps of the plan that `choose` leaves.
/// \throws failure when nodes keep joining and leaving
template <class Choose>
visor::detail::set_outcome take(configuration const& config, storage& store, Choose const& choose) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    auto found = compare(config, store);
    choose(found.plan);
    auto const outcome = run_sync(visor::detail::take_steps(store, found.set, found.basis, found.wanted, found.plan, [] { return true; }));
    if (outcome) return *outcome;
  }
  throw failure("nodes began and ended while this was done: repeat it");
}

}  // namespace

int diff(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  auto const store = open_storage(config);
  auto const found = compare(config, *store);
  auto const lines = lines_of(found, *store);
  if (arguments.has("json")) {
    boost::json::array all;
    for (auto const& each : lines) all.emplace_back(boost::json::object{{"id", each.id}, {"what", each.what}, {"details", each.details}});
    print_json(std::cout, all);
    return 0;
  }
  for (auto const& each : lines)
    std::cout << each.sign << ' ' << escaped(each.id) << ": " << each.what << ", " << escaped(each.details) << '\n';
  std::cout << found.plan.unchanged << " schedules are as the configuration says, " << lines.size() << " are not\n";
  return 0;
}

int apply(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  auto const store = open_storage(config);
  auto const outcome = take(config, *store, [](visor::set_plan& plan) { plan.retire.clear(); });
  for (auto const& id : outcome.changed) std::cout << "schedule " << escaped(id) << " changed\n";
  for (auto const& id : outcome.taken) std::cout << "schedule " << escaped(id) << " not added: there is one of this id of somebody else\n";
  if (outcome.left != 0) std::cout << outcome.left << " not changed: a living node declares another definition, which is newer\n";
  std::cout << outcome.added << " added, " << outcome.changed.size() << " changed, " << outcome.unchanged << " as before\n";
  return 0;
}

int prune(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  auto const store = open_storage(config);
  auto const outcome = take(config, *store, [](visor::set_plan& plan) {
    plan.add.clear();
    plan.change.clear();
    plan.bring_back.clear();
  });
  for (auto const& id : outcome.removed) std::cout << "schedule " << escaped(id) << " removed\n";
  std::cout << outcome.removed.size() << " removed\n";
  return 0;
}

}  // namespace visor_program
