#include "visor/config/variables.hpp"
#include "reading.hpp"
#include "support/catch.hpp"
#include "visor/config/secrets.hpp"

using namespace visor_test;

namespace {

std::string expanded(std::string const& written,
                     visor::environment const& lookup = variables({{"A", "one"}, {"B", "two ${A}"}, {"EMPTY", ""}})) {
  auto const result = visor::detail::expand(written, lookup, 1000);
  CHECK(result.faults.empty());
  return result.text;
}

}  // namespace

TEST_CASE("variables are replaced once, and a plain dollar is left alone") {
  CHECK(expanded("${A}") == "one");
  CHECK(expanded("x${A}y${A}") == "xoneyone");
  CHECK(expanded("${B}") == "two ${A}");
  CHECK(expanded("${EMPTY}") == "");
  CHECK(expanded("${EMPTY:-d}") == "d");
  CHECK(expanded("${NO:-}") == "");
  CHECK(expanded("${NO:-a b:-c}") == "a b:-c");
  CHECK(expanded("${A:-d}") == "one");
  CHECK(expanded("$A $ $$ {A} $(A) 5$") == "$A $ $$ {A} $(A) 5$");
  CHECK(expanded("$${A}") == "${A}");
  CHECK(expanded("$$${A}") == "$${A}");
  CHECK(expanded("$${A}${A}") == "${A}one");
}

TEST_CASE("variables work in any value") {
  auto const all = read(
      R"(
scheduler:
  enabled: ${ON}
  storage: {driver: "${DRIVER:-postgresql}", connection: {host: "${HOST}", port: "${PORT}", password: "${PASSWORD}"}}
  ha: {enabled: "${ON}", lock_ttl: "${TTL}"}
  cron:
    a: {schedule: "${WHEN}", workflow: "w${N}", inputs: {n: "${PORT}", m: [x, "$${A}"]}}
workflows:
  w1:
    command: [/bin/echo, "$HOME", "${N}", "$${N}"]
    env: {TOKEN: "${PASSWORD}"}
)",
      variables({{"ON", "true"}, {"HOST", "db"}, {"PORT", "0815"}, {"PASSWORD", "x: {y"}, {"TTL", "90"}, {"WHEN", "@daily"}, {"N", "1"}}));
  CHECK(all.enabled);
  CHECK(all.storage.driver == visor::storage_driver::postgresql);
  CHECK(all.storage.connection.host == "db");
  CHECK(all.storage.connection.port == 815);
  CHECK(all.storage.connection.password.reveal() == "x: {y");
  CHECK(all.ha.lock_ttl == std::chrono::seconds{90});
  CHECK(all.cron[0].workflow == "w1");
  CHECK(all.cron[0].inputs.text == "{\"n\":\"0815\",\"m\":[\"x\",\"${A}\"]}");
  CHECK(all.workflows[0].command == std::vector<std::string>{"/bin/echo", "$HOME", "1", "${N}"});
  CHECK(all.workflows[0].env.at("TOKEN").reveal() == "x: {y");
}

TEST_CASE("what is wrong with a variable is told at its position") {
  CHECK(wrong("scheduler:\n  storage:\n    driver: mysql\n    connection:\n      password: ${VISOR_DB_PASSWORD}\n") ==
        "visor.yaml:5:17: scheduler.storage.connection.password: the variable VISOR_DB_PASSWORD is not set; set it, or write "
        "${VISOR_DB_PASSWORD:-default}\n");
  CHECK(wrong(with_workflow("command: [x, \"a \xC3\xA9 ${ONE} ${TWO}\"]")) ==
        "visor.yaml:2:30: workflows.report.command[1]: the variable ONE is not set; set it, or write ${ONE:-default}\n"
        "visor.yaml:2:37: workflows.report.command[1]: the variable TWO is not set; set it, or write ${TWO:-default}\n");
  CHECK(wrong(with_workflow("command: [x, 'a ${ONE']")) ==
        "visor.yaml:2:28: workflows.report.command[1]: \"${\" has no \"}\"; write $${ for a literal ${\n");
  for (char const* const name : {"", "A B", "A-B", "9A", "A:+x", "#A", "{ env.A }", " A", "\xC3\xA9"}) {
    CAPTURE(name);
    CHECK_THAT(
        wrong(with_workflow("command: [x, '${" + std::string(name) + "}']")),
        StartsWith("visor.yaml:2:26: workflows.report.command[1]: \"${...}\" holds no name of a variable: letters, digits and _; write $${ "
                   "for a literal ${\n"));
  }
  CHECK(wrong(with_workflow("command: [x, '${A:-${B}}']")) ==
        "visor.yaml:2:26: workflows.report.command[1]: a default cannot hold another variable\n");
  CHECK(wrong(with_workflow("command: [x, '${A}']"), variables({{"A", "\xFF"}})) ==
        "visor.yaml:2:26: workflows.report.command[1]: the variable A is not valid UTF-8\n");
  CHECK(wrong(with_workflow("command: ['${A}']")) ==
        "visor.yaml:2:23: workflows.report.command[0]: the variable A is not set; set it, or write ${A:-default}\n");
}

TEST_CASE("a message never repeats what came from a variable") {
  auto const secret = [](std::string const& text) {
    std::string const lines = wrong(text, variables({{"S", "hunter2"}, {"URL", "ftp://u:hunter2@h"}, {"T", "hunter2\n"}}));
    INFO(lines);
    CHECK_FALSE(lines.empty());
    CHECK(lines.find("hunter2") == std::string::npos);
    CHECK(lines.find("hunter") == std::string::npos);
    return lines;
  };
  CHECK(secret("scheduler: {enabled: \"${S}\"}") ==
        "visor.yaml:1:22: scheduler.enabled: the value of \"${S}\" is not allowed: write true or false\n");
  CHECK(secret("scheduler: {check_interval_ms: \"${S}\"}") ==
        "visor.yaml:1:32: scheduler.check_interval_ms: the value of \"${S}\" is not a length of time: write one such as 250ms, 90s or "
        "1h30m\n");
  CHECK(secret("scheduler: {storage: {driver: \"x${S}\"}}") ==
        "visor.yaml:1:31: scheduler.storage.driver: the value of \"x${S}\" is not allowed (sqlite, memory, postgresql, mysql, mssql)\n");
  CHECK(secret("scheduler: {storage: {driver: mysql, connection: {port: \"${S}\"}}}") ==
        "visor.yaml:1:57: scheduler.storage.connection.port: the value of \"${S}\" is not a whole number\n");
  CHECK(secret("scheduler: {default_timezone: \"${S}\"}") ==
        "visor.yaml:1:31: scheduler.default_timezone: the value of \"${S}\" is no time zone\n");
  CHECK(secret(with_entry("timezone: \"${S}\"")) ==
        "visor.yaml:6:17: scheduler.cron.nightly.timezone: the value of \"${S}\" is no time zone\n");
  CHECK(secret(with_entry("queue: \"${S}\"")) ==
        "visor.yaml:6:14: scheduler.cron.nightly.queue: no queue has the name that \"${S}\" gives\n");
  CHECK(
      secret("scheduler: {cron: {a: {schedule: \"${S} * * * *\", workflow: \"${S}\"}}}") ==
      "visor.yaml:1:34: scheduler.cron.a.schedule: the value of \"${S} * * * *\" is no cron expression, and no phrase that is understood\n"
      "visor.yaml:1:60: scheduler.cron.a.workflow: no workflow has the name that \"${S}\" gives\n");
  secret(with_workflow("webhook: {url: \"${URL}\", headers: {A: \"${T}\"}}"));
  secret("scheduler: {storage: {driver: mysql, connection: {connection_string: \"${URL}\"}}}");
  secret(with_workflow("command: [x], queue: \"${S}\""));
  // A default is written in the file.
  CHECK(wrong("scheduler: {enabled: \"${NO:-yes}\"}") ==
        "visor.yaml:1:22: scheduler.enabled: \"yes\" is not allowed: write true or false\n");
}

TEST_CASE("a secret of the file is not repeated either") {
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {password: [hunter2], connection_string: \"http://hunter2\"}}}") ==
        "visor.yaml:1:61: scheduler.storage.connection.password: must be a text, not a list\n"
        "visor.yaml:1:91: scheduler.storage.connection.connection_string: must begin with one of mysql://, mariadb:// for the driver "
        "mysql\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h', headers: {A: \"hunter2\\n\"}}")) ==
        "visor.yaml:2:52: workflows.report.webhook.headers.A: the value of an HTTP header is one line without control characters\n");
}

TEST_CASE("variables that hold secrets are known by where they are used") {
  auto const of = [](std::string const& text, std::map<std::string, std::string> values) {
    return read(text, variables(std::move(values))).secret_variables;
  };
  using names = std::vector<std::string>;
  // Names of users, hosts and databases are not secret, and variables that every program needs are secret nowhere.
  CHECK(of("scheduler: {storage: {connection: {connection_string: "
           "'postgresql://${USER}:${PW}@${HOST_DB}:${PORT}/${NAME}?password=${PW2}&x=${X}'}}}",
           {{"USER", "u"}, {"PW", "p"}, {"HOST_DB", "h"}, {"PORT", "1"}, {"NAME", "n"}, {"PW2", "q"}, {"X", "x"}, {"search_path", ""}}) ==
        names{"PW", "PW2"});
  CHECK(of("scheduler: {storage: {connection: {connection_string: '${MY_URL}'}}}", {{"MY_URL", "postgresql://u:p@h/d"}}) ==
        names{"MY_URL"});
  CHECK(of("scheduler: {storage: {connection: {connection_string: 'postgresql://${WHO}@h/d', password: '${PW:-x}'}}}",
           {{"WHO", "u"}, {"PW", "p"}}) == names{"PW", "WHO"});
  CHECK(of("scheduler: {storage: {connection: {connection_string: 'postgresql://h/${HOME}', password: '${HOME}'}}}", {{"HOME", "x"}})
            .empty());
  CHECK(of("workflows:\n  a: {command: [/bin/true], env: {A: '${TOKEN}', PATH: '/x:${PATH}', B: '${LC_ALL}'}}\n"
           "  b: {webhook: {url: 'https://${H}/${KEY}', headers: {X: 'Bearer ${H2}'}, body: '${BODY} ${USER}'}}\n"
           "  c: {command: [/bin/echo, '${PLAIN}'], working_directory: '${DIR}'}\n",
           {{"TOKEN", "t"},
            {"PATH", "/bin"},
            {"LC_ALL", "C"},
            {"H", "h"},
            {"KEY", "k"},
            {"H2", "z"},
            {"BODY", "b"},
            {"USER", "u"},
            {"PLAIN", "p"},
            {"DIR", "/"}}) == names{"BODY", "H", "H2", "KEY", "TOKEN"});
  // Of the environment, with the driver for which they count, and also where something stronger is used in their place.
  std::map<std::string, std::string> const set{{"DATABASE_URL", "postgresql://u:p@h/d"},   {"DB_PASS", "p"}, {"DB_PASSWORD", "q"},
                                               {"VISOR_STORAGE_CONNECTION_PASSWORD", "r"}, {"DB_HOST", "h"}, {"PGPASSWORD", "s"}};
  CHECK(of("", set) == names{"DATABASE_URL", "DB_PASS", "DB_PASSWORD", "VISOR_STORAGE_CONNECTION_PASSWORD"});
  CHECK(of("scheduler: {storage: {driver: sqlite}}", {{"DATABASE_URL", "postgresql://u:p@h/d"}, {"DB_PASS", "p"}}).empty());
  CHECK(of("", {{"DATABASE_URL", "postgresql://u@h/d"}, {"PGPASSWORD", "s"}}) == names{"DATABASE_URL", "PGPASSWORD"});
  // Of proxies, where a webhook goes through them.
  std::map<std::string, std::string> const proxies{{"http_proxy", "http://u:p@proxy:3128"}, {"HTTPS_PROXY", "u2:p2@proxy"},
                                                   {"HTTP_PROXY", "http://u:p@proxy:3128"}, {"ALL_PROXY", "socks5://other:x@proxy"},
                                                   {"https_proxy", "http://proxy:3128/@"},  {"no_proxy", "localhost"}};
  CHECK(of("workflows:\n  a: {webhook: {url: 'https://h/'}}\n", proxies) == names{"HTTPS_PROXY", "HTTP_PROXY", "http_proxy"});
  CHECK(of("workflows:\n  a: {command: [/bin/true]}\n", proxies).empty());
}

TEST_CASE("which variables a command inherits is all, none, or a list without secrets") {
  auto const inherits = [](std::string const& value) {
    return read(with_workflow("command: [/bin/true], inherit_env: " + value)).workflows[0].inherit_env;
  };
  CHECK(inherits("all") == std::vector<std::string>{"all"});
  CHECK(inherits("none") == std::vector<std::string>{"none"});
  CHECK(inherits("[A, B]") == std::vector<std::string>{"A", "B"});
  CHECK(inherits("[]").empty());
  CHECK(wrong(with_workflow("command: [/bin/true], inherit_env: [A=b]")) ==
        "visor.yaml:2:47: workflows.report.inherit_env: must be all, none, or a list of names of variables\n");
  CHECK(wrong(with_workflow("command: [/bin/true], inherit_env: [DB_PASS]"),
              variables({{"DATABASE_URL", "postgresql://h/d"}, {"DB_PASS", "p"}})) ==
        "visor.yaml:2:47: workflows.report.inherit_env: \"DB_PASS\" holds a secret, which no command inherits: add it to env, as DB_PASS: "
        "\"${DB_PASS}\"\n");
  CHECK(wrong(with_workflow("webhook: {url: 'http://h/'}, inherit_env: none")) ==
        "visor.yaml:2:54: workflows.report.inherit_env: belongs to a command\n");
}

TEST_CASE("secret texts are whole, decoded, and by line") {
  auto const all = read(
      "scheduler: {storage: {connection: {connection_string: 'postgresql://u:long%40pass@h/d', password: hunter22}}}\n"
      "workflows:\n  a: {command: [/bin/true], env: {A: 'line one\\nno\\nline three', B: short}}\n"
      "  b: {webhook: {url: 'https://h/', headers: {X: 'Bearer abcdef'}}}\n");
  std::vector<std::string> texts;
  for (auto const& each : visor::secret_texts(all)) texts.push_back(each.reveal());
  CHECK(texts.front() == "postgresql://u:long%40pass@h/d");
  for (char const* expected : {"long%40pass", "long@pass", "hunter22", "Bearer abcdef", "abcdef"})
    CHECK(std::ranges::find(texts, expected) != texts.end());
  CHECK(std::ranges::find(texts, "short") == texts.end());
}

TEST_CASE("secret texts are the values of all variables that a webhook names, and what its URL holds of tokens") {
  auto const all = read(
      "workflows:\n  a: {webhook: {url: 'https://${AT}/1/${IN_PATH}?x=${IN_QUERY}&key=literal&y=v', body: '${IN_BODY} ${HOME}'}}\n"
      "  b: {webhook: {url: '${WHOLE}'}}\n  c: {webhook: {url: 'https://h/services/0123456789abcdef/words?a%20longer'}}\n",
      variables({{"AT", "host.example"},
                 {"IN_PATH", "UrlTokenABC"},
                 {"IN_QUERY", "q%20token"},
                 {"IN_BODY", "body-token"},
                 {"HOME", "/home/me"},
                 {"WHOLE", "https://h/2/Other?z=1"}}));
  std::vector<std::string> texts;
  for (auto const& each : visor::secret_texts(all)) texts.push_back(each.reveal());
  for (char const* expected : {"host.example", "UrlTokenABC", "q%20token", "q token", "body-token", "literal", "https://h/2/Other?z=1",
                               "/2/Other?z=1", "/2/Other", "0123456789abcdef", "a%20longer", "a longer"})
    CHECK_THAT(texts, Catch::Matchers::VectorContains(std::string(expected)));
  for (char const* not_secret : {"/home/me", "v", "services", "words"})
    CHECK_THAT(texts, !Catch::Matchers::VectorContains(std::string(not_secret)));
}
