"""visor db and visor drivers"""

import re
import shutil
import sqlite3
import time

from program import CONFIG, ProgramTest, main

DATABASE = ".visor/schedules.db"


class Tables(ProgramTest):
    def change(self, statement):
        database = sqlite3.connect(self.folder / DATABASE)
        with database:
            database.execute(statement)
        database.close()

    def test_status_before_and_after(self):
        self.assertEqual(self.accepts("db", "status"),
                         "Database Status\nDatabase: sqlite .visor/schedules.db\nInitialized: ✗ No\nTables (0):\n")
        self.assertFalse((self.folder / DATABASE).exists(), "made by looking")
        self.assertIn("initialized: sqlite .visor/schedules.db has version 6", self.accepts("db", "init"))
        lines = self.accepts("db", "status").splitlines()
        self.assertEqual((lines[0], lines[2]), ("Database Status", "Initialized: ✓ Yes"))
        at = next(i for i, line in enumerate(lines) if line.startswith("Tables ("))
        tables = lines[at + 1:]
        self.assertEqual(lines[at], f"Tables ({len(tables)}):")
        self.assertEqual(tables, sorted(tables))
        self.assertIn("  • visor_job", tables)
        database = sqlite3.connect(self.folder / DATABASE)
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'visor%'")}
        database.close()
        self.assertEqual({line[4:] for line in tables}, there)
        status = self.accepts_json("db", "status")
        self.assertEqual((status["initialized"], status["version"], set(status["tables"])), (True, status["newest"], there))

    def test_init_and_migrate_may_be_repeated(self):
        self.accepts("db", "init")
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet")
        self.assertIn("initialized already", self.accepts("db", "init"))
        self.assertIn("up to date", self.accepts("db", "migrate"))
        self.assertEqual(len(self.accepts_json("job", "list")), 1)

    def test_migrate_makes_everything_too(self):
        self.assertIn("applied", self.accepts("db", "migrate"))
        self.accepts("db", "validate")

    def test_validate(self):
        self.refuses("db", "validate", says="db init")
        self.accepts("db", "init")
        self.assertIn("valid", self.accepts("db", "validate"))
        self.change("ALTER TABLE visor_job ADD COLUMN mine TEXT")
        self.change("DROP TABLE visor_fire")
        self.refuses("db", "validate", says=["visor_job", "mine", "visor_fire is missing"], lines=2)

    def test_tables_made_with_other_statements(self):
        self.accepts("db", "init")
        self.change("UPDATE visor_migration SET checksum = '0123456789abcdef' WHERE version = 1")
        for command in (["db", "init"], ["db", "migrate"], ["db", "validate"], ["job", "list"]):
            self.refuses(*command, says=["version 1 of the tables", "db validate", "db reset"])
        self.assertIn("has version 6, without data", self.run_program("db", "reset", "--yes").stdout)
        self.accepts("db", "validate")

    def test_a_version_that_is_not_recorded(self):
        self.accepts("db", "init")
        self.change("DELETE FROM visor_migration WHERE version = 2")
        for command in (["db", "validate"], ["job", "list"], ["db", "restored"]):
            self.refuses(*command, says="validate" if "restored" in command else ["version 2", "is not recorded", "db migrate"])
        self.assertIn("1 version applied", self.accepts("db", "migrate"))
        self.accepts("db", "validate")

    def test_jobs_are_not_removed_where_no_version_is_recorded(self):
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet")
        self.change("DELETE FROM visor_migration")
        for command in (["db", "init"], ["db", "migrate"]):
            self.refuses(*command, says=["hold jobs", "visor_migration", "backup"])
        database = sqlite3.connect(self.folder / DATABASE)
        self.assertEqual(database.execute("SELECT count(*) FROM visor_job").fetchone(), (1,))
        database.close()

    def test_a_restored_database(self):
        self.write(CONFIG)
        first = self.accepts_json("job", "enqueue", "greet")["id"]
        shutil.copy(self.folder / DATABASE, self.folder / "backup")
        generation = self.generation()
        second = self.accepts_json("job", "enqueue", "greet")["id"]
        self.assertGreater(second, first + 2**32)
        time.sleep(1)
        shutil.copy(self.folder / "backup", self.folder / DATABASE)
        again = self.generation()
        self.assertGreater(again, generation)
        third = self.accepts_json("job", "enqueue", "greet")["id"]
        self.assertGreater(third, second)
        self.assertGreater(self.generation(), again)
        fourth = self.accepts_json("job", "enqueue", "greet")["id"]
        self.assertGreater(fourth, third)
        self.assertLess(fourth, 2**53)

    def generation(self):
        return int(re.match("generation ([0-9]+):", self.accepts("db", "restored"))[1])

    def test_rollback(self):
        self.refuses("db", "rollback", "--yes", says="no database yet")
        self.accepts("db", "init")
        self.refuses("db", "rollback", "--steps", "5", says="--yes")
        self.refuses("db", "rollback", "--steps", "0", code=2, says="--steps")
        self.refuses("db", "rollback", says=["what 1 version brought", "--yes"])
        self.accepts("db", "validate")
        self.assertIn("1 version taken back", self.accepts("db", "rollback", "--yes"))
        self.assertIn("4 versions taken back", self.accepts("db", "rollback", "--steps", "4", "--yes"))
        self.refuses("db", "rollback", says=["every table", "--yes"])
        self.assertIn("5 versions applied", self.accepts("db", "migrate"))
        self.accepts("db", "validate")
        self.assertIn("6 versions taken back", self.accepts("db", "rollback", "--steps", "6", "--yes"))
        self.assertIn("✗ No", self.accepts("db", "status"))
        self.refuses("db", "rollback", "--yes", says="nothing to take back")
        self.accepts("db", "init")
        self.accepts("db", "validate")

    def test_a_look_makes_nothing(self):
        self.assertIn("not there yet", self.accepts("db", "test"))
        self.assertEqual(list(self.folder.iterdir()), [])
        self.accepts("db", "init")
        self.assertRegex(self.accepts_json("db", "test")["server"], r"^SQLite 3\.")

    def test_reset(self):
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet")
        self.refuses("db", "reset", says="--yes")
        self.assertEqual(len(self.accepts_json("job", "list")), 1)
        result = self.run_program("db", "reset", "--yes")
        self.assertEqual((result.returncode, result.stdout.split(":")[0]), (0, "reset"))
        self.assertIn("warning: all schedules, jobs and their history", result.stderr)
        self.assertEqual(self.accepts_json("job", "list"), [])

    def test_reset_mends_what_validate_finds(self):
        self.accepts("db", "init")
        self.change("DROP TABLE visor_fire")
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
        self.accepts("db", "validate")

    def test_tables_of_a_newer_program(self):
        self.accepts("db", "init")
        self.change("INSERT INTO visor_migration SELECT 99, 'from the future', checksum, applied_at FROM visor_migration WHERE version = 1")
        for words in (["db", "init"], ["db", "migrate"], ["db", "rollback", "--yes"], ["job", "list"]):
            self.refuses(*words, says=["99", "newer"])

    def test_tables_are_made_when_they_are_first_needed(self):
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet")
        self.accepts("db", "validate")

    def test_auto_init_off(self):
        self.write("scheduler: {storage: {auto_init: false}}\n" + CONFIG)
        self.refuses("job", "enqueue", "greet", says="db init")
        self.accepts("db", "init")
        self.accepts("job", "enqueue", "greet")


class Drivers(ProgramTest):
    def test_list(self):
        drivers = {each["name"]: each for each in self.accepts_json("drivers")}
        self.assertIn("sqlite", drivers)
        self.assertRegex(drivers["sqlite"]["library"], r"^SQLite 3\.\d+")
        text = self.accepts("drivers")
        for name in drivers:
            self.assertRegex(text, rf"(?m)^{name} ")

    def test_what_would_override_the_settings_of_sql_server(self):
        if "mssql" not in {each["name"] for each in self.accepts_json("drivers")}:
            self.skipTest("this program has no mssql")
        self.write("scheduler: {storage: {driver: mssql, connection: {host: db.invalid, user: me, ssl: true}}}\n")
        for name in ("FREETDSCONF", "TDSVER", "TDSPORT"):
            said = self.run_program("db", "test", environment={name: "8"})
            self.assertEqual((said.returncode, said.stdout), (1, ""))
            self.assertIn(f"the environment variable {name} would override", said.stderr)


if __name__ == "__main__":
    main()
