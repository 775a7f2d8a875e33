"""The program on a PostgreSQL server: the quickstart, what is said when something is wrong with the server, and a server that crashes."""

import json
import signal
import time
import unittest

from program import SOURCE, ProgramTest, main
from servers import Postgres

PASSWORD = "correct horse"


class OnPostgres(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Postgres()
        cls.addClassCleanup(cls.server.end)

    def setUp(self):
        super().setUp()
        self.server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION visor", "visor")
        self.environment["PGPASSWORD_OF_TEST"] = PASSWORD

    def storage(self, **changes):
        connection = {"host": "localhost", "port": self.server.port, "database": "visor", "user": "visor",
                      "password": "${PGPASSWORD_OF_TEST}", "ssl": {"ca": str(self.server.root / "ca.pem")}}
        connection.update(changes)
        return {"driver": "postgresql", "connection": {key: value for key, value in connection.items() if value is not None}}

    def configure(self, rest="workflows:\n  greet: {command: [echo, hello]}\n", **changes):
        # JSON is YAML.
        self.write("scheduler: {storage: " + json.dumps(self.storage(**changes)) + "}\n" + rest)


class Working(OnPostgres):
    def test_the_quickstart(self):
        text = (SOURCE / "examples/quickstart/visor.yaml").read_text()
        self.write(text.replace("scheduler:\n", "scheduler:\n  storage: " + json.dumps(self.storage()) + "\n", 1))
        self.accepts("config", "check")
        self.assertEqual(self.run_program("run", "--for", "7s").returncode, 0)
        jobs = self.accepts_json("job", "list")
        self.assertGreaterEqual(len([job for job in jobs if job["type"] == "greet" and job["state"] == "completed"]), 3)
        fires = self.server.sql("SELECT count(*), count(DISTINCT (schedule, planned_at)) FROM visor_fire", "visor").split("|")
        self.assertEqual(fires[0], fires[1])
        self.assertEqual(len(self.accepts_json("schedule", "list")), 4)

    def test_jobs_from_another_process_start_at_once(self):
        self.configure()
        daemon = self.start("run", "--log-level", "debug")
        self.wait_until(lambda: self.server.sql("SELECT to_regclass('visor_node')", "visor") == "visor_node" and
                        self.server.sql("SELECT count(*) FROM visor_node WHERE state = 'online'", "visor") == "1")
        job = self.accepts_json("job", "enqueue", "greet")["id"]
        self.wait_until(lambda: self.accepts_json("job", "show", str(job))["state"] == "completed")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)

    def test_the_tables(self):
        self.configure()
        self.assertIn("✗ No", self.accepts("db", "status"))
        self.accepts("db", "init")
        self.assertIn("✓ Yes", self.accepts("db", "status"))
        self.accepts("db", "validate")
        self.server.sql("DROP INDEX visor_schedule_due", "visor")
        self.refuses("db", "validate", says="table visor_schedule lacks the index visor_schedule_due")
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
        self.accepts("db", "validate")
        self.accepts("db", "rollback", "--yes")
        self.assertEqual(self.server.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'visor%'", "visor"), "0")

    def test_a_connection_string(self):
        url = f"postgresql://visor:correct%20horse@localhost:{self.server.port}/visor?sslmode=verify-full&sslrootcert={self.server.root}/ca.pem"
        self.write("scheduler: {storage: {driver: postgresql, connection: {connection_string: '" + url + "'}}}\n")
        self.assertIn(f"Database: postgresql://visor@localhost:{self.server.port}/visor\n", self.accepts("db", "status"))
        self.write("scheduler: {storage: {driver: postgresql, connection: {connection_string: '" + url + "&sslmod=x'}}}\n")
        self.refuses("config", "check", says='has the option "sslmod", which is not known')

    def test_a_look_at_the_server(self):
        self.configure()
        found = self.accepts_json("db", "test")
        self.assertRegex(found["server"], r"^PostgreSQL \d\d")
        self.assertRegex(found["tls"], r"^TLSv1\.[23] \S+$")
        self.assertGreater(found["latency_us"], 0)
        self.assertLess(abs(found["clock_difference_us"]), 1_000_000)
        self.assertIn("TLSv1", self.accepts("db", "test"))
        self.assertEqual(self.server.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'visor%'", "visor"), "0")

    def test_tls_without_a_check_of_the_certificate(self):
        self.configure(ssl={"reject_unauthorized": False})
        daemon = self.start("run")
        self.wait_until(lambda: "t" in self.server.sql("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'visor'"))
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)

    def test_a_unix_socket(self):
        self.configure(host=str(self.server.root), user="postgres", password=None, ssl=None)
        place = self.accepts_json("db", "status")["database"]
        self.assertEqual(place, f"postgresql://postgres@:{self.server.port}/visor?host={self.server.root}")
        self.write("scheduler: {storage: {driver: postgresql, connection: {connection_string: '" + place + "'}}}\n")
        self.assertEqual(self.accepts_json("db", "status")["database"], place)

    def test_a_second_daemon_is_refused(self):
        self.configure()
        self.start("run")
        self.wait_until(lambda: self.server.sql("SELECT to_regclass('visor_node')", "visor") == "visor_node" and
                        self.server.sql("SELECT count(*) FROM visor_node WHERE state = 'online'", "visor") == "1")
        second = self.run_program("run", "--for", "2s")
        self.assertEqual(second.returncode, 1)
        self.assertIn("there can be only one", second.stderr)


class Wrong(OnPostgres):
    """Each message says what to do, and none shows a password."""

    def refused(self, says, **changes):
        self.configure(**changes)
        self.refuses("db", "status", says=says)
        result = self.refuses("db", "test", says=says)
        self.assertNotIn("horse", result)

    def test_the_password(self):
        self.environment["PGPASSWORD_OF_TEST"] = "wrong horse"
        self.refused(["refused the password of the user 'visor'", "check user and password"])

    def test_no_password(self):
        self.refused("wants a password for the user 'visor'", password=None)

    def test_the_database(self):
        self.refused(["there is no database 'nowhere'", "createdb"], database="nowhere")

    def test_the_user(self):
        self.refused("refused the password of the user 'nobody'", user="nobody")

    def test_the_host(self):
        self.refused("the host 'nowhere.invalid' is not known", host="nowhere.invalid")

    def test_a_stopped_server(self):
        self.refused(["cannot connect to localhost:1: is the server up?"], port=1)

    def test_the_authority(self):
        self.refused(["is not from a trusted authority", "tls.ca"], ssl={"ca": str(self.server.root / "other.pem")})

    def test_the_name_in_the_certificate(self):
        self.refused("is for another name", host="127.0.0.1")

    def test_a_missing_file(self):
        self.refused("check tls.ca", ssl={"ca": "/nowhere/ca.pem"})


class WithoutTls(OnPostgres):
    @classmethod
    def setUpClass(cls):
        cls.server = Postgres(tls=False)
        cls.addClassCleanup(cls.server.end)

    def test_a_server_without_tls_is_refused_before_any_password_is_sent(self):
        # A wrong one, of which the server would say so in its log.
        self.environment["PGPASSWORD_OF_TEST"] = "wrong horse"
        for ssl in ({"ca": "/etc/hostname"}, {"reject_unauthorized": False}):
            self.configure(ssl=ssl)
            self.refuses("db", "status", says="has no TLS, and tls.mode asks for it")
        told = lambda: "password authentication failed" in (self.server.root / "log").read_text()
        self.assertFalse(told())
        self.configure(ssl=None)
        self.refuses("db", "status", says="refused the password")
        self.assertTrue(told())


class Crashing(OnPostgres):
    def test_the_daemon_goes_on_when_the_server_is_back(self):
        self.configure("workflows:\n  greet: {command: [echo, hello], max_attempts: 5}\n")
        text = (self.folder / "visor.yaml").read_text()
        self.write(text.replace("scheduler: {storage", "scheduler: {cron: {tick: {schedule: '* * * * * *', workflow: greet}}, storage", 1))
        daemon = self.start("run")
        count = lambda: int(self.server.sql("SELECT count(*) FROM visor_attempt WHERE final_state = 'completed'", "visor"))
        self.wait_until(lambda: self.server.sql("SELECT to_regclass('visor_attempt')", "visor") != "" and count() >= 2)
        for _ in range(2):
            self.server.crash()
            time.sleep(1)
            self.server.start()
            back, before = time.monotonic(), count()
            self.wait_until(lambda: count() > before)
            self.assertLess(time.monotonic() - back, 20)
            self.assertIsNone(daemon.poll())
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(60), 0)
        # Each second fired once at most, and no job is left behind or has two ends.
        self.assertEqual(self.server.sql("SELECT count(*) - count(DISTINCT (schedule, planned_at)) FROM visor_fire", "visor"), "0")
        self.assertEqual(self.server.sql("SELECT count(*) FROM (SELECT job FROM visor_attempt WHERE final_state IS NOT NULL GROUP BY job "
                                         "HAVING count(*) > 1) AS twice", "visor"), "0")
        self.assertEqual(self.server.sql("SELECT count(*) FROM visor_lease", "visor"), "0")


if __name__ == "__main__":
    main()
