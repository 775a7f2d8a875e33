#ifndef VISOR_CONFIG_CHECK_HPP
#define VISOR_CONFIG_CHECK_HPP

#include "visor/base/text.hpp"
#include "visor/config/document.hpp"
#include "visor/config/error.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/settings.hpp"
#include "visor/config/url.hpp"
#include "visor/cron/expression.hpp"
#include "visor/cron/zone.hpp"

#include <boost/describe/enum_to_string.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

namespace detail {

/// What holds between values, and the values that have a grammar of their own.
class checker {
 public:
  /// \param nodes the parts of the document by their paths; empty where there is no document: then errors have no place
  checker(settings const& all, std::string file, std::map<std::string, node const*, std::less<>> const& nodes)
      : all_(all), file_(std::move(file)), nodes_(nodes) {
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

  node const* find(std::string_view path) const {
    auto const found = nodes_.find(path);
    return found == nodes_.end() ? nullptr : found->second;
  }

  bool given(std::string_view path) const { return find(path) != nullptr; }

  /// Whether a value may be repeated in a message.
  bool from_environment(std::string_view path) const {
    node const* const where = find(path);
    return where != nullptr && where->from_environment();
  }

  /// Whether the reader has complained about a key that must be there.
  bool reported(std::string_view path) const { return !nodes_.empty() && !given(path); }

  place at(std::string_view path) const {
    node const* const where = find(path);
    return where == nullptr ? place{} : where->at;
  }

  /// The place of a byte of a value's text.
  place inside(std::string_view path, std::size_t offset) const {
    node const* const where = find(path);
    return where == nullptr ? place{} : where->position(offset);
  }

  /// The place of a key, or of the name of what it belongs to.
  place at_or(std::string_view path, source const& otherwise) const {
    return given(path) ? at(path) : place{otherwise.line, otherwise.column};
  }

  void fail(std::string path, place where, std::string message) {
    errors_.push_back({file_, where.line, where.column, std::move(path), std::move(message)});
  }
  void fail(std::string const& path, std::string message) { fail(path, at(path), std::move(message)); }

  void storage() {
    std::string const base = "scheduler.storage.connection";
    auto const& storage = all_.storage;
    bool const server = storage.driver != storage_driver::sqlite && storage.driver != storage_driver::memory;
    if (!server)
      for (char const* const key : {"host", "port", "database", "user", "password", "connection_string", "ssl", "pool"})
        if (given(join_path(base, key)))
          fail(join_path(base, key), std::string{"has no meaning for "} + boost::describe::enum_to_string(storage.driver, "") +
                                         ": set scheduler.storage.driver to postgresql, mysql or mssql");
    if (server) connection_string(base + ".connection_string");
    auto const& pool = storage.connection.pool;
    if (pool.min > pool.max)
      fail(base + (given(base + ".pool.min") ? ".pool.min" : ".pool.max"),
           "pool.min " + std::to_string(pool.min) + " is above pool.max " + std::to_string(pool.max));
    if (auto const& ssl = storage.connection.ssl; ssl && ssl->cert.empty() != ssl->key.empty())
      fail(base + (ssl->cert.empty() ? ".ssl.key" : ".ssl.cert"), "cert and key belong together: set both or none");
  }

  void connection_string(std::string const& path) {
    std::string const& url = all_.storage.connection.connection_string.reveal();
    if (url.empty()) return;
    struct scheme {
      storage_driver driver;
      std::string_view begins;
    };
    static constexpr std::array<scheme, 6> schemes{{{storage_driver::postgresql, "postgresql://"},
                                                    {storage_driver::postgresql, "postgres://"},
                                                    {storage_driver::mysql, "mysql://"},
                                                    {storage_driver::mysql, "mariadb://"},
                                                    {storage_driver::mssql, "mssql://"},
                                                    {storage_driver::mssql, "sqlserver://"}}};
    std::vector<std::string_view> allowed;
    for (auto const& each : schemes)
      if (each.driver == all_.storage.driver) allowed.push_back(each.begins);
    if (std::none_of(allowed.begin(), allowed.end(), [&](std::string_view begins) { return url.starts_with(begins); }))
      fail(path, std::string{"must begin with one of "} + listed(allowed) + " for the driver " +
                     boost::describe::enum_to_string(all_.storage.driver, ""));
  }

  void ha() {
    if (all_.ha.enabled && (all_.storage.driver == storage_driver::sqlite || all_.storage.driver == storage_driver::memory))
      fail("scheduler.ha.enabled", std::string{boost::describe::enum_to_string(all_.storage.driver, "")} +
                                       " allows a single node: set scheduler.storage.driver to postgresql, mysql or mssql, or turn ha off");
    if (all_.ha.heartbeat_interval > all_.ha.lock_ttl / 2)
      fail(given("scheduler.ha.heartbeat_interval") ? "scheduler.ha.heartbeat_interval" : "scheduler.ha.lock_ttl",
           "heartbeat_interval " + to_string(all_.ha.heartbeat_interval) + " must be at most a half of lock_ttl " +
               to_string(all_.ha.lock_ttl) + ", which is " + to_string(all_.ha.lock_ttl / 2));
  }

  void queues() {
    if (all_.node.queues.empty() || all_.node.queues.size() > 1'000)
      fail("scheduler.node.queues", std::to_string(all_.node.queues.size()) + " queues: allowed is 1 to 1000");
  }

  /// A queue that no node serves would keep its jobs for ever. With several nodes another one may serve it.
  void queue(std::string const& path, std::string const& name, source const& where) {
    if (all_.ha.enabled) return;
    if (queues_.count(name) == 0)
      fail(path, at_or(path, where), unknown(path, "no queue ", name, queues_, "; add it to scheduler.node.queues"));
  }

  std::string unknown(std::string_view path, std::string const& what, std::string_view name, std::set<std::string_view> const& known,
                      std::string const& otherwise) const {
    if (from_environment(path)) return what + "has the name that " + in_quotes(find(path)->written) + " gives";
    auto const near = nearest(name, known);
    return what + "has the name " + in_quotes(name) + (near.empty() ? otherwise : "; did you mean " + in_quotes(near) + "?");
  }

  void zone(std::string const& path, std::string const& name) {
    try {
      find_zone(name);
    } catch (error const& wrong) {
      fail(path, from_environment(path) ? "the value of " + in_quotes(find(path)->written) + " is no time zone" : wrong.message());
    }
  }

  void cron(cron_entry const& entry) {
    std::string const path = join_path("scheduler.cron", entry.name);
    schedule(path + ".schedule", entry);
    if (!entry.timezone.empty() && entry.timezone != all_.default_timezone) zone(path + ".timezone", entry.timezone);
    boost::system::error_code broken;
    boost::json::value const inputs = boost::json::parse(entry.inputs.text, broken);
    if (broken || !inputs.is_object()) {
      fail(path + ".inputs", "is no JSON object");
    } else if (entry.workflow.empty()) {
      auto const* const text = inputs.get_object().if_contains("text");
      if (text == nullptr || !text->is_string() || text->get_string().empty())
        fail(path + ".workflow", at_or(path + ".workflow", entry.where), "is missing: name a workflow, or give a text in inputs.text");
    } else if (workflows_.count(entry.workflow) == 0) {
      fail(path + ".workflow", unknown(path + ".workflow", "no workflow ", entry.workflow, workflows_, "; add it below \"workflows:\""));
    }
    if (entry.queue) queue(path + ".queue", *entry.queue, entry.where);
    misfire(path + ".misfire", entry);
  }

  void schedule(std::string const& path, cron_entry const& entry) {
    auto const parsed = cron_expression::try_parse(entry.schedule);
    if (parsed || reported(path)) return;
    if (from_environment(path)) return fail(path, "the value of " + in_quotes(find(path)->written) + " is no cron expression");
    auto const& failure = parsed.failure();
    std::string message;
    if (failure.field != 0) message = "field " + std::to_string(failure.field) + " (" + std::string{rule_of(failure.where).name} + "): ";
    fail(path, inside(path, failure.position), message + detail::describe(entry.schedule, failure));
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
      for (char const* const key : {"shell", "env", "working_directory"})
        if (given(join_path(path, key))) fail(join_path(path, key), "belongs to a command");
    if (each.webhook) hook(path + ".webhook", each);
    if (each.backoff.cap < each.backoff.base)
      fail(path + (given(path + ".backoff.base") ? ".backoff.base" : ".backoff.cap"),
           "base " + to_string(each.backoff.base) + " is above cap " + to_string(each.backoff.cap));
    queue(path + ".queue", each.queue, each.where);
  }

  void command(std::string const& path, workflow const& each) {
    node const* const written = find(path);
    bool const text = written != nullptr && written->what == node::kind::scalar;
    if (each.command.empty() || each.command.front().empty())
      fail(path, "names no program");
    else if (text && !each.shell)
      fail(path, "is a text: write a list such as [\"/usr/bin/program\", \"--flag\"], or add \"shell: true\"");
    else if (each.shell && each.command.size() != 1)
      fail(path, "must be a single text, because of \"shell: true\"");
    for (auto const& [name, value] : each.env)
      if (std::string const variable = join_path(join_path("workflows", each.name) + ".env", name); name.find('=') != std::string::npos)
        fail(variable, "a variable's name cannot hold \"=\"");
  }

  void hook(std::string const& path, workflow const& each) {
    auto const& webhook = *each.webhook;
    if (!reported(path + ".url"))
      if (auto const fault = check_url(webhook.url); !fault.message.empty())
        fail(path + ".url", inside(path + ".url", fault.offset), std::string{fault.message});
    for (auto const& [name, value] : webhook.headers) {
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
  std::map<std::string, node const*, std::less<>> const& nodes_;
  std::set<std::string_view> workflows_;
  std::set<std::string_view> queues_;
  std::vector<config_error> errors_;
};

}  // namespace detail

/// What is wrong with settings that a program made itself: the same checks as for a file, without places. Zones other than UTC are
/// known when `visor/zone.hpp` is included. Thread-safe.
inline std::vector<config_error> check_settings(settings const& all) {
  std::map<std::string, detail::node const*, std::less<>> const nowhere;
  return detail::checker{all, {}, nowhere}.run();
}

}  // namespace visor

#endif
