#ifndef VISOR_CONFIG_YAML_HPP
#define VISOR_CONFIG_YAML_HPP

#include "visor/config/check.hpp"
#include "visor/config/error.hpp"
#include "visor/config/reader.hpp"
#include "visor/config/settings.hpp"
#include "visor/config/yaml_document.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Settings from YAML. This header needs yaml-cpp.
namespace visor {

/// What came of reading a file: settings to use when there are no errors.
struct read_result {
  settings value;
  std::vector<config_error> errors;  ///< in the order of the file
};

namespace detail {

/// Makes the values follow that other values determine.
inline void complete(settings& all) {
  all.node.name = all.ha.node_id;
  all.node.exclusive = !all.ha.enabled;
  all.node.lease_ttl = all.ha.lock_ttl;
  all.node.heartbeat_interval = all.ha.heartbeat_interval;
  if (all.check_interval_ms) all.node.poll_interval = *all.check_interval_ms;
  for (auto& entry : all.cron) {
    if (!entry.timezone.empty()) continue;
    entry.timezone = all.default_timezone;
    if (auto const from = all.sources.find("scheduler.default_timezone"); from != all.sources.end())
      all.sources.insert_or_assign(join_path("scheduler.cron", entry.name) + ".timezone", source{from->second});
  }
}

}  // namespace detail

/// Reads settings from YAML text and reports everything that is wrong with them. `VISOR_DB` and `VISOR_NODE_NAME` go before the file.
/// Never throws because of the text. An empty one gives the defaults. Linear in the size of the text.
/// \param text of the file, UTF-8, at most 16 MiB
/// \param file how it is called in messages
/// \param lookup where variables are taken from
inline read_result read_settings(std::string_view text, std::string const& file, environment const& lookup = process_environment()) {
  read_result result;
  detail::yaml_document document{text, file, lookup};
  result.errors = std::move(document.errors);
  if (document.whole()) {
    detail::reader reader{file};
    reader.read_root(document.root, result.value);
    result.value.sources = std::move(reader.sources);
    result.value.apply(lookup);
    detail::complete(result.value);
    auto const checked = detail::checker{result.value, file, reader.nodes}.run();
    std::move(reader.errors.begin(), reader.errors.end(), std::back_inserter(result.errors));
    // Where a value could not be read, what is wrong with the default in its place is no news.
    std::vector<config_error> const read = result.errors;
    std::copy_if(checked.begin(), checked.end(), std::back_inserter(result.errors), [&](config_error const& wrong) {
      return std::none_of(read.begin(), read.end(), [&](config_error const& each) {
        return each.path == wrong.path || each.path.starts_with(wrong.path + "[");  // an item of the list
      });
    });
  }
  detail::sort_errors(result.errors);
  return result;
}

/// The same for text that must be right.
/// \throws config_failure with every error
inline settings parse_settings(std::string_view text, std::string const& file, environment const& lookup = process_environment()) {
  auto result = read_settings(text, file, lookup);
  if (!result.errors.empty()) throw config_failure{std::move(result.errors)};
  return std::move(result.value);
}

/// Reads a file.
/// \throws config_failure with every error in it
/// \throws error `not_found` when it does not exist, `invalid_argument` when it cannot be read
inline settings load_settings(std::filesystem::path const& path, environment const& lookup = process_environment()) {
  std::string const name = path.string();
  auto const refuse = [&](int failure) {
    throw error{failure == ENOENT ? condition::not_found : condition::invalid_argument,
                "cannot read the configuration " + name + ": " + std::generic_category().message(failure)};
  };
  struct closer {
    void operator()(std::FILE* open) const noexcept { std::fclose(open); }
  };
  std::unique_ptr<std::FILE, closer> const file{std::fopen(name.c_str(), "rb")};
  if (!file) refuse(errno);
  std::string text;
  // One byte more than is allowed, so that the parser sees that it is too much.
  while (text.size() <= detail::document_limits::bytes) {
    std::size_t const before = text.size();
    text.resize(before + 64 * 1024);
    errno = 0;
    std::size_t const got = std::fread(text.data() + before, 1, text.size() - before, file.get());
    text.resize(before + got);
    if (std::ferror(file.get()) != 0) refuse(errno);
    if (got == 0) break;
  }
  return parse_settings(text, name, lookup);
}

}  // namespace visor

#endif
