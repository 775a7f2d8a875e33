#include "reading.hpp"
#include "support/catch.hpp"

#include <chrono>

using namespace visor_test;

TEST_CASE("broken YAML has its position and a remedy") {
  CHECK(wrong("scheduler:\n  enabled: true\n ha: {}\n") == "visor.yaml:3:2: broken YAML: the indentation fits no line above\n");
  CHECK(wrong("scheduler: {enabled: true\n") ==
        "visor.yaml:2:1: scheduler: broken YAML: \"}\" is missing, or a text between { and } needs quotes\n");
  CHECK(wrong("workflows: {a: {command: [x}}\n") ==
        "visor.yaml:1:28: workflows.a.command[0]: broken YAML: a bracket closes that was not opened, or quotes are missing\n");
  CHECK(wrong("a: b: c\n") ==
        "visor.yaml:1:5: broken YAML: unexpected \":\"; check the indentation of this line and the one above, or quote the text\n");
  CHECK(wrong("a: @x\n") == "visor.yaml:1:4: a: a text that begins with @ needs quotes: \"@x\"\n");
  CHECK(wrong("a: \"\\q\"\n") == "visor.yaml:1:7: a: broken YAML: unknown escape character: q\n");
  CHECK(wrong("a: \"\\\u01A3\"\n") == "visor.yaml:1:7: a: broken YAML: unknown escape character: \uFFFD\n");
  CHECK(wrong("a: \"\\uD800\"\n") == "visor.yaml:1:11: a: broken YAML: invalid unicode: 55296\n");
  CHECK(wrong("a: *nobody\n") == "visor.yaml:1:4: a: broken YAML: the alias names no anchor above it\n");
  CHECK(wrong("workflows: {a: {env: {X: ${Y}}}}") ==
        "visor.yaml:1:27: workflows.a.env: broken YAML: \"}\" is missing, or a text between { and } needs quotes; between { and } a text "
        "with ${...} needs quotes\n");
}

TEST_CASE("a quotation mark that is never closed is found where it opens") {
  CHECK(wrong("scheduler:\n  default_timezone: \"UTC\n  ha: {}\n") ==
        "visor.yaml:2:21: scheduler.default_timezone: broken YAML: this quotation mark is never closed\n");
  CHECK(wrong("a: 'it''s\n") == "visor.yaml:1:4: a: broken YAML: this quotation mark is never closed\n");
  CHECK(wrong("a: &x \"\\\"\n") == "visor.yaml:1:7: a: broken YAML: this quotation mark is never closed\n");
}

TEST_CASE("tabs do not indent") {
  CHECK(wrong("scheduler:\n\tenabled: true\n") == "visor.yaml:2:1: a tab cannot indent: use spaces\n");
  CHECK(wrong("scheduler:\n  ha:\n \t  enabled: true\n") == "visor.yaml:3:2: a tab cannot indent: use spaces\n");
  CHECK(wrong("\tscheduler: {}\n") == "visor.yaml:1:1: a tab cannot indent: use spaces\n");
  // Within a text they are text.
  CHECK(read("workflows:\n  a:\n    shell: true\n    command: |\n      if x; then\n      \ty\n").workflows[0].command[0] ==
        "if x; then\n\ty\n");
}

TEST_CASE("bytes that no text has are refused with their position") {
  using namespace std::string_literals;
  CHECK(wrong("scheduler:\n  \0"s) == "visor.yaml:2:3: a NUL byte cannot be in the file\n");
  CHECK(wrong("# \xC3\xA9\n# \xC3\xA9\xFF\n") == "visor.yaml:2:4: bytes that are not valid UTF-8 cannot be in the file\n");
  CHECK(wrong("a: \xED\xA0\x80") == "visor.yaml:1:4: bytes that are not valid UTF-8 cannot be in the file\n");
  CHECK(wrong("a: \xF0\x9F\x98") == "visor.yaml:1:4: bytes that are not valid UTF-8 cannot be in the file\n");
  CHECK(wrong("a: \x04") == "visor.yaml:1:4: the control character 0x04 cannot be in the file\n");
  CHECK(wrong("a: 1\rb: 2\n") == "visor.yaml:1:5: a carriage return without line feed cannot be in the file\n");
  CHECK(wrong("\xFF\xFEs\0c\0"s) == "visor.yaml:1:1: bytes that are not valid UTF-8 cannot be in the file\n");
  CHECK(wrong("workflows:\n  a: {command: [x, \"a\\0b\"]}\n") ==
        "visor.yaml:2:20: workflows.a.command[1]: a text cannot hold a NUL character\n");
  CHECK(wrong("scheduler: {default_timezone: UTC}\r\nfoo: 1\r\n") == "visor.yaml:2:1: foo: unknown key (scheduler, workflows)\n");
}

TEST_CASE("columns count characters") {
  CHECK(wrong("workflows: {\"\xC3\xBC\xE2\x82\xAC\": {command: [x], prioriti: 1}}").substr(0, 16) == "visor.yaml:1:34:");
}

TEST_CASE("a section can be given in pieces, and each value once") {
  auto const all = read(
      "workflows:\n  a: {command: [/bin/true]}\nscheduler:\n  storage:\n    connection: {filename: a.db}\n"
      "workflows:\n  b: {command: [/bin/false]}\nscheduler:\n  storage:\n    driver: sqlite\n");
  CHECK(all.workflows.size() == 2);
  CHECK(all.storage.connection.filename == "a.db");
  CHECK(wrong("scheduler:\n  storage: {driver: sqlite}\nworkflows:\nscheduler:\n  storage:\n    driver: memory\n") ==
        "visor.yaml:6:5: scheduler.storage.driver: is given twice; the first time in line 2\n");
  CHECK(wrong("scheduler: {}\nscheduler: 1\n") == "visor.yaml:2:1: scheduler: is given twice; the first time in line 1\n");
}

TEST_CASE("a file can be the part that says how to connect") {
  auto const all = read("connection:\n  host: db.example.com\n  ssl: true\n");
  CHECK(all.storage.driver == visor::storage_driver::postgresql);
  CHECK(all.storage.connection.host == "db.example.com");
  CHECK(read("connection: {filename: a.db}\n").storage.driver == visor::storage_driver::sqlite);
  CHECK(read("connection: {connection_string: \"mysql://u@h/d\"}\n").storage.driver == visor::storage_driver::mysql);
  CHECK(wrong("connection:\n  host: db.example.com\n  prot: 1\n")
            .starts_with("visor.yaml:3:3: scheduler.storage.connection.prot: unknown key"));
  CHECK(wrong("connection: {filename: a.db}\nworkflows: {}\n").starts_with("visor.yaml:1:1: connection: unknown key"));
}

TEST_CASE("a key is one text and is given once") {
  CHECK(wrong("scheduler:\n  ha: {}\n  ha: {enabled: true}\n") ==
        "visor.yaml:3:3: scheduler.ha: is given twice; the first time in line 2\n");
  CHECK(wrong("workflows:\n  a: {command: [x]}\n  b: {command: [x]}\n  \"a\": {command: [y]}\n") ==
        "visor.yaml:4:3: workflows.a: is given twice; the first time in line 2\n");
  CHECK(wrong("[a]: 1\n") == "visor.yaml:1:1: a key must be a single text, not a list\n");
  CHECK(wrong("? {a: b}\n: 1\n") == "visor.yaml:1:3: a key must be a single text, not a group of keys\n");
  CHECK(wrong("~: 1\n") == "visor.yaml:1:1: a key is missing before \":\"\n");
  CHECK(wrong("workflows:\n  \"\": {command: [x]}\n") == "visor.yaml:2:3: workflows.\"\": a name has 1 to 200 characters\n");
  CHECK(wrong("workflows:\n  a/b: {command: [x]}\n") ==
        "visor.yaml:2:3: workflows.\"a/b\": a name cannot hold \"/\" nor begin with \"-\"\n");
  std::string const blank = ": a name cannot end with a blank, which not every database tells from the name without it: leave it out\n";
  CHECK(wrong("workflows:\n  \"a \": {command: [x]}\n") == "visor.yaml:2:3: workflows.\"a \"" + blank);
  CHECK(wrong("workflows:\n  a: {command: [x], queue: \"q \"}\n") == "visor.yaml:2:28: workflows.a.queue" + blank);
  CHECK(wrong("scheduler: {set: \"s \"}\n") == "visor.yaml:1:18: scheduler.set" + blank);
  CHECK(wrong("scheduler:\n  ha: {node_id: \"n \"}\n") == "visor.yaml:2:17: scheduler.ha.node_id" + blank);
  CHECK(wrong("scheduler:\n  node: {capabilities: [\"c \"]}\n") == "visor.yaml:2:25: scheduler.node.capabilities[0]" + blank);
  CHECK(wrong("workflows:\n  -a: {command: [x]}\n") == "visor.yaml:2:3: workflows.-a: a name cannot hold \"/\" nor begin with \"-\"\n");
  CHECK(wrong("workflows:\n  \"a\\nb\": {command: [x]}\n") ==
        "visor.yaml:2:3: workflows.\"a\\nb\": a name cannot hold control characters\n");
}

TEST_CASE("there is one document") {
  CHECK(wrong("---\nscheduler: {}\n---\nworkflows: {}\n") ==
        "visor.yaml:3:1: the document ends before this line; a file holds one document\n");
  CHECK(wrong("scheduler: {}\n...\n") == "");
  CHECK(wrong("%YAML 3.0\n---\na: 1\n") == "visor.yaml:1:1: broken YAML: YAML major version too large\n");
}

TEST_CASE("aliases and merge keys") {
  auto const all = read(R"(
workflows:
  base: &base
    command: &command [/bin/true]
    timeout: 5s
    max_attempts: 2
  other:
    <<: *base
    max_attempts: 7
  third:
    <<: [{priority: 1}, *base, {priority: 2}]
  fourth: {command: *command}
)");
  REQUIRE(all.workflows.size() == 4);
  CHECK(all.workflows[1].command == all.workflows[0].command);
  CHECK(all.workflows[1].timeout == std::chrono::seconds{5});
  CHECK(all.workflows[1].max_attempts == 7);
  CHECK(all.workflows[2].max_attempts == 2);
  CHECK(all.workflows[2].priority == 1);
  CHECK(all.workflows[3].command == all.workflows[0].command);
  auto const merged = read("workflows: {a: {command: [x], env: &e {A: 1, B: 2}}, b: {command: [x], env: {A: 3, <<: *e}}}");
  CHECK(merged.workflows[1].env.at("A").reveal() == "3");
  CHECK(merged.workflows[1].env.at("B").reveal() == "2");
  CHECK(wrong("workflows:\n  a: {<<: 5, command: [x]}\n") ==
        "visor.yaml:2:11: workflows.a.\"<<\": \"<<\" takes a group of keys or a list of them, not a single value\n");
  CHECK(wrong("a: &r [*r]\n") == "visor.yaml:1:8: a[0]: the alias stands within what it names\n");
}

// An algorithm that takes the square of the size runs into the time limit of this test.
TEST_CASE("a small file cannot take much time or memory", "[slow]") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string const last = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k == 0 ? "" : ", ") + last;
    laughs += "]\n";
  }
  CHECK_THAT(wrong(laughs), Contains("more than 1000000 values, aliases followed"));
  laughs += "# " + std::string(1'100'000, 'x') + "\n";
  CHECK_THAT(wrong(laughs), Contains("more than " + std::to_string(laughs.size()) + " values, aliases followed"));
  CHECK_THAT(wrong("a: &a \"" + std::string(1'000'000, 'x') + "\"\nb: [" +
                   [] {
                     std::string list = "*a";
                     for (int i = 0; i < 100; ++i) list += ", *a";
                     return list;
                   }() +
                   "]\n"),
             Contains("more than 64 MiB of text, aliases and variables followed"));
  CHECK_THAT(wrong(
                 "a: [" +
                     [] {
                       std::string list = "\"${BIG}\"";
                       for (int i = 0; i < 100; ++i) list += ", \"${BIG}\"";
                       return list;
                     }() +
                     "]\n",
                 variables({{"BIG", std::string(1'000'000, 'x')}})),
             Contains("more than 64 MiB of text"));
  CHECK(wrong("a: " + std::string(100'000, '[')).find("nested more than 204 levels deep") != std::string::npos);
  CHECK(wrong("a: " + std::string(100'000, '{')).find("nested more than 204 levels deep") != std::string::npos);
  std::string stairs;
  for (int i = 0; i < 220; ++i) stairs += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  CHECK(wrong(stairs).find("nested more than 204 levels deep") != std::string::npos);
  CHECK(wrong(std::string(17 * 1024 * 1024, '\n')) == "visor.yaml: the file is larger than 16 MiB\n");
  // Places on one long line, with blanks in front.
  std::string line = "a: [" + std::string(3'000'000, ' ');
  for (int i = 0; i < 100'000; ++i) line += "\xC3\xA9,";
  CHECK(wrong(line + "]\nb: 1\n") ==
        "visor.yaml:1:1: a: unknown key (scheduler, workflows)\nvisor.yaml:2:1: b: unknown key (scheduler, workflows)\n");
  CHECK_THAT(wrong(line + "!x y]"), Contains("visor.yaml:1:3200005: a[100000]: the tag \"!x\" is not known\n"));
  // As many values as a file without aliases can have.
  std::string many = "a: [";
  for (int i = 0; i < 1'000'010; ++i) many += "x,";
  CHECK(wrong(many + "]\n") == "visor.yaml:1:1: a: unknown key (scheduler, workflows)\n");
  // Mistakes without number.
  std::string keys;
  for (int i = 0; i < 50'000; ++i) keys += "schedule" + std::to_string(i) + ":\n";
  CHECK(visor_test::count(wrong(keys), '\n') == 1'000);
  std::string faults = "a: \"";
  for (int i = 0; i < 100'000; ++i) faults += "${}";
  CHECK(visor_test::count(wrong(faults + "\""), '\n') == 21);
  std::string entries = "scheduler:\n  cron:\n";
  for (int i = 0; i < 5'000; ++i)
    entries += "    a" + std::to_string(i) + ": {schedule: '* * * * *', workflow: b" + std::to_string(i) + "}\n";
  entries += "workflows:\n";
  for (int i = 0; i < 5'000; ++i) entries += "  c" + std::to_string(i) + ": {command: [x]}\n";
  CHECK(visor_test::count(wrong(entries), '\n') == 1'000);
}
