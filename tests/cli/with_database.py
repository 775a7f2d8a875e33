"""Runs a program in an empty folder, with a database of its own: with_database.py DRIVER PROGRAM [ARGUMENT...]"""

import os
import subprocess
import sys
import tempfile

from servers import MariaDB, Postgres

SERVERS = {"postgresql": Postgres, "mysql": MariaDB}


def main(driver, *command):
    server = SERVERS[driver](tls=False) if driver in SERVERS else None
    try:
        if server:
            os.environ["DATABASE_URL"] = f"{driver}://visor:{server.PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}/visor"
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(command, cwd=folder, timeout=60).returncode
    finally:
        if server:
            server.end()


sys.exit(main(*sys.argv[1:]))
