"""What nodes cost a database server while there is nothing to do, and how soon one of them starts a job that somebody else adds.

    idle.py --driver postgresql --nodes 3 --seconds 30 --jobs 100

Statements are those that the server counts or logs, of which beginning and ending a transaction are some. More than one a second of a node is
too much, and fails. VISOR_PROGRAM is the program."""

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from servers import MariaDB, Postgres  # noqa: E402

PROGRAM = os.environ.get("VISOR_PROGRAM", "visor")

CONFIG = """
scheduler:
  storage:
    driver: {driver}
    connection: {{host: 127.0.0.1, port: {port}, database: visor, user: visor, password: "correct horse", ssl: false}}
  ha: {{enabled: true, node_id: {name}}}
  cron:
    nightly: {{schedule: "0 2 1 1 *", workflow: quick}}
workflows:
  quick: {{command: ["true"]}}
"""


class Counter:
    """Statements of everybody but ourselves."""

    def __init__(self, server):
        self.server = server
        if server.DRIVER == "postgresql":
            server.sql("ALTER SYSTEM SET log_statement = 'all'")
            server.sql("SELECT pg_reload_conf()")
            time.sleep(0.5)

    def value(self):
        if self.server.DRIVER == "postgresql":
            lines = (self.server.root / "log").read_text(errors="replace").splitlines()
            return sum(" LOG:  statement: " in line or " LOG:  execute " in line for line in lines)
        # The question itself is counted too: take it from the later one.
        return int(self.server.sql("SHOW GLOBAL STATUS LIKE 'Questions'").split()[1])


# Milliseconds from when a job was added, by the server's clock, until it began, by the node's; both are those of one machine.
LATENCIES = {
    "postgresql": "SELECT 1000 * extract(epoch FROM a.started_at - j.created_at) FROM visor_attempt a JOIN visor_job j ON j.id = a.job",
    "mysql": "SELECT (a.started_at - j.created_at) / 1000 FROM visor_attempt a JOIN visor_job j ON j.id = a.job",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=("mysql", "postgresql"), default="postgresql")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--jobs", type=int, default=100)
    given = parser.parse_args()
    server = (Postgres if given.driver == "postgresql" else MariaDB)(tls=False)
    nodes = []
    try:
        with tempfile.TemporaryDirectory(prefix="visor-idle-") as folder:
            def configure(name):
                path = pathlib.Path(folder) / f"{name}.yaml"
                path.write_text(CONFIG.format(driver=given.driver, port=server.port, name=name))
                return str(path)

            for number in range(given.nodes):
                with open(f"{folder}/{number}.log", "wb") as log:
                    nodes.append(subprocess.Popen([PROGRAM, "run", "--config", configure(f"n{number}")], stderr=log))
            client = configure("client")

            def online():
                shown = subprocess.run([PROGRAM, "node", "list", "--json", "--config", client], capture_output=True, text=True).stdout
                return shown.count('"online"')

            end = time.monotonic() + 60
            while online() != given.nodes:
                if time.monotonic() > end:
                    raise RuntimeError("the nodes do not start")
                time.sleep(0.2)
            time.sleep(3)  # they have just looked for work
            counter = Counter(server)
            before, began = counter.value(), time.monotonic()
            time.sleep(given.seconds)
            statements, took = counter.value() - before, time.monotonic() - began
            if given.driver == "mysql":
                statements -= 1
            each = statements / took / given.nodes
            print(f"{given.driver}, {given.nodes} nodes, idle for {took:.0f} s: {statements} statements, {each:.2f} a second of each node")

            for _ in range(given.jobs):
                subprocess.run([PROGRAM, "job", "enqueue", "quick", "--config", client], check=True, capture_output=True)
            end = time.monotonic() + 60
            while int(server.sql("SELECT count(*) FROM visor_attempt", "visor")) < given.jobs:
                if time.monotonic() > end:
                    raise RuntimeError("the jobs do not end")
                time.sleep(0.1)
            found = sorted(float(line) for line in server.sql(LATENCIES[given.driver], "visor").split())
            print(f"from adding a job to its start on a node, {len(found)} jobs one at a time: p50 {statistics.median(found):.2f} ms, "
                  f"p99 {found[int(len(found) * 0.99) - 1]:.2f} ms, p100 {found[-1]:.2f} ms")
            for node in nodes:
                node.send_signal(signal.SIGTERM)
            for node in nodes:
                if node.wait(timeout=60) != 0:
                    raise RuntimeError("a node does not end well")
            return 0 if each < 1 else 1
    finally:
        for node in nodes:
            if node.poll() is None:
                node.kill()
        server.end()


if __name__ == "__main__":
    sys.exit(main())
