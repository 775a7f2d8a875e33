#ifndef VISOR_CONFIG_SOURCES_HPP
#define VISOR_CONFIG_SOURCES_HPP

#include "visor/base/home.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/config/check.hpp"
#include "visor/config/environment.hpp"
#include "visor/config/profile.hpp"
#include "visor/config/reader.hpp"
#include "visor/config/secrets.hpp"
#include "visor/settings/tls_option.hpp"

#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Combines all sources. From the weakest: the defaults, a profile, a file, the environment, flags.
namespace visor {

/// The result of reading a configuration: settings to use when there are no errors.
struct read_result {
  settings value;
  std::vector<config_error> errors;  ///< in the order of the file
};

namespace detail {

/// Resolves a path: `~/` is the home, and a relative path in a configuration file starts at the folder of that file.
inline std::string meant_path(std::string const& written, std::string const& key, settings const& all) {
  std::filesystem::path const path(with_home(written));
  auto const from = all.sources.find(key);
  bool const is_of_file = from != all.sources.end() && from->second.line > 0;
  if (path.empty() || path.is_absolute() || !is_of_file) return path.string();
  return (std::filesystem::path(from->second.file).parent_path() / path).string();
}

/// Sets the values that follow from other values.
inline void complete(settings& all) {
  for (auto const& [key, path] : {std::pair{"scheduler.storage.connection.filename", &all.storage.connection.filename},
                                  std::pair{"scheduler.storage.path", &all.storage.path}})
    *path = meant_path(*path, key, all);
  for (auto& each : all.workflows) each.working_directory = with_home(each.working_directory);
  all.node.name = all.ha.node_id;
  all.node.exclusive = !all.ha.enabled;
  all.node.lease_ttl = all.ha.lock_ttl;
  all.storage.lock_timeout = all.ha.lock_ttl / 4;
  all.node.heartbeat_interval = all.ha.heartbeat_interval;
  if (all.check_interval_ms) all.node.poll_interval = *all.check_interval_ms;
  if (all.storage.driver != storage_driver::sqlite) {
    std::string const driver = boost::describe::enum_to_string(all.storage.driver, "");
    for (char const* const key : {"filename", "synchronous", "journal"})
      if (auto const found = all.sources.find(std::string("scheduler.storage.connection.") + key); found != all.sources.end())
        all.ignored.push_back(to_string(found->second) + ": " + found->first + ": ignored, the driver is " + driver);
  }
  for (auto& entry : all.cron) {
    if (!entry.timezone.empty()) continue;
    entry.timezone = all.default_timezone;
    if (auto const from = all.sources.find("scheduler.default_timezone"); from != all.sources.end())
      all.sources.insert_or_assign(join_path("scheduler.cron", entry.name) + ".timezone", source{from->second});
  }
}

/// Adjusts pool sizes that nobody asked for to one that somebody did: a maximum of two overrides the minimum of five of a
/// profile.
inline void fit_pool(settings& all) {
  std::string const base = "scheduler.storage.connection.pool.";
  auto& pool = all.storage.connection.pool;
  auto const follow = [&](auto& value, auto const& fitting, char const* key, char const* of) {
    auto const own = all.sources.find(base + key);
    auto const other = all.sources.find(base + of);
    bool const is_free = own == all.sources.end() || is_of_profile(own->second);
    if (!is_free || value == fitting || other == all.sources.end()) return;
    value = fitting;
    all.sources.insert_or_assign(base + key, source{other->second});
  };
  if (pool.min) {
    follow(*pool.min, std::min(*pool.min, pool.max), "min", "max");
    follow(*pool.min, std::min(*pool.min, pool.max_idle), "min", "max_idle");
  }
  if (pool.max_lifetime > duration{0}) follow(pool.keepalive, std::min(pool.keepalive, pool.max_lifetime), "keepalive", "max_lifetime");
  duration const answer = std::min(pool.validation_timeout, std::max<duration>(pool.acquire_timeout, std::chrono::milliseconds{10}));
  follow(pool.validation_timeout, answer, "validation_timeout", "acquire_timeout");
  follow(pool.connect_backoff_cap, std::max(pool.connect_backoff_cap, pool.connect_backoff), "connect_backoff_cap", "connect_backoff");
}

/// Reads all sources. The driver is decided first, because it determines which of the values take effect.
class source_reader {
 public:
  /// \param document of the file with that name
  /// \param driver the driver of the program, if the other sources do not decide it
  source_reader(node const& document, std::string file, environment const& lookup, std::vector<setting_flag> const& flags,
                std::optional<storage_driver> driver)
      : document_(document), file_(std::move(file)), lookup_(lookup), environment_(layers_of_environment(lookup, errors_)) {
    for (auto const& each : flags) flags_.emplace_back("flag " + each.name, each.path, make_value(each.value));
    if (driver) flags_.emplace_back("program", driver_path, make_value(boost::describe::enum_to_string(*driver, "")));
    auto const profile = find_profile(lookup, errors_);
    choose_driver(profile == "production");
    if (!profile || !is_server(driver_)) return;
    profile_ = layers_of_profile(*profile);
    is_production_ = *profile == "production";
  }
  source_reader(source_reader const&) = delete;
  source_reader& operator=(source_reader const&) = delete;

  /// \param errors the errors found in the document before
  read_result read(std::vector<config_error> errors) && {
    settings all;
    reader reader;
    auto const read_layer = [&](layer const& each) { reader.read_root(each.origin, each.root, all); };
    for (auto const& each : profile_) read_layer(each);
    reader.read_root(file_, document_, all);
    // A server that is named by its parts is not the one in the connection string of a weaker source.
    auto const replace_url = [&](auto const& layers) {
      if (find(layers, host_path) == nullptr || find(layers, url_path) != nullptr) return;
      all.storage.connection.connection_string = secret();
      reader.sources.erase(std::string{url_path});
      reader.nodes.erase(std::string{url_path});
    };
    replace_url(environment_);
    for (auto each = environment_.rbegin(); each != environment_.rend(); ++each) read_layer(*each);
    replace_url(flags_);
    for (auto const& each : flags_) read_layer(each);
    all.sources = std::move(reader.sources);
    drop_tls_of_profile(all, reader);
    if (is_production_) drop_connection_log(all);
    fit_pool(all);
    complete(all);
    if (!without_host_.empty()) all.ignored.push_back(without_host_);
    all.secret_variables = secret_variables(document_, all, lookup_);
    for (auto const& name : all.secret_variables)
      if (auto value = lookup_(name)) all.secret_values.emplace_back(std::move(*value));
    for (auto* const more : {&errors_, &reader.errors}) std::move(more->begin(), more->end(), std::back_inserter(errors));
    // Where a value could not be read, a fault of the value in its place is not worth reporting.
    auto const is_new = [&, read = errors.size()](config_error const& wrong) {
      return std::none_of(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(read), [&](config_error const& each) {
        return each.path == wrong.path || each.path.starts_with(wrong.path + "[");  // an item of the list
      });
    };
    for (auto& wrong : checker{all, file_, reader.nodes}.run())
      if (is_new(wrong)) errors.push_back(std::move(wrong));
    sort_errors(errors);
    return {std::move(all), std::move(errors)};
  }

 private:
  static constexpr std::string_view driver_path = "scheduler.storage.driver";
  static constexpr std::string_view filename_path = "scheduler.storage.connection.filename";
  static constexpr std::string_view url_path = "scheduler.storage.connection.connection_string";
  static constexpr std::string_view host_path = "scheduler.storage.connection.host";
  static constexpr std::string_view database_path = "scheduler.storage.connection.database";
  static constexpr std::string_view user_path = "scheduler.storage.connection.user";
  static constexpr std::string_view tls_path = "scheduler.storage.connection.ssl";

  struct value_of {
    std::string_view origin;
    node const* value;
  };

  template <class Layers>
  static layer const* find(Layers const& layers, std::string_view path) {
    auto const found = std::find_if(layers.begin(), layers.end(), [&](layer const& each) { return each.path == path; });
    return found == layers.end() ? nullptr : &*found;
  }

  /// The value in force, and the name of its source.
  std::optional<value_of> strongest(std::string_view path) const {
    for (layer const* const found : {find(flags_, path), find(environment_, path)})
      if (found != nullptr) return value_of{found->origin, find_node(found->root, path)};
    node const* const written = find_node(document_, path);
    if (written == nullptr || written->what != node::kind::scalar) return std::nullopt;
    return value_of{file_, written};
  }

  /// Sets the driver, and drops the variables that have no effect with it.
  ///
  /// A connection string names its driver. On the command line it has the last word; elsewhere it counts where nothing names a
  /// driver.
  void choose_driver(bool is_production) {
    auto chosen = strongest(driver_path);
    auto const url = strongest(url_path);
    bool const from_url = url && (!chosen || find(flags_, url_path) != nullptr);
    auto const imply = [&](value_of from, storage_driver driver) {
      node value = make_value(boost::describe::enum_to_string(driver, ""));
      value.at = from.value->at;
      value.variables = from.value->variables;
      flags_.emplace_back(std::string{from.origin}, driver_path, std::move(value));
      chosen = strongest(driver_path);
    };
    if (from_url) {
      if (auto const driver = driver_of_url(url->value->text)) imply(*url, *driver);
    } else if (!chosen && names_server()) {
      imply(*strongest(host_path), storage_driver::postgresql);
    }
    if (!chosen && !strongest(filename_path)) say_what_is_missing(is_production);
    if (chosen) boost::describe::enum_from_string(chosen->value->text.c_str(), driver_);
    std::erase_if(environment_, [&](variable_layer const& each) {
      if (each.use == variable_use::sqlite) return driver_ != storage_driver::sqlite;
      // A connection string of no known driver is an error, unless somebody chose a driver that needs none.
      return each.use == variable_use::server && !is_server(driver_) && (chosen || each.path != url_path);
    });
  }

  /// Reports an incomplete choice of storage. A server that is half named is not meant to be SQLite, and in production the
  /// location of the data should be explicit.
  /// \pre no source names a driver or a file
  void say_what_is_missing(bool is_production) {
    auto const* const host = find(environment_, host_path);
    auto const* const database = find(environment_, database_path);
    auto const* const user = find(environment_, user_path);
    if (host != nullptr && host->origin == "environment DB_HOST")
      errors_.push_back({host->origin, 0, 0, std::string{host_path},
                         "says where a server is, but neither its database nor the user: set DATABASE_URL, or all of DB_HOST, DB_NAME and "
                         "DB_USER; or STORE_TYPE=sqlite for a file"});
    else if (is_production && !strongest(url_path))
      errors_.push_back({"profile production", 0, 0, std::string{driver_path},
                         "no storage is named: set DATABASE_URL, or all of DB_HOST, DB_NAME and DB_USER; or STORE_TYPE=sqlite for a file"});
    else if (host == nullptr && database != nullptr && user != nullptr)
      without_host_ = database->origin + " and " + user->origin +
                      ": ignored, the driver is sqlite: they name a database and its user, and nothing says on which server; set DB_HOST "
                      "too, or DATABASE_URL, or STORE_TYPE=sqlite";
  }

  /// Whether the command line or the environment name a server without a connection string.
  bool names_server() const {
    static constexpr std::string_view needed[] = {host_path, database_path, user_path};
    return find(flags_, host_path) != nullptr ||
           std::all_of(std::begin(needed), std::end(needed), [&](auto path) { return find(environment_, path) != nullptr; });
  }

  /// Drops TLS that only a profile asks for, if the connection string has TLS options of its own, and for a Unix socket.
  static void drop_tls_of_profile(settings& all, reader& reader) {
    std::string const below = std::string{tls_path} + ".";
    auto const first = all.sources.lower_bound(below);
    auto last = first;
    while (last != all.sources.end() && last->first.starts_with(below)) {
      if (!is_of_profile(last->second)) return;
      ++last;
    }
    auto const& connection = all.storage.connection;
    std::string_view const url = connection.connection_string.reveal();
    tls_options const options(url);
    bool const is_local = url.empty() ? connection.host.starts_with('/') : options.is_local();
    if (first == last || !(is_local || options.any())) return;
    all.storage.connection.ssl.reset();
    all.sources.erase(first, last);
    reader.nodes.erase(std::string{tls_path});
    reader.nodes.erase(below + "enabled");
  }

  /// Disables connection logging under the production profile: it is a debugging aid.
  static void drop_connection_log(settings& all) {
    static constexpr std::string_view path = "scheduler.storage.connection.pool.log_connections";
    if (!std::exchange(all.storage.connection.pool.log_connections, false)) return;
    auto& from = all.sources.find(path)->second;
    all.ignored.push_back(to_string(from) + ": " + std::string{path} + ": ignored, the profile production does not log connections");
    from = source{};
    from.file = "profile production";
  }

  node const& document_;
  std::string file_;
  environment const& lookup_;
  std::vector<config_error> errors_;
  std::vector<layer> profile_;
  bool is_production_ = false;
  std::string without_host_;  ///< an error about a database and a user without a host
  std::vector<variable_layer> environment_;
  std::vector<layer> flags_;
  storage_driver driver_ = storage_driver::sqlite;
};

}  // namespace detail

/// Reads settings without a file, from the environment alone.
/// \param driver the driver of the program; none: by the variables, else SQLite
/// \throws config_failure with every mistake in them
inline settings load_environment(std::optional<storage_driver> driver = std::nullopt, environment const& lookup = process_environment()) {
  detail::node const nothing;
  auto result = detail::source_reader{nothing, {}, lookup, {}, driver}.read({});
  if (!result.errors.empty()) throw config_failure{std::move(result.errors)};
  return std::move(result.value);
}

}  // namespace visor

#endif
