"""Tests of scripts/lint: what it refuses, and what it must leave alone."""

import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lint")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("lint", LINT)
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
loader.exec_module(lint)


def body(text):
    return "visor::task<> f() {\n" + text + "\n}\n"


class CoAwait(unittest.TestCase):
    def refused(self, text, what, line=None):
        found = lint.check_co_await(body(text))
        self.assertTrue(found, text)
        self.assertIn(what, found[0][1], text)
        if line is not None:
            self.assertEqual(found[0][0], line, text)

    def allowed(self, text):
        self.assertEqual(lint.check_co_await(body(text)), [], text)

    def test_braced_temporaries(self):
        for text in (
            "co_await g(options{});",
            "co_await g({});",
            "co_await g(chrono::seconds, {});",
            "co_await g({.limit = 3});",
            "co_await g(1, {2, 3});",
            "co_await g(a, visor::options{.limit = 3});",
            "auto x = co_await g(std::array<std::string, 2>{a, b});",
            "auto x = g(options{}) + co_await h();",
            "auto x = co_await h() + g(options{});",
            "co_return co_await g(options{});",
            "if (co_await g(options{})) { h(); }",
            "while (co_await g({})) h();",
            "for (auto const& row : co_await g({})) { h(row); }",
            "for (int i = co_await g({}); i < 3; ++i) h();",
            "switch (co_await g({})) { case 1: break; }",
            "if constexpr (x) co_await g({});",
            "if (auto x = co_await g({}); x) { }",
            "if (x) { } else co_await g({});",
            "x ? y : z; co_await g({});",
            "int x{co_await g()};",
            "CHECK(co_await g({}) == 3);",
            "foo(a->b, {1}, co_await g());",
            "co_return {co_await g()};",
            "auto x = std::vector<int>{1, 2}.size() + (co_await g());",
        ):
            self.refused(text, "braced")

    def test_braces_over_several_lines(self):
        self.refused("co_await g(\n  a,  // first\n  /* { */ b,\n  options{\n    .limit = 3,\n  });", "braced", line=5)
        self.refused("auto x =\n  g(options{},\n    1) +\n  co_await\n  h();", "braced", line=3)

    def test_captures(self):
        for text in (
            "co_await g([x] { return x; });",
            "co_await g([=] { return 1; });",
            "co_await g([x = std::move(y)](int n) mutable { use(n); return x; }, deferred);",
            "co_await g(\n  a,\n  [shared_from_this()]\n  (auto h) { });",
            "co_await async_initiate<S>([x](auto h) -> void { }, token);",
        ):
            self.refused(text, "captures")

    def test_conditionals(self):
        self.refused("auto x = a ? co_await g() : co_await h();", "conditional")
        self.refused("co_await g(a\n ? b\n : c);", "conditional", line=3)

    def test_inner_coroutines_are_judged_by_themselves(self):
        self.refused("spawn([&]() -> visor::task<> { co_await g({}); }, x);", "braced")
        self.refused("auto f = [] { return [] -> visor::task<> { co_await g(options{}); }; };", "braced")
        self.allowed("spawn([x]() -> visor::task<> { co_await g(); }, options{});")
        self.allowed("auto f = [x](int n) -> visor::task<> { co_return; }; co_await f(1);")
        self.allowed("run(options{.limit = 3}, [&]() -> visor::task<> { auto x = co_await g(); CHECK(x == 1); });")

    def test_named_values_are_fine(self):
        for text in (
            "options chosen{.limit = 3}; co_await g(chosen);",
            "auto op = [x] { return x; }; auto y = co_await g(op);",
            "co_await g(make_options(3));",
            "co_await g(options(3));",
            "co_await g([] { return 1; });",
            "auto const& [a, b] = co_await g();",
            "auto [a, b] = co_await g();",
            "if (co_await g()) { auto x = options{}; }",
            "for (auto const& x : list) { options o{}; co_await g(o); }",
            "std::vector<int> v{1, 2}; if (v[0]) co_await g(v[1]);",
            "int const n = x ? 1 : 2; co_await g(n);",
            "switch (x) { case 1: { co_await g(); break; } default: co_await h(); }",
            "try { co_await g(); } catch (error const& e) { failure = e; }",
            'co_await g("{[x] ? }"); // {} ?',
            "co_await g(R\"sql(select '{' ? [x])sql\");",
            "co_await g('{', '?', 1'000);",
            "/* co_await */ auto o = options{};",
            "do { co_await g(); } while (x);",
            "{ co_await g(); }",
            "while (running_) co_await done_.wait_for(std::chrono::seconds{1});",
            "co_await sleep(then - now + visor::duration{1});",
            "co_await g(); {}",
            "for (;;) { co_await g(); }",
        ):
            self.allowed(text)

    def test_outside_of_functions(self):
        self.assertEqual(
            lint.check_co_await(
                "#define AWAIT(x) co_await f(options{})\n"
                "namespace a { namespace {\n"
                "struct s : base { s() : x_{1}, y_{2} { } int x_{0}; visor::task<> run() { co_await g(); } };\n"
                "enum class e { a, b };\n"
                "template <class T> requires c<T> visor::task<> h(T o = {}) { co_await o; }\n"
                "} }\n"
            ),
            [],
        )

    def test_line_numbers_are_those_of_the_file(self):
        self.assertEqual(lint.check_co_await("// a\n/* b\n c */\n#if 1\n#endif\nvisor::task<> f() { co_await g({}); }\n")[0][0], 6)


class Text(unittest.TestCase):
    def reasons(self, path, source):
        return [reason for _, reason in lint.check_file(path, source)]

    def header(self, middle, guard="VISOR_CRON_FIELD_HPP"):
        return f"#ifndef {guard}\n#define {guard}\n{middle}\n#endif\n"

    def test_a_good_header(self):
        self.assertEqual(self.reasons("include/visor/cron/field.hpp", self.header('#include "visor/base/time.hpp"')), [])

    def test_guards(self):
        for source in (self.header("", "VISOR_FIELD_HPP"), "#pragma once\n", "", self.header("") + "int x;\n#if 1\n"):
            self.assertIn("guard", " ".join(self.reasons("include/visor/cron/field.hpp", source)))

    def test_includes(self):
        self.assertEqual(len(self.reasons("include/visor/cron/field.hpp", self.header('#include "field.hpp"'))), 1)
        self.assertEqual(len(self.reasons("tests/cron/a.cpp", "#include <boost/asio.hpp>\n")), 1)

    def test_inline_coroutines(self):
        self.assertEqual(len(self.reasons("include/visor/a.hpp", self.header("inline task<> f() {\n}", "VISOR_A_HPP"))), 1)

    def test_text(self):
        for line in ("x ", "\tint x;", "// " + "x" * 140, "// /" + "work/main/x"):
            self.assertEqual(len(self.reasons("tests/a.cpp", line + "\n")), 1, line)
        self.assertEqual(len(self.reasons("README.md", "x")), 1)
        self.assertEqual(self.reasons("README.md", "| /usr/local/bin/report | " + "x" * 200 + "\n"), [])


class English(unittest.TestCase):
    LONG = " ".join(["Word"] + ["word"] * lint.LONGEST_SENTENCE) + "."
    LIMIT = " ".join(["Word"] + ["word"] * (lint.LONGEST_SENTENCE - 1)) + "."

    def found(self, path, *lines):
        return [line for line, _ in lint.check_english(path, "\n".join((*lines, "")))]

    def test_comments_that_name_no_subject(self):
        for word in ("What", "Who", "Whose", "Whoever", "Whatever"):
            for comment in (f"/// {word} is done.", f"  // {word} is done", f"int a;  ///< {word} is done", f"f();  // {word} is done"):
                self.assertEqual(self.found("include/visor/a.hpp", "int x;", comment, "int y;"), [2], comment)
        self.assertEqual(self.found("a.cpp", "/// Is asked", "/// Who is asked"), [])
        self.assertEqual(self.found("a.cpp", "/// The rows.", "///", "/// Who wrote them."), [3])
        self.assertEqual(self.found("a.cpp", "/// Whole rows.", "/// \\param who What is asked"), [])
        self.assertEqual(self.found("a.cpp", 'auto x = "// What";'), [])
        self.assertEqual(self.found("a.md", "What visor keeps."), [])

    def test_sentences_of_doc_comments(self):
        text = self.LONG.split()
        lines = ["/// First.", "/// " + " ".join(text[:20]), "/// " + " ".join(text[20:])]
        self.assertEqual(self.found("a.hpp", *lines), [1])
        self.assertEqual(self.found("a.hpp", "/// " + self.LIMIT, "/// " + self.LIMIT), [])
        self.assertEqual(self.found("a.hpp", "// " + self.LONG), [])
        self.assertEqual(self.found("a.hpp", "int a;  ///< " + self.LONG), [1])
        self.assertEqual(self.found("a.hpp", "/// " + self.LIMIT[:-1], "/// \\param a " + self.LIMIT), [])

    def test_sentences_of_docs(self):
        text = self.LONG.split()
        self.assertEqual(self.found("a.md", "", " ".join(text[:20]), " ".join(text[20:])), [2])
        self.assertEqual(self.found("a.md", "- " + self.LONG, "| a | " + self.LONG + " |"), [1, 2])
        self.assertEqual(self.found("a.md", self.LIMIT + " " + self.LIMIT, self.LIMIT + " `a.b c`. " + self.LIMIT), [])
        self.assertEqual(self.found("a.md", "```", self.LONG, "```"), [])
        self.assertEqual(self.found("a.md", " ".join(text[:20]), "", " ".join(text[20:])), [])
        self.assertEqual(self.found("a.md", " ".join(text[:20]), "- " + " ".join(text[20:])), [])
        self.assertEqual(self.found("a.md", " ".join(["`a b c d e`"] * lint.LONGEST_SENTENCE)), [])


class Links(unittest.TestCase):
    def test_links_and_paths(self):
        with tempfile.TemporaryDirectory() as root:
            os.mkdir(os.path.join(root, "docs"))
            with open(os.path.join(root, "docs", "b.md"), "w", encoding="utf-8") as file:
                file.write('# Who `writes` what, and why\n\n<a id="old"></a>\n')
            def found(line, path="docs/a.md"):
                return [reason for _, reason in lint.check_links(path, line, root)]
            for fine in ("[b](b.md)", "[b](b.md#who-writes-what-and-why)", "[b](b.md#old)", "[x](https://x.org/y.md#z)", "`docs/b.md`", "`b.hpp`"):
                self.assertEqual(found(fine), [], fine)
            self.assertEqual(found("[b](docs/b.md)", "README.md"), [])
            for wrong in ("[c](c.md)", "[b](docs/b.md)", "[b](b.md#who)", "`docs/c.md`", "`tests/x.cpp`"):
                self.assertEqual(len(found(wrong)), 1, wrong)
            self.assertEqual(found("[c](c.md)", "a.cpp"), [])


class CodeBlocks(unittest.TestCase):
    def test_code_of_guides_is_code_of_their_programs(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "examples", "guide"))
            with open(os.path.join(root, "examples", "guide", "main.cpp"), "w", encoding="utf-8") as file:
                file.write("int main() {\n  run();\n}\n")
            page = "# A\n\n```cpp\n  run();\n```\n\n```console\n$ x\n```\n\n```cpp\n  walk();\n```\n"
            self.assertEqual(list(lint.check_code_blocks("docs/cpp.md", page, root)), [(11, "a code block that is not a part of examples/guide/main.cpp")])
            self.assertEqual(list(lint.check_code_blocks("docs/cli.md", page, root)), [])


class Layers(unittest.TestCase):
    """Runs the program on real files, in a folder that has a table of its own."""

    TABLES = """# Layers

| folder | it is about | may include |
|---|---|---|
| `*.hpp` | users | everything below |
| `visor.hpp` | no database | `engine/`, `version.hpp` |
| `engine/` | running | `store/records.hpp`, `base/`, `version.hpp` |
| `wire/*/` | one database | `wire/`, `base/` |
| `wire/` | all databases | `base/` |
| `store/sql/` | SQL | `store/`, `base/` |
| `store/` | records | `base/` |
| `base/` | text | - |
| `version.hpp` | the version | - |

Text between.

| library | headers | may be included in |
|---|---|---|
| Describe | `boost/describe/` | everywhere |
| Asio | `boost/asio/` | `engine/`, `wire/*/`, `zone.hpp` |
| OpenSSL | `boost/asio/ssl/`, `openssl/` | `engine/webhook.hpp` |
| libpq | `libpq-fe.h` | `wire/postgresql/` |
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.write("docs/architecture.md", self.TABLES)
        os.mkdir(os.path.join(self.root, "scripts"))
        self.program = shutil.copy(LINT, os.path.join(self.root, "scripts"))
        self.write(".clang-format", "DisableFormat: true\n")

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def lint(self, *paths):
        """Its exit code and what it found, without the summary."""
        run = subprocess.run([sys.executable, self.program, *paths], cwd=self.root, capture_output=True, text=True)
        self.assertEqual(run.stderr, "")
        return run.returncode, [line for line in run.stdout.splitlines() if not line.startswith("lint: ")]

    def write_header(self, path, lines=()):
        guard = re.sub("[^A-Z0-9]", "_", path.removeprefix("include/").upper())
        self.write(path, "\n".join((f"#ifndef {guard}", f"#define {guard}", *lines, "#endif", "")))

    def judge(self, accepted=(), refused=()):
        """Writes headers with lines, (header, line) that are fine and (header, line, what is said) that are not."""
        headers, expected = {}, {}
        for header, line, *says in (*accepted, *refused):
            lines = headers.setdefault("include/visor/" + header, [])
            lines.append(line)
            if says:
                expected[f"include/visor/{header}:{len(lines) + 2}: "] = [*says, "docs/architecture.md"]
        for path, lines in headers.items():
            self.write_header(path, lines)
        code, found = self.lint(*headers)
        self.assertEqual(code, 1 if expected else 0)
        self.assertEqual(sorted(re.match(r"\S*: ", line).group() for line in found), sorted(expected))
        for line in found:
            for text in expected[re.match(r"\S*: ", line).group()]:
                self.assertIn(text, line)

    def test_edges(self):
        self.judge(
            accepted=[
                ("engine/a.hpp", '#include "visor/engine/b.hpp"'),
                ("engine/a.hpp", '#include "visor/base/text.hpp"'),
                ("engine/a.hpp", '#include "visor/store/records.hpp"'),
                ("engine/a.hpp", '#include "visor/version.hpp"'),
                ("wire/mysql/wire_a.hpp", '#include "visor/wire/mysql/b.hpp"'),
                ("wire/mysql/wire_a.hpp", '#include "visor/wire/wire.hpp"'),
                ("store/sql/sql_a.hpp", '#include "visor/store/records.hpp"'),
                ("front.hpp", '#include "visor/wire/mysql/b.hpp"'),
                ("front.hpp", '#include "visor/other.hpp"'),
                ("front.hpp", '#include "visor/visor.hpp"'),
                ("visor.hpp", '#include "visor/version.hpp"'),
                ("base/text.hpp", '// #include "visor/engine/b.hpp"'),
            ],
            refused=[
                ("base/text.hpp", '#include "visor/engine/b.hpp"', "base/ may not include engine/b.hpp, only itself", "move"),
                ("base/text.hpp", "# include <visor/engine/b.hpp>", "base/ may not include engine/b.hpp"),
                ("base/text.hpp", '#include "visor/new/b.hpp"', "base/ may not include new/b.hpp"),
                ("engine/a.hpp", '#include "visor/store/rules.hpp"', "store/rules.hpp, only store/records.hpp, base/, version.hpp"),
                ("engine/a.hpp", '#include "visor/front.hpp"', "engine/ may not include front.hpp"),
                ("store/c.hpp", '#include "visor/store/sql/b.hpp"', "store/ may not include store/sql/b.hpp"),
                ("wire/mysql/wire_a.hpp", '#include "visor/wire/sqlite/b.hpp"', "wire/*/ may not include wire/sqlite/b.hpp"),
                ("wire/d.hpp", '#include "visor/wire/mysql/b.hpp"', "wire/ may not include wire/mysql/b.hpp"),
                ("visor.hpp", '#include "visor/front.hpp"', "visor.hpp may not include front.hpp, only engine/, version.hpp"),
                ("version.hpp", '#include "visor/base/text.hpp"', "version.hpp may not include base/text.hpp"),
                ("new/e.hpp", '#include "visor/base/text.hpp"', "new/ has no row in the table of layers: add it"),
            ],
        )

    def test_libraries(self):
        self.judge(
            accepted=[
                ("base/a.hpp", "#include <string_view>"),
                ("base/a.hpp", "#include <boost/describe/class.hpp>"),
                ("engine/b.hpp", "#include <boost/asio/post.hpp>"),
                ("wire/postgresql/c.hpp", "#include <boost/asio/post.hpp>"),
                ("wire/postgresql/c.hpp", "#include <libpq-fe.h>"),
                ("engine/webhook.hpp", "#include <boost/asio/ssl/context.hpp>"),
                ("engine/webhook.hpp", "#include <openssl/ssl.h>"),
                ("zone.hpp", "#include <boost/asio/post.hpp>"),
            ],
            refused=[
                ("base/a.hpp", "#include <boost/asio/post.hpp>", "of Asio may be included only in engine/, wire/*/, zone.hpp", "move"),
                ("wire/d.hpp", "#include <boost/asio/post.hpp>", "of Asio may be included only in"),
                ("other.hpp", "#include <boost/asio/post.hpp>", "of Asio may be included only in"),
                ("wire/mysql/e.hpp", "#include <libpq-fe.h>", "of libpq may be included only in wire/postgresql/"),
                ("engine/b.hpp", "#include <boost/asio/ssl/context.hpp>", "of OpenSSL may be included only in engine/webhook.hpp"),
                ("engine/b.hpp", "#include <openssl/ssl.h>", "of OpenSSL may be included only in"),
                ("engine/b.hpp", "#include <boost/redis/connection.hpp>", "<boost/redis/connection.hpp> is of no library", "add it there"),
                ("engine/b.hpp", "#include <mysql.h>", "<mysql.h> is of no library"),
            ],
        )

    def test_the_tables_have_no_circle(self):
        self.assertEqual(self.lint("docs/architecture.md"), (0, []))
        for row, says in (
            ("| `base/` | text | `store/` |", "store/ is not below base/ in the table of layers"),
            ("| `base/` | text | `base/` |", "base/ is not below base/"),
            ("| `base/` | text | `gone/` |", "gone/ is not below base/"),
        ):
            self.write("docs/architecture.md", self.TABLES.replace("| `base/` | text | - |", row))
            code, found = self.lint("docs/architecture.md")
            self.assertEqual((code, len(found)), (1, 1), row)
            self.assertTrue(found[0].startswith("docs/architecture.md:12: " + says), found)

    def test_the_tables_are_there(self):
        for title in ("| folder |", "| library |"):
            self.write("docs/architecture.md", self.TABLES.replace(title, "| other |"))
            self.assertIn("docs/architecture.md:1: the table of layers or that of libraries is missing", self.lint("docs/architecture.md")[1][0])

    def test_names(self):
        def found(*headers):
            return [(path, reason) for path, _, reason in lint.check_names(["include/visor/" + each for each in headers])]

        self.assertEqual(found("a.hpp", "engine/a.hpp", "engine/b.hpp", "driver/mysql/c.hpp", "driver/sqlite/c.hpp"), [])
        self.assertEqual(lint.check_names(["tests/a/support.hpp", "tests/b/support.hpp"]), [])
        for first, second in (
            ("base/text.hpp", "sql/text.hpp"),
            ("driver/mysql/dialect.hpp", "sql/dialect.hpp"),
            ("driver/batch.hpp", "driver/mysql/batch.hpp"),
            ("store/jobs.hpp", "store/sql/jobs.hpp"),
        ):
            (path, reason), = found(second, first)
            self.assertEqual(path, "include/visor/" + second)
            self.assertIn(f"include/visor/{first} has the same name: name each", reason)
        same = ["include/visor/base/text.hpp", "include/visor/store/text.hpp"]
        for path in same:
            self.write_header(path)
        code, lines = self.lint(*same)
        self.assertEqual((code, len(lines)), (1, 1), lines)
        self.assertTrue(lines[0].startswith(same[1] + ":1: " + same[0] + " has the same name"), lines)

    def test_the_table_of_this_project(self):
        with open(os.path.join(os.path.dirname(LINT), "..", "docs", "architecture.md"), encoding="utf-8") as file:
            layers = lint.Layers(file.read())
        self.assertEqual(layers.faults, [])
        for header, target in (
            ("pool/pool.hpp", "driver/driver.hpp"),
            ("config/settings.hpp", "engine/engine.hpp"),
            ("config/settings.hpp", "store/records.hpp"),
            ("config/settings.hpp", "driver/statement_log.hpp"),
            ("handler/webhook_plan.hpp", "config/source.hpp"),
            ("cron/expression.hpp", "async/task.hpp"),
            ("driver/sqlite/session.hpp", "driver/mysql/session.hpp"),
            ("visor.hpp", "sqlite.hpp"),
        ):
            self.assertIsNotNone(layers.check_own(header, target), target)
        for header in ("cron/expression.hpp", "settings/node_settings.hpp", "store/records.hpp", "engine/engine.hpp"):
            for target in ("libpq-fe.h", "mysql.h", "sqlite3.h", "sql.h", "sqlext.h", "openssl/ssl.h", "yaml-cpp/parser.h", "date/tz.h"):
                self.assertIsNotNone(layers.check_library(header, target), target)
        self.assertIsNotNone(layers.check_library("cron/expression.hpp", "boost/asio/post.hpp"))


class OldWords(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(lint.ROOT, lint.OLD_WORDS), encoding="utf-8") as file:
            self.words = [line.rstrip("\n").split("\t") for line in file]

    def test_each_old_word_is_refused(self):
        for old, new in self.words:
            for path in ("include/visor/a.hpp", "tests/a/a.cpp", "docs/a.md"):
                self.assertEqual(list(lint.check_words(path, f"x\n  {old};\n")), [(2, f"{old} is an old word: write {new} ({lint.OLD_WORDS})")])

    def test_parts_of_words_and_other_places_are_left_alone(self):
        old = self.words[0][0]
        for path, text in (
            ("include/visor/a.hpp", f"{old}s a_{old} {old}_"),
            ("CHANGELOG.md", old),
            (lint.OLD_WORDS, old),
        ):
            self.assertEqual(list(lint.check_words(path, text)), [], text)

    def test_no_new_word_is_an_old_one(self):
        self.assertEqual(len(dict(self.words)), len(self.words))
        self.assertEqual({new for _, new in self.words} & {old for old, _ in self.words}, set())


if __name__ == "__main__":
    unittest.main()
