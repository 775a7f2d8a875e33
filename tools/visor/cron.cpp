#include "commands.hpp"
#include "report.hpp"
#include "when.hpp"

#include "visor/async/clock.hpp"
#include "visor/cron/explain.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <iostream>

namespace visor_program {
namespace {

constexpr argument cron_arguments[] = {{"expression"}};
constexpr option zone_option{"zone", "ZONE", "an IANA time zone such as Europe/Berlin; default UTC"};
constexpr option from_option{"from", "INSTANT", "look after this instant, which itself does not count; default now"};
constexpr option id_option{"id", "ID", "the id of a schedule, which chooses the values of H"};
constexpr option next_options[] = {zone_option, from_option, id_option, {"count", "N", "how many; default 1"}, json_option};
constexpr option explain_options[] = {zone_option, from_option, id_option, json_option};
constexpr option check_options[] = {zone_option, id_option};

constexpr std::string_view what_is_allowed =
    "The expression is a cron expression of 5 fields (minute, hour, day of month, month, day of week), of 6\n"
    "with seconds first or of 7 with the year last, where H is a value that --id chooses; @yearly ... @hourly or '@every 90s'; a phrase "
    "such as\n"
    "'every weekday at 9am' or 'in 2 hours'; or one instant. Quote it: it has spaces and stars.";

struct question {
  moment when;
  visor::instant from;

  /// Whether the expression has an `H`, but no id was given for it.
  bool is_open() const {
    auto const* const recurs = when.recurring();
    return recurs && recurs->expression().has_hash() && !recurs->expression().fields().is_chosen;
  }
};

question read(invocation const& arguments) {
  auto const now = std::chrono::floor<std::chrono::seconds>(visor::wall_clock().now());
  auto const from = arguments.point("from").value_or(now);
  question asked{read_moment(arguments.argument(0), arguments.text("zone").value_or("UTC"), from), from};
  if (auto const id = arguments.text("id"))
    if (auto const* const recurs = asked.when.recurring()) asked.when.when = recurs->for_schedule(*id);
  return asked;
}

int print_next(invocation const& arguments) {
  auto const count = static_cast<std::size_t>(arguments.number("count", 1, 100'000).value_or(1));
  auto const asked = read(arguments);
  auto const& [when, from] = asked;
  if (asked.is_open()) throw failure("the id of the schedule chooses the values of H: say which by --id");
  auto const found = when.next(from, count);
  if (!when.note.empty()) std::cerr << "visor: " << escaped(when.note) << '\n';
  if (found.empty()) throw failure(when.why_never(from));
  if (arguments.has("json")) {
    boost::json::array all;
    for (auto const at : found) all.emplace_back(visor::to_string(at));
    print_json(std::cout, all);
  } else {
    for (auto const at : found) std::cout << visor::to_string(at) << '\n';
  }
  return 0;
}

int check(invocation const& arguments) {
  auto const [when, from] = read(arguments);
  if (!when.next(from)) throw failure(when.why_never(from));
  std::cout << "valid: " << escaped(when.understood) << '\n';
  if (!when.note.empty()) std::cout << escaped(when.note) << '\n';
  return 0;
}

int print_explanation(invocation const& arguments) {
  auto const asked = read(arguments);
  auto const& [when, from] = asked;
  auto const* const recurs = when.recurring();
  std::string const meaning = recurs ? visor::explain(*recurs) : when.understood;
  std::string const hashes = recurs ? visor::explain_hashes(recurs->expression()) : std::string();
  std::string const clocks = recurs ? clocks_text(*recurs) : when.note;
  auto const found = asked.is_open() ? std::vector<visor::instant>() : when.next(from, 3);
  if (arguments.has("json")) {
    boost::json::object all;
    all["expression"] = recurs ? boost::json::value(recurs->to_string()) : boost::json::value(nullptr);
    all["meaning"] = meaning;
    all["chosen"] = hashes.empty() ? boost::json::value(nullptr) : boost::json::value(hashes);
    all["clocks"] = clocks.empty() ? boost::json::value(nullptr) : boost::json::value(clocks);
    all["zone"] = when.zone.name();
    auto& next = all["next"].emplace_array();
    for (auto const at : found) next.emplace_back(visor::to_string(at));
    std::cout << boost::json::serialize(all) << '\n';
    return 0;
  }
  fields shown;
  if (recurs) shown.add("expression", recurs->to_string());
  shown.add("meaning", meaning);
  if (!hashes.empty()) shown.add("chosen", hashes + ", by the id");
  if (!clocks.empty()) shown.add("clocks", clocks);
  shown.add("zone", std::string(when.zone.name()));
  if (asked.is_open()) shown.add("next", "as the id of the schedule chooses: say which by --id");
  if (found.empty() && !asked.is_open()) shown.add("next", "never: " + when.why_never(from));
  for (std::size_t i = 0; i < found.size(); ++i) shown.add(i == 0 ? "next" : "", visor::to_string(found[i]));
  shown.print(std::cout);
  return 0;
}

}  // namespace

constinit command const cron_commands[3] = {
    {"next", "Prints the next instants of an expression, in UTC, one a line", what_is_allowed,
     "visor cron next '0 9 * * 1-5' --zone America/New_York --from 2026-11-21T00:00:00Z --count 3", cron_arguments, next_options,
     print_next},
    {"check", "Says whether an expression is valid, and if not, why", what_is_allowed, "visor cron check '0 0 31 2 *'", cron_arguments,
     check_options, check},
    {"explain", "Says in words what an expression means, with its next three instants", what_is_allowed,
     "visor cron explain '*/15 9-17 * * MON-FRI' --zone Europe/Berlin", cron_arguments, explain_options, print_explanation},
};

}  // namespace visor_program
