"""Tests of scripts/install-dependencies, with an apt-get that installs nothing."""

import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest

INSTALL = pathlib.Path(__file__).parents[2] / "scripts/install-dependencies"

# Fetches, and then waits until somebody tells it to go on.
APT_GET = """\
#!/bin/sh
case "$*" in
  *--simulate*) printf 'Inst one\\nInst two\\n' ;;
  *" install "*)
    printf 'Get:1 one\\nGet:2 two\\n'
    read -r result <"$GO_ON"
    printf 'Unpacking one\\nSetting up one\\nE: not two\\n'
    exit "$result"
    ;;
esac
"""


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="visor-install-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.put("apt-get", APT_GET)
        self.put("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.put("sudo", '#!/bin/sh\nexec "$@"\n')
        self.go_on = self.folder / "go-on"
        os.mkfifo(self.go_on)

    def put(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def start(self):
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "GO_ON": str(self.go_on)}
        process = subprocess.Popen([INSTALL, "build"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(process.communicate)
        limit = threading.Timer(20, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        self.addCleanup(limit.cancel)
        return process

    def test_what_it_does_is_shown_while_it_does_it(self):
        process = self.start()
        # apt-get is told to go on afterwards: were it shown at the end, it would never be.
        while "fetched 2 of 2" not in (line := process.stdout.readline()):
            self.assertTrue(line, "nothing in time")
        self.go_on.write_text("0\n")
        rest, errors = process.communicate()
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertEqual(rest, "    unpacked 1 of 2\n    set up 1 of 2\n")

    def test_a_failure_ends_with_what_apt_said(self):
        process = self.start()
        self.go_on.write_text("100\n")
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertTrue(errors.endswith("E: not two\ninstall-dependencies: apt-get install failed\n"), errors)


if __name__ == "__main__":
    unittest.main()
