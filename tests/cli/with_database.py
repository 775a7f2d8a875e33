"""Runs a program in an empty folder, with a database of its own: with_database.py DRIVER PROGRAM [ARGUMENT...]"""

import os
import subprocess
import sys
import tempfile

from servers import MariaDB, PgBouncer, Postgres, SqlServer

SERVERS = {"postgresql": Postgres, "mysql": MariaDB}


def run(command, seconds=60):
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, cwd=folder, timeout=seconds).returncode


def run_pooled(command):
    """Tests that make databases of their own, on the server that they are given."""
    if not PgBouncer.is_there():
        print("skipped: there is no PgBouncer")
        return 0
    server = PgBouncer()
    try:
        server.sql("ALTER ROLE visor CREATEDB")
        os.environ["TEST_DATABASE_URL"] = f"postgresql://visor:correct%20horse@127.0.0.1:{server.entrance}/postgres?pgbouncer=true"
        return run(command, seconds=1800)
    finally:
        server.end()


def main(driver, *command):
    if driver == "mssql":
        if not SqlServer.is_there():
            print("skipped: there is no SQL Server")
            return 0
        server = SqlServer()
        try:
            os.environ["DATABASE_URL"] = f"mssql://{server.USER}:{server.PASSWORD}@{server.HOST}:{server.port}/{server.database}"
            return run(command)
        finally:
            server.end()
    if driver == "pgbouncer":
        return run_pooled(command)
    server = SERVERS[driver](tls=False) if driver in SERVERS else None
    try:
        if server:
            os.environ["DATABASE_URL"] = f"{driver}://visor:{server.PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}/visor"
        return run(command)
    finally:
        if server:
            server.end()


sys.exit(main(*sys.argv[1:]))
