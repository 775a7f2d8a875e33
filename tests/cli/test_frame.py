"""What holds for every command: help, suggestions, exit codes, colour, completion."""

import os
import pty
import re
import shutil
import subprocess
import unittest

from program import PROGRAM, ProgramTest, main

COMMANDS = """
run
schedule list
schedule show
schedule create
schedule pause
schedule resume
schedule cancel
schedule next
schedule diff
schedule apply
schedule prune
schedule start
job enqueue
job list
job show
job why
node list
node drain
node resume
node remove
job cancel
job retry
cron next
cron check
cron explain
config check
config show
db test
db init
db status
db migrate
db restored
db rollback
db validate
db reset
drivers
completion
bench
""".strip().splitlines()


class Frame(ProgramTest):
    def test_version(self):
        self.assertRegex(self.accepts("--version"), r"^visor \d+\.\d+\.\d+\n$")

    def test_help_lists_every_command_and_nothing_else(self):
        listed = re.findall(r"^  ((?:[a-z]+ )+) +[A-Z]", self.accepts("--help"), re.MULTILINE)
        self.assertEqual(sorted(each.strip() for each in listed), sorted(COMMANDS))

    def test_every_command_has_help_with_an_example(self):
        for command in COMMANDS:
            for flag in ("--help", "-h"):
                with self.subTest(command=command, flag=flag):
                    text = self.accepts(*command.split(), flag)
                    self.assertTrue(text.startswith("Usage: visor " + command), text)
                    self.assertRegex(text, r"\nExample:\n  .*visor " + command)
        for group in {command.split()[0] for command in COMMANDS if " " in command}:
            self.assertIn("Commands:", self.accepts(group, "--help"))

    def test_the_help_of_bench_names_the_database_that_it_uses(self):
        self.assertIn("on SQL Server tables in the database visor_bench, which you create", " ".join(self.accepts("bench", "--help").split()))

    def test_help_as_a_word(self):
        self.assertEqual(self.accepts("help"), self.accepts("--help"))
        self.assertEqual(self.accepts("help", "job"), self.accepts("job", "--help"))
        self.assertEqual(self.accepts("job", "help"), self.accepts("job", "--help"))
        self.assertEqual(self.accepts("help", "job", "list"), self.accepts("job", "list", "--help"))
        self.refuses("help", "jobs", code=2, says="did you mean 'job'?")

    def test_an_empty_name_of_a_file_is_no_configuration(self):
        self.refuses("config", "show", "--config", "", code=2, says="--config needs the name of a file")

    def test_without_a_command_it_is_a_usage_error(self):
        for words in ([], ["schedule"], ["job"], ["cron"], ["config"], ["db"]):
            result = self.run_program(*words)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn("Usage: visor", result.stderr)

    def test_what_is_unknown_suggests_the_nearest(self):
        self.refuses("shedule", code=2, says="did you mean 'schedule'?")
        self.refuses("schedule", "lst", code=2, says=["'schedule lst'", "did you mean 'list'?"])
        self.refuses("job", "list", "--jsno", code=2, says="did you mean '--json'?")
        self.refuses("job", "list", "--stat", "ready", code=2, says="did you mean '--state'?")
        self.refuses("job", "list", "--state", "redy", code=2, says=["did you mean 'ready'?", "allowed: waiting, scheduled, ready"])
        self.refuses("--verison", code=2, says="unknown option '--verison'")
        self.refuses("qqqq", code=2, says="'visor --help'")

    def test_what_is_missing_or_too_much(self):
        self.refuses("job", "show", code=2, says="<id> is missing")
        self.refuses("job", "show", "1", "2", code=2, says="do not know what to do with '2'")
        self.refuses("cron", "next", "0", "9", "*", code=2, says="text with spaces needs quotes")
        self.refuses("cron", "next", "@daily", "--zone", code=2, says="'--zone'")
        self.refuses("cron", "next", "@daily", "--zone", "UTC", "--zone", "UTC", code=2, says="more than once")
        self.refuses("cron", "next", "@daily", "--json=1", code=2, says="--json")

    def test_values_of_the_wrong_kind(self):
        for value in ("x", "0", "-1", "1.5", "99999999999999999999", "", "1 "):
            with self.subTest(value=value):
                self.refuses("job", "list", "--limit=" + value, code=2, says="--limit")
        for value in ("10", "x", "-1s", "1h 30m"):
            self.refuses("run", "--for", value, code=2, says="a length of time such as 90s")
        self.refuses("cron", "next", "@daily", "--from", "yesterday", code=2, says="an instant such as")
        self.refuses("cron", "next", "@daily", "--from", "2026-02-30T00:00:00Z", code=2, says="'2026-02-30T00:00:00Z'")
        self.refuses("job", "show", "x", code=2, says="the number of a job")

    def test_what_users_write_cannot_drive_the_terminal(self):
        self.refuses("\x1b[31mred", code=2, says=r"\x1b[31mred")
        self.refuses(b"\xff\xfe", code=2, says=r"\xff\xfe")
        self.refuses("a\nvisor: b", code=2, says=r"a\nvisor: b")
        self.refuses("\u202eabc", code=2, says=r"\u202eabc")
        self.refuses("x" * 100000, code=2, says="xxx…")

    def test_options_are_never_guessed(self):
        self.refuses("cron", "next", "@daily", "--fr", "2026-01-01T00:00:00Z", code=2, says="unknown option '--fr'")

    def test_both_ways_of_giving_a_value(self):
        one = self.accepts("cron", "next", "@daily", "--from", "2026-01-01T00:00:00Z")
        self.assertEqual(one, self.accepts("cron", "next", "--from=2026-01-01T00:00:00Z", "--", "@daily"))

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, env=self.environment)
        self.assertEqual((result.returncode, result.stderr), (1, b"visor: standard output cannot be written\n"))

    def on_terminal(self, *words, environment):
        parent, child = pty.openpty()
        process = subprocess.Popen([PROGRAM, *words], stdout=child, stderr=child, stdin=subprocess.DEVNULL, cwd=self.folder,
                                   env={**self.environment, **environment})
        os.close(child)
        said = b""
        try:
            while chunk := os.read(parent, 65536):
                said += chunk
        except OSError:
            pass  # Linux: the other side is closed
        os.close(parent)
        process.wait()
        return said

    @unittest.skipUnless(os.path.exists("/dev/pts/ptmx"), "no terminal can be made here: /dev/pts is not mounted")
    def test_colour_on_a_terminal_only_and_not_with_no_color(self):
        words = ["cron", "explain", "@daily"]
        self.assertIn(b"\x1b[", self.on_terminal(*words, environment={"TERM": "xterm"}))
        self.assertNotIn(b"\x1b[", self.on_terminal(*words, environment={"TERM": "xterm", "NO_COLOR": "1"}))
        self.assertNotIn(b"\x1b[", self.on_terminal(*words, environment={"TERM": "dumb"}))
        self.assertNotIn("\x1b[", self.accepts(*words, environment={"TERM": "xterm"}))


class Completion(ProgramTest):
    def complete(self, *words):
        """What bash offers after these words, the last of which is being typed."""
        script = self.accepts("completion", "bash")
        line = " ".join("'" + word + "'" for word in words)
        script += f"\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _visor; echo \"${{COMPREPLY[@]}}\"\n"
        shell = shutil.which("bash")
        return subprocess.run([shell, "--norc", "-c", script], cwd=self.folder, capture_output=True, text=True, check=True).stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash(self):
        self.assertEqual(self.complete("visor", "sch"), ["schedule"])
        self.assertEqual(self.complete("visor", "schedule", "pa"), ["pause"])
        self.assertEqual(self.complete("visor", "job", "list", "--st"), ["--state"])
        self.assertEqual(self.complete("visor", "job", "list", "--state", "c"), ["completed", "cancelled"])
        self.assertEqual(self.complete("visor", "job", "list", "--limit", ""), [])
        self.assertEqual(self.complete("visor", "completion", "b"), ["bash"])
        self.write("", "some.yaml")
        self.assertEqual(self.complete("visor", "run", "--config", "so"), ["some.yaml"])

    def test_every_shell_gets_a_script_that_it_understands(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
            script = self.accepts("completion", shell)
            for command in COMMANDS:
                for word in command.split():
                    self.assertIn(word, script)
            if shutil.which(check[0]):
                path = self.write(script, "script." + shell)
                subprocess.run([*check, str(path)], check=True)

    def test_other_shells_are_refused(self):
        self.refuses("completion", "tcsh", code=2, says="(allowed: bash, zsh, fish)")


if __name__ == "__main__":
    main()
