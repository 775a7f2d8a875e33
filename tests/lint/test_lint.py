"""Tests of scripts/lint: what it refuses, and what it must leave alone."""

import importlib.machinery
import importlib.util
import os
import sys
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
        for line in (
            "#include <boost/asio.hpp>",
            '#include "field.hpp"',
            "#include <sqlite3.h>",
            "#include <yaml-cpp/yaml.h>",
            "#include <date/tz.h>",
            "# include <boost/asio/ssl/context.hpp>",
        ):
            self.assertEqual(len(self.reasons("include/visor/cron/field.hpp", self.header(line))), 1, line)
        self.assertEqual(self.reasons("tests/cron/a.cpp", "#include <sqlite3.h>\n"), [])

    def test_inline_coroutines(self):
        self.assertEqual(len(self.reasons("include/visor/a.hpp", self.header("inline task<> f() {\n}", "VISOR_A_HPP"))), 1)

    def test_text(self):
        for line in ("x ", "\tint x;", "// " + "x" * 140, "// /" + "work/main/x"):
            self.assertEqual(len(self.reasons("tests/a.cpp", line + "\n")), 1, line)
        self.assertEqual(len(self.reasons("README.md", "x")), 1)
        self.assertEqual(self.reasons("README.md", "| /usr/local/bin/report | " + "x" * 200 + "\n"), [])


if __name__ == "__main__":
    unittest.main()
