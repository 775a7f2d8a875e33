#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "run_sync.hpp"

#include "visor/engine/process.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <iostream>

namespace visor_program {
namespace {

constexpr option yes_option{"yes", "", "do it, with all data that goes"};
constexpr auto migrate_options =
    with_connection(std::to_array<option>({{"with-nodes-running", "", "also while older nodes run, where the migration allows that"}}));
constexpr auto plain_options = with_connection(std::array<option, 0>{});
constexpr auto status_options = with_connection(std::to_array<option>({json_option}));
constexpr auto rollback_options = with_connection(std::to_array<option>({{"steps", "N", "how many versions; default 1"}, yes_option}));
constexpr auto reset_options = with_connection(std::to_array<option>({yes_option}));

struct database {
  configuration config;
  driver_entry const& driver;
  std::unique_ptr<schema> tables;  ///< null: there is no database yet, and the command only reads

  std::string display_name() const { return driver.display_name(config.settings); }
};

enum class purpose { look, change };

database open(invocation const& arguments, purpose why) {
  auto config = read_configuration(arguments);
  auto const& driver = find_driver(config.settings.storage.driver);
  if (driver.tables == nullptr)
    throw failure("the driver " + std::string(driver.name) +
                  " has no tables; set scheduler.storage.driver to one of: " + lasting_drivers());
  give_up_in_time(config.settings.storage);
  bool const missing = why == purpose::look && driver.is_missing != nullptr && driver.is_missing(config.settings);
  auto tables = missing ? nullptr : driver.tables(config.settings);
  return {std::move(config), driver, std::move(tables)};
}

std::string versions_text(int count) { return std::to_string(count) + (count == 1 ? " version" : " versions"); }

std::string list_of(std::vector<std::string> const& names) {
  std::string text;
  for (auto const& each : names) text += (text.empty() ? "" : ", ") + each;
  return text;
}

/// The nodes that work on a database. Where the operating system can tell that there is none, this object keeps nodes from
/// starting during its life.
class nodes_at_work {
 public:
  explicit nodes_at_work(database const& of) {
    auto const self = visor::process_identity::current();
    claim_ = of.tables->claim_node("'visor db' (" + self.host + " pid " + std::to_string(self.pid) + ")");
    if (claim_.is_taken == false) return;  // whatever their leases say: the processes that held them are gone
    for (auto const& node : of.tables->working_nodes())
      if (!visor::process_identity::is_gone(node.address))
        names_.push_back(in_quotes(node.name) + " (" + node.address.substr(0, node.address.find(" start ")) + ", visor " + node.version +
                         ")");
    // The lease of a node that was stopped or suspended may have expired.
    if (claim_.is_taken == true && names_.empty()) names_.push_back(claim_.holder.empty() ? "another process" : escaped(claim_.holder));
  }

  bool none() const { return names_.empty(); }

  /// The nodes as messages name them.
  std::string names() const { return list_of(names_); }

  /// \throws failure when there is one
  void refuse() const {
    if (!none()) throw failure("these nodes work on this database: " + names() + "; stop each 'visor run' first");
  }

 private:
  visor::node_claim claim_;
  std::vector<std::string> names_;
};

/// Checks the nodes that run while the tables are older than this program: they are older too.
/// \throws failure when nodes run that the migration does not allow
void check_older_nodes(database const& of, nodes_at_work const& nodes, bool is_allowed) {
  auto const status = of.tables->status();
  if (status.current == 0 || status.current >= status.latest || nodes.none()) return;
  if (auto const unfit = status.unfit_for_older_nodes())
    throw failure("version " + std::to_string(unfit->version) + " of the tables (" + unfit->name +
                  ") is not for nodes of an older program, and these run: " + nodes.names() + "; stop each 'visor run' first");
  if (!is_allowed)
    throw failure("these nodes run, with an older program: " + nodes.names() +
                  "; stop each 'visor run' first, or let them go on with --with-nodes-running, which this migration allows");
}

void warn_of(visor::database_report const& found, std::string const& display_name) {
  if (!found.shortcoming.empty()) std::cerr << "visor: warning: " << escaped(display_name + ": " + found.shortcoming) << '\n';
}

int init(invocation const& arguments) {
  auto const db = open(arguments, purpose::change);
  auto const before = db.tables->status();
  if (before.has_tables && before.current == before.latest && !before.is_altered()) {
    std::cout << "initialized already: " << escaped(db.display_name()) << " has version " << before.current << '\n';
    return 0;
  }
  db.tables->migrate();
  auto const after = db.tables->status();
  std::cout << "initialized: " << escaped(db.display_name()) << " has version " << after.current << ", "
            << db.tables->tables(after.current).size() << " tables\n";
  if (db.driver.probe != nullptr) warn_of(db.driver.probe(db.config.settings), db.display_name());
  return 0;
}

int print_status(invocation const& arguments) {
  auto const db = open(arguments, purpose::look);
  auto const status = db.tables ? db.tables->status() : visor::schema_status();
  bool const initialized = status.current > 0;
  auto const tables = db.tables ? db.tables->tables(std::min(status.current, status.latest)) : std::vector<std::string>();
  if (arguments.has("json")) {
    boost::json::object all{
        {"database", db.display_name()}, {"initialized", initialized}, {"version", status.current}, {"newest", status.latest}};
    auto& names = all["tables"].emplace_array();
    for (auto const& name : tables) names.emplace_back(name);
    std::cout << boost::json::serialize(all) << '\n';
    return 0;
  }
  std::cout << painted("Database Status", colour::strong) << "\nDatabase: " << escaped(db.display_name())
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

int test(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  auto const& driver = find_driver(config.settings.storage.driver);
  auto const display_name = driver.display_name(config.settings);
  auto const found = driver.probe != nullptr ? driver.probe(config.settings) : visor::database_report();
  bool const missing = driver.is_missing != nullptr && driver.is_missing(config.settings);
  warn_of(found, display_name);
  auto const length = [](std::optional<visor::duration> const& one) { return one ? visor::to_string(*one) : std::string("-"); };
  if (arguments.has("json")) {
    auto const microseconds = [](std::optional<visor::duration> const& one) { return one ? boost::json::value(one->count()) : nullptr; };
    boost::json::object const all{{"database", display_name},
                                  {"exists", !missing},
                                  {"server", found.server},
                                  {"tls", found.tls},
                                  {"latency_us", microseconds(found.latency)},
                                  {"clock_difference_us", microseconds(found.clock_difference)}};
    std::cout << boost::json::serialize(all) << '\n';
    return 0;
  }
  fields shown;
  shown.add("database", display_name + (missing ? " (not there yet: it is made at the first use)" : ""));
  shown.add("server", found.server.empty() ? "none: it lives in the memory of 'visor run'" : found.server);
  shown.add("TLS", found.tls.empty() ? "none" : found.tls);
  shown.add("round trip", length(found.latency));
  if (auto const ahead = found.clock_difference)
    shown.add("its clock", length(ahead->count() < 0 ? -*ahead : *ahead) + (ahead->count() < 0 ? " behind ours" : " ahead of ours"));
  shown.print(std::cout);
  return 0;
}

int migrate(invocation const& arguments) {
  auto const db = open(arguments, purpose::change);
  nodes_at_work const nodes(db);
  check_older_nodes(db, nodes, arguments.has("with-nodes-running"));
  int const applied = db.tables->migrate();
  int const version = db.tables->status().current;
  std::cout << (applied == 0 ? std::string("up to date") : versions_text(applied) + " applied") << ": " << escaped(db.display_name())
            << " has version " << version << '\n';
  return 0;
}

int roll_back(invocation const& arguments) {
  auto const steps = static_cast<int>(arguments.number("steps", 1, 1'000'000).value_or(1));
  auto const db = open(arguments, purpose::look);
  if (!db.tables) throw failure("there is no database yet: " + db.display_name());
  auto const status = db.tables->status();
  if (status.begun == 0 && !status.is_half_made)
    throw failure("there is nothing to take back: " + db.display_name() + " has no tables of visor");
  if (!arguments.has("yes"))
    throw failure(status.begun <= steps
                      ? "this drops every table of " + db.display_name() + " with all schedules, jobs and their history: --yes does it"
                      : "this drops what " + versions_text(steps) + " brought to the tables of " + db.display_name() +
                            ", with all that it holds: --yes does it");
  nodes_at_work const nodes(db);
  nodes.refuse();
  int const taken = db.tables->roll_back(steps);
  std::cout << versions_text(taken) << " taken back: " << escaped(db.display_name()) << " has version " << db.tables->status().current
            << '\n';
  return 0;
}

int validate(invocation const& arguments) {
  auto const db = open(arguments, purpose::look);
  if (!db.tables) throw failure("there is no database yet: " + db.display_name() + "; 'visor db init' makes it");
  std::string lines;
  for (auto const& line : db.tables->validate()) lines += (lines.empty() ? "" : "\n") + line;
  if (!lines.empty()) throw failure(lines);
  std::cout << "valid: " << escaped(db.display_name()) << " has every table, column, key and index of version "
            << db.tables->status().current << '\n';
  return 0;
}

int restored(invocation const& arguments) {
  auto const db = open(arguments, purpose::look);
  if (!db.tables) throw failure("there is no database yet: " + db.display_name());
  auto const status = db.tables->status();
  if (status.current != status.latest || !status.missing().empty() || status.is_altered())
    throw failure("the tables in " + db.display_name() + " are not those of this program: 'visor db validate' tells what differs");
  std::int64_t const generation = db.tables->restored();
  std::cout << "generation " << generation << ": ids and fences go on behind all that " << escaped(db.display_name())
            << " may have given out before it was restored\n";
  return 0;
}

int reset(invocation const& arguments) {
  if (!arguments.has("yes"))
    throw failure("this drops every table with all schedules, jobs and their history, and makes them anew: --yes does it");
  auto const db = open(arguments, purpose::change);
  nodes_at_work const nodes(db);
  nodes.refuse();
  std::cerr << "visor: warning: all schedules, jobs and their history in " << escaped(db.display_name()) << " are being removed\n";
  db.tables->reset();
  std::cout << "reset: " << escaped(db.display_name()) << " has version " << db.tables->status().current << ", without data\n";
  return 0;
}

}  // namespace

constinit command const db_commands[8] = {
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
    {"migrate",
     "Brings the tables to the version of this program",
     "Refused while nodes of an older program run.",
     "visor db migrate",
     {},
     migrate_options,
     migrate},
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
    {"restored",
     "Says that the database was restored from a backup",
     "To be run once after that, before any 'visor run': no id and no fence of the time after the backup is given out again.",
     "visor db restored",
     {},
     plain_options,
     restored},
    {"reset",
     "Removes all tables with all data, and makes them anew",
     "Refused without --yes, and while a 'visor run' works on the database.",
     "visor db reset --yes",
     {},
     reset_options,
     reset},
};

}  // namespace visor_program
