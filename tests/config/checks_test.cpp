#include "reading.hpp"
#include "support/catch.hpp"
#include "visor/config/check.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

using namespace visor_test;
using namespace std::chrono_literals;

TEST_CASE("errors of a cron expression point into it") {
  auto const schedule = [](std::string const& value) {
    return wrong("scheduler:\n  cron:\n    a:\n      workflow: w\n      schedule: " + value + "\nworkflows:\n  w: {command: [x]}\n");
  };
  CHECK(schedule("0 24 * * *") == "visor.yaml:5:19: scheduler.cron.a.schedule: field 2 (hour): 24 is above 23\n");
  CHECK(schedule("\"0 24 * * *\"") == "visor.yaml:5:20: scheduler.cron.a.schedule: field 2 (hour): 24 is above 23\n");
  CHECK(schedule("'0 2 * foo *'") ==
        "visor.yaml:5:24: scheduler.cron.a.schedule: field 4 (month): \"foo\" is no month (JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV "
        "DEC)\n");
  CHECK(schedule("\"99 * * * *\"") == "visor.yaml:5:18: scheduler.cron.a.schedule: field 1 (minute): 99 is above 59\n");
  CHECK_THAT(schedule("0 0 31 2 *"), StartsWith("visor.yaml:5:21: scheduler.cron.a.schedule: field 3 (day of month): "));
  CHECK_THAT(schedule("0 0 31 2 *"), EndsWith("it never fires: no year has such a day\n"));
  CHECK(schedule("''") ==
        "visor.yaml:5:18: scheduler.cron.a.schedule: it is empty; write five fields: minute, hour, day of month, month, day of week\n");
  // From where the text is not in the file as it is, its beginning is near enough.
  CHECK(schedule("\"0 \\u0032\\u0034 * * *\"") == "visor.yaml:5:20: scheduler.cron.a.schedule: field 2 (hour): 24 is above 23\n");
  CHECK(schedule("\"\\u0030 24 * * *\"") == "visor.yaml:5:17: scheduler.cron.a.schedule: field 2 (hour): 24 is above 23\n");
  CHECK(schedule("\"${NO:-1 99 * * *}\"") == "visor.yaml:5:17: scheduler.cron.a.schedule: field 2 (hour): 99 is above 23\n");
}

TEST_CASE("a schedule may be a phrase that recurs") {
  auto const schedule = [](std::string const& value, std::string const& more = "") {
    return wrong("scheduler:\n  cron:\n    a:\n      workflow: w\n      schedule: " + value + "\n" + more +
                 "workflows:\n  w: {command: [x]}\n");
  };
  for (auto const* text : {"every weekday at 9am", "Mon-Fri at 9am", "every 45 minutes", "every 2 days", "H H * * *",
                           "|\n        0 2 * * *", "\"@every 2d from 2026-11-21T09:00:00\""})
    CHECK(schedule(text) == "");
  CHECK(schedule("'@every_minute'") == "");
  CHECK(schedule("every fryday") == "visor.yaml:5:23: scheduler.cron.a.schedule: \"fryday\" is not understood; did you mean friday?\n");
  CHECK_THAT(schedule("tomorrow at noon"),
             EndsWith("names one instant, and a schedule of the file recurs; 'visor schedule create' makes one "
                      "that fires once\n"));
  CHECK_THAT(schedule("0 0 H(29-31) 2 *"), EndsWith("never fires: no year has the day that the name of the schedule chooses for H\n"));

  CHECK(schedule("every 45 minutes", "      anchor: 2026-11-21T14:00:00Z\n") == "");
  CHECK(schedule("every 2 days at 9am", "      anchor: 2026-11-21\n") == "");
  CHECK(schedule("every 45 minutes", "      anchor: soon\n") ==
        "visor.yaml:6:15: scheduler.cron.a.anchor: the anchor must be an instant, such as 2026-11-21T14:00:00Z\n");
  CHECK_THAT(schedule("0 2 * * *", "      anchor: 2026-11-21T14:00:00Z\n"), EndsWith("goes with an interval, such as \"@every 45m\" or "
                                                                                     "\"every 2 days\"\n"));

  CHECK(schedule("0 2 * * *", "      dst: {gap: skip, overlap: last}\n") == "");
  CHECK(schedule("every 2 days", "      dst: {gap: skip}\n") == "");
  CHECK(schedule("0 2 * * *", "      dst: {gap: skp}\n") ==
        "visor.yaml:6:18: scheduler.cron.a.dst.gap: \"skp\" is not allowed; did you mean \"skip\"? (run, skip)\n");
  CHECK_THAT(schedule("'@every 90s'", "      dst: {gap: skip}\n"),
             StartsWith("visor.yaml:6:12: scheduler.cron.a.dst: belongs to a schedule that follows the clocks"));
}

TEST_CASE("a cron expression without quotes that YAML takes for something else") {
  auto const schedule = [](std::string const& value) {
    return wrong("scheduler:\n  cron:\n    a:\n      schedule: " + value + "\n      workflow: w\nworkflows:\n  w: {command: [x]}\n");
  };
  auto const [text, said] = GENERATE(table<std::string, std::string>({
      {"* * * * *", "a text that begins with * needs quotes: \"* * * * *\"\n"},
      {"*/5 * * * *", "a text that begins with * needs quotes: \"*/5 * * * *\"\n"},
      {"*/5 * * * *   # often", "a text that begins with * needs quotes: \"*/5 * * * *\"\n"},
      {"*", "a text that begins with * needs quotes: \"*\"\n"},
      {"? * * * *", "a text that begins with ? needs quotes: \"? * * * *\"\n"},
      {"@daily", "a text that begins with @ needs quotes: \"@daily\"\n"},
      {"@every 90s", "a text that begins with @ needs quotes: \"@every 90s\"\n"},
      {"*nowhere", "broken YAML: the alias names no anchor above it\n"},
  }));
  CAPTURE(text);
  CHECK_THAT(schedule(text), StartsWith("visor.yaml:4:1"));
  CHECK_THAT(schedule(text), EndsWith("scheduler.cron.a.schedule: " + said));
  CHECK(wrong("scheduler: {cron: {a: {schedule: */5 * * * *, inputs: {text: x}}}}") ==
        "visor.yaml:1:34: scheduler.cron.a.schedule: a text that begins with * needs quotes\n");
}

TEST_CASE("zones exist") {
  CHECK_THAT(
      wrong("scheduler: {default_timezone: localtime}"),
      StartsWith("visor.yaml:1:31: scheduler.default_timezone: time zone \"localtime\" is not taken: it is what one machine is set to"));
  CHECK(wrong("scheduler: {default_timezone: Europe/Berln}") ==
        "visor.yaml:1:31: scheduler.default_timezone: unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?\n");
  CHECK_THAT(wrong(with_entry("timezone: Mars/Olympus")),
             StartsWith("visor.yaml:6:17: scheduler.cron.nightly.timezone: unknown time zone \"Mars/Olympus\""));
  CHECK(wrong(with_entry("timezone: Asia/Tokyo")) == "");
}

TEST_CASE("a schedule has something to run") {
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily'}}}") ==
        "visor.yaml:1:20: scheduler.cron.a.workflow: is missing: name a workflow, or give a text in inputs.text\n");
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily', inputs: {text: ''}}}}") ==
        "visor.yaml:1:20: scheduler.cron.a.workflow: is missing: name a workflow, or give a text in inputs.text\n");
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily', inputs: {text: remember}}}}") == "");
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily', workflow: reprot}}}\nworkflows: {report: {command: [x]}}") ==
        "visor.yaml:1:54: scheduler.cron.a.workflow: no workflow has the name \"reprot\"; did you mean \"report\"?\n");
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily', workflow: reprot}}}") ==
        "visor.yaml:1:54: scheduler.cron.a.workflow: no workflow has the name \"reprot\"; add it below \"workflows:\"\n");
  CHECK(wrong("scheduler: {cron: {a: , 'b c': {workflow: w}}}\nworkflows: {w: {command: [x]}}") ==
        "visor.yaml:1:20: scheduler.cron.a.schedule: is missing\n"
        "visor.yaml:1:20: scheduler.cron.a.workflow: is missing: name a workflow, or give a text in inputs.text\n"
        "visor.yaml:1:25: scheduler.cron.\"b c\".schedule: is missing\n");
}

TEST_CASE("misfire settings fit their policy") {
  CHECK(wrong(with_entry("misfire: window")) ==
        "visor.yaml:6:16: scheduler.cron.nightly.misfire.within: is missing: the policy \"window\" needs it, such as 1h\n");
  CHECK(wrong(with_entry("misfire: {policy: window, within: 500ms}")) ==
        "visor.yaml:6:41: scheduler.cron.nightly.misfire.within: \"500ms\" is out of range: allowed is 1s or more\n");
  CHECK(wrong(with_entry("misfire: {limit: 3}")) ==
        "visor.yaml:6:24: scheduler.cron.nightly.misfire.limit: belongs to the policy \"all\"\n");
  CHECK(wrong(with_entry("misfire: {policy: skip, within: 1h}")) ==
        "visor.yaml:6:39: scheduler.cron.nightly.misfire.within: belongs to the policy \"window\"\n");
  CHECK(wrong(with_entry("misfire: {policy: all, limit: 3}")) == "");
}

TEST_CASE("a workflow is a command or a webhook") {
  CHECK(wrong(with_workflow("")) == "visor.yaml:2:3: workflows.report: has nothing to do: give it a command or a webhook\n");
  CHECK(wrong(with_workflow("command: [x], webhook: {url: 'http://h'}")) ==
        "visor.yaml:2:3: workflows.report: has both command and webhook: one workflow does one of them\n");
  CHECK(wrong(with_workflow("webhook: {}")) == "visor.yaml:2:12: workflows.report.webhook.url: is missing\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h'}, env: {A: b}, shell: true, working_directory: /")) ==
        "visor.yaml:2:45: workflows.report.env: belongs to a command\n"
        "visor.yaml:2:60: workflows.report.shell: belongs to a command\n"
        "visor.yaml:2:85: workflows.report.working_directory: belongs to a command\n");
  CHECK(wrong(with_workflow("command: []")) == "visor.yaml:2:21: workflows.report.command: names no program\n");
  CHECK(wrong(with_workflow("command: ['']")) == "visor.yaml:2:21: workflows.report.command: names no program\n");
  CHECK(wrong(with_workflow("command: ls -l")) ==
        "visor.yaml:2:21: workflows.report.command: is a text: write a list such as [\"/usr/bin/program\", \"--flag\"], or add \"shell: "
        "true\"\n");
  CHECK(wrong(with_workflow("command: [ls, -l], shell: true")) ==
        "visor.yaml:2:21: workflows.report.command: must be a single text, because of \"shell: true\"\n");
  CHECK(wrong(with_workflow("command: [x], env: {'A=B': c}")) ==
        "visor.yaml:2:39: workflows.report.env.\"A=B\": a variable's name cannot hold \"=\"\n");
  CHECK(wrong(with_workflow("command: [x], backoff: {base: 10m}")) ==
        "visor.yaml:2:42: workflows.report.backoff.base: base 10m is above cap 5m\n");
  CHECK(wrong(with_workflow("command: [x], backoff: {kind: fixed, jitter: none}")) ==
        "visor.yaml:2:57: workflows.report.backoff.jitter: belongs to kind exponential: a fixed pause is always `base`\n");
  CHECK(wrong(with_workflow("command: [x], backoff: {kind: fixed, base: 1s, cap: 1m}")) ==
        "visor.yaml:2:64: workflows.report.backoff.cap: belongs to kind exponential: a fixed pause is always `base`\n");
  CHECK(wrong(with_workflow("command: [x], backoff: {kind: fixed, base: 10m}")) == "");
  CHECK(wrong(with_workflow("command: [x], backoff: {factor: 3, jitter: equal}, max_lost: 0")) == "");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h/a b'}")) ==
        "visor.yaml:2:38: workflows.report.webhook.url: has a character that must be written as a percent escape such as %20\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h/x#y'}")) ==
        "visor.yaml:2:38: workflows.report.webhook.url: has a fragment, which is not sent: remove it, or write # as %23\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h', headers: {A: b, a: c}}")) ==
        "visor.yaml:2:58: workflows.report.webhook.headers.a: is given twice: names of headers that differ in case alone are the same\n");
  std::string const socket = "scheduler: {storage: {driver: mysql, connection: {host: /run/mysqld/mysqld.sock, database: d, user: u";
  CHECK(wrong(socket + "}}}") == "");
  CHECK(wrong(socket + "}}}", variables({{"DB_PORT", "3306"}})) == "");
  CHECK(wrong(socket + ", port: 3306}}}") ==
        "visor.yaml:1:110: scheduler.storage.connection.port: has no effect beside a socket, which host names: remove one of them\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h', headers: {'a b': c}}")) ==
        "visor.yaml:2:56: workflows.report.webhook.headers.\"a b\": is no name of an HTTP header\n");
}

TEST_CASE("a queue is served by someone") {
  CHECK(wrong(with_entry("queue: defalt")) ==
        "visor.yaml:6:14: scheduler.cron.nightly.queue: no queue has the name \"defalt\"; did you mean \"default\"?\n");
  CHECK(wrong(with_workflow("command: [x], queue: mail")) ==
        "visor.yaml:2:33: workflows.report.queue: no queue has the name \"mail\"; add it to scheduler.node.queues\n");
  CHECK(wrong("scheduler: {node: {queues: {mail: 1}}}\n" + with_workflow("command: [x]")) ==
        "visor.yaml:3:3: workflows.report.queue: no queue has the name \"default\"; add it to scheduler.node.queues\n");
  CHECK(wrong("scheduler: {node: {queues: {}}}") == "visor.yaml:1:28: scheduler.node.queues: 0 queues: allowed is 1 to 1000\n");
  CHECK(wrong("scheduler: {storage: {driver: mysql}, ha: {enabled: true}}\n" + with_workflow("command: [x], queue: elsewhere")) == "");
}

TEST_CASE("settings made by a program are checked too, without positions") {
  visor::settings all;
  CHECK(check_settings(all).empty());
  visor::cron_entry reminder;
  reminder.name = "reminder";
  reminder.schedule = "@daily";
  reminder.inputs.text = "{\"text\":\"remember\"}";
  all.cron.push_back(reminder);
  CHECK(check_settings(all).empty());
  all.cron[0].inputs.text = "[1]";
  CHECK(to_string(check_settings(all).at(0)) == "scheduler.cron.reminder.inputs: is no JSON object");
  all.cron.clear();
  visor::cron_entry entry;
  entry.name = "a";
  entry.schedule = "61 * * * *";
  entry.workflow = "w";
  entry.timezone = "Nowhere/Town";
  all.cron.push_back(entry);
  visor::workflow work;
  work.name = "x";
  work.webhook.emplace();
  all.workflows.push_back(work);
  all.ha.enabled = true;
  std::string lines;
  for (auto const& each : check_settings(all)) lines += to_string(each) + "\n";
  CHECK(lines ==
        "scheduler.ha.enabled: sqlite allows a single node: set scheduler.storage.driver to postgresql, mysql or mssql, or turn ha off\n"
        "scheduler.cron.a.schedule: field 1 (minute): 61 is above 59\n"
        "scheduler.cron.a.timezone: unknown time zone \"Nowhere/Town\"; names are such as Europe/Berlin or UTC\n"
        "scheduler.cron.a.workflow: no workflow has the name \"w\"; add it below \"workflows:\"\n"
        "workflows.x.webhook.url: must begin with https:// or http://\n");
}

TEST_CASE("names that are too long together for the database are named") {
  auto const with = [](std::string const& driver, std::string const& name, std::string const& more) {
    return wrong("scheduler:\n  storage: {driver: " + driver + (driver == "sqlite" ? "" : ", connection: {host: h, database: d, user: u}") +
                 "}\n  node: {queues: {" + std::string(100, 'q') + ": 1}}\nworkflows:\n  " + name +
                 ": {command: [x], queue: " + std::string(100, 'q') + more + "}\n");
  };
  std::string const longest(154, 'w');
  CHECK(with("mssql", longest, "") == "");
  CHECK_THAT(with("mssql", longest + "w", ""), Contains("needs a queue name of 256 characters") &&
                                                   Contains("the name of the workflow; mssql keeps 255: shorten these names"));
  CHECK_THAT(with("mssql", longest, ", capability: c"), Contains("a queue name of 257 characters") && Contains("the capability"));
  CHECK_THAT(with("mssql", std::string(60, 'w'), ", limits: {key_concurrency: 1}"), Contains("a key of up to 100"));
  for (std::string const driver : {"sqlite", "mysql"}) CHECK(with(driver, std::string(200, 'w'), ", limits: {key_concurrency: 1}") == "");
}

TEST_CASE("all and none of inherit_env stand alone, and what is nearly one of them is refused") {
  auto const inherits = [](std::string const& value) { return wrong(with_workflow("command: [x], inherit_env: " + value)); };
  for (auto const* right : {"all", "none", "[all]", "PATH", "[al]", "[PATH, TERM]", "[]"}) CHECK(inherits(right) == "");
  std::string const at = "visor.yaml:2:39: workflows.report.inherit_env: ";
  CHECK(inherits("al") == at + "\"al\" is neither all nor none; did you mean \"all\"? A variable of that name stands in a list: [al]\n");
  CHECK(inherits("nnoe") ==
        at + "\"nnoe\" is neither all nor none; did you mean \"none\"? A variable of that name stands in a list: [nnoe]\n");
  CHECK(inherits("ALL") == at + "\"ALL\" is neither all nor none; did you mean \"all\"?\n");
  CHECK(inherits("[None]") == at + "\"None\" is neither all nor none; did you mean \"none\"?\n");
  CHECK(inherits("[all, PATH]") == at + "\"all\" stands alone: a list has names of variables\n");
}

TEST_CASE("a length of time for rates needs a rate") {
  CHECK(wrong(with_workflow("command: [x], limits: {rate: 0, per: 5s}")) ==
        "visor.yaml:2:49: workflows.report.limits.per: belongs to rate or key_rate, and there is none above 0\n");
  CHECK(wrong(with_workflow("command: [x], limits: {concurrency: 1, per: 5s}")) ==
        "visor.yaml:2:56: workflows.report.limits.per: belongs to rate or key_rate, and there is none above 0\n");
  CHECK(wrong(with_workflow("command: [x], limits: {key_rate: 1, per: 5s}")) == "");
}

TEST_CASE("a certificate or key in DER is refused with the way to PEM") {
  std::string const path = std::filesystem::temp_directory_path() / ("visor-der-" + std::to_string(::getpid()) + ".key");
  std::ofstream(path) << std::string("\x30\x82\x01\x01") + std::string(257, 'x');
  auto const with_ssl = [&](std::string const& enabled) {
    return wrong("scheduler: {storage: {driver: mysql, connection: {ssl: {enabled: " + enabled + ", cert: /etc/hostname, key: " + path +
                 "}}}}");
  };
  CHECK_THAT(with_ssl("true"),
             EndsWith("scheduler.storage.connection.ssl.key: is in DER, and PEM is wanted: openssl pkey -inform der -in FILE "
                      "-out FILE.pem\n"));
  CHECK(with_ssl("false") == "");
  std::filesystem::remove(path);
}
