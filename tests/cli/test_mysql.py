"""The program on MariaDB."""

import server_tests
from program import main
from servers import MariaDB


class OnMariaDB:
    SERVER = MariaDB
    SAY = {
        "password": "refused the user 'visor' or the password: check both",
        "database": ["the user 'visor' has no right to the database 'nowhere' at localhost:", ", or there is none: CREATE DATABASE `nowhere`; ",
                     "GRANT ALL ON `nowhere`.* TO `visor`"],
        "expired": "has expired",
        "selfmade": "is not from a trusted authority",
        "authority": "is not from a trusted authority",
    }


class Working(OnMariaDB, server_tests.Working):
    pass


class Tls(OnMariaDB, server_tests.Tls):
    pass


class Wrong(OnMariaDB, server_tests.Wrong):
    pass


class WithoutTls(OnMariaDB, server_tests.WithoutTls):
    pass


class Crashing(OnMariaDB, server_tests.Crashing):
    pass


if __name__ == "__main__":
    main()
