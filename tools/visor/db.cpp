#include "ask.hpp"
#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"

#include "visor/engine/process.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <iostream>

namespace visor_program {
namespace {

constexpr option yes_option{"yes", "", "do it, with all data that goes"};
constexpr auto plain_options = with_connection(std::array<option, 0>{});
constexpr auto status_options = with_connection(std::to_array<option>({json_option}));
constexpr auto rollback_options = with_connection(std::to_array<option>({{"steps", "N", "how many versions; default 1"}, yes_option}));
constexpr auto reset_options = with_connection(std::to_array<option>({yes_option}));

struct database {
  configuration config;
  driver_entry const& driver;
  std::unique_ptr<schema> tables;  ///< null: there is no database yet, and it was only to be looked at

  std::string place() const { return driver.place(config.settings); }
};

enum class purpose { look, change };

database open(invocation const& given, purpose why) {
  auto config = read_configuration(given);
  auto const& driver = find_driver(config.settings.storage.driver);
  if (driver.tables == nullptr)
    throw failure("the driver " + std::string(driver.name) +
                  " has no tables; set scheduler.storage.driver to one of: " + lasting_drivers());
  bool const missing = why == purpose::look && driver.is_missing != nullptr && driver.is_missing(config.settings);
  auto tables = missing ? nullptr : driver.tables(config.settings);
  return {std::move(config), driver, std::move(tables)};
}

std::string versions_text(int count) { return std::to_string(count) + (count == 1 ? " version" : " versions"); }

/// \throws failure when a `visor run` works on the database
void check_nobody_runs(database const& of) {
  auto const status = of.tables->status();
  if (!status.has_tables || status.current != status.latest || status.is_altered()) return;  // tables that cannot be asked
  auto const store = open_storage(of.config);
  auto const now = ask(store->now());
  for (auto const& node : ask(store->nodes()))
    if (node.state != visor::node_state::offline && node.lease_until > now && !visor::process_identity::is_gone(node.address))
      throw failure("the node " + in_quotes(node.name) + " (" + node.address.substr(0, node.address.find(" start ")) +
                    ") works on this database: stop that 'visor run' first");
}

int init(invocation const& given) {
  auto const db = open(given, purpose::change);
  auto const before = db.tables->status();
  if (before.has_tables && before.current == before.latest && !before.is_altered()) {
    std::cout << "initialized already: " << escaped(db.place()) << " has version " << before.current << '\n';
    return 0;
  }
  db.tables->migrate();
  auto const after = db.tables->status();
  std::cout << "initialized: " << escaped(db.place()) << " has version " << after.current << ", " << db.tables->tables(after.current).size()
            << " tables\n";
  return 0;
}

int print_status(invocation const& given) {
  auto const db = open(given, purpose::look);
  auto const status = db.tables ? db.tables->status() : visor::schema_status();
  bool const initialized = status.current > 0;
  auto const tables = db.tables ? db.tables->tables(std::min(status.current, status.latest)) : std::vector<std::string>();
  if (given.has("json")) {
    boost::json::object all{{"database", db.place()}, {"initialized", initialized}, {"version", status.current}, {"newest", status.latest}};
    auto& names = all["tables"].emplace_array();
    for (auto const& name : tables) names.emplace_back(name);
    std::cout << boost::json::serialize(all) << '\n';
    return 0;
  }
  std::cout << painted("Database Status", colour::strong) << "\nDatabase: " << escaped(db.place())
            << "\nInitialized: " << (initialized ? painted("✓ Yes", colour::good) : painted("✗ No", colour::bad)) << '\n';
  if (status.is_half_made)
    std::cout << "The tables were not made to the end: 'visor db init' makes them anew\n";
  else if (!initialized && status.has_tables)
    std::cout << "There are tables that visor did not make: 'visor db validate' tells which\n";
  if (initialized) std::cout << "Version: " << status.current << " of " << status.latest << '\n';
  std::cout << "Tables (" << tables.size() << "):\n";
  for (auto const& name : tables) std::cout << "  • " << name << '\n';
  return 0;
}

int test(invocation const& given) {
  auto const config = read_configuration(given);
  auto const& driver = find_driver(config.settings.storage.driver);
  auto const place = driver.place(config.settings);
  auto const found = driver.probe != nullptr ? driver.probe(config.settings) : visor::database_report();
  bool const missing = driver.is_missing != nullptr && driver.is_missing(config.settings);
  auto const length = [](std::optional<visor::duration> const& one) { return one ? visor::to_string(*one) : std::string("-"); };
  if (given.has("json")) {
    auto const microseconds = [](std::optional<visor::duration> const& one) { return one ? boost::json::value(one->count()) : nullptr; };
    boost::json::object const all{{"database", place},
                                  {"exists", !missing},
                                  {"server", found.server},
                                  {"tls", found.tls},
                                  {"latency_us", microseconds(found.latency)},
                                  {"clock_difference_us", microseconds(found.clock_difference)}};
    std::cout << boost::json::serialize(all) << '\n';
    return 0;
  }
  fields shown;
  shown.add("database", place + (missing ? " (not there yet: it is made at the first use)" : ""));
  shown.add("server", found.server.empty() ? "none: it lives in the memory of 'visor run'" : found.server);
  shown.add("TLS", found.tls.empty() ? "none" : found.tls);
  shown.add("round trip", length(found.latency));
  if (auto const ahead = found.clock_difference)
    shown.add("its clock", length(ahead->count() < 0 ? -*ahead : *ahead) + (ahead->count() < 0 ? " behind ours" : " ahead of ours"));
  shown.print(std::cout);
  return 0;
}

int migrate(invocation const& given) {
  auto const db = open(given, purpose::change);
  int const applied = db.tables->migrate();
  int const version = db.tables->status().current;
  std::cout << (applied == 0 ? std::string("up to date") : versions_text(applied) + " applied") << ": " << escaped(db.place())
            << " has version " << version << '\n';
  return 0;
}

int roll_back(invocation const& given) {
  auto const steps = static_cast<int>(given.number("steps", 1, 1'000'000).value_or(1));
  auto const db = open(given, purpose::look);
  if (!db.tables) throw failure("there is no database yet: " + db.place());
  auto const status = db.tables->status();
  if (status.begun == 0 && !status.is_half_made) throw failure("there is nothing to take back: " + db.place() + " has no tables of visor");
  if (!given.has("yes"))
    throw failure(status.begun <= steps
                      ? "this drops every table of " + db.place() + " with all schedules, jobs and their history: --yes does it"
                      : "this drops what " + versions_text(steps) + " brought to the tables of " + db.place() +
                            ", with all that it holds: --yes does it");
  check_nobody_runs(db);
  int const taken = db.tables->roll_back(steps);
  std::cout << versions_text(taken) << " taken back: " << escaped(db.place()) << " has version " << db.tables->status().current << '\n';
  return 0;
}

int validate(invocation const& given) {
  auto const db = open(given, purpose::look);
  if (!db.tables) throw failure("there is no database yet: " + db.place() + "; 'visor db init' makes it");
  std::string lines;
  for (auto const& line : db.tables->validate()) lines += (lines.empty() ? "" : "\n") + line;
  if (!lines.empty()) throw failure(lines);
  std::cout << "valid: " << escaped(db.place()) << " has every table, column and index of version " << db.tables->status().current << '\n';
  return 0;
}

int reset(invocation const& given) {
  if (!given.has("yes"))
    throw failure("this drops every table with all schedules, jobs and their history, and makes them anew: --yes does it");
  auto const db = open(given, purpose::change);
  check_nobody_runs(db);
  std::cerr << "visor: warning: all schedules, jobs and their history in " << escaped(db.place()) << " are being removed\n";
  db.tables->reset();
  std::cout << "reset: " << escaped(db.place()) << " has version " << db.tables->status().current << ", without data\n";
  return 0;
}

}  // namespace

constinit command const db_commands[7] = {
    {"test",
     "Connects to the database, and says what is there or what is wrong",
     "Exit code 1 when there is no connection. It makes and changes nothing.",
     "visor db test --config visor.yaml",
     {},
     status_options,
     test},
    {"init",
     "Makes the tables where there are none",
     "May be repeated: it does nothing where they are there.",
     "visor db init --config visor.yaml\nvisor db init --url postgresql://app@db.internal/jobs\nvisor db init --host localhost "
     "--port 5432 --database jobs --user app",
     {},
     plain_options,
     init},
    {"status", "Says whether the tables are there, and which", "", "visor db status --json", {}, status_options, print_status},
    {"migrate", "Brings the tables to the version of this program", "", "visor db migrate", {}, plain_options, migrate},
    {"rollback",
     "Takes the latest versions of the tables back, with all that they hold",
     "Refused without --yes, and while a 'visor run' works on the database.",
     "visor db rollback --steps 1 --yes",
     {},
     rollback_options,
     roll_back},
    {"validate",
     "Compares the tables with what they should be",
     "Exit code 1 when something differs, with a line for each difference.",
     "visor db validate",
     {},
     plain_options,
     validate},
    {"reset",
     "Removes all tables with all data, and makes them anew",
     "Refused without --yes, and while a 'visor run' works on the database.",
     "visor db reset --yes",
     {},
     reset_options,
     reset},
};

}  // namespace visor_program
