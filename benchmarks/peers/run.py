#!/usr/bin/env python3
"""Runs other queues on a PostgreSQL of their own, or on one that is given, and says how fast each is. See README.md beside this.

  benchmarks/peers/run.py                            every peer whose tools are here, 200,000 jobs each
  benchmarks/peers/run.py --peer river --jobs 50000
  benchmarks/peers/run.py --json --url postgresql://user:password@host:5432/postgres
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("VISOR_BUILD_ROOT", ROOT / "build")) / "peers"

sys.path.insert(0, str(ROOT / "tests/cli"))
import servers  # noqa: E402

# As River's bench has it; those that can insert many at once are given the same.
INSERT_BATCH = 5000


class Skipped(Exception):
    """Why a peer cannot run here."""


class Failed(Exception):
    """Why what a peer did does not count."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """How a peer is asked to work: jobs that it takes from the table at once, jobs at work at once in a node, nodes."""

    batch: int
    concurrency: int
    nodes: int = 1


# --------------------------------------------------------------------------------------------------------------- the server


class Private(servers.Postgres):
    """With the settings that PostgreSQL has by itself, but for its connections: four processes of graphile-worker take 25 each."""

    def __init__(self, settings):
        self.settings = ["max_connections=200", *settings]
        try:
            super().__init__(tls=False)
        except BaseException:  # or asked to stop: that goes too
            self.end()
            raise

    def command(self):
        words = [self.binaries / "postgres", "-D", self.data, "-k", self.root, "-p", self.port, "-c", f"listen_addresses={self.ADDRESS}"]
        return words + [word for setting in self.settings for word in ("-c", setting)]

    def make_user(self):
        self.sql(f"CREATE ROLE visor SUPERUSER LOGIN PASSWORD '{self.PASSWORD}'")

    def url(self):
        return f"postgresql://visor:{urllib.parse.quote(self.PASSWORD)}@{self.ADDRESS}:{self.port}/postgres"


@contextlib.contextmanager
def server_at(url, settings):
    """The URL of a server: of the one that is given, or of one that goes with this."""
    if url:
        yield url
        return
    private = Private(settings)
    try:
        yield private.url()
    finally:
        private.end()


def psql():
    found = shutil.which("psql") or next(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql")), None)
    if not found:
        raise SystemExit("run.py: no psql")
    return found


def sql(url, text):
    done = subprocess.run([psql(), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", text, url], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return done.stdout.strip()


@contextlib.contextmanager
def database(server):
    """A new one on that server, which goes with this."""
    name = f"visor_peer_{os.getpid()}"
    sql(server, f"CREATE DATABASE {name}")
    try:
        yield urllib.parse.urlunsplit(urllib.parse.urlsplit(server)._replace(path="/" + name))
    finally:
        try:
            sql(server, f"DROP DATABASE {name} WITH (FORCE)")
        except Failed as reason:  # a private server may have been stopped together with this; the reason to end is another
            print(f"run.py: {reason}", file=sys.stderr)


# ---------------------------------------------------------------------------------------------------------------- the peers


def run(words, folder):
    """One step of an installation. What it says is shown only if it fails."""
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise Skipped(f"{' '.join(words[:3])}: {' '.join(lines[-3:])[:400]}")


def tool(name):
    found = shutil.which(name)
    if not found:
        raise Skipped(f"no {name}")
    return found


class Peer:
    """A folder beside this file with a driver, which speaks as README.md says, and the manifest that pins what it needs."""

    name = ""
    tools = ()
    shapes = ()
    check = ""  # SQL: how many jobs the peer has as finished, where it keeps them, or as not finished, where it does not
    keeps = True
    apart = True  # a process for each node
    most = None  # jobs, where more would only take longer

    def __init__(self):
        self.folder = CACHE / self.name

    def prepare(self):
        """Installs it in the cache, unless the same was installed there before."""
        for name in self.tools:
            tool(name)
        source = HERE / self.name
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()
        stamp = self.folder / "installed"
        if stamp.exists() and stamp.read_text() == digest:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)
        self.install()
        stamp.write_text(digest)

    def install(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError


class Node(Peer):
    """Node itself is one of the packages, where there is one for the machine, because peers want a newer one than distributions have."""

    tools = ("npm",)

    def install(self):
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], self.folder)

    def command(self):
        own = next(self.folder.glob("node_modules/node-linux-*/bin/node"), None)
        return [str(own or tool("node")), "driver.js"]


class GraphileWorker(Node):
    name = "graphile-worker"
    shapes = (Shape(batch=500, concurrency=24, nodes=4), Shape(batch=1, concurrency=24, nodes=4))
    check, keeps = "SELECT count(*) FROM graphile_worker.jobs", False


class PgBoss(Node):
    name = "pg-boss"
    shapes = (Shape(batch=500, concurrency=2),)
    check = "SELECT count(*) FROM pgboss.job WHERE state = 'completed'"


class River(Peer):
    name = "river"
    tools = ("go",)
    shapes = (Shape(batch=2000, concurrency=2000),)
    check = "SELECT count(*) FROM river_job WHERE state = 'completed'"

    def install(self):
        run(["go", "build", "-mod=readonly", "-o", "driver", "."], self.folder)

    def command(self):
        return ["./driver"]


class DbScheduler(Peer):
    name = "db-scheduler"
    tools = ("java", "mvn")
    shapes = (Shape(batch=400, concurrency=20, nodes=4),)
    check, keeps, apart = "SELECT count(*) FROM scheduled_tasks", False, False

    def install(self):
        run(["mvn", "--batch-mode", "dependency:copy-dependencies"], self.folder)

    def command(self):
        return ["java", "-cp", "target/dependency/*", "Driver.java"]


class Procrastinate(Peer):
    name = "procrastinate"
    tools = ("python3",)
    shapes = (Shape(batch=1, concurrency=24),)
    most = 5_000
    check = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

    def install(self):
        run(["python3", "-m", "venv", "environment"], self.folder)
        run(["environment/bin/pip", "install", "--require-hashes", "--only-binary=:all:", "-r", "requirements.txt"], self.folder)

    def command(self):
        return ["environment/bin/python", "driver.py"]


PEERS = {peer.name: peer for peer in (GraphileWorker, PgBoss, River, DbScheduler, Procrastinate)}

# ------------------------------------------------------------------------------------------------------------------ one run


class Driver:
    """A process of a peer's driver."""

    def __init__(self, peer, phase, environment, log):
        self.what, self.log = f"{peer.name} {phase}", log
        self.process = subprocess.Popen([*peer.command(), phase], cwd=peer.folder, env={**os.environ, **environment},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def expect(self, word):
        """What follows the word at the start of a line; other lines are the peer's own."""
        for line in self.process.stdout:
            if line.startswith(word + " "):
                return line.split()[1]
        status = self.process.wait()
        self.log.seek(0)
        raise Failed(f"{self.what} ended with status {status} before it was {word}: {self.log.read()[-2000:].strip()}")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.wait()


def phase_of(peer, phase, environment, processes=1):
    """Runs one phase in that many processes. Gives its seconds, how many jobs it had and the version of the peer."""
    with open(CACHE / f"{peer.name}.log", "w+", encoding="utf-8") as log:
        drivers = [Driver(peer, phase, environment, log) for _ in range(processes)]
        try:
            versions = {driver.expect("ready") for driver in drivers}
            start = time.monotonic()
            for driver in drivers:
                driver.go()
            count = sum(int(driver.expect("done")) for driver in drivers)
            return time.monotonic() - start, count, versions.pop()
        finally:
            for driver in drivers:
                driver.end()


def measure(peer, shape, jobs, server):
    with database(server) as url:
        environment = {"PEER_URL": url, "PEER_JOBS": str(jobs), "PEER_BATCH": str(shape.batch), "PEER_CONCURRENCY": str(shape.concurrency),
                       "PEER_NODES": str(shape.nodes), "PEER_INSERT_BATCH": str(INSERT_BATCH)}
        enqueue, _, version = phase_of(peer, "enqueue", environment)
        sql(url, "VACUUM ANALYZE")
        sql(url, "CHECKPOINT")
        before = sql(url, "SELECT pg_current_wal_insert_lsn()")
        seconds, worked, _ = phase_of(peer, "work", environment, shape.nodes if peer.apart else 1)
        wal = int(sql(url, f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')::bigint"))
        found, wanted = int(sql(url, peer.check)), jobs if peer.keeps else 0
        if worked != jobs or found != wanted:
            raise Failed(f"{jobs} jobs, of which {worked} ran; its table has {found} {'finished' if peer.keeps else 'left'}, not {wanted}")
        postgresql = sql(url, "SHOW server_version").split()[0]
    return {"peer": peer.name, "version": version.lstrip("v"), "postgresql": postgresql, "jobs": jobs, "batch": shape.batch,
            "concurrency": shape.concurrency, "nodes": shape.nodes, "history": "kept" if peer.keeps else "deleted",
            "seconds": round(seconds, 3), "jobs_per_second": round(jobs / seconds), "enqueue_seconds": round(enqueue, 3),
            "wal_bytes_per_job": round(wal / jobs)}


# ------------------------------------------------------------------------------------------------------------------- output

COLUMNS = (("peer", 16), ("version", 9), ("jobs", 9), ("batch", 6), ("concurrency", 12), ("nodes", 6), ("history", 8),
           ("seconds", 9), ("jobs_per_second", 16), ("enqueue_seconds", 16), ("wal_bytes_per_job", 18))


def line(cells):
    return "".join(f"{cell:<{width}}" if name == "peer" else f"{cell:>{width}}" for cell, (name, width) in zip(cells, COLUMNS))


def show(row, as_json):
    if as_json:
        text = json.dumps(row)
    elif len(row) == 2:
        text = f"{row['peer']:<16}" + " ".join(f"{word}: {why}" for word, why in row.items() if word != "peer")
    else:
        text = line(row[name] for name, _ in COLUMNS)
    print(text, flush=True)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; more than once for several")
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    parser.add_argument("--url", help="a server where databases may be made, instead of a private one; needs a superuser")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the private server")
    chosen = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server and its folder go too
    failures = 0
    with server_at(chosen.url, chosen.set) as server:
        if not chosen.json:
            print(f"PostgreSQL {sql(server, 'SHOW server_version')}, {os.cpu_count()} processors, {platform.machine()}")
            print(line(name for name, _ in COLUMNS), flush=True)
        for name in chosen.peer or PEERS:
            peer = PEERS[name]()
            try:
                peer.prepare()
                for shape in peer.shapes:
                    show(measure(peer, shape, min(chosen.jobs, peer.most or chosen.jobs), server), chosen.json)
            except Skipped as reason:
                show({"peer": name, "skipped": str(reason)}, chosen.json)
            except Failed as reason:
                show({"peer": name, "failed": str(reason)}, chosen.json)
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
