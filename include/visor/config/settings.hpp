#ifndef VISOR_CONFIG_SETTINGS_HPP
#define VISOR_CONFIG_SETTINGS_HPP

#include "visor/base/dst.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/time.hpp"
#include "visor/config/pem.hpp"
#include "visor/config/source.hpp"
#include "visor/settings/job_type_options.hpp"
#include "visor/settings/node_settings.hpp"
#include "visor/settings/pool_settings.hpp"
#include "visor/settings/schedule_policies.hpp"
#include "visor/settings/statement_log_settings.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The configuration as the user asks for it. The described members of these structs are the keys of the configuration file:
/// there is no other list of keys. Ranges, units and the few keys that are spelled unlike their member are in
/// `config/rules.hpp`.
namespace visor {

BOOST_DEFINE_ENUM_CLASS(storage_driver, sqlite, memory, postgresql, mysql, mssql)

/// The moments when SQLite waits for the disk. `full`: a commit survives a power cut; `normal`: the last commits may be lost in
/// one.
BOOST_DEFINE_ENUM_CLASS(synchronous_mode, full, normal)

/// The way in which SQLite makes a commit atomic; see `sqlite_journal`. `rollback` is for network file systems.
BOOST_DEFINE_ENUM_CLASS(journal_mode, wal, rollback)

/// TLS to a database server.
struct ssl_settings {
  bool enabled = true;
  bool reject_unauthorized = true;  ///< whether the certificate's chain and host name must be right
  pem ca;                           ///< CA certificates; empty: the system's
  pem cert;                         ///< the client's certificate
  pem key;                          ///< the client's key
  friend bool operator==(ssl_settings const&, ssl_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(ssl_settings, (), (enabled, reject_unauthorized, ca, cert, key))

/// The location of the database. SQLite uses `filename`, `synchronous` and `journal`, a server all others.
struct connection_settings {
  std::string filename = ".visor/schedules.db";  ///< relative to the file that names it, else to the working directory; `~/` is the home
  synchronous_mode synchronous = synchronous_mode::full;
  journal_mode journal = journal_mode::wal;
  std::string host = "localhost";  ///< a name, an address, or a folder of Unix sockets if it starts with `/`
  std::optional<int> port;         ///< 1 to 65535; none: the driver's own
  std::string database = "visor";
  std::string user = "visor";
  secret password;
  secret connection_string;         ///< a URL; where it is set, host, port, database, user and password are ignored
  std::optional<ssl_settings> ssl;  ///< none: no TLS
  bool pgbouncer = false;           ///< PostgreSQL, through a pooler that gives each transaction a session which others have used
  pool_settings pool;
  friend bool operator==(connection_settings const&, connection_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(connection_settings, (),
                      (filename, synchronous, journal, host, port, database, user, password, connection_string, ssl, pgbouncer, pool))

/// The database, and the creation of its tables.
struct storage_settings {
  storage_driver driver = storage_driver::sqlite;
  std::optional<bool> auto_init;  ///< none: create the tables where there are none; true: create and migrate; false: neither
  connection_settings connection;
  statement_log_settings log_statements;
  std::string path;  ///< a JSON file of an older scheduler, which `visor run` takes over once; empty: `.visor/schedules.json`
  duration lock_timeout{
      std::chrono::seconds{15}};  ///< not a key: how long a statement waits for locks, a quarter of the node's `lease_ttl`
  friend bool operator==(storage_settings const&, storage_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(storage_settings, (), (driver, auto_init, connection, log_statements, path))

/// Several nodes on one database. Reading a file copies these to `settings::node`, which the engine uses.
struct ha_settings {
  bool enabled = false;
  std::string node_id;                          ///< unique among the nodes; empty: host name and process id. Used without `enabled` too
  duration lock_ttl{std::chrono::seconds{60}};  ///< a plain number is seconds; 1 s to 1 h
  duration heartbeat_interval{std::chrono::seconds{15}};  ///< a plain number is seconds; at most a half of `lock_ttl`
  friend bool operator==(ha_settings const&, ha_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(ha_settings, (), (enabled, node_id, lock_ttl, heartbeat_interval))

/// A value of any shape, kept as JSON.
struct json_text {
  std::string text = "{}";
  friend bool operator==(json_text const&, json_text const&) = default;
};

/// The destination of a job's result.
BOOST_DEFINE_ENUM_CLASS(output_kind, none, slack, github, webhook)

struct output_settings {
  output_kind type = output_kind::none;
  std::string target;
  std::string thread_id;
  friend bool operator==(output_settings const&, output_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(output_settings, (), (type, target, thread_id))

/// The policy for planned instants that passed while no node could fire them.
struct misfire_settings {
  visor::misfire policy = visor::misfire::latest;
  int limit = 100;    ///< for `all`: how many at most, the latest ones; 1 to 100,000
  duration within{};  ///< for `window`: the greatest age
  friend bool operator==(misfire_settings const&, misfire_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(misfire_settings, (), (policy, limit, within))

/// One schedule of the file.
struct cron_entry {
  std::string name;
  source where;          ///< of the name
  std::string schedule;  ///< cron expression, interval or phrase that recurs
  std::string workflow;  ///< empty: `inputs` has a `text`
  json_text inputs;      ///< an object
  output_settings output;
  std::string description;
  bool enabled = true;
  std::string timezone;  ///< never empty after a file was read: the default is filled in
  misfire_settings misfire;
  visor::overlap overlap = visor::overlap::allow;
  dst_policy dst;                     ///< policy for clock changes
  std::optional<std::string> anchor;  ///< the start of an interval's count; none: 1970, or for phrases the creation of the schedule
  std::optional<int> priority;        ///< none: the workflow's; lower runs first; -32768 to 32767
  std::optional<std::string> queue;   ///< none: the workflow's
  friend bool operator==(cron_entry const&, cron_entry const&) = default;
};
BOOST_DESCRIBE_STRUCT(cron_entry, (),
                      (name, schedule, workflow, inputs, output, description, enabled, timezone, misfire, overlap, dst, anchor, priority,
                       queue))

BOOST_DEFINE_ENUM_CLASS(http_method, GET, POST, PUT, PATCH, DELETE)

/// A call over HTTP or HTTPS.
struct webhook_settings {
  http_method method = http_method::POST;
  std::string url;  ///< absolute, `https` or `http`, without user and password
  std::map<std::string, secret> headers;
  std::optional<std::string> body;  ///< a template; none: the job's payload
  friend bool operator==(webhook_settings const&, webhook_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(webhook_settings, (), (method, url, headers, body))

/// One kind of work of the file: a command or a webhook, and the options of every job type.
struct workflow : job_type_options {
  std::string name;
  source where;                      ///< of the name
  std::vector<std::string> command;  ///< program and arguments; with `shell` one element, the text for `/bin/sh -c`
  bool shell = false;
  /// Variables of visor's own environment that the command inherits: `all` but secrets; `none` but PATH, HOME, USER, LANG and
  /// TZ; or those five and the ones that are named.
  std::vector<std::string> inherit_env{"all"};
  std::map<std::string, secret> env;        ///< added to the environment of the command
  std::string working_directory;            ///< empty: that of visor
  std::optional<webhook_settings> webhook;  ///< in place of a command
  workflow() = default;
  friend bool operator==(workflow const&, workflow const&) = default;
};
BOOST_DESCRIBE_STRUCT(workflow, (job_type_options), (name, command, shell, inherit_env, env, working_directory, webhook))

/// The keys below `scheduler:`.
struct scheduler_settings {
  bool enabled = true;  ///< false: `visor run` fires nothing
  storage_settings storage;
  ha_settings ha;
  node_settings node;
  std::string default_timezone = "UTC";
  std::optional<duration> check_interval_ms;  ///< a plain number is milliseconds; none: `node.poll_interval` as it is
  std::vector<cron_entry> cron;
  /// The name under which a node declares the schedules of its file, or of its program. Nodes of one set declare the same
  /// schedules. 1 to 200 bytes.
  std::string set = default_set;
  friend bool operator==(scheduler_settings const&, scheduler_settings const&) = default;
};
BOOST_DESCRIBE_STRUCT(scheduler_settings, (), (enabled, storage, ha, node, default_timezone, check_interval_ms, cron, set))

/// All settings. A default-constructed object equals an empty file: a working node on an embedded SQLite file.
struct settings : scheduler_settings {
  std::vector<visor::workflow> workflows;
  /// The source of each value that is not a default, by its dotted path (`scheduler.ha.lock_ttl`).
  std::map<std::string, source, std::less<>> sources;
  /// Requested settings that have no effect, a line each: `visor::scheduler` and `visor run` log these at the start.
  std::vector<std::string> ignored;
  /// The variables of the environment that hold secrets of these settings: commands of workflows do not inherit them.
  std::vector<std::string> secret_variables;
  /// The values of these variables, which no message may repeat.
  std::vector<secret> secret_values;
  settings() = default;
  friend bool operator==(settings const&, settings const&) = default;

  /// Whether the configuration declares its schedules, be it none (`cron: {}`).
  bool declares_schedules() const { return !cron.empty() || sources.contains("scheduler.cron"); }

  /// Whether this node has the capability that the jobs of a workflow need.
  bool runs_here(visor::workflow const& which) const {
    return which.capability.empty() || std::ranges::find(node.capabilities, which.capability) != node.capabilities.end();
  }

  /// The workflow of that name, or null. O(n).
  visor::workflow const* find_workflow(std::string_view name) const noexcept {
    for (auto const& candidate : workflows)
      if (candidate.name == name) return &candidate;
    return nullptr;
  }

  /// Returns the defaults and, over them, `VISOR_DB` (the file of SQLite) and `VISOR_NODE_NAME` (`ha.node_id`), where they are
  /// set and not empty. A program on SQLite needs no more. `load_environment` (`config/sources.hpp`) reads all variables, and
  /// takes longer to compile.
  static settings from_environment(environment const& lookup = process_environment()) {
    settings result;
    auto const take = [&](char const* variable, std::string& value, char const* path) {
      auto const text = lookup(variable);
      if (!text || text->empty()) return;
      value = *text;
      source from;
      from.variables.emplace_back(variable);
      result.sources.insert_or_assign(path, std::move(from));
    };
    take("VISOR_DB", result.storage.connection.filename, "scheduler.storage.connection.filename");
    take("VISOR_NODE_NAME", result.ha.node_id, "scheduler.ha.node_id");
    result.node.name = result.ha.node_id;
    return result;
  }
};

}  // namespace visor

#endif
