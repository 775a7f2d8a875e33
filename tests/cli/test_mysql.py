"""The program on MariaDB."""

import server_tests
from program import main
from servers import MariaDB


class OnMariaDB:
    SERVER = MariaDB
    SAY = {
        "password": "refused the user 'visor' or the password: check both",
        "without_tls": ["refused the user 'visor'", "if the user must come with TLS, turn TLS on (ssl: true)"],
        "database": ["the user 'visor' has no right to the database 'nowhere' at localhost:", ", or there is none: CREATE DATABASE `nowhere`; ",
                     "GRANT ALL ON `nowhere`.* TO `visor`"],
        "expired": "has expired",
        "selfmade": "is not from a trusted authority",
        "authority": "is not from a trusted authority",
        "holder": "",  # which the server tells only to users with the right PROCESS
    }


class Working(OnMariaDB, server_tests.Working):
    def test_a_server_that_locks_no_rows_is_refused(self):
        """Aria takes FOR UPDATE, and locks nothing by it."""
        self.configure()
        self.accepts("db", "init")
        self.server.sql("DELETE FROM visor_sequence; ALTER TABLE visor_sequence ENGINE = Aria", "visor")
        for command in (["run", "--for", "1s"], ["db", "migrate"]):
            said = self.run_program(*command)
            self.assertEqual(said.returncode, 1, said.stderr)
            self.assertIn("locks no rows", said.stderr)


class Tls(OnMariaDB, server_tests.Tls):
    pass


class Wrong(OnMariaDB, server_tests.Wrong):
    pass


class WithoutTls(OnMariaDB, server_tests.WithoutTls):
    pass


class Crashing(OnMariaDB, server_tests.Crashing):
    pass


class PasswordsInClearText(server_tests.PasswordsInClearText):
    URL = "mysql://visor:geheim@{host}:5432/visor"
    # Version 10 of the protocol, no TLS, and a plugin that has the password sent as it is.
    GREETING = (lambda packet: len(packet).to_bytes(3, "little") + b"\0" + packet)(
        b"\x0a" + b"5.5.5-10.11.0-MariaDB\0" + (7).to_bytes(4, "little") + b"12345678\0" + (0xA23F & ~0x0800).to_bytes(2, "little") + b"\x2d" +
        b"\x02\0" + (0x0008).to_bytes(2, "little") + b"\x15" + bytes(10) + b"123456789012\0" + b"mysql_clear_password\0")
    QUESTION = b""


if __name__ == "__main__":
    main()
