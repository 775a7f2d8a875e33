#ifndef VISOR_CONFIG_CHECK_HPP
#define VISOR_CONFIG_CHECK_HPP

#include "visor/base/http_url.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/nearest_name.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/document.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/scheme.hpp"
#include "visor/config/settings.hpp"
#include "visor/cron/phrase.hpp"
#include "visor/cron/time_zone.hpp"
#include "visor/settings/queue_name.hpp"
#include "visor/settings/tls_option.hpp"
#include "visor/settings/tls_settings.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace visor {

namespace detail {

/// Checks the constraints between values, and the values that have a grammar of their own.
class checker {
 public:
  /// \param file the file that an error about a missing key names
  /// \param nodes the parts that were read; empty for settings that a program made, whose errors have no position
  checker(settings const& all, std::string file, found_nodes const& nodes) : all_(all), file_(std::move(file)), nodes_(nodes) {
    for (auto const& each : all_.workflows) workflows_.insert(each.name);
    for (auto const& each : all_.node.queues) queues_.insert(each.name);
  }

  std::vector<config_error> run() {
    storage();
    ha();
    queues();
    zone("scheduler.default_timezone", all_.default_timezone);
    for (auto const& entry : all_.cron)
      if (!is_full()) cron(entry);
    for (auto const& each : all_.workflows)
      if (!is_full()) work(each);
    return std::move(errors_);
  }

 private:
  bool is_full() const noexcept { return errors_.size() >= document_limits::errors; }

  /// The source and the position of a value, for a message.
  struct spot {
    std::string origin;
    source_position at;
  };

  found_node const* find(std::string_view path) const {
    auto const found = nodes_.find(path);
    return found == nodes_.end() ? nullptr : &found->second;
  }

  bool given(std::string_view path) const { return find(path) != nullptr; }

  /// Whether a value came from the environment, so that no message may repeat it.
  bool from_environment(std::string_view path) const {
    auto const* const found = find(path);
    return found != nullptr && found->what->from_environment();
  }

  /// The description of a value in a message that may not repeat it.
  std::string shown(std::string_view path) const { return find(path)->what->shown(); }

  /// Whether the reader has already reported that a required key is missing.
  bool reported(std::string_view path) const { return !nodes_.empty() && !given(path); }

  spot at(std::string_view path) const {
    auto const* const found = find(path);
    return found == nullptr ? spot{file_, {}} : spot{std::string{found->origin}, found->what->at};
  }

  /// The position of a byte of a value's text.
  spot inside(std::string_view path, std::size_t offset) const {
    spot result = at(path);
    if (auto const* const found = find(path)) result.at = found->what->position(offset);
    return result;
  }

  /// The position of a key, or of the name of the entry that has it.
  spot at_or(std::string_view path, source const& otherwise) const {
    return given(path) ? at(path) : spot{file_, {otherwise.line, otherwise.column}};
  }

  void fail(std::string path, spot where, std::string message) {
    errors_.push_back({std::move(where.origin), where.at.line, where.at.column, std::move(path), std::move(message)});
  }
  void fail(std::string const& path, std::string message) { fail(path, at(path), std::move(message)); }

  static std::string name_of(storage_driver driver) { return boost::describe::enum_to_string(driver, ""); }

  void storage() {
    std::string const base = "scheduler.storage.connection.";
    if (is_server(all_.storage.driver)) {
      server(base);
    } else {
      for (char const* const key : {"host", "port", "database", "user", "password", "connection_string", "ssl", "pgbouncer", "pool"})
        if (given(base + key)) no_server(base + key);
    }
    if (all_.storage.driver == storage_driver::memory) in_memory();
    if (all_.storage.driver == storage_driver::sqlite) file(base + "filename");
    for (auto const& fault : all_.storage.connection.pool.faults())
      if (std::string const path = base + "pool." + fault.field; nodes_.empty() || given(path))
        fail(path, (given(path) ? shown(path) : fault.value) + " is out of range: allowed is " + fault.allowed);
    if (auto const& ssl = all_.storage.connection.ssl) {
      // A value that could not be read is set all the same.
      auto const is_set = [&](pem const& value, char const* key) {
        auto const* const found = find(base + key);
        return !value.empty() || (found != nullptr && !found->what->text.empty());
      };
      bool const has_cert = is_set(ssl->cert, "ssl.cert");
      if (has_cert != is_set(ssl->key, "ssl.key"))
        fail(base + (has_cert ? "ssl.cert" : "ssl.key"), "cert and key belong together: set both or none");
      for (auto const& [key, value] : {std::pair{"ssl.ca", &ssl->ca}, std::pair{"ssl.cert", &ssl->cert}, std::pair{"ssl.key", &ssl->key}})
        if (auto wrong = value->fault(); !wrong.empty()) fail(base + key, std::move(wrong));
      struct role {
        char const* key;
        pem const& given;
        char const* kind;
      };
      for (role const& each : {role{"ssl.ca", ssl->ca, "x509"}, role{"ssl.cert", ssl->cert, "x509"}, role{"ssl.key", ssl->key, "pkey"}})
        if (ssl->enabled && each.given.is_path() && is_der(each.given.content())) fail(base + each.key, der_remedy(each.kind).substr(1));
      if (ssl->enabled && !ssl->key.empty() && is_encrypted_key(ssl->key.content()))
        fail(base + "ssl.key", std::string(encrypted_key_remedy).substr(1));
    }
  }

  /// Refuses names that SQLite does not take for a path.
  void file(std::string const& path) {
    auto const* const found = find(path);
    std::string_view const name = found == nullptr ? all_.storage.connection.filename : found->what->text;
    if (name.starts_with(":memory:") || name.starts_with("file:"))
      fail(path, "must be a path; for a store in memory set scheduler.storage.driver to memory");
  }

  void in_memory() {
    if (!all_.storage.path.empty())
      fail("scheduler.storage.path", "has no meaning for memory: what is taken over would be gone with the process");
    for (std::string const key : {"auto_init", "log_statements", "log_statements.all", "log_statements.slow"}) {
      auto const* const found = find("scheduler.storage." + key);
      // Other programs use DB_LOG_QUERIES and the like, too.
      if (found != nullptr && found->origin.find("environment DB_") == std::string_view::npos)
        fail("scheduler.storage." + key, "has no meaning for memory, which has no tables and no statements");
    }
  }

  void no_server(std::string const& path) {
    bool const is_url = path.ends_with(".connection_string");
    fail(path, is_url && !driver_of_url(all_.storage.connection.connection_string.reveal())
                   ? "must begin with one of " + listed(schemes_of(std::nullopt)) + "; or set scheduler.storage.driver"
                   : "has no meaning for " + name_of(all_.storage.driver) + ": set scheduler.storage.driver to postgresql, mysql or mssql");
  }

  void server(std::string const& base) {
    auto const& connection = all_.storage.connection;
    if (connection.pgbouncer && all_.storage.driver != storage_driver::postgresql)
      fail(base + "pgbouncer", "has no meaning for " + name_of(all_.storage.driver) + ": there is a PgBouncer for postgresql alone");
    // Other programs use DB_PORT, too.
    auto const* const port = find(base + "port");
    bool const is_meant = port != nullptr && !port->what->is_variable();
    if (all_.storage.driver == storage_driver::mysql && connection.host.starts_with('/') && is_meant)
      fail(base + "port", "has no effect beside a socket, which host names: remove one of them");
    std::string const path = base + "connection_string";
    std::string const& url = connection.connection_string.reveal();
    if (url.empty()) return named_by_parts();
    if (auto const driver = driver_of_url(url); driver != all_.storage.driver)
      fail(path, "must begin with one of " + listed(schemes_of(all_.storage.driver)) + " for the driver " + name_of(all_.storage.driver) +
                     (driver ? "; this one is for " + name_of(*driver) : ""));
    tls(path, base + "ssl.enabled");
    // In a file these keys may stand unused beside the connection string. On the command line they are intended.
    for (char const* const key : {"host", "port", "database", "user", "password"})
      if (auto const* const found = find(base + key); found != nullptr && found->origin.starts_with("flag "))
        fail(base + key, "has no effect beside a connection string: give all in --url, or --host too");
  }

  /// Refuses a connection string that asks for TLS by an option of SQL Server beside a value that turns it off. The other options give way
  /// to `ssl`.
  void tls(std::string const& url_path, std::string const& off_path) {
    auto const& connection = all_.storage.connection;
    if (!connection.ssl || connection.ssl->enabled) return;
    tls_options const options(connection.connection_string.reveal());
    std::string const option(options.encrypting());
    if (option.empty() || options.is_local()) return;
    std::string off = off_path;
    if (auto const from = all_.sources.find(off_path); from != all_.sources.end()) off += " (" + to_string(from->second) + ")";
    fail(url_path, "asks for TLS by its option " + option + ", and " + off + " is false: leave one out");
  }

  /// `STORE_TYPE` alone does not say where the server is.
  void named_by_parts() {
    std::string const path = "scheduler.storage.driver";
    auto const* const driver = find(path);
    if (driver == nullptr || driver->origin != "environment STORE_TYPE") return;
    for (char const* const key : {"host", "database", "user"})
      if (!given(std::string{"scheduler.storage.connection."} + key))
        return fail(path, "needs to know where the server is: set DATABASE_URL, or DB_HOST, DB_NAME and DB_USER");
  }

  void ha() {
    if (all_.ha.enabled && !is_server(all_.storage.driver))
      fail("scheduler.ha.enabled", name_of(all_.storage.driver) +
                                       " allows a single node: set scheduler.storage.driver to postgresql, mysql or mssql, or turn ha off");
    if (all_.ha.heartbeat_interval > all_.ha.lock_ttl / 2)
      fail(given("scheduler.ha.heartbeat_interval") ? "scheduler.ha.heartbeat_interval" : "scheduler.ha.lock_ttl",
           "heartbeat_interval " + to_string(all_.ha.heartbeat_interval) + " must be at most a half of lock_ttl " +
               to_string(all_.ha.lock_ttl) + ", which is " + to_string(all_.ha.lock_ttl / 2));
  }

  void queues() {
    if (all_.node.queues.empty() || all_.node.queues.size() > 1'000)
      fail("scheduler.node.queues", std::to_string(all_.node.queues.size()) + " queues: allowed is 1 to 1000");
    for (auto const& each : all_.node.queues)
      if (!is_queue_name(each.name)) fail("scheduler.node.queues", "the name " + in_quotes(each.name) + " may have none of + * , :");
    if (all_.node.capabilities.size() > 16)
      fail("scheduler.node.capabilities", std::to_string(all_.node.capabilities.size()) + " capabilities: allowed are 16");
    for (auto const& each : all_.node.capabilities)
      if (each.empty() || !is_queue_name(each))
        fail("scheduler.node.capabilities", "the name " + in_quotes(each) + " is empty, or has one of + * , :");
  }

  /// Where there can be several nodes, one with the capability may join later.
  void capability(std::string const& path, workflow const& each) {
    if (each.capability.empty()) return;
    if (ends_with_blank(each.capability)) return fail(path, at_or(path, each.where), blank_at_end);
    if (!is_queue_name(each.capability)) return fail(path, at_or(path, each.where), "may have none of + * , :");
    if (!all_.ha.enabled && std::ranges::find(all_.node.capabilities, each.capability) == all_.node.capabilities.end())
      fail(path, at_or(path, each.where),
           "this node, which is the only one, does not have " + in_quotes(each.capability) + ": add it to scheduler.node.capabilities");
  }

  /// Refuses a queue that no node serves, where jobs would wait for ever. With several nodes another one may serve it.
  void queue(std::string const& path, std::string const& name, source const& where) {
    if (all_.ha.enabled) return;
    if (!queues_.contains(name))
      fail(path, at_or(path, where), unknown(path, "no queue ", name, queues_, "; add it to scheduler.node.queues"));
  }

  std::string unknown(std::string_view path, std::string const& what, std::string_view name, std::set<std::string_view> const& known,
                      std::string const& otherwise) const {
    if (from_environment(path)) return what + "has the name that " + in_quotes(find(path)->what->written) + " gives";
    auto const near = nearest(name, known);
    return what + "has the name " + in_quotes(name) + (near.empty() ? otherwise : "; did you mean " + in_quotes(near) + "?");
  }

  void zone(std::string const& path, std::string const& name) {
    try {
      find_zone(name);
    } catch (error const& wrong) {
      fail(path, from_environment(path) ? shown(path) + " is no time zone" : wrong.message());
    }
  }

  void cron(cron_entry const& entry) {
    std::string const path = join_path("scheduler.cron", entry.name);
    schedule(path + ".schedule", entry);
    if (!entry.timezone.empty() && entry.timezone != all_.default_timezone) zone(path + ".timezone", entry.timezone);
    if (auto const fault = find_json_fault(entry.inputs.text)) {
      fail(path + ".inputs", fault->message());
    } else if (!entry.inputs.text.starts_with('{')) {
      fail(path + ".inputs", "is no JSON object");
    } else if (entry.inputs.text.size() > all_.node.payload_limit) {
      fail(path + ".inputs", "has " + std::to_string(entry.inputs.text.size()) + " bytes; scheduler.node.payload_limit allows " +
                                 std::to_string(all_.node.payload_limit));
    } else if (entry.workflow.empty()) {
      auto const text = find_json_field(entry.inputs.text, "text");
      if (!text || !text->starts_with('"') || *text == "\"\"")
        fail(path + ".workflow", at_or(path + ".workflow", entry.where), "is missing: name a workflow, or give a text in inputs.text");
    } else if (!workflows_.contains(entry.workflow)) {
      fail(path + ".workflow", unknown(path + ".workflow", "no workflow ", entry.workflow, workflows_, "; add it below \"workflows:\""));
    }
    if (entry.queue) queue(path + ".queue", *entry.queue, entry.where);
    if (entry.output.type != output_kind::none || !entry.output.target.empty() || !entry.output.thread_id.empty())
      fail(path + ".output", at_or(path + ".output", entry.where),
           "results are sent nowhere yet: remove it, and let the workflow send what is wanted, for example by a webhook");
    misfire(path + ".misfire", entry);
  }

  void schedule(std::string const& path, cron_entry const& entry) {
    if (reported(path)) return;
    std::string const other = join_path("scheduler.cron", entry.name);
    if (entry.schedule.find_first_not_of(" \t\r\n") == std::string::npos) {
      parse_failure empty;
      empty.why = cron_fault::empty;
      return fail(path, inside(path, 0), detail::describe({}, empty));
    }
    try {
      // Validity does not depend on the time: seen from long ago, every instant is yet to come.
      auto const parsed = parse_phrase(entry.schedule, instant{}, time_zone::utc(), entry.anchor);
      auto const* const when = std::get_if<recurrence>(&parsed.when);
      if (when == nullptr)
        return fail(path, "names one instant, and a schedule of the file recurs; 'visor schedule create' makes one that fires once");
      if ((entry.dst.gap || entry.dst.overlap) && !when->follows_clocks())
        fail(other + ".dst", at_or(other + ".dst", entry.where),
             "belongs to a schedule that follows the clocks, and an interval of less than days does not");
      if (!when->for_schedule(entry.name).expression().can_fire())
        fail(path, "never fires: no year has the day that the name of the schedule chooses for H");
    } catch (cron_error const& wrong) {
      if (from_environment(path)) return fail(path, shown(path) + " is no cron expression");
      auto const& failure = wrong.failure();
      std::string message;
      if (failure.field != 0) message = "field " + std::to_string(failure.field) + " (" + std::string{rule_of(failure.where).name} + "): ";
      fail(path, inside(path, failure.position), message + detail::describe(entry.schedule, failure));
    } catch (phrase_error const& wrong) {
      if (from_environment(path)) return fail(path, shown(path) + " is no cron expression, and no phrase that is understood");
      fail(path, inside(path, wrong.position()), wrong.why());
    } catch (error const& wrong) {
      fail(other + ".anchor", from_environment(other + ".anchor") ? "is no anchor of this schedule" : wrong.message());
    }
  }

  void misfire(std::string const& path, cron_entry const& entry) {
    using enum visor::misfire;
    if (given(path + ".limit") && entry.misfire.policy != all) fail(path + ".limit", "belongs to the policy \"all\"");
    if (given(path + ".within") && entry.misfire.policy != window) fail(path + ".within", "belongs to the policy \"window\"");
    if (entry.misfire.policy == window && entry.misfire.within <= duration{0})
      fail(path + ".within", at_or(path, entry.where), "is missing: the policy \"window\" needs it, such as 1h");
  }

  void work(workflow const& each) {
    std::string const path = join_path("workflows", each.name);
    bool const command = given(path + ".command") || !each.command.empty();
    bool const webhook = given(path + ".webhook") || each.webhook.has_value();
    if (command == webhook)
      fail(path, at_or({}, each.where),
           command ? "has both command and webhook: one workflow does one of them" : "has nothing to do: give it a command or a webhook");
    if (command) this->command(path + ".command", each);
    if (!command)
      for (char const* const key : {"shell", "inherit_env", "env", "working_directory"})
        if (given(join_path(path, key))) fail(join_path(path, key), "belongs to a command");
    if (each.webhook) hook(path + ".webhook", each);
    bool const is_fixed = each.backoff.kind == backoff_kind::fixed;
    if (!is_fixed && each.backoff.cap < each.backoff.base)
      fail(path + (given(path + ".backoff.base") ? ".backoff.base" : ".backoff.cap"),
           "base " + to_string(each.backoff.base) + " is above cap " + to_string(each.backoff.cap));
    if (is_fixed)
      for (char const* const key : {"cap", "factor", "jitter"})
        if (given(path + ".backoff." + key)) fail(path + ".backoff." + key, "belongs to kind exponential: a fixed pause is always `base`");
    queue(path + ".queue", each.queue, each.where);
    capability(path + ".capability", each);
    names_together(path, each);
    if (given(path + ".limits.per") && each.limits.rate == 0 && each.limits.key_rate == 0)
      fail(path + ".limits.per", "belongs to rate or key_rate, and there is none above 0");
    if (each.limits.any() && each.name.find('*') != std::string::npos)
      fail(path + ".limits", at_or(path, each.where), "need a workflow whose name has no *");
  }

  /// Checks the length of the queue name that all of these form together: SQL Server limits its column.
  void names_together(std::string const& path, workflow const& each) {
    if (all_.storage.driver != storage_driver::mssql) return;
    constexpr std::size_t longest = 255;
    std::string queue = each.queue;
    auto const consider = [&queue](std::string const& other) {
      if (length_in_column(other) > length_in_column(queue)) queue = other;
    };
    for (auto const& served : all_.node.queues) consider(served.name);
    for (auto const& entry : all_.cron)
      if (entry.workflow == each.name && entry.queue) consider(*entry.queue);
    std::string name = lane_of(queue_of(queue, each.capability), each.name);
    if (each.limits.any_by_key()) name += "*" + std::string(longest_job_key, 'k');
    if (std::size_t const length = length_in_column(name); length > longest)
      fail(path, at_or({}, each.where),
           "needs a queue name of " + std::to_string(length) + " characters, made of the queue '" + queue + "'" +
               (each.capability.empty() ? std::string() : ", the capability") + ", the name of the workflow" +
               (each.limits.any_by_key() ? " and a key of up to 100" : "") + "; " + name_of(all_.storage.driver) + " keeps " +
               std::to_string(longest) + ": shorten these names");
  }

  /// The length in units of UTF-16, as SQL Server counts.
  static std::size_t length_in_column(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }) +
                                    std::ranges::count_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0xF0; }));
  }

  void command(std::string const& path, workflow const& each) {
    auto const* const written = find(path);
    bool const text = written != nullptr && written->what->what == node::kind::scalar;
    if (each.command.empty() || each.command.front().empty())
      fail(path, "names no program");
    else if (text && !each.shell)
      fail(path, "is a text: write a list such as [\"/usr/bin/program\", \"--flag\"], or add \"shell: true\"");
    else if (each.shell && each.command.size() != 1)
      fail(path, "must be a single text, because of \"shell: true\"");
    std::string const inherited = join_path("workflows", each.name) + ".inherit_env";
    inherited_words(inherited, each.inherit_env);
    for (auto const& name : each.inherit_env) {
      if (name.empty() || name.find('=') != std::string::npos) fail(inherited, "must be all, none, or a list of names of variables");
      if (std::ranges::find(all_.secret_variables, name) != all_.secret_variables.end())
        fail(inherited,
             in_quotes(name) + " holds a secret, which no command inherits: add it to env, as " + name + ": \"${" + name + "}\"");
    }
    for (auto const& [name, value] : each.env)
      if (std::string const variable = join_path(join_path("workflows", each.name) + ".env", name); name.find('=') != std::string::npos)
        fail(variable, "a variable's name cannot hold \"=\"");
  }

  /// Refuses `all` and `none` beside other words, and misspellings of the two.
  void inherited_words(std::string const& path, std::vector<std::string> const& names) {
    static constexpr std::string_view words[] = {"all", "none"};
    auto const* const written = find(path);
    bool const is_text = written != nullptr && written->what->what == node::kind::scalar;
    for (auto const& name : names) {
      bool const is_word = std::ranges::find(words, name) != std::end(words);
      if (is_word && names.size() > 1) return fail(path, in_quotes(name) + " stands alone: a list has names of variables");
      std::string lower = name;
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      std::string_view const near = nearest(lower, words);
      if (is_word || near.empty() || (lower != near && !is_text)) continue;
      std::string const shown = from_environment(path) ? this->shown(path) : in_quotes(name);
      fail(path, shown + " is neither all nor none; did you mean " + in_quotes(near) + "?" +
                     (lower == near ? "" : " A variable of that name stands in a list: [" + printable(name, 60) + "]"));
    }
  }

  void hook(std::string const& path, workflow const& each) {
    auto const& webhook = *each.webhook;
    if (!reported(path + ".url"))
      if (auto const fault = check_url(webhook.url); !fault.message.empty())
        fail(path + ".url", inside(path + ".url", fault.offset), std::string{fault.message});
    std::set<std::string> names;
    for (auto const& [name, value] : webhook.headers) {
      std::string lower = name;
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (!names.insert(std::move(lower)).second)
        fail(join_path(path + ".headers", name), "is given twice: names of headers that differ in case alone are the same");
      std::string const header = join_path(path + ".headers", name);
      // RFC 9110, 5.6.2: a token.
      bool const token = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return c > 0x20 && c < 0x7F && std::string_view{"\"(),/:;<=>?@[\\]{}"}.find(static_cast<char>(c)) == std::string_view::npos;
      });
      if (!token) fail(header, "is no name of an HTTP header");
      bool const line =
          std::none_of(value.reveal().begin(), value.reveal().end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
      if (!line) fail(header, "the value of an HTTP header is one line without control characters");
    }
  }

  settings const& all_;
  std::string file_;
  found_nodes const& nodes_;
  std::set<std::string_view> workflows_;
  std::set<std::string_view> queues_;
  std::vector<config_error> errors_;
};

}  // namespace detail

/// Checks settings that a program made itself: the same checks as for a file, without positions. Zones other than UTC are known
/// when `visor/zone.hpp` is included. Thread-safe.
/// \return the errors
inline std::vector<config_error> check_settings(settings const& all) {
  detail::found_nodes const nowhere;
  return detail::checker{all, {}, nowhere}.run();
}

}  // namespace visor

#endif
