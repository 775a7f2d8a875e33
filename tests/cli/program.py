"""Runs the real program in a folder of its own, with an environment of its own."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ.get("VISOR_PROGRAM", "visor")
SOURCE = pathlib.Path(os.environ.get("VISOR_SOURCE", pathlib.Path(__file__).parents[2]))
SLOWNESS = float(os.environ.get("VISOR_TEST_SLOWNESS", "1"))

CONFIG = """\
workflows:
  greet:
    command: "echo hello $VISOR_INPUT_NAME"
    shell: true
  report:
    command: ["cat"]
    max_attempts: 3
    backoff: {kind: fixed, base: 100ms}
"""


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="visor-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        keep = ("HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ}
        self.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

    def write(self, text, name="visor.yaml"):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run_program(self, *words, stdin=None, environment=None, timeout=60):
        result = subprocess.run(
            [PROGRAM, *words], cwd=self.folder, env={**self.environment, **(environment or {})}, input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOWNESS)
        result.stdout = result.stdout.decode()
        result.stderr = result.stderr.decode()
        return result

    def start(self, *words, environment=None, under=()):
        """Begins it, and sees to its end. Under other programs it must be in their place, as nohup and env are."""
        process = subprocess.Popen([*under, PROGRAM, *words], cwd=self.folder, env={**self.environment, **(environment or {})},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def wait_until(self, condition, seconds=20):
        """Looks again and again, and fails when it is not so in time."""
        end = time.monotonic() + seconds * SLOWNESS
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not come to that")
            time.sleep(0.05)

    def accepts(self, *words, **how):
        """Runs it, expects success, and gives what it printed."""
        result = self.run_program(*words, **how)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return result.stdout

    def accepts_json(self, *words, **how):
        return json.loads(self.accepts(*words, "--json", **how))

    def refuses(self, *words, code=1, says=(), lines=1, **how):
        """Runs it, expects failure with so many lines (any, for None) on standard error, nothing on standard output, and each of the texts."""
        result = self.run_program(*words, **how)
        self.assertEqual((result.returncode, result.stdout), (code, ""), (words, result.stderr))
        said = result.stderr.splitlines()
        if lines is not None:
            self.assertEqual(len(said), lines, result.stderr)
        for line in said:
            self.assertRegex(line, r"^visor: \S", result.stderr)
            self.assertNotRegex(line, r"[\x00-\x1f\x7f]")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.stderr)
        return result.stderr


def main():
    unittest.main(module="__main__")
