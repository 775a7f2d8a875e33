"""The program on PostgreSQL."""

import server_tests
from program import main
from servers import Postgres

# libpq does not say what is wrong with a chain of certificates.
UNTRUSTED = "is not from a trusted authority, or not valid now"


class OnPostgres:
    SERVER = Postgres
    SAY = {
        "password": ["refused the password of the user 'visor'", "check user and password"],
        "database": ["there is no database 'nowhere'", "createdb"],
        "expired": UNTRUSTED,
        "selfmade": UNTRUSTED,
        "authority": UNTRUSTED,
    }


class Working(OnPostgres, server_tests.Working):
    pass


class Tls(OnPostgres, server_tests.Tls):
    pass


class Wrong(OnPostgres, server_tests.Wrong):
    pass


class WithoutTls(OnPostgres, server_tests.WithoutTls):
    pass


class Crashing(OnPostgres, server_tests.Crashing):
    pass


if __name__ == "__main__":
    main()
