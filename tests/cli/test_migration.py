"""Versions of the tables on MariaDB, which commits each CREATE, ALTER and DROP at once: whoever is killed between two of them is followed by
somebody who goes on."""

import itertools
import re
import select
import socket
import threading

from program import ProgramTest, main
from servers import MariaDB

LATEST = 6


class Way:
    """To the server. Does something right after the server has answered the n-th statement that changes tables, and before anybody is told."""

    CHANGE = re.compile(rb"\x03(CREATE|ALTER|DROP) ")  # each is a message of its own

    def __init__(self, server):
        self.server, self.left, self.strike = server, None, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(here,), daemon=True).start()

    def serve(self, here):
        with here, socket.socket() as there:
            try:
                there.connect(("127.0.0.1", self.server.port))
                is_change = False
                while True:
                    for one in select.select([here, there], [], [])[0]:
                        some = one.recv(65536)
                        if not some:
                            return
                        if one is here:
                            is_change = self.CHANGE.search(some) is not None
                            there.sendall(some)
                            continue
                        if is_change and self.left is not None:
                            self.left -= 1
                            if self.left == 0:
                                self.left = None
                                self.strike()
                                return
                        is_change = False
                        here.sendall(some)
            except OSError:
                pass


class Migrating(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDB(tls=False)
        cls.addClassCleanup(cls.server.end)
        cls.way = Way(cls.server)
        cls.addClassCleanup(cls.way.listener.close)

    def setUp(self):
        super().setUp()
        self.server.clear()
        self.write(f"scheduler: {{storage: {{driver: mysql, connection: {{connection_string: "
                   f"\"mysql://visor:correct%20horse@127.0.0.1:{self.way.port}/visor\"}}}}}}\n")

    def is_struck(self, statement, who, *words):
        """Whether the program got as far as to that statement, after which it was killed, with the server where that is wanted. Else it must
        have come to its end."""
        process = self.start(*words)

        def strike():
            process.kill()  # or it would go on by itself
            if who == "server":
                self.server.crash()

        self.way.left, self.way.strike = statement, strike
        _, said = process.communicate(timeout=60)
        was = self.way.left is None
        self.way.left = None
        self.assertEqual(process.returncode != 0, was, said)
        if was and who == "server":
            self.server.start()
        return was

    def versions(self):
        return self.server.sql("SELECT version FROM visor_migration ORDER BY version", "visor").split()

    def strike_each(self, who, *words):
        """Kills after the next statement, again and again. Gives how often."""
        for times in itertools.count():
            if not self.is_struck(1, who, *words):
                return times

    def columns(self):
        return self.server.sql("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'visor' ORDER BY 1, 2")

    def test_up(self):
        """From the first version on: what is there stays, and the rest follows."""
        self.accepts("db", "init")
        for version in range(LATEST, 1, -1):
            self.accepts("db", "rollback", "--yes")
        self.server.sql("INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) "
                        "VALUES ('old', '', 'offline', 7, 0, 0, 1, 0, '')", "visor")
        times = self.strike_each("server", "db", "migrate")
        self.assertGreaterEqual(times, 3)
        self.assertIn("valid", self.accepts("db", "validate"))
        self.assertEqual(self.versions(), [str(each + 1) for each in range(LATEST)])
        self.assertEqual(self.server.sql("SELECT epoch FROM visor_node WHERE name = 'old'", "visor"), "7")
        self.assertIn("up to date", self.accepts("db", "migrate"))

    def test_down(self):
        """A version counts no longer when the first of it goes, and the same command goes on with the rest."""
        self.accepts("db", "init")
        self.accepts("db", "rollback", "--steps", "3", "--yes")
        before = self.columns()
        self.accepts("db", "migrate")
        after = self.columns()
        self.assertTrue(self.is_struck(1, "server", "db", "rollback", "--yes"))
        self.assertEqual(self.versions(), [str(each + 1) for each in range(LATEST - 1)])
        self.refuses("db", "validate", lines=None)
        self.accepts("db", "migrate")  # somebody thought better of it
        self.assertEqual(self.columns(), after)
        self.accepts("db", "rollback", "--steps", "2", "--yes")
        for _ in range(3):
            self.assertTrue(self.is_struck(1, "server", "db", "rollback", "--yes"))
        self.accepts("db", "rollback", "--yes")
        self.assertEqual(self.columns(), before)
        self.assertEqual(self.versions(), [str(each + 1) for each in range(LATEST - 3)])

    def test_down_to_nothing(self):
        self.accepts("db", "init")
        tables = self.server.tables()
        times = 0
        while self.server.tables() != 0 and times < 10 * tables:
            self.is_struck(1, "program", "db", "rollback", "--steps", str(LATEST), "--yes")
            times += 1
        self.assertGreaterEqual(times, tables)
        self.assertEqual(self.server.tables(), 0)

    def test_from_nothing(self):
        """Tables of the first version that were not made to the end hold nothing, and are made anew."""
        for statement in itertools.count(1):
            self.server.clear()
            if not self.is_struck(statement, "program", "db", "init"):
                break
            self.assertIn("initialized", self.accepts("db", "init"))
            self.assertIn("valid", self.accepts("db", "validate"))
        self.assertGreater(statement, 20)

    def test_anew(self):
        self.accepts("db", "init")
        for statement in itertools.count(1):
            if not self.is_struck(statement, "program", "db", "reset", "--yes"):
                break
            self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)
            self.assertIn("valid", self.accepts("db", "validate"))
        self.assertGreater(statement, 30)


if __name__ == "__main__":
    main()
