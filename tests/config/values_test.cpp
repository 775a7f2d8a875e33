#include "reading.hpp"
#include "support/catch.hpp"

#include <chrono>

using namespace visor_test;
using namespace std::chrono_literals;

TEST_CASE("an empty file gives the defaults") {
  for (char const* const text :
       {"", "\n", "# nothing\n", "---\n", "~\n", "{}\n", "scheduler:\n", "scheduler: {storage: }\nworkflows:\n", "\xEF\xBB\xBF"}) {
    CAPTURE(text);
    auto expected = visor::settings();
    auto const all = read(text);
    CHECK(all == expected);
  }
  auto const all = read("");
  CHECK(all.enabled);
  CHECK(all.storage.driver == visor::storage_driver::sqlite);
  CHECK(all.storage.connection.filename == ".visor/schedules.db");
  CHECK(all.storage.connection.synchronous == visor::synchronous_mode::full);
  CHECK_FALSE(all.storage.auto_init.has_value());
  CHECK(all.default_timezone == "UTC");
  CHECK(all.node == visor::node_settings());
}

TEST_CASE("a file as users write it") {
  auto const all = read(R"(
scheduler:
  storage: {driver: sqlite, connection: {filename: data/jobs.db, synchronous: normal}, auto_init: false}
  default_timezone: Europe/Berlin
  check_interval_ms: 250
  node: {queues: {default: 4, mail: {slots: 2}}, output_limit: 1024, drain_timeout: 1m}
  cron:
    nightly-report:
      schedule: "0 2 * * *"
      workflow: report
      description: Numbers of the day
      inputs: {team: platform, pages: 3, deep: [true, null, 1.5e3, "7", 007, {}], text: "a\"b\u00e9\n"}
      output: {type: none}
      enabled: false
      timezone: America/New_York
      misfire: {policy: window, within: 1h}
      overlap: cancel
      priority: -5
      queue: mail
    heartbeat:
      schedule: "*/5 * * * * *"
      workflow: ping
      misfire: all
workflows:
  report:
    command: [/usr/local/bin/report, --team, platform]
    env: {LANG: C.UTF-8, LEVEL: 3}
    working_directory: /tmp
    timeout: 10m
    max_attempts: 3
    backoff: {kind: fixed, base: 1s}
    queue: mail
    priority: 7
    output_limit: 2048
  ping:
    webhook: {method: PUT, url: "https://example.com:8443/hook?a=b", headers: {Authorization: Bearer x}, body: '{"a": 1}'}
  piped:
    command: ls | wc -l
    shell: true
)");
  CHECK(all.storage.connection.filename == "data/jobs.db");
  CHECK(all.storage.connection.synchronous == visor::synchronous_mode::normal);
  CHECK(all.storage.auto_init == false);
  CHECK(all.node.poll_interval == 250ms);
  CHECK(all.node.drain_timeout == 1min);
  CHECK(all.node.output_limit == 1024);
  REQUIRE(all.node.queues.size() == 2);
  CHECK(all.node.queues[0] == visor::queue_settings("default", 4));
  CHECK(all.node.queues[1] == visor::queue_settings("mail", 2));
  CHECK_NOTHROW(all.node.check());

  REQUIRE(all.cron.size() == 2);
  auto const& nightly = all.cron[0];
  CHECK(nightly.name == "nightly-report");
  CHECK(to_string(nightly.where) == "visor.yaml:8:5");
  CHECK(nightly.schedule == "0 2 * * *");
  CHECK(nightly.workflow == "report");
  CHECK(nightly.description == "Numbers of the day");
  CHECK(nightly.inputs.text ==
        "{\"team\":\"platform\",\"pages\":3,\"deep\":[true,null,1.5e3,\"7\",\"007\",{}],\"text\":\"a\\\"b\xC3\xA9\\u000a\"}");
  CHECK(nightly.output.type == visor::output_kind::none);
  CHECK_FALSE(nightly.enabled);
  CHECK(nightly.timezone == "America/New_York");
  CHECK(nightly.misfire.policy == visor::misfire::window);
  CHECK(nightly.misfire.within == 1h);
  CHECK(nightly.overlap == visor::overlap::cancel);
  CHECK(nightly.priority == -5);
  CHECK(nightly.queue == "mail");
  CHECK(all.cron[1].timezone == "Europe/Berlin");
  CHECK(all.cron[1].misfire.policy == visor::misfire::all);
  CHECK(all.cron[1].misfire.limit == 100);
  CHECK(all.cron[1].inputs.text == "{}");

  REQUIRE(all.workflows.size() == 3);
  auto const& report = all.workflows[0];
  CHECK(report.command == std::vector<std::string>{"/usr/local/bin/report", "--team", "platform"});
  CHECK(report.env.at("LANG").reveal() == "C.UTF-8");
  CHECK(report.env.at("LEVEL").reveal() == "3");
  CHECK(report.working_directory == "/tmp");
  CHECK(report.timeout == 10min);
  CHECK(report.max_attempts == 3);
  CHECK(report.backoff == visor::backoff(visor::backoff_kind::fixed, 1s, 5min));
  CHECK(report.queue == "mail");
  CHECK(report.priority == 7);
  CHECK(report.output_limit == std::size_t{2048});
  REQUIRE(all.workflows[1].webhook);
  auto const& hook = *all.workflows[1].webhook;
  CHECK(hook.method == visor::http_method::PUT);
  CHECK(hook.url == "https://example.com:8443/hook?a=b");
  CHECK(hook.headers.at("Authorization").reveal() == "Bearer x");
  CHECK(hook.body == "{\"a\": 1}");
  CHECK(all.workflows[2].shell);
  CHECK(all.workflows[2].command == std::vector<std::string>{"ls | wc -l"});
  CHECK(all.find_workflow("piped") == &all.workflows[2]);
  CHECK(all.find_workflow("nope") == nullptr);
}

TEST_CASE("lengths of time are numbers with units, or plain where the key says which") {
  auto const all =
      read("scheduler:\n  storage: {driver: mysql}\n  ha: {enabled: true, node_id: n1, lock_ttl: 30, heartbeat_interval: 250ms}\n");
  CHECK(all.ha.lock_ttl == 30s);
  CHECK(all.node.lease_ttl == 30s);
  CHECK(all.node.heartbeat_interval == 250ms);
  CHECK(all.node.name == "n1");
  CHECK_FALSE(all.node.exclusive);
  CHECK(read("scheduler: {check_interval_ms: 60000}").node.poll_interval == 1min);
  CHECK(read("scheduler: {check_interval_ms: 2s}").node.poll_interval == 2s);
  CHECK(wrong("scheduler: {check_interval_ms: 9}") ==
        "visor.yaml:1:32: scheduler.check_interval_ms: \"9\" is out of range: allowed is 10ms to 1h\n");
  CHECK(wrong("scheduler: {check_interval_ms: soon}") ==
        "visor.yaml:1:32: scheduler.check_interval_ms: \"soon\" is not a length of time: write one such as 250ms, 90s or 1h30m\n");
  CHECK(wrong("scheduler: {ha: {lock_ttl: -1}}") ==
        "visor.yaml:1:28: scheduler.ha.lock_ttl: \"-1\" is not a length of time: write one such as 250ms, 90s or 1h30m\n");
  CHECK(wrong("scheduler: {ha: {lock_ttl: 0}}") == "visor.yaml:1:28: scheduler.ha.lock_ttl: \"0\" is out of range: allowed is 1s to 1h\n");
  CHECK(
      wrong("scheduler: {ha: {lock_ttl: 99999999999999999999}}") ==
      "visor.yaml:1:28: scheduler.ha.lock_ttl: \"99999999999999999999\" is not a length of time: write one such as 250ms, 90s or 1h30m\n");
  CHECK(wrong(with_workflow("command: [x], timeout: 10")) ==
        "visor.yaml:2:35: workflows.report.timeout: \"10\" has no unit: write 10s, 10m or 10h\n");
}

TEST_CASE("unknown keys and values name the nearest known one") {
  CHECK(wrong(with_entry("misfire: {policy: lates}")) ==
        "visor.yaml:6:25: scheduler.cron.nightly.misfire.policy: \"lates\" is not allowed; did you mean \"latest\"? (skip, latest, all, "
        "window)\n");
  CHECK(wrong(with_entry("misfire: {policy: whatever}")) ==
        "visor.yaml:6:25: scheduler.cron.nightly.misfire.policy: \"whatever\" is not allowed (skip, latest, all, window)\n");
  CHECK(wrong(with_entry("overlap: skpi")) ==
        "visor.yaml:6:16: scheduler.cron.nightly.overlap: \"skpi\" is not allowed; did you mean \"skip\"? (allow, skip, queue, cancel)\n");
  CHECK(wrong(with_entry("overlap: queu")) ==
        "visor.yaml:6:16: scheduler.cron.nightly.overlap: \"queu\" is not allowed; did you mean \"queue\"? (allow, skip, queue, cancel)\n");
  CHECK(wrong("scheduler: {storage: {driver: mysq}}") ==
        "visor.yaml:1:31: scheduler.storage.driver: \"mysq\" is not allowed; did you mean \"mysql\"? (sqlite, memory, postgresql, mysql, "
        "mssql)\n");
  CHECK(wrong("schedular: {}") == "visor.yaml:1:1: schedular: unknown key; did you mean \"scheduler\"? (scheduler, workflows)\n");
  CHECK(wrong("scheduler: {ha: {enable: true}}") ==
        "visor.yaml:1:18: scheduler.ha.enable: unknown key; did you mean \"enabled\"? (enabled, node_id, lock_ttl, heartbeat_interval)\n");
  CHECK(wrong("scheduler: {node: {name: x}}") ==
        "visor.yaml:1:20: scheduler.node.name: unknown key (completion_delay, drain_timeout, stop_grace, queues, capabilities, "
        "output_limit, payload_limit, threads)\n");
  CHECK(wrong("\"a\\tb.c\": 1") == "visor.yaml:1:1: \"a\\tb.c\": unknown key (scheduler, workflows)\n");
}

TEST_CASE("wrong types are told apart") {
  CHECK(wrong("[]") == "visor.yaml:1:1: the file must hold keys such as \"scheduler:\", not a list\n");
  CHECK(wrong("hello") == "visor.yaml:1:1: the file must hold keys such as \"scheduler:\", not a single value\n");
  CHECK(wrong("scheduler: 5") ==
        "visor.yaml:1:12: scheduler: must be a group of keys, not a single value (enabled, storage, ha, node, default_timezone, "
        "check_interval_ms, cron, set)\n");
  CHECK(wrong("scheduler: {enabled: yes}") == "visor.yaml:1:22: scheduler.enabled: \"yes\" is not allowed: write true or false\n");
  CHECK(wrong("scheduler: {enabled: [true]}") == "visor.yaml:1:22: scheduler.enabled: must be true or false, not a list\n");
  CHECK(wrong("scheduler: {enabled: }") == "visor.yaml:1:22: scheduler.enabled: is empty: give true or false or remove the key\n");
  CHECK(wrong("scheduler: {cron: [a]}") == "visor.yaml:1:19: scheduler.cron: must be a group of names with their settings, not a list\n");
  CHECK(wrong(with_entry("inputs: [1]")) == "visor.yaml:6:15: scheduler.cron.nightly.inputs: must be a group of keys, not a list\n");
  CHECK(wrong(with_entry("queue: {}")) == "visor.yaml:6:14: scheduler.cron.nightly.queue: must be a text, not a group of keys\n");
  CHECK(wrong(with_entry("queue: ''")) ==
        "visor.yaml:6:14: scheduler.cron.nightly.queue: cannot be empty: give a text or remove the key\n");
  CHECK(wrong(with_workflow("command: {a: b}")) ==
        "visor.yaml:2:21: workflows.report.command: must be a list or a text, not a group of keys\n");
  CHECK(wrong(with_workflow("command: [x, [y], ~]")) ==
        "visor.yaml:2:25: workflows.report.command[1]: must be a text, not a list\n"
        "visor.yaml:2:30: workflows.report.command[2]: \"~\" is nothing in YAML: quote it\n");
  CHECK(wrong(with_workflow("command: [x], env: [A]")) ==
        "visor.yaml:2:31: workflows.report.env: must be a group of names with their values, not a list\n");
  CHECK(wrong(with_workflow("command: [x], max_attempts: three")) ==
        "visor.yaml:2:40: workflows.report.max_attempts: \"three\" is not a whole number\n");
  CHECK(wrong(with_workflow("command: [x], max_attempts: 1.5")) ==
        "visor.yaml:2:40: workflows.report.max_attempts: \"1.5\" is not a whole number\n");
  CHECK(wrong(with_workflow("command: [x], max_attempts: !!int 1")) ==
        "visor.yaml:2:40: workflows.report.max_attempts: the tag \"tag:yaml.org,2002:int\" is not known\n");
}

TEST_CASE("an empty text that would change nothing is refused") {
  std::string const remedy = ": cannot be empty: give a text or remove the key\n";
  CHECK(wrong("scheduler: {ha: {node_id: ''}}") == "visor.yaml:1:27: scheduler.ha.node_id" + remedy);
  CHECK(wrong("scheduler: {ha: {node_id: '${X}'}}", variables({{"X", ""}})) == "visor.yaml:1:27: scheduler.ha.node_id" + remedy);
  CHECK(wrong("scheduler: {storage: {path: ''}}") == "visor.yaml:1:29: scheduler.storage.path" + remedy);
  CHECK(wrong("", variables({{"VISOR_NODE_NAME", ""}, {"VISOR_STORAGE_PATH", ""}})) == "");
}

TEST_CASE("numbers out of range name the range") {
  CHECK(wrong(with_workflow("command: [x], max_attempts: 0")) ==
        "visor.yaml:2:40: workflows.report.max_attempts: \"0\" is out of range: allowed is 1 to 1000000\n");
  CHECK(wrong(with_workflow("command: [x], priority: 99999999999999999999")) ==
        "visor.yaml:2:36: workflows.report.priority: \"99999999999999999999\" is out of range: allowed is -32768 to 32767\n");
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {port: 65536}}}") ==
        "visor.yaml:1:57: scheduler.storage.connection.port: \"65536\" is out of range: allowed is 1 to 65535\n");
  CHECK(wrong("scheduler: {node: {queues: {default: 0}}}") ==
        "visor.yaml:1:38: scheduler.node.queues.default.slots: \"0\" is out of range: allowed is 1 to 100000\n");
  CHECK(wrong("scheduler: {node: {output_limit: -1}}") ==
        "visor.yaml:1:34: scheduler.node.output_limit: \"-1\" is out of range: allowed is 0 to 16777216\n");
  CHECK(read("scheduler: {node: {output_limit: 16777216, queues: {default: 100000}}}").node.output_limit == 16'777'216);
}

TEST_CASE("every error is reported, in the order of the file, and joined when thrown") {
  char const* const text =
      "scheduler:\n  storage: {driver: sqlit, conection: 5}\n  cron:\n    a: {schedule: 1 2 3, workflow: reprot}\nworkflows:\n  report: "
      "{}\n  b: {command: }\n";
  std::string const expected =
      "visor.yaml:2:21: scheduler.storage.driver: \"sqlit\" is not allowed; did you mean \"sqlite\"? (sqlite, memory, postgresql, mysql, "
      "mssql)\n"
      "visor.yaml:2:28: scheduler.storage.conection: unknown key; did you mean \"connection\"? (driver, auto_init, connection, "
      "log_statements, path)\n"
      "visor.yaml:4:19: scheduler.cron.a.schedule: 3 fields, but there must be 5, or 6 with seconds first, or 7 with the year last\n"
      "visor.yaml:4:36: scheduler.cron.a.workflow: no workflow has the name \"reprot\"; did you mean \"report\"?\n"
      "visor.yaml:6:3: workflows.report: has nothing to do: give it a command or a webhook\n"
      "visor.yaml:7:16: workflows.b.command: must be a list or a text, not nothing\n";
  CHECK(wrong(text) == expected);
  try {
    read(text);
    FAIL("it was accepted");
  } catch (visor::config_failure const& refused) {
    CHECK(std::string{refused.what()} + "\n" == expected);
    CHECK(refused.code() == visor::errc::invalid_argument);
    REQUIRE(refused.errors().size() == 6);
    CHECK(refused.errors()[1].line == 2);
    CHECK(refused.errors()[1].column == 28);
    CHECK(refused.errors()[1].path == "scheduler.storage.conection");
  }
}

TEST_CASE("a long list of errors ends with their number") {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "k" + std::to_string(i) + ": 1\n";
  try {
    read(text);
    FAIL("it was accepted");
  } catch (visor::config_failure const& refused) {
    CHECK(refused.errors().size() == 60);
    CHECK_THAT(refused.what(), EndsWith("\nand 10 more"));
  }
}

TEST_CASE("numbers of the inputs stay as they are written, and what JSON does not call a number is text") {
  auto const inputs = [](std::string const& values) { return read(with_entry("inputs: {" + values + "}")).cron[0].inputs.text; };
  CHECK(inputs("a: 3.10, b: 123456789012345678901234567890123456789, c: 10.00, d: 1e5, e: -0") ==
        R"({"a":3.10,"b":123456789012345678901234567890123456789,"c":10.00,"d":1e5,"e":-0})");
  CHECK(inputs("a: 00123, b: 1_000, c: 0x1F, d: .5, e: '1:30', f: 1., g: +1, h: .inf, i: 1:30") ==
        R"({"a":"00123","b":"1_000","c":"0x1F","d":".5","e":"1:30","f":"1.","g":"+1","h":".inf","i":"1:30"})");
  CHECK(inputs("a: true, b: false, c: null, d: , e: [null, ]") == R"({"a":true,"b":false,"c":null,"d":null,"e":[null]})");
  CHECK(inputs("a: True, b: FALSE, c: ~, d: Null, e: [&x ~, NULL], f: 'null', g: yes") ==
        R"({"a":"True","b":"FALSE","c":"~","d":"Null","e":["~","NULL"],"f":"null","g":"yes"})");
  CHECK(read(with_entry("inputs:\n        a:\n        b: ~\n        c:\n          -\n          - ~")).cron[0].inputs.text ==
        R"({"a":null,"b":"~","c":[null,"~"]})");
}

TEST_CASE("a value that is nothing in YAML is none of a setting") {
  CHECK(wrong("scheduler: {storage: {connection: {filename: ~}}}") ==
        "visor.yaml:1:46: scheduler.storage.connection.filename: \"~\" is nothing in YAML: give a text or remove the key\n");
  CHECK(wrong("scheduler: {storage: {connection: {filename: }}}") ==
        "visor.yaml:1:46: scheduler.storage.connection.filename: is empty: give a text or remove the key\n");
}

TEST_CASE("inputs have the limits of every payload") {
  std::string const where = "visor.yaml:6:15: scheduler.cron.nightly.inputs: ";
  CHECK(wrong(with_entry("inputs: {n: 1e999}")) == where + "has a field \"n\" that is larger than any program can read\n");
  CHECK(wrong(with_entry("inputs: {a: {b: [1e-999]}}")) == where + "has a field \"a.b[0]\" that is so small that programs read it as 0\n");
  auto const nested = [](std::size_t depth) { return "inputs: {a: " + std::string(depth, '[') + std::string(depth, ']') + "}"; };
  CHECK(wrong(with_entry(nested(199))).empty());
  CHECK(wrong(with_entry(nested(200))).find("nested more than 204 levels deep") != std::string::npos);
  CHECK(wrong("scheduler:\n  node: {payload_limit: 1024}\n  cron:\n    a: {schedule: '@daily', workflow: b, inputs: {c: " +
              std::string(1100, 'x') + "}}\nworkflows:\n  b: {command: [/bin/true]}\n") ==
        "visor.yaml:4:50: scheduler.cron.a.inputs: has 1108 bytes; scheduler.node.payload_limit allows 1024\n");
}
