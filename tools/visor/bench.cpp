#include "bench.hpp"
#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "words.hpp"

#include "visor/version.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <iostream>

namespace visor_program {
namespace {

/// The scenarios as they are written on a command line.
constexpr std::array<std::string_view, 8> scenario_names{"burn-down",      "steady",     "one-at-a-time", "bulk-enqueue",
                                                         "schedule-storm", "deep-queue", "pinned-xmin",   "mixed"};
static_assert(scenario_names.size() == boost::mp11::mp_size<boost::describe::describe_enumerators<bench_scenario>>::value);

constexpr argument scenario_argument[] = {{"scenario", true, scenario_names}};
constexpr auto bench_options = with_connection(std::to_array<option>({
    {.name = "driver",
     .value = "DRIVER",
     .summary = "which database; default: that of the configuration",
     .choices = words_of<visor::storage_driver>,
     .setting = "scheduler.storage.driver"},
    {.name = "file", .value = "FILE", .summary = "of SQLite: the database", .setting = "scheduler.storage.connection.filename"},
    {"jobs", "N", "how many jobs, 1 to 10000000; default 20000, of one-at-a-time and schedule-storm 2000"},
    {"batch", "B", "jobs that a node claims at a time, of bulk-enqueue those of one call, 1 to 100000; default 500"},
    {"nodes", "K", "nodes that work, 1 to 8, each with connections of its own; default 1"},
    {"rate", "R", "of steady: jobs a second, 1 to 1000000; default 1000"},
    {"depth", "N", "of deep-queue: jobs that have ended, 0 to 100000000; a tenth as many are ready; default 100000"},
    {"long-work", "LENGTH", "of mixed: how long every hundredth job takes; default 100ms"},
    {"payload", "BYTES", "of a job, 40 to 1000000; default 150"},
    {"replace", "", "remove first what an earlier run may have left behind"},
    json_option,
}));

/// Whether the scenario times single claims, on a driver that keeps its data.
bool is_by_hand(bench_plan const& plan) {
  return plan.scenario == bench_scenario::deep_queue || plan.scenario == bench_scenario::pinned_xmin;
}

bench_plan plan_of(invocation const& arguments) {
  bench_plan plan;
  auto const& name = arguments.argument(0);
  plan.scenario = static_cast<bench_scenario>(std::ranges::find(scenario_names, name) - scenario_names.begin());
  auto const only_of = [&](char const* option, bench_scenario scenario) {
    if (arguments.has(option) && plan.scenario != scenario)
      throw usage_error("--" + std::string(option) + " belongs to the scenario " +
                        std::string(scenario_names[static_cast<std::size_t>(scenario)]) + ", not to " + name);
  };
  only_of("rate", bench_scenario::steady);
  only_of("depth", bench_scenario::deep_queue);
  only_of("long-work", bench_scenario::mixed);
  bool const is_single = plan.scenario == bench_scenario::one_at_a_time;
  bool const is_slow = is_single || plan.scenario == bench_scenario::schedule_storm;
  plan.jobs = arguments.number("jobs", 1, 10'000'000).value_or(is_slow ? 2'000 : 20'000);
  auto const batch = arguments.number("batch", 1, 100'000);
  if (is_single && batch.value_or(1) != 1) throw usage_error("--batch cannot be " + std::to_string(*batch) + ": one-at-a-time takes one");
  plan.batch = static_cast<std::size_t>(batch.value_or(is_single ? 1 : 500));
  plan.nodes = static_cast<int>(arguments.number("nodes", 1, 8).value_or(1));
  if (is_by_hand(plan) && plan.nodes != 1)
    throw usage_error("--nodes cannot be " + std::to_string(plan.nodes) + ": " + name + " times single claims");
  plan.rate = static_cast<double>(arguments.number("rate", 1, 1'000'000).value_or(1'000));
  plan.depth = arguments.number("depth", 0, 100'000'000).value_or(100'000);
  plan.payload = static_cast<std::size_t>(arguments.number("payload", 40, 1'000'000).value_or(150));
  if (plan.scenario == bench_scenario::mixed) plan.long_work = arguments.length("long-work").value_or(std::chrono::milliseconds{100});
  plan.replace = arguments.has("replace");
  return plan;
}

boost::json::object as_json(bench_plan const& plan, std::string_view scenario, driver_entry const& driver, bench_result const& result) {
  boost::json::object all;
  all["scenario"] = scenario;
  all["driver"] = driver.name;
  all["jobs"] = plan.jobs;
  all["batch"] = plan.batch;
  all["nodes"] = plan.nodes;
  all["payload"] = plan.payload;
  all["version"] = visor::version_text;
  all["library"] = driver.library();
  all["server"] = result.server;
  all["seconds"] = result.seconds;
  all["jobs_per_second"] = static_cast<double>(plan.jobs) / result.seconds;
  if (result.enqueue_seconds > 0) {
    all["enqueue_seconds"] = result.enqueue_seconds;
    if (plan.scenario != bench_scenario::deep_queue) all["enqueued_per_second"] = static_cast<double>(plan.jobs) / result.enqueue_seconds;
  }
  if (plan.scenario == bench_scenario::steady) all["rate"] = plan.rate;
  if (plan.scenario == bench_scenario::deep_queue) all["depth"] = plan.depth;
  if (plan.scenario == bench_scenario::mixed) all["long_work_ms"] = static_cast<double>(plan.long_work.count()) / 1e3;
  all["statements_per_job"] = result.statements_per_job ? boost::json::value(*result.statements_per_job) : nullptr;
  all["client_cpu_seconds"] = result.client_cpu_seconds;
  all["resident_bytes"] = result.resident_bytes;
  all["wal_bytes_per_job"] = result.wal_bytes_per_job ? boost::json::value(*result.wal_bytes_per_job) : nullptr;
  auto& latencies = all["latencies"].emplace_object();
  for (auto const& [what, samples] : result.latencies) {
    if (samples.empty()) continue;
    boost::json::object one{{"p50_ms", samples.milliseconds_at(0.5)},
                            {"p99_ms", samples.milliseconds_at(0.99)},
                            {"p999_ms", samples.milliseconds_at(0.999)},
                            {"max_ms", samples.milliseconds_at(1)}};
    auto& bars = one["histogram"].emplace_array();
    for (auto const& [bound, count] : samples.histogram()) bars.emplace_back(boost::json::array{bound, count});
    latencies[what] = std::move(one);
  }
  if (!result.claims.empty()) {
    auto& points = all["claims"].emplace_array();
    for (auto const& each : result.claims)
      points.emplace_back(boost::json::object{{"jobs", each.jobs}, {"p50_ms", each.p50}, {"p99_ms", each.p99}});
  }
  return all;
}

std::string number_text(double value, int digits) {
  char text[64];
  auto const end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr;
  return std::string(text, end);
}

void print(bench_plan const& plan, std::string_view scenario, driver_entry const& driver, bench_result const& result) {
  fields shown;
  shown.add("scenario", std::string(scenario));
  shown.add("database", result.display_name + ", " + result.server);
  shown.add("jobs", std::to_string(plan.jobs) + " of " + std::to_string(plan.payload) + " bytes, batch " + std::to_string(plan.batch) +
                        (plan.nodes > 1 ? ", " + std::to_string(plan.nodes) + " nodes" : ""));
  shown.add("driver", std::string(driver.name) + ", " + driver.library());
  shown.add("took", number_text(result.seconds, 3) + " s");
  shown.add("jobs/s", {number_text(static_cast<double>(plan.jobs) / result.seconds, 0), colour::strong});
  if (result.enqueue_seconds > 0 && plan.scenario != bench_scenario::deep_queue)
    shown.add("made before", number_text(static_cast<double>(plan.jobs) / result.enqueue_seconds, 0) + " /s");
  if (result.statements_per_job) shown.add("statements", number_text(*result.statements_per_job, 3) + " a job");
  if (result.wal_bytes_per_job) shown.add("log", number_text(*result.wal_bytes_per_job, 0) + " bytes a job");
  shown.add("processor", number_text(result.client_cpu_seconds, 3) + " s of this process");
  shown.add("memory", number_text(static_cast<double>(result.resident_bytes) / 1e6, 1) + " MB of this process");
  shown.print(std::cout);
  table lengths({"MILLISECONDS", "P50", "P99", "P99.9", "MOST"});
  for (auto const& [what, samples] : result.latencies)
    if (!samples.empty())
      lengths.add({what, number_text(samples.milliseconds_at(0.5), 3), number_text(samples.milliseconds_at(0.99), 3),
                   number_text(samples.milliseconds_at(0.999), 3), number_text(samples.milliseconds_at(1), 3)});
  if (!lengths.empty()) lengths.print(std::cout);
  if (result.claims.empty()) return;
  table claims({"JOBS BEFORE", "CLAIM P50 MS", "P99"});
  for (auto const& each : result.claims) claims.add({std::to_string(each.jobs), number_text(each.p50, 3), number_text(each.p99, 3)});
  claims.print(std::cout);
}

int bench(invocation const& arguments) {
  auto plan = plan_of(arguments);
  auto const config = read_configuration(arguments);
  plan.settings = config.settings;
  auto const& driver = find_driver(config.settings.storage.driver);
  if (is_by_hand(plan) && !driver.lasts) throw failure("the scenario " + arguments.argument(0) + " needs a driver that lasts");
  if (plan.nodes > 1 && !driver.several_nodes) throw failure("--nodes " + std::to_string(plan.nodes) + ": the driver has one node alone");
  std::signal(SIGPIPE, SIG_IGN);
  auto const result = run_bench(driver, plan);
  if (arguments.has("json"))
    std::cout << boost::json::serialize(as_json(plan, arguments.argument(0), driver, result)) << '\n';
  else
    print(plan, arguments.argument(0), driver, result);
  return 0;
}

}  // namespace

constinit command const bench_commands[1] = {
    {"", "Measures how fast a database works, with schedules and jobs of its own",
     "burn-down        jobs that do nothing, all of them ready\n"
     "steady           jobs added one by one at a rate: how long until each starts\n"
     "one-at-a-time    as burn-down, with nothing to gather\n"
     "bulk-enqueue     jobs added, so many in a call\n"
     "schedule-storm   as many schedules as jobs, all of them due\n"
     "deep-queue       single claims beside jobs that have ended\n"
     "pinned-xmin      single claims while somebody keeps the database from clearing up\n"
     "mixed            as burn-down, with jobs among them that take long\n"
     "It works in a sandbox, which it makes and removes: the schema visor_bench on PostgreSQL, the database visor_bench on "
     "MariaDB\n"
     "and MySQL, on SQLite a file beside that of the configuration; on SQL Server tables in the database visor_bench, which you create "
     "first.\n"
     "Where there is such a sandbox already it refuses, unless --replace says that it may go.\n"
     "It looks at the end whether every job was done exactly once, and fails otherwise. Floors and charts: scripts/bench.",
     "visor bench burn-down --driver postgresql --url postgresql://app@db.internal/test --jobs 200000 --nodes 2\n"
     "visor bench steady --driver memory --rate 5000 --json",
     scenario_argument, bench_options, bench}};

}  // namespace visor_program
