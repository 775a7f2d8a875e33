#ifndef VISOR_CONFIG_YAML_HPP
#define VISOR_CONFIG_YAML_HPP

#include "visor/base/process_environment.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/layer.hpp"
#include "visor/config/settings.hpp"
#include "visor/config/sources.hpp"
#include "visor/config/yaml_document.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Settings from YAML. This header needs yaml-cpp.
namespace visor {

namespace detail {

/// Completes a document whose only key is `connection`: it becomes that part of a configuration, for PostgreSQL if it has a
/// `host`.
inline void complete_part(node& root) {
  if (root.what != node::kind::mapping || root.children.size() != 1 || root.children[0].key != "connection") return;
  node storage;
  storage.what = node::kind::mapping;
  storage.at = root.at;
  if (node const* const host = root.children[0].find("host"); host != nullptr) {
    node driver = make_value("postgresql");
    driver.key = "driver";
    driver.at = driver.key_at = host->at;
    storage.children.push_back(std::move(driver));
  }
  storage.children.push_back(std::move(root.children[0]));
  root = layer({}, "scheduler.storage", std::move(storage)).root;
}

}  // namespace detail

/// Reads settings from YAML text, the environment and flags, and reports all of their errors. Never throws because of the text.
/// With an empty text, the other sources alone count. Linear in the size of the text.
/// \param text of the file, UTF-8, at most 16 MiB
/// \param file its name in messages
/// \param lookup the source of variables
/// \param flags of a command line
inline read_result read_settings(std::string_view text, std::string const& file, environment const& lookup = process_environment(),
                                 std::vector<setting_flag> const& flags = {}) {
  detail::yaml_document document{text, file, lookup};
  detail::complete_part(document.root);
  if (document.whole()) return detail::source_reader{document.root, file, lookup, flags, std::nullopt}.read(std::move(document.errors));
  read_result result;
  result.errors = std::move(document.errors);
  detail::sort_errors(result.errors);
  return result;
}

/// Does the same for a text that must be valid.
/// \throws config_failure with every error
inline settings parse_settings(std::string_view text, std::string const& file, environment const& lookup = process_environment(),
                               std::vector<setting_flag> const& flags = {}) {
  auto result = read_settings(text, file, lookup, flags);
  if (!result.errors.empty()) throw config_failure{std::move(result.errors)};
  return std::move(result.value);
}

/// Reads a file.
/// \throws config_failure with every error in it
/// \throws error `not_found` when it does not exist, `invalid_argument` when it cannot be read
inline settings load_settings(std::filesystem::path const& path, environment const& lookup = process_environment(),
                              std::vector<setting_flag> const& flags = {}) {
  std::string const name = path.string();
  auto const refuse = [&](int failure) {
    throw error{failure == ENOENT ? errc::not_found : errc::invalid_argument,
                "cannot read the configuration " + name + ": " + std::generic_category().message(failure)};
  };
  struct closer {
    void operator()(std::FILE* open) const noexcept { std::fclose(open); }
  };
  std::unique_ptr<std::FILE, closer> const file{std::fopen(name.c_str(), "rb")};
  if (!file) refuse(errno);
  std::string text;
  // Reads up to a block more than is allowed, so that the parser sees that it is too much.
  while (text.size() <= detail::document_limits::bytes) {
    std::size_t const before = text.size();
    text.resize(before + 64 * 1024);
    errno = 0;
    std::size_t const got = std::fread(text.data() + before, 1, text.size() - before, file.get());
    text.resize(before + got);
    if (std::ferror(file.get()) != 0) refuse(errno);
    if (got == 0) break;
  }
  return parse_settings(text, name, lookup, flags);
}

}  // namespace visor

#endif
