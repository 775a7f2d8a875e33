"""The program on SQL Server, where there is one. What is said when there is none needs none."""

import json
import signal
import sys

import server_tests
from program import SOURCE, main
from servers import SqlServer, free_port

if not SqlServer.is_there():
    print("skipped: there is no SQL Server. TEST_MSSQL_URL names one, mssql://user:password@host:port/master")
    sys.exit(0)


class OnSqlServer(server_tests.OnServer):
    SERVER = SqlServer
    TLS = False

    def storage(self, **changes):
        connection = {"host": self.server.HOST, "port": self.server.port, "database": self.server.database, "user": self.server.USER,
                      "password": "${PASSWORD_OF_TEST}"}
        connection.update(changes)
        return {"driver": "mssql", "connection": connection}

    def each_fire_is_one(self):
        # As a text: the client prints no seconds.
        fires = self.server.sql("SELECT schedule, CONVERT(varchar(30), planned_at, 126) FROM visor_fire", "visor").splitlines()
        self.assertGreater(len(fires), 3)
        self.assertEqual(len(fires), len(set(fires)))


class Working(OnSqlServer):
    def completed(self, workflow):
        return [job for job in self.accepts_json("job", "list") if job["type"] == workflow and job["state"] == "completed"]

    def test_the_quickstart(self):
        text = (SOURCE / "examples/quickstart/visor.yaml").read_text()
        self.write(text.replace("scheduler:\n", "scheduler:\n  storage: " + json.dumps(self.storage()) + "\n", 1))
        self.accepts("config", "check")
        daemon = self.start("run")
        self.wait_until(self.is_online, 60)
        self.wait_until(lambda: len(self.completed("greet")) >= 3, 60)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(60), 0)
        self.each_fire_is_one()
        self.assertEqual(len(self.accepts_json("schedule", "list")), 4)

    test_jobs_from_another_process_run = server_tests.Working.test_jobs_from_another_process_run

    def test_what_is_found_there(self):
        self.configure()
        found = self.accepts("db", "test")
        self.assertRegex(found, "SQL Server")
        self.assertRegex(found, "latency|round trip")

    def test_tables_come_and_go(self):
        self.configure()
        self.accepts("db", "init")
        self.accepts("db", "validate")
        self.server.sql("ALTER TABLE visor_job ADD mine int", "visor")
        self.refuses("db", "validate", says="mine")
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
        self.accepts("db", "validate")

    def test_a_daemon_that_is_killed_leaves_nothing_undone(self):
        self.configure("workflows:\n  think: {command: [sleep, '0.3'], max_attempts: 9}\n")
        daemon = self.start("run")
        self.wait_until(self.is_online)
        jobs = {self.accepts_json("job", "enqueue", "think")["id"] for _ in range(3)}
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(30)
        again = self.start("run")
        self.wait_until(lambda: jobs <= {job["id"] for job in self.completed("think")}, 60)
        again.send_signal(signal.SIGTERM)
        self.assertEqual(again.wait(60), 0)


class Wrong(OnSqlServer):
    def test_password(self):
        self.environment["PASSWORD_OF_TEST"] = "Wrong_Password_1"
        self.configure()
        self.refuses("db", "test", says=["refused the user", "or the password: check both"])

    def test_database(self):
        self.configure(database="nowhere")
        self.refuses("db", "test", says=["there is no database 'nowhere'", "CREATE DATABASE [nowhere]"])

    def test_nobody_there(self):
        self.configure(port=free_port(), host="127.0.0.1")
        self.refuses("db", "test", says="is the server up?")


if __name__ == "__main__":
    main()
