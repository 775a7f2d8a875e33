"""visor bench: what it tells, that it leaves nothing behind, and what it refuses. How fast anything is, is nobody's business here."""

import os
import pathlib
import sqlite3
import sys
import unittest

from program import SLOWNESS, ProgramTest, main
from servers import MariaDB, Postgres

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks/suite"))
import suite  # noqa: E402

SCENARIOS = ("burn-down", "steady", "one-at-a-time", "bulk-enqueue", "schedule-storm", "deep-queue", "pinned-xmin", "mixed")
FIELDS = {"scenario", "driver", "jobs", "batch", "nodes", "seconds", "jobs_per_second", "client_cpu_seconds", "resident_bytes",
          "statements_per_job", "wal_bytes_per_job", "latencies", "version", "library", "server"}
LATENCIES = {"steady": {"start", "acknowledge"}, "deep-queue": {"claim", "complete"}, "pinned-xmin": {"claim", "complete"}}
BY_HAND = ("deep-queue", "pinned-xmin")


class Bench:
    WHERE = ()
    TELLS_WAL = TELLS_STATEMENTS = False
    SCENARIOS = SCENARIOS

    def bench(self, scenario, *more, jobs=120):
        own = {"steady": ("--rate", 500), "deep-queue": ("--depth", 300), "mixed": ("--long-work", "10ms")}.get(scenario, ())
        return self.accepts_json("bench", scenario, *self.WHERE, "--jobs", str(jobs), *map(str, (*own, *more)), timeout=120)

    def test_each_scenario(self):
        for scenario in self.SCENARIOS:
            with self.subTest(scenario):
                batch = () if scenario == "one-at-a-time" else ("--batch", 20)
                told = self.bench(scenario, *batch)
                self.assertLessEqual(FIELDS, told.keys())
                self.assertEqual((told["scenario"], told["jobs"], told["batch"]), (scenario, 120, 20 if batch else 1))
                self.assertGreater(told["seconds"], 0)
                self.assertAlmostEqual(told["jobs_per_second"], 120 / told["seconds"], delta=1)
                self.assertEqual(told["latencies"].keys(), LATENCIES.get(scenario, set()))
                for lengths in told["latencies"].values():
                    self.assertLessEqual(lengths["p50_ms"], lengths["p99_ms"])
                    self.assertLessEqual(lengths["p99_ms"], lengths["max_ms"])
                    self.assertGreater(sum(count for _, count in lengths["histogram"]), 0)
                if self.TELLS_WAL and scenario != "deep-queue":
                    self.assertGreater(told["wal_bytes_per_job"], 100)
                if self.TELLS_STATEMENTS and scenario not in (*BY_HAND, "bulk-enqueue"):
                    self.assertGreater(told["statements_per_job"], 0)
                self.leaves_nothing()

    def leaves_nothing(self):
        pass


class Memory(Bench, ProgramTest):
    WHERE = ("--driver", "memory")
    SCENARIOS = tuple(each for each in SCENARIOS if each not in BY_HAND)

    def test_what_needs_a_database_that_lasts(self):
        for scenario in BY_HAND:
            self.refuses("bench", scenario, *self.WHERE, says="needs a driver that lasts")

    def test_a_table_is_what_people_get(self):
        told = self.accepts("bench", "steady", *self.WHERE, "--jobs", "50", "--rate", "1000")
        for text in ("scenario", "steady", "jobs/s", "P99.9", "start"):
            self.assertIn(text, told)

    def test_what_is_refused(self):
        for words, says in (
                (("burndown",), "did you mean 'burn-down'?"),
                (("burn-down", "--jobs", "0"), "--jobs"),
                (("burn-down", "--batch", "100001"), "--batch"),
                (("burn-down", "--nodes", "9"), "--nodes"),
                (("burn-down", "--rate", "5"), "--rate belongs to the scenario steady"),
                (("one-at-a-time", "--batch", "2"), "one-at-a-time takes one"),
                (("deep-queue", "--nodes", "2"), "--nodes cannot be 2"),
                (("burn-down", "--driver", "oracle"), "oracle"),
                ((), "scenario")):
            with self.subTest(words):
                self.refuses("bench", *words, code=2, says=says)
        self.refuses("bench", "burn-down", *self.WHERE, "--nodes", "2", says="one node alone")


class SQLite(Bench, ProgramTest):
    WHERE = ("--driver", "sqlite", "--file", "kept.db")

    def leaves_nothing(self):
        self.assertEqual(list(self.folder.glob("kept.db*")), [])

    def test_the_database_of_the_configuration_is_left_alone(self):
        self.write("scheduler: {storage: {connection: {filename: kept.db}}}\nworkflows: {greet: {command: [echo]}}\n")
        self.accepts("job", "enqueue", "greet")
        before = (self.folder / "kept.db").read_bytes()
        self.accepts("bench", "burn-down", "--jobs", "50")
        self.assertEqual((self.folder / "kept.db").read_bytes(), before)
        self.assertEqual(len(self.accepts_json("job", "list")), 1)

    def test_what_is_there_stays_unless_it_may_go(self):
        self.write("precious", "kept.db.visor_bench")
        self.refuses("bench", "burn-down", *self.WHERE, says=("kept.db.visor_bench", "--replace"))
        self.assertEqual((self.folder / "kept.db.visor_bench").read_text(), "precious")
        self.bench("burn-down", "--replace")


    def test_a_job_that_fails_ends_the_run(self):
        process = self.start("bench", "steady", *self.WHERE, "--jobs", "3000", "--rate", "100")

        def spoils():
            try:
                with sqlite3.connect(self.folder / "kept.db.visor_bench", timeout=5) as database:
                    database.execute("CREATE TRIGGER spoil AFTER INSERT ON visor_job BEGIN UPDATE visor_job SET payload = '7' WHERE id = new.id; END")
                return True
            except sqlite3.Error:
                return False

        self.wait_until(lambda: (self.folder / "kept.db.visor_bench").exists() and spoils())
        _, said = process.communicate(timeout=60 * SLOWNESS)
        self.assertEqual(process.returncode, 1, said)
        self.assertIn("the run does not count: a job failed: ", said)
        self.leaves_nothing()


class OnServer:
    """What both servers have."""

    TELLS_WAL = TELLS_STATEMENTS = True

    @classmethod
    def setUpClass(cls):
        cls.server = cls.SERVER(tls=False)
        cls.addClassCleanup(cls.server.end)
        cls.WHERE = ("--url", cls.url(cls.server))

    def leaves_nothing(self):
        self.assertEqual(self.sandboxes(), 0)
        self.assertEqual(self.server.tables(), 0)

    def test_several_nodes(self):
        self.assertEqual(self.bench("burn-down", "--nodes", 3, "--batch", 7)["nodes"], 3)

    def test_what_is_there_stays_unless_it_may_go(self):
        self.make_sandbox()
        self.refuses("bench", "burn-down", *self.WHERE, says=("visor_bench", "--replace"))
        self.assertEqual(self.sandboxes(), 1)
        self.bench("burn-down", "--replace")
        self.leaves_nothing()


class OnPostgreSQL(OnServer, Bench, ProgramTest):
    SERVER = Postgres

    @staticmethod
    def url(server):
        return f"postgresql://postgres@:{server.port}/visor?host={server.root}"

    def sandboxes(self):
        return int(self.server.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'visor%'", "visor"))

    def make_sandbox(self):
        self.server.sql("CREATE SCHEMA visor_bench", "visor")


class OnMariaDB(OnServer, Bench, ProgramTest):
    SERVER = MariaDB

    @staticmethod
    def url(server):
        return f"mysql://root@localhost/visor?host={server.root}/mysqld.sock"

    def sandboxes(self):
        return int(self.server.sql("SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'visor!_%' ESCAPE '!'"))

    def make_sandbox(self):
        self.server.sql("CREATE DATABASE visor_bench")


@unittest.skipUnless(os.environ.get("VISOR_FLOORS"), "VISOR_FLOORS names no folder")
class Floors(unittest.TestCase):
    """The programs that do the same by hand know today's tables and statements; each checks by itself that every job was done."""

    def test_each(self):
        for driver in suite.BACKENDS:
            bench = suite.Bench(driver)
            self.addCleanup(bench.backend.end)
            for scenario, how in (("burn-down", {"batch": 20}), ("one-at-a-time", {}), ("bulk-enqueue", {"batch": 50})):
                with self.subTest(driver=driver, scenario=scenario):
                    self.assertEqual(bench.floor(scenario, jobs=120, **how)["jobs"], 120)


if __name__ == "__main__":
    main()
