#include "reading.hpp"
#include "support/catch.hpp"
#include "visor/config/describe.hpp"
#include "visor/config/sources.hpp"

#include <fstream>
#include <iterator>
#include <string>

using namespace visor_test;

namespace {

std::string manual() {
  std::ifstream in{VISOR_CONFIGURATION_MANUAL};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("every example in the manual is right") {
  std::string const text = manual();
  int count = 0;
  for (std::size_t at = text.find("```yaml\n"); at != std::string::npos; at = text.find("```yaml\n", at)) {
    at += 8;
    std::string const example = text.substr(at, text.find("```", at) - at);
    CAPTURE(example);
    CHECK(wrong(example, variables({{"HOOK_TOKEN", "x"}, {"DB_PASSWORD", "y"}})) == "");
    ++count;
  }
  CHECK(count == 5);
}

TEST_CASE("every key is in the manual, with its default") {
  std::string const text = manual();
  visor::settings all;
  visor::cron_entry entry;
  visor::workflow work;
  work.webhook.emplace();
  all.storage.connection.ssl.emplace();
  all.cron.push_back(entry);
  all.workflows.push_back(work);
  for (auto const& each : visor::describe(all)) {
    std::string key = each.path;
    for (std::string const group :
         {"scheduler.cron.\"\".", "scheduler.storage.", "scheduler.ha.", "scheduler.node.", "scheduler.", "workflows.\"\"."})
      if (key.starts_with(group)) {
        key.erase(0, group.size());
        break;
      }
    CAPTURE(each.path);
    if (key == "queues.default.slots") continue;
    std::size_t const row = text.find("`" + key + "`");
    CHECK(row != std::string::npos);
    if (row == std::string::npos || each.value.empty() || key == "misfire.within") continue;
    bool const said = text.find("`" + key + "` | `" + each.value + "`") != std::string::npos;
    // A minute may be said in seconds.
    CHECK((said || (key == "lock_ttl" && text.find("`lock_ttl` | `60s`") != std::string::npos)));
  }
}

TEST_CASE("every variable, profile and other spelling is in the manual") {
  std::string const text = manual();
  auto const has = [&](std::string_view words) {
    CAPTURE(words);
    CHECK(text.find(words) != std::string::npos);
  };
  for (auto const& each : visor::detail::named_variables) {
    // In the row of its key.
    std::string path{each.path.substr(std::string_view{"scheduler."}.size())};
    if (auto const alias = visor::detail::alias_of<visor::pool_settings>(path.substr(path.rfind('.') + 1)))
      path.replace(path.rfind('.') + 1, std::string::npos, alias->means.member);
    std::size_t const at = text.find("`" + std::string{each.name} + "`");
    CAPTURE(each.name);
    REQUIRE(at != std::string::npos);
    CHECK(text.substr(at, text.find('\n', at) - at).find("`" + path + "`") != std::string::npos);
  }
  for (auto const name : visor::detail::profile_names) has("| `" + std::string{name} + "` |");
  for (auto const& each : visor::detail::aliases<visor::pool_settings>) has("`" + std::string{each.spelling} + "`");
  for (auto const& each : visor::detail::url_schemes) has("`" + std::string{each.begins});
}
