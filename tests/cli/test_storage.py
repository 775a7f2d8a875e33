"""Databases that cannot be used: a clear line, and nothing half stored."""

import os
import shutil
import sqlite3
import subprocess
import unittest

from program import CONFIG, PROGRAM, ProgramTest, main

DATABASE = ".visor/schedules.db"
EVERYTHING = [["job", "list"], ["job", "enqueue", "greet"], ["schedule", "list"], ["schedule", "create", "greet", "--at", "@daily"],
              ["db", "status"], ["db", "init"], ["run", "--for", "0s"]]


def can_mount():
    """Whether file systems can be mounted, in a namespace that ends with its process."""
    tool = shutil.which("unshare")
    return tool is not None and subprocess.run([*inside("/tmp"), "true"], capture_output=True).returncode == 0


def inside(folder, size="4m"):
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f'mount -t tmpfs -o size={size} none "{folder}" && cd "{folder}" && exec "$@"'
    return ["unshare", *user, "--mount", "sh", "-c", mount, "sh"]


class Unusable(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write(CONFIG)

    def all_refuse(self, *says, commands=EVERYTHING):
        for words in commands:
            with self.subTest(words=words):
                result = self.run_program(*words)
                self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
                last = result.stderr.splitlines()[-1]
                self.assertRegex(last, r"^visor: ")
                self.assertEqual(result.stderr.count("visor: "), 1, result.stderr)
                for text in says:
                    self.assertIn(text, last)

    def test_not_a_database(self):
        (self.folder / ".visor").mkdir()
        text = b"this is a text file, and quite a long one\n" * 100
        (self.folder / DATABASE).write_bytes(text)
        self.all_refuse(DATABASE)
        self.assertEqual((self.folder / DATABASE).read_bytes(), text, "it was changed")

    def test_a_damaged_database(self):
        self.accepts("db", "init")
        with open(self.folder / DATABASE, "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 8192)
        for words in EVERYTHING:
            result = self.run_program(*words)
            self.assertNotIn("terminate", result.stderr)
            self.assertIn(result.returncode, (0, 1))

    def test_a_folder_in_its_place(self):
        (self.folder / DATABASE).mkdir(parents=True)
        self.all_refuse(DATABASE, "folder")

    def test_a_file_in_the_place_of_its_folder(self):
        (self.folder / ".visor").write_text("")
        self.all_refuse(".visor", commands=[words for words in EVERYTHING if words[-1] not in ("list", "status")])

    def test_tables_of_somebody_else(self):
        (self.folder / ".visor").mkdir()
        database = sqlite3.connect(self.folder / DATABASE)
        database.execute("CREATE TABLE visor_job (mine TEXT)")
        database.close()
        self.all_refuse("visor", commands=[["job", "list"], ["job", "enqueue", "greet"], ["db", "init"], ["run", "--for", "0s"]])

    def test_an_empty_file_is_fine(self):
        (self.folder / ".visor").mkdir()
        (self.folder / DATABASE).write_bytes(b"")
        self.assertEqual(self.accepts_json("job", "list"), [])

    def test_locked(self):
        self.accepts("db", "init")
        database = sqlite3.connect(self.folder / DATABASE, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        self.refuses("job", "enqueue", "greet", says=[DATABASE, "locked"])
        database.execute("ROLLBACK")
        self.accepts("job", "enqueue", "greet")
        database.close()

    def test_links_that_lead_nowhere(self):
        (self.folder / ".visor").mkdir()
        (self.folder / DATABASE).symlink_to("nowhere/at/all.db")
        self.refuses("job", "enqueue", "greet", says=DATABASE)

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_folder_that_may_not_be_written(self):
        self.folder.chmod(0o555)
        self.addCleanup(self.folder.chmod, 0o755)
        self.refuses("job", "enqueue", "greet", says=".visor")


@unittest.skipUnless(can_mount(), "no file system can be mounted here")
class FileSystems(ProgramTest):
    def shell(self, script, size="4m"):
        config = self.write(CONFIG)
        place = self.folder / "mounted"
        place.mkdir()
        command = ["sh", "-c", script, "sh", PROGRAM, str(config)]
        return subprocess.run([*inside(place, size), *command], env=self.environment, capture_output=True, text=True)

    def test_read_only(self):
        result = self.shell('"$1" db init && "$1" job enqueue greet --config "$2" && mount -o remount,bind,ro "$PWD" && '
                            '"$1" job list --config "$2"; "$1" job enqueue greet --config "$2"')
        self.assertEqual(result.returncode, 1, result)
        last = result.stderr.splitlines()[-1]
        self.assertRegex(last, r"^visor: .*schedules\.db")
        self.assertRegex(last, r"(?i)read.only|cannot be written|writable")

    def test_full_disk(self):
        result = self.shell('"$1" db init >/dev/null && dd if=/dev/zero of=filler bs=4096 2>/dev/null; i=0; '
                            'while [ $i -lt 200 ] && last="$("$1" job enqueue greet --config "$2" 2>&1 >/dev/null)"; do i=$((i+1)); done; '
                            'echo "$last" >&2; rm filler; "$1" db validate && "$1" job list --limit 1000 --json && echo $i', size="1m")
        self.assertEqual(result.returncode, 0, result)
        (line,) = result.stderr.splitlines()
        self.assertRegex(line, r"^visor: .*schedules\.db")
        self.assertIn("disk", line)
        # What was acknowledged is there, and nothing else.
        stored = result.stdout.count('"id":')
        self.assertEqual(stored, int(result.stdout.splitlines()[-1]))

    def test_more_than_there_is_room_for(self):
        result = self.shell('"$1" db init >/dev/null; (printf "\\""; head -c 8000000 /dev/zero | tr "\\0" x; printf "\\"") | '
                            '"$1" job enqueue greet --config "$2" --payload -; "$1" db validate >/dev/null && "$1" job list --json')
        self.assertEqual((result.returncode, result.stdout), (0, "[]\n"), result)
        (line,) = result.stderr.splitlines()
        self.assertRegex(line, r"^visor: .*schedules\.db.*full")


if __name__ == "__main__":
    main()
