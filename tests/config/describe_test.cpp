#include "visor/config/describe.hpp"
#include "reading.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <set>

using namespace visor_test;

TEST_CASE("every value has its path and its source") {
  auto const all = read(R"(
scheduler:
  default_timezone: "${ZONE:-Europe/Berlin}"
  storage: {driver: postgresql, connection: {host: "${HOST}", port: "${PORT}", password: "${SECRET}", ssl: true}}
  ha: {lock_ttl: 90, heartbeat_interval: 10}
  node: {queues: {default: 3}}
  cron:
    nightly.report: {schedule: "0 2 * * *", workflow: report, inputs: {token: "${SECRET}", team: x}, misfire: skip}
workflows:
  report: {command: [/bin/echo, "--key=${SECRET}", b], env: {TOKEN: "${SECRET}", PLAIN: open}}
  hook: {webhook: {url: "https://h/${SECRET}", headers: {A: b}}}
)",
                        variables({{"HOST", "db"}, {"PORT", "5433"}, {"SECRET", "hunter2"}, {"VISOR_NODE_NAME", "n7"}}));
  CHECK(line(all, "scheduler.enabled") == "true (default)");
  CHECK(line(all, "scheduler.default_timezone") == "Europe/Berlin (visor.yaml:3:21)");
  CHECK(line(all, "scheduler.storage.driver") == "postgresql (visor.yaml:4:21)");
  CHECK(line(all, "scheduler.storage.auto_init") == " (default)");
  CHECK(line(all, "scheduler.storage.connection.host") == "${HOST} (visor.yaml:4:52, environment HOST)");
  CHECK(line(all, "scheduler.storage.connection.port") == "5433 (visor.yaml:4:69, environment PORT)");
  CHECK(line(all, "scheduler.storage.connection.password") == "******** (visor.yaml:4:90, environment SECRET)");
  CHECK(line(all, "scheduler.storage.connection.connection_string") == " (default)");
  CHECK(line(all, "scheduler.storage.connection.ssl.enabled") == "true (visor.yaml:4:108)");
  CHECK(line(all, "scheduler.storage.connection.ssl.reject_unauthorized") == "true (default)");
  CHECK(line(all, "scheduler.storage.connection.pool.max") == "10 (default)");
  CHECK(line(all, "scheduler.ha.node_id") == "n7 (environment VISOR_NODE_NAME)");
  CHECK(line(all, "scheduler.ha.lock_ttl") == "1m30s (visor.yaml:5:18)");
  CHECK(line(all, "scheduler.node.queues.default.slots") == "3 (visor.yaml:6:28)");
  CHECK(line(all, "scheduler.cron.\"nightly.report\".schedule") == "0 2 * * * (visor.yaml:8:32)");
  CHECK(line(all, "scheduler.cron.\"nightly.report\".timezone") == "Europe/Berlin (visor.yaml:3:21)");
  CHECK(line(all, "scheduler.cron.\"nightly.report\".misfire.policy") == "skip (visor.yaml:8:111)");
  CHECK(line(all, "scheduler.cron.\"nightly.report\".inputs") ==
        "{\"token\":\"${SECRET}\",\"team\":\"x\"} (visor.yaml:8:71, environment SECRET)");
  CHECK(line(all, "workflows.report.command") == "[\"/bin/echo\", \"--key=${SECRET}\", \"b\"] (visor.yaml:10:21, environment SECRET)");
  CHECK(line(all, "workflows.report.env.TOKEN") == "******** (visor.yaml:10:69, environment SECRET)");
  CHECK(line(all, "workflows.report.env.PLAIN") == "******** (visor.yaml:10:89)");
  CHECK(line(all, "workflows.report.backoff.cap") == "5m (default)");
  CHECK(line(all, "workflows.hook.webhook.url") == "https://h/${SECRET} (visor.yaml:11:25, environment SECRET)");
  CHECK(line(all, "workflows.hook.webhook.headers.A") == "******** (visor.yaml:11:61)");
  CHECK(line(all, "scheduler.node.lease_ttl") == "none");
  CHECK(line(all, "workflows.hook.name") == "none");

  std::set<std::string> paths;
  for (auto const& each : visor::describe(all)) {
    CHECK(paths.insert(each.path).second);
    CHECK(each.value.find("hunter2") == std::string::npos);
  }
  for (auto const& [path, where] : all.sources) {
    CAPTURE(path);
    CHECK(paths.count(path) == 1);
  }
}

TEST_CASE("what is described of the defaults") {
  auto const all = visor::describe(visor::settings());
  CHECK(line(visor::settings(), "scheduler.storage.connection.ssl") == " (default)");
  CHECK(std::all_of(all.begin(), all.end(), [](auto const& each) { return to_string(each.from) == "default"; }));
  CHECK(all.size() > 20);
}
