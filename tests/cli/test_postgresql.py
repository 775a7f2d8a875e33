"""The program on PostgreSQL."""

import socket
import threading
import time

import server_tests
from program import ProgramTest, main
from servers import Postgres


class OnPostgres:
    SERVER = Postgres
    SAY = {
        "holder": ", perhaps by process ",
        "password": ["refused the password of the user 'visor'", "check user and password"],
        "database": ["there is no database 'nowhere'", "createdb"],
        "expired": "has expired: renew it",
        "selfmade": "is signed by itself: to trust it, name it in ssl.ca",
        "authority": "is from an authority that is not trusted here: name the right one in ssl.ca",
    }


class Working(OnPostgres, server_tests.Working):
    pass


class Tls(OnPostgres, server_tests.Tls):
    def test_who_connects_by_libpq_alone_is_told_where_to_look(self):
        self.server.show("expired")
        self.configure_url(self.url(f"sslmode=verify-full&sslrootcert={self.server.root}/ca.pem"))
        self.refuses("job", "list", says=["is not from a trusted authority, or not valid now", "visor db test"])


class Wrong(OnPostgres, server_tests.Wrong):
    pass


class WithoutTls(OnPostgres, server_tests.WithoutTls):
    def test_a_database_of_another_encoding(self):
        """One job's output has a character that it lacks; whoever sets it up is told."""
        self.server.sql("CREATE DATABASE latin OWNER visor TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
        self.addCleanup(self.server.sql, "DROP DATABASE latin WITH (FORCE)")
        self.environment["DATABASE_URL"] = f"postgresql://visor:correct%20horse@127.0.0.1:{self.server.port}/latin"
        self.write('workflows:\n  plain: {command: [echo, hello]}\n  money: {command: [printf, "10 € für dich\\n"]}\n')
        for command in ("init", "test"):
            done = self.run_program("db", command)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("its encoding is LATIN1", done.stderr)
        first, *rest = [self.accepts_json("job", "enqueue", each)["id"] for each in ("money", "plain", "plain")]
        done = self.run_program("run", "--for", "4s")
        self.assertIn("its encoding is LATIN1", done.stderr)
        self.assertIn(f"job {first}: characters that the encoding of the database lacks are replaced in its result", done.stderr)
        shown = self.accepts_json("job", "show", str(first))
        self.assertEqual([shown["state"], shown["attempt_list"][-1]["output"]], ["completed", "10 ? für dich\n"])
        self.assertIn("characters that the encoding of the database lacks are replaced", shown["attempt_list"][-1]["error"])
        self.assertEqual([self.accepts_json("job", "show", str(each))["state"] for each in rest], ["completed"] * 2)
        lacks = "has the character '€', which the encoding of the database lacks: leave it out"
        for words, name in ((("plain", "--inputs", "price=5 €"), "the payload"), (("plain", "--payload", '{"€": 5}'), "the payload"),
                            (("5 €",), "the workflow's name"), (("keyed", "--key", "€"), "--key")):
            self.write("workflows: {'5 €': {command: [echo]}, plain: {command: [echo]},\n"
                       "            keyed: {command: [echo], limits: {key_concurrency: 1}}}\n")
            self.refuses("job", "enqueue", *words, says=[f"visor: {name} {lacks}", "a database whose encoding is UTF-8; nothing was stored"])
        for words, name in ((("plain", "--name", "a€"), "the schedule's name"), (("plain", "--inputs", "a=€"), "the payload"),
                            (("5 €",), "the workflow's name"), (("plain", "--description", "5 €"), "--description")):
            self.refuses("schedule", "create", *words, "--at", "every 5 minutes", says=f"visor: {name} {lacks}")
        for text, name in (("workflows: {'5 €': {command: [echo]}}\n", "the job type '5 €'"),
                           ("scheduler: {ha: {node_id: n€}}\n", "the name of the node 'n€'"),
                           ("scheduler: {node: {queues: {default: 1, €: 2}}}\n", "its queues 'default:1,€:2'")):
            self.write(text)
            said = self.run_program("run", "--for", "0s")
            self.assertEqual(said.returncode, 1)
            self.assertIn(f"visor: {name} has the character '€', which the encoding of the database lacks: give it a name without", said.stderr)


class Crashing(OnPostgres, server_tests.Crashing):
    pass


class SeveralHosts(ProgramTest):
    """The server, and another address with the same port, at which something else listens."""

    @classmethod
    def setUpClass(cls):
        cls.server = Postgres(tls=False)
        cls.addClassCleanup(cls.server.end)

    def setUp(self):
        super().setUp()
        self.other = socket.create_server(("127.0.0.2", self.server.port))
        self.addCleanup(self.other.close)
        self.addCleanup(self.other.shutdown, socket.SHUT_RDWR)  # whoever accepts there ends

    def configure(self, hosts, target="any", password="correct%20horse"):
        url = f"postgresql://visor:{password}@127.0.0.1:{self.server.port}/visor?host={hosts}&target_session_attrs={target}"
        self.write(f"scheduler: {{storage: {{driver: postgresql, connection: {{connection_string: \"{url}\", "
                   "pool: {connect_timeout: 4s}}}}\n")

    def test_the_next_one_where_a_connection_is_closed_at_once(self):
        """As by a proxy whose server is gone."""
        def close_all():
            while True:
                try:
                    self.other.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=close_all, daemon=True).start()
        self.configure("127.0.0.2,127.0.0.1", "read-write")
        self.assertIn("PostgreSQL", self.accepts("db", "test"))

    def test_the_next_one_where_nobody_answers(self):
        """As behind a machine that is gone."""
        self.configure("127.0.0.2,127.0.0.1")
        began = time.monotonic()
        self.assertIn("PostgreSQL", self.accepts("db", "test"))
        self.assertGreater(time.monotonic() - began, 1.5)  # its share of the time

    def test_a_preference_is_no_condition(self):
        self.configure("127.0.0.1,127.0.0.1", "prefer-standby")
        self.assertIn("PostgreSQL", self.accepts("db", "test"))
        self.configure("127.0.0.1,127.0.0.1", "standby")
        self.refuses("db", "test", says="is what target_session_attrs=standby asks for")

    def test_no_other_where_one_has_refused_the_password(self):
        self.configure("127.0.0.1,127.0.0.2", password="wrong")
        began = time.monotonic()
        self.refuses("db", "test", says="refused the password")
        self.assertLess(time.monotonic() - began, 1.5)


class PasswordsInClearText(server_tests.PasswordsInClearText):
    URL = "postgresql://visor:geheim@{host}:5432/visor"
    GREETING = b""
    QUESTION = b"R\0\0\0\x08\0\0\0\x03"


if __name__ == "__main__":
    main()
