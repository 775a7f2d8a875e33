"""The program on a database server: the quickstart, TLS, what is said when something is wrong with the server, and a server that crashes.
What is special to one is in the file of its tests, which give SERVER and what its messages SAY."""

import base64
import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from program import PROGRAM, SLOWNESS, SOURCE, ProgramTest
from servers import free_port

class OnServer(ProgramTest):
    SERVER = None
    TLS = True

    @classmethod
    def setUpClass(cls):
        cls.server = cls.SERVER(tls=cls.TLS)
        cls.addClassCleanup(cls.server.end)

    def setUp(self):
        super().setUp()
        self.server.clear()
        self.environment["PASSWORD_OF_TEST"] = self.server.PASSWORD

    def count(self, what, condition="1 = 1"):
        return int(self.server.sql(f"SELECT count(*) FROM {what} WHERE {condition}", "visor"))

    def is_online(self):
        return self.server.tables() > 10 and self.count("visor_node", "state = 'online'") == 1

    def storage(self, **changes):
        connection = {"host": "localhost", "port": self.server.port, "database": "visor", "user": "visor",
                      "password": "${PASSWORD_OF_TEST}", "ssl": {"ca": str(self.server.root / "ca.pem")}}
        connection.update(changes)
        return {"driver": self.server.DRIVER, "connection": {key: value for key, value in connection.items() if value is not None}}

    def configure(self, rest="workflows:\n  greet: {command: [echo, hello]}\n", **changes):
        # JSON is YAML.
        self.write("scheduler: {storage: " + json.dumps(self.storage(**changes)) + "}\n" + rest)

    def configure_url(self, url):
        self.write("scheduler: {storage: " + json.dumps({"driver": self.server.DRIVER, "connection": {"connection_string": url}}) + "}\n")

    def url(self, options="", user="visor"):
        return f"{self.server.DRIVER}://{user}:correct%20horse@localhost:{self.server.port}/visor?{options}"

    def each_fire_is_one(self):
        fires = self.server.sql("SELECT schedule, planned_at FROM visor_fire", "visor").splitlines()
        self.assertEqual(len(fires), len(set(fires)))


class Working(OnServer):
    def test_the_quickstart(self):
        text = (SOURCE / "examples/quickstart/visor.yaml").read_text()
        self.write(text.replace("scheduler:\n", "scheduler:\n  storage: " + json.dumps(self.storage()) + "\n", 1))
        self.accepts("config", "check")
        daemon = self.start("run")
        self.wait_until(self.is_online)
        self.wait_until(lambda: len([job for job in self.accepts_json("job", "list") if job["type"] == "greet" and job["state"] == "completed"]) >= 3)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)
        self.each_fire_is_one()
        self.assertEqual(len(self.accepts_json("schedule", "list")), 4)

    def test_jobs_from_another_process_run(self):
        self.configure()
        daemon = self.start("run", "--log-level", "debug")
        self.wait_until(self.is_online)
        job = self.accepts_json("job", "enqueue", "greet")["id"]
        self.wait_until(lambda: self.accepts_json("job", "show", str(job))["state"] == "completed")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)

    def test_the_table_of_nodes_says_which_of_them_could_run_a_job(self):
        types = [f"w{i}" for i in range(6)]
        nodes = {"first": [*types, "mail"], "second": types, "third": ["sms"]}
        files = {}
        for name, own in nodes.items():
            part = {"storage": self.storage(), "ha": {"enabled": True, "node_id": name, "lock_ttl": "60s"}}
            files[name] = self.write(json.dumps({"scheduler": part, "workflows": {each: {"command": ["true"]} for each in own}}), name + ".yaml")

        def runs(node):
            line = next(each for each in self.accepts("node", "list", "--config", str(files["first"])).splitlines() if each.startswith(node + " "))
            return line.rstrip().rsplit("  ", 1)[1]

        def are_online(count):
            return self.server.tables() > 10 and self.count("visor_node", "state = 'online'") == count

        for number, name in enumerate(("first", "second")):
            self.start("run", "--config", str(files[name]))
            self.wait_until(lambda: are_online(number + 1))
        self.assertEqual([runs("first"), runs("second")], ["6 types of all online nodes; mail", "6 types, which all online nodes run"])
        self.start("run", "--config", str(files["third"]))
        self.wait_until(lambda: are_online(3))
        self.assertEqual([runs(each) for each in ("first", "second", "third")],
                         ["mail, w0, w1, w2 and 3 more", "w0, w1, w2, w3 and 2 more", "sms"])

    def test_connections_and_statements_are_logged_for_who_asks(self):
        self.configure()
        said = self.run_program("run", "--for", "1s", environment={"DB_LOG_CONNECTIONS": "true", "DB_LOG_QUERIES": "true"}).stderr
        self.assertIn("made a connection to the database 'visor' at localhost:", said)
        self.assertIn("closed a connection (shutdown) to the database 'visor' at localhost:", said)
        self.assertRegex(said, r"statement, (\d+ms)?\d+us, 1 rows, \d+ parameters: INSERT INTO .visor_node")
        self.assertNotIn("horse", said)
        said = self.run_program("run", "--for", "1s", "--log-level", "debug").stderr
        self.assertNotIn("connection", said)
        self.assertNotIn("statement", said)

    def test_the_tables(self):
        self.configure()
        self.assertIn("✗ No", self.accepts("db", "status"))
        self.accepts("db", "init")
        self.assertIn("✓ Yes", self.accepts("db", "status"))
        self.accepts("db", "validate")
        self.server.drop_index("visor_schedule", "visor_schedule_due")
        self.refuses("db", "validate", says="table visor_schedule lacks the index visor_schedule_due")
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
        for table, columns in (("visor_fire", "schedule, planned_at"), ("visor_ready", "queue, priority, run_at, job")):
            remedy = f"ALTER TABLE {table} ADD primary key ({columns})"
            self.server.drop_primary_key(table)
            self.refuses("db", "validate", says=f"table {table} lacks the primary key ({columns}): add it, as {remedy}")
            self.server.sql(remedy, "visor")
            self.accepts("db", "validate")
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
        self.accepts("db", "validate")
        self.accepts("db", "rollback", "--yes")
        self.accepts("db", "migrate")
        self.accepts("db", "validate")
        self.accepts("db", "rollback", "--steps", "6", "--yes")
        self.assertEqual(self.server.tables(), 0)

    def test_a_migration_is_refused_while_older_nodes_run(self):
        self.configure()
        self.accepts("db", "init")
        self.accepts("db", "rollback", "--yes")
        self.server.sql("INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) VALUES "
                        f"('old one', 'elsewhere pid 7', 'online', 1, {self.server.LATER}, false, 1, {self.server.LATER}, '0.9')", "visor")
        for flags in ([], ["--with-nodes-running"]):
            self.refuses("db", "migrate", *flags, says=["'old one' (elsewhere pid 7, visor 0.9)", "is not for nodes of an older program"])
        self.refuses("db", "rollback", "--yes", says="'old one'")
        self.server.sql("UPDATE visor_node SET state = 'offline'", "visor")
        self.accepts("db", "migrate")

    def test_a_migration_that_waits_for_a_transaction_keeps_nobody_waiting_for_long(self):
        self.configure()
        self.accepts("db", "init")
        self.accepts("db", "rollback", "--steps", "3", "--yes")
        user = self.server.hold("visor_job", "visor_node", seconds=7)
        began = time.monotonic()
        migration = self.start("db", "migrate")
        longest = 0
        while migration.poll() is None:
            asked = time.monotonic()
            self.server.sql("SELECT count(*) FROM visor_job", "visor")
            longest = max(longest, time.monotonic() - asked)
            time.sleep(0.05)
        self.assertEqual(user.wait(), 0)
        said = migration.stderr.read()
        self.assertEqual(migration.returncode, 0, said)
        self.assertGreater(time.monotonic() - began, 5)
        self.assertLess(longest, 3 * SLOWNESS)
        self.assertIn("are in use by another transaction" + self.SAY["holder"], said)

    def test_a_connection_string(self):
        self.configure_url(self.url(f"sslmode=verify-full&sslrootcert={self.server.root}/ca.pem"))
        self.assertIn(f"Database: {self.server.DRIVER}://visor@localhost:{self.server.port}/visor?sslmode=verify-full\n", self.accepts("db", "status"))
        self.configure_url(self.url("sslmod=x"))
        self.refuses("config", "check", says='has the option "sslmod", which is not supported')

    def test_several_hosts_with_ports_of_their_own(self):
        """Nobody listens at the first."""
        nobody = free_port()
        for hosts in (f"localhost:{nobody},localhost:{self.server.port}", f"localhost:{self.server.port},localhost:{nobody}"):
            self.configure_url(self.url("sslmode=require").replace(f"localhost:{self.server.port}", hosts))
            self.assertIn("TLSv1", self.accepts("db", "test"))
            self.configure(host=hosts, port=nobody)
            self.assertIn("TLSv1", self.accepts("db", "test"))
        self.configure(host=f"localhost:{nobody},localhost")
        self.assertIn("TLSv1", self.accepts("db", "test"))
        self.configure(host=f"localhost:none,localhost:{self.server.port}")
        self.refuses("db", "test", says="host has localhost with the port none: allowed is 1 to 65535")

    def test_the_environment_alone(self):
        """No file at all: the commands of a script, in each way to say where the database is."""
        authority = f"sslmode=verify-full&sslrootcert={self.server.root}/ca.pem"
        parts = {"DB_HOST": "localhost", "DB_PORT": str(self.server.port), "DB_NAME": "visor", "DB_USERNAME": "visor",
                 "DB_PASS": self.server.PASSWORD, "DB_SSL_CA": str(self.server.root / "ca.pem"), "VISOR_STORAGE_DRIVER": self.server.DRIVER}
        for environment in ({"DATABASE_URL": self.url(authority)}, parts):
            self.server.clear()
            self.accepts("config", "check", environment=environment)
            self.assertIn("✗ No", self.accepts("db", "status", environment=environment))
            self.assertIn("initialized: " + self.server.DRIVER + "://visor@localhost", self.accepts("db", "init", environment=environment))
            self.assertIn("✓ Yes", self.accepts("db", "status", environment=environment))
            self.assertRegex(self.accepts_json("db", "test", environment=environment)["tls"], "^TLSv1")
            shown = self.accepts("config", "show", environment=environment)
            self.assertNotIn("horse", shown)
        self.assertGreater(self.server.tables(), 10)

    def test_flags_alone(self):
        plain = ["--host", "localhost", "--port", str(self.server.port), "--database", "visor", "--user", "visor", "--password",
                 self.server.PASSWORD]
        # Where nothing says which server it is, it is PostgreSQL.
        other = {} if self.server.DRIVER == "postgresql" else {"VISOR_STORAGE_DRIVER": self.server.DRIVER}
        # What lies about in the environment is another database.
        lying = {"DB_HOST": "nowhere.invalid", "DB_NAME": "x", "DB_USER": "x", "DB_PASSWORD": "x"}
        for flags, environment in ((["--url", self.url("sslmode=require")], {"DATABASE_URL": "postgresql://nowhere.invalid"}), (plain, lying)):
            self.server.clear()
            for command in ("init", "status", "test", "validate", "migrate"):
                self.accepts("db", command, *flags, environment={**environment, **other})
            self.assertGreater(self.server.tables(), 10)
        self.write("scheduler: {storage: {driver: sqlite}}\n")
        self.assertIn(self.server.DRIVER, self.accepts("db", "status", "--url", self.url()))
        said = self.refuses("db", "status", "--url", self.url("hunter2@x=1"), says="flag --url: scheduler.storage.connection.connection_string")
        self.assertNotIn("hunter2", said)
        self.assertNotIn("horse", said)

    def test_production_checks_the_server(self):
        environment = {"NODE_ENV": "production", "DATABASE_URL": self.url()}
        self.refuses("db", "test", environment=environment, says=self.SAY["authority"])
        self.refuses("db", "test", environment=environment, says=["scheduler.storage.connection.ssl: ca, cert, key and reject_unauthorized", "DB_SSL_CA"])
        environment["DB_SSL_CA"] = str(self.server.root / "ca.pem")
        self.assertRegex(self.accepts_json("db", "test", environment=environment)["tls"], "^TLSv1")
        environment["DATABASE_URL"] = self.url("sslmode=disable")
        del environment["DB_SSL_CA"]
        self.assertEqual(self.accepts_json("db", "test", environment=environment)["tls"], "")

    def test_a_look_at_the_server(self):
        self.configure()
        found = self.accepts_json("db", "test")
        self.assertRegex(found["server"], r"^(PostgreSQL|MariaDB|MySQL) \d+\.")
        self.assertRegex(found["tls"], r"^TLSv1\.[23] \S+$")
        self.assertGreater(found["latency_us"], 0)
        self.assertLess(abs(found["clock_difference_us"]), 1_000_000)
        self.assertIn("TLSv1", self.accepts("db", "test"))
        self.assertEqual(self.server.tables(), 0)

    def test_the_daemon_is_encrypted(self):
        self.configure(ssl={"reject_unauthorized": False})
        daemon = self.start("run")
        self.wait_until(lambda: self.server.sql(self.server.ENCRYPTED) not in ("", "0"))
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)

    def test_a_unix_socket(self):
        port = self.server.port if self.server.DRIVER == "postgresql" else None  # a part of the socket's name there, and refused elsewhere
        self.configure(host=str(self.server.root), port=port, user=self.server.ADMINISTRATOR, password=None, ssl=None)
        place = self.accepts_json("db", "status")["database"]
        self.assertTrue(place.endswith("/visor?host=" + str(self.server.root)), place)
        self.configure_url(place)
        self.assertEqual(self.accepts_json("db", "status")["database"], place)

    def test_a_second_daemon_is_refused(self):
        self.configure()
        self.start("run")
        self.wait_until(self.is_online)
        second = self.run_program("run", "--for", "2s")
        self.assertEqual(second.returncode, 1)
        self.assertIn("there can be only one", second.stderr)


class Tls(OnServer):
    """Each mode means the same with every server."""

    def tearDown(self):
        self.server.show("right")

    def modes(self, ca="ca"):
        """What each mode that encrypts says: nothing where it connects."""
        said = {}
        for mode in ("require", "verify-ca", "verify-full"):
            authority = f"&sslrootcert={self.server.root}/{ca}.pem" if mode != "require" else ""
            self.configure_url(self.url(f"sslmode={mode}{authority}"))
            result = self.run_program("db", "test", "--json")
            said[mode] = result.stderr.strip()
            if result.returncode == 0:
                self.assertRegex(json.loads(result.stdout)["tls"], r"^TLSv1\.[23] ")
            else:
                self.assertNotIn("horse", result.stderr)
        return said

    def check(self, said, require="", ca="", full=""):
        for mode, says in (("require", require), ("verify-ca", ca), ("verify-full", full)):
            self.assertIn(says, said[mode], mode)
            self.assertEqual(said[mode] == "", says == "", (mode, said[mode]))

    def test_the_right_certificate(self):
        self.check(self.modes())

    def test_a_certificate_for_another_name(self):
        self.server.show("elsewhere")
        self.check(self.modes(), full="is for another name")

    def test_a_certificate_that_has_expired(self):
        self.server.show("expired")
        self.check(self.modes(), ca=self.SAY["expired"], full=self.SAY["expired"])

    def test_a_certificate_that_vouches_for_itself(self):
        self.server.show("selfmade")
        self.check(self.modes(), ca=self.SAY["selfmade"], full=self.SAY["selfmade"])

    def test_another_authority(self):
        self.check(self.modes(ca="other"), ca=self.SAY["authority"], full=self.SAY["authority"])

    def test_certificates_in_the_environment(self):
        text = {name: (self.server.root / name).read_text() for name in ("ca.pem", "client.pem", "client.key", "other.pem")}
        in_base64 = {name: base64.b64encode(each.encode()).decode() for name, each in text.items()}
        for given in (text, in_base64):
            environment = {"DATABASE_URL": self.url(user="mutual"), "DB_SSL_CA": given["ca.pem"], "DB_SSL_CERT": given["client.pem"],
                           "DB_SSL_KEY": given["client.key"]}
            self.assertRegex(self.accepts_json("db", "test", environment=environment)["tls"], "^TLSv1")
            shown = self.accepts("config", "show", environment=environment)
            self.assertNotIn("PRIVATE", shown)
            self.assertNotIn(given["client.key"][:20], shown)
            self.refuses("db", "test", environment={**environment, "DB_SSL_CA": given["other.pem"]}, says=self.SAY["authority"])
        self.refuses("db", "test", environment={**environment, "DB_SSL_KEY": in_base64["client.key"][:-9]},
                     says="environment DB_SSL_KEY: scheduler.storage.connection.ssl.key: is neither PEM")

    def test_a_certificate_of_the_client(self):
        root = self.server.root
        for name, user, is_let_in in (("client", "mutual", True), (None, "mutual", False), ("stranger", "mutual", False), (None, "visor", True)):
            own = f"&sslcert={root}/{name}.pem&sslkey={root}/{name}.key" if name else ""
            self.configure_url(self.url(f"sslmode=verify-full&sslrootcert={root}/ca.pem{own}", user=user))
            result = self.run_program("db", "test")
            self.assertEqual(result.returncode == 0, is_let_in, (name, user, result.stderr))
            self.assertNotIn("horse", result.stderr)
            if name == "stranger":
                self.assertIn("ssl.cert", result.stderr)


class Mute:
    """A port that takes connections and says nothing."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(100)
        return self.socket.getsockname()[1]

    def __exit__(self, *_):
        self.socket.close()


class Silent:
    """A way to a server that lets through so many of its answers on each connection, and no more."""

    def __init__(self, port, answers):
        self.port, self.answers = port, answers

    def __enter__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.open = [self.listening]
        threading.Thread(target=self.accept, daemon=True).start()
        return self.listening.getsockname()[1]

    def accept(self):
        try:
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                self.open += [client, server]
                threading.Thread(target=self.carry, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self.carry, args=(server, client, self.answers), daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def carry(source, to, most):
        try:
            while most != 0 and (data := source.recv(65536)):
                to.sendall(data)
                most = None if most is None else most - 1
        except OSError:
            pass

    def __exit__(self, *_):
        for each in self.open:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


class Freezing(Silent):
    """A way to a server over which nothing comes any more, from some moment on."""

    def __init__(self, port):
        super().__init__(port, None)
        self.is_frozen = False

    def carry(self, source, to, most):
        try:
            while data := source.recv(65536):
                if not self.is_frozen:
                    to.sendall(data)
        except OSError:
            pass


class Wrong(OnServer):
    """Each message says what to do, and none shows a password."""

    def test_a_server_that_says_nothing(self):
        """Every command ends within pool.connect_timeout and a moment."""
        with Mute() as port:
            self.configure(host="127.0.0.1", port=port, pool={"connect_timeout": "2s"})
            for command in (("db", "test"), ("db", "status"), ("db", "validate"), ("job", "list"), ("job", "enqueue", "greet"), ("run",)):
                begin = time.monotonic()
                self.assertEqual(self.run_program(*command).returncode, 1)
                self.assertLess(time.monotonic() - begin, 5 * SLOWNESS, command)

    def test_a_server_that_says_nothing_keeps_no_command_longer_than_a_caller_waits(self):
        """pool.acquire_timeout is shorter than pool.connect_timeout, as it is by default."""
        with Mute() as port:
            self.configure(host="127.0.0.1", port=port, pool={"acquire_timeout": "1s", "connect_timeout": "6s"})
            for command in (("db", "status"), ("db", "init"), ("db", "validate"), ("job", "list"), ("node", "list")):
                begin = time.monotonic()
                self.assertEqual(self.run_program(*command).returncode, 1)
                self.assertLess(time.monotonic() - begin, 3.5 * SLOWNESS, command)
            begin = time.monotonic()
            self.assertEqual(self.run_program("run").returncode, 1)
            self.assertLess(time.monotonic() - begin, 8 * SLOWNESS)

    def test_a_server_that_falls_silent_keeps_a_test_no_longer_than_connecting_may_take(self):
        """Wherever it does: in the login, or when it has let us in."""
        for answers in range(1, 8):
            with Silent(self.server.port, answers) as port:
                self.configure(host="127.0.0.1", port=port, ssl=False, pool={"connect_timeout": "1s"})
                begin = time.monotonic()
                result = self.run_program("db", "test")
                self.assertLess(time.monotonic() - begin, 4 * SLOWNESS, answers)
                self.assertEqual(result.returncode, 1)
                self.assertNotIn("transaction_timeout", result.stderr)

    def test_a_user_without_rights(self):
        """Who lacks a right is told so, and not that tables are missing, which points to `db reset`."""
        self.configure()
        self.accepts("db", "init")
        make, remove = self.server.POOR_USER
        self.server.sql(make)
        self.addCleanup(self.server.sql, remove)
        self.configure(user="poor")
        for command in (("job", "list"), ("db", "status"), ("db", "validate"), ("run", "--for", "1s")):
            result = self.run_program(*command)
            self.assertEqual(result.returncode, 1, command)
            self.assertIn("the user 'poor' lacks a right", result.stderr)
            self.assertIn("GRANT ", result.stderr)
            self.assertNotIn("missing", result.stdout + result.stderr)

    def test_a_key_with_a_passphrase(self):
        root = self.server.root
        plain, locked = root / "client.key", self.folder / "locked.key"
        subprocess.run(["openssl", "pkey", "-in", plain, "-aes256", "-passout", "pass:word", "-out", locked], check=True)
        for key in (str(locked), locked.read_text()):
            self.configure(ssl={"ca": str(root / "ca.pem"), "cert": str(root / "client.pem"), "key": key})
            self.refuses("config", "check", says=["scheduler.storage.connection.ssl.key", "is protected by a passphrase", "openssl pkey"])
            self.refuses("db", "test", says="is protected by a passphrase")
        self.configure_url(self.url(f"sslmode=verify-full&sslrootcert={root}/ca.pem&sslcert={root}/client.pem&sslkey={locked}"))
        self.refuses("config", "check", says="is protected by a passphrase")

    def refused(self, says, **changes):
        self.configure(**changes)
        for command in ("status", "test"):
            said = self.refuses("db", command, says=says)
            self.assertNotIn("horse", said)
            self.assertNotRegex(said, r"LOCATION|\.c\b")  # no place in the source of the server

    def test_the_password(self):
        self.environment["PASSWORD_OF_TEST"] = "wrong horse"
        self.refused(self.SAY["password"])
        self.refused("DB_PASSWORD")
        self.refused("with Azure the user is user@server")

    def test_no_password(self):
        self.refused("wants a password for the user 'visor'", password=None)

    def test_the_database(self):
        self.refused(self.SAY["database"], database="nowhere")

    def test_the_user(self):
        self.refused("the user 'nobody'", user="nobody")

    def test_the_host(self):
        self.refused(["the host 'nowhere.invalid' is not known", "scheduler.storage.connection: host", "DB_HOST"], host="nowhere.invalid")

    def test_a_stopped_server(self):
        self.refused(["cannot connect to localhost:1: is the server up?", "scheduler.storage.connection: host and port", "DB_PORT"], port=1)

    def test_no_connection_left(self):
        self.configure()
        self.server.limit_connections(1)
        self.addCleanup(self.server.limit_connections, None)
        self.start("run")
        self.wait_until(self.is_online)
        self.refused("has no connection left: lower pool.max, or raise max_connections of the server")

    def test_no_connection_in_time(self):
        self.configure(pool={"max": 3, "acquire_timeout": "1ms"})
        self.refuses("db", "status", says=["no connection to the database 'visor' at localhost:", " within 1ms (pool.acquire_timeout, "
                                           "DB_CONNECTION_TIMEOUT_MS): 0 of 3 connections are in use, 0 idle, 1 being made, 0 callers wait"])

    def test_a_missing_file(self):
        here = str(self.server.root / "ca.pem")
        self.refused("cannot read the CA certificate /nowhere/ca.pem: No such file or directory", ssl={"ca": "/nowhere/ca.pem"})
        self.refused("cannot read the client certificate /nowhere/own.pem", ssl={"ca": here, "cert": "/nowhere/own.pem", "key": here})
        self.refused("cannot read the client key /nowhere/own.key", ssl={"ca": here, "cert": here, "key": "/nowhere/own.key"})


class WithoutTls(OnServer):
    TLS = False

    def test_a_stop_does_not_wait_for_a_server_that_is_frozen(self):
        way = Freezing(self.server.port)
        with way as port:
            self.configure("scheduler: {node: {drain_timeout: 1s, stop_grace: 1s}}\n", host="127.0.0.1", port=port, ssl=None)
            daemon = self.start("run")
            self.wait_until(self.is_online)
            way.is_frozen = True
            began = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(60), 1)
            self.assertLess(time.monotonic() - began, 8 * SLOWNESS)
            self.assertIn("the database does not answer: this node ends without having left it", daemon.stderr.read())

    def test_a_server_without_tls_is_refused_before_any_password_is_sent(self):
        # A wrong one, of which the server would say so in its log.
        self.environment["PASSWORD_OF_TEST"] = "wrong horse"
        told = lambda: self.server.REFUSED_PASSWORD in self.server.log()
        for options in ("require", "verify-ca&sslrootcert=/etc/ssl/certs/ca-certificates.crt",
                        "verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt"):
            self.configure_url(self.url("sslmode=" + options).replace("correct", "wrong"))
            self.refuses("db", "status", says="has no TLS, and ssl asks for it")
        self.assertFalse(told())
        self.configure(ssl=None)
        self.refuses("db", "status", says=self.SAY.get("without_tls", self.SAY["password"]))
        self.assertTrue(told())


class Crashing(OnServer):
    """Its server is killed while the daemon has much to do."""

    LIMIT = 5  # seconds, from when the server lets somebody in again

    CONFIG = """\
workflows:
  quick: {command: "echo $VISOR_JOB_ID >> begun; echo $VISOR_JOB_ID >> ended", shell: true, max_attempts: 5}
  slow: {command: "echo $VISOR_JOB_ID >> begun; sleep 1; echo $VISOR_JOB_ID >> ended", shell: true, max_attempts: 5}
"""

    def lines(self, name):
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def configure_load(self):
        each_second = {"schedule": "* * * * * *", "misfire": {"policy": "all"}}
        cron = {name: {**each_second, "workflow": name} for name in ("quick", "slow")}
        self.write("scheduler: " + json.dumps({"storage": self.storage(), "cron": cron}) + "\n" + self.CONFIG)

    def planned(self, schedule):
        """The seconds for which it fired, in order."""
        rows = self.server.sql(f"SELECT planned_at FROM visor_fire WHERE schedule = '{schedule}' ORDER BY 1", "visor").splitlines()
        return [int(row) // 1_000_000 if row.isdigit() else int(datetime.datetime.fromisoformat(row).timestamp()) for row in rows]

    def test_the_daemon_goes_on_when_the_server_is_back(self):
        self.configure_load()
        daemon = self.start("run")
        self.wait_until(lambda: self.is_online() and len(self.lines("ended")) >= 3)
        asked_for = [self.accepts_json("job", "enqueue", name)["id"] for name in ("quick", "slow")]
        for _ in range(2):
            before = 0

            def one_is_under_way():
                nonlocal before
                before = len(self.lines("ended"))
                return len(self.lines("begun")) > before

            self.wait_until(one_is_under_way)
            self.server.crash()
            self.wait_until(lambda: len(self.lines("ended")) > before)  # what nobody can be told now
            self.server.start()
            back, begun, fires = time.monotonic(), len(self.lines("begun")), self.count("visor_fire")
            self.wait_until(lambda: len(self.lines("begun")) > begun and self.count("visor_fire") > fires)
            self.assertLess(time.monotonic() - back, self.LIMIT * SLOWNESS)
            self.assertIsNone(daemon.poll())
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(60), 0)
        # Each second fired, and once.
        for schedule in ("quick", "slow"):
            seconds = self.planned(schedule)
            self.assertGreater(len(seconds), 3)
            self.assertEqual(seconds, list(range(seconds[0], seconds[-1] + 1)))
        self.assertEqual(self.count("visor_fire") + len(asked_for), self.count("visor_job"))
        # No job ran twice; each that ran came to one end, and each other still waits for its turn.
        begun, ended = self.lines("begun"), self.lines("ended")
        self.assertEqual(sorted(begun), sorted(set(begun)))
        self.assertEqual(sorted(begun), sorted(ended))
        completed = self.server.sql("SELECT job FROM visor_attempt WHERE final_state = 'completed'", "visor").splitlines()
        self.assertEqual(sorted(begun), sorted(completed))
        self.assertEqual(self.count("visor_attempt", "final_state IS NOT NULL"), len(completed))
        self.assertEqual(self.count("visor_job"), len(completed) + self.count("visor_ready") + self.count("visor_scheduled"))
        self.assertLessEqual({str(job) for job in asked_for}, set(completed))
        self.assertEqual(self.count("visor_lease"), 0)


# A server that asks for the password as it is.
ASKING = """
import socket, subprocess, sys, threading
server = socket.create_server((sys.argv[1], 5432))
greeting, question = bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
got = []
def serve():
    while True:
        one, _ = server.accept()
        one.settimeout(5)
        try:
            one.sendall(greeting)
            got.append(one.recv(4096))
            one.sendall(question)
            got.append(one.recv(4096))
        except OSError:
            pass
        one.close()
threading.Thread(target=serve, daemon=True).start()
result = subprocess.run(sys.argv[4:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
print(result.stdout)
print("sent:", any(b"geheim" in each for each in got))
"""


class PasswordsInClearText(ProgramTest):
    """In a network of its own, which has an address that is not this machine's."""

    URL = GREETING = QUESTION = None

    def test_they_are_sent_to_this_machine_only(self):
        own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        network = ["unshare", *own, "--net", "sh", "-c", 'ip addr add 192.0.2.1/32 dev lo && ip link set lo up && exec "$@"', "sh"]
        if not shutil.which("unshare") or not shutil.which("ip") or subprocess.run([*network, "true"], capture_output=True).returncode != 0:
            self.skipTest("no network can be made here")

        def tried(host):
            words = [*network, sys.executable, "-c", ASKING, host, self.GREETING.hex(), self.QUESTION.hex(), PROGRAM, "db", "test", "--url",
                     self.URL.format(host=host)]
            return subprocess.run(words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=120).stdout

        away = tried("192.0.2.1")
        self.assertIn("asks for the password in clear text, and the connection is not encrypted: it was not sent", away)
        self.assertIn("sent: False", away)
        self.assertNotIn("geheim", away)
        self.assertIn("sent: True", tried("127.0.0.1"))
