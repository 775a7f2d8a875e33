"""Several nodes on one database server, to which everything happens at random, and then a look at whether all is as promised.

    chaos.py --server postgresql --seconds 60 --seed 7 --nodes 3

What jobs do is written down in a file, by themselves: what is in the database must agree with that. VISOR_PROGRAM is the program. A run
in which too little went wrong proves nothing, and fails.

For root the data of PostgreSQL and MariaDB is on a file system of its own, in a mount namespace of this process, so that it can be full."""

import argparse
import collections
import contextlib
import datetime
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from clusters import Galera, OnSmallDisk, Replicated, SpreadGalera  # noqa: E402
from servers import MariaDB, PgBouncer, Postgres  # noqa: E402

PROGRAM = os.environ.get("VISOR_PROGRAM", "visor")
SERVERS = {"postgresql": Postgres, "mysql": MariaDB, "pgbouncer": PgBouncer, "replica": Replicated, "galera": Galera,
           "galera-spread": SpreadGalera}
TTL, HEARTBEAT = 2.0, 0.4
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
# Of the schedules that are the same in every file and fire for each of their instants.
PERIODS = {"each-second": 1, "each-other-second": 2, "each-third-second": 3, "refused-output": 4}
# The files of two versions. The first one is older, whichever nodes have it.
OLD, NEW = "old", "new"
FILES = {
    OLD: """
    only-old: {schedule: "*/2 * * * * *", workflow: quick, misfire: {policy: all, limit: 1000}}
    in-both: {schedule: "*/4 * * * * *", workflow: quick, misfire: {policy: all, limit: 1000}}""",
    NEW: """
    only-new: {schedule: "*/2 * * * * *", workflow: quick, misfire: {policy: all, limit: 1000}}
    in-both: {schedule: "*/5 * * * * *", workflow: quick, misfire: {policy: all, limit: 1000}}""",
}
EXPRESSIONS = {OLD: "*/4 * * * * *", NEW: "*/5 * * * * *"}  # of `in-both`
JOB_STARTED = " started, attempt "  # in the log of a node that has joined
LEASE_LOST = " is lost: running jobs are told to stop"
# How a process ends that finds a living node of its name.
NAME_IS_TAKEN = re.compile(r"node \S+ \(.+\) is at work on this store, and there can be only one: stop it first")

# The database itself refuses: single statements, and on PostgreSQL commits, by triggers of an administrator. What is refused is counted where
# no rollback reaches.
REFUSED_TABLES = ("attempt", "lease", "ready", "job", "node")
REFUSALS = {
    "postgresql": """
CREATE FUNCTION chaos_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF random() < {chance} THEN RAISE EXCEPTION 'chaos: could not serialize access' USING ERRCODE = '40001'; END IF;
  RETURN NULL;
END $$;
""" + "".join(f"""
CREATE TRIGGER chaos_{each} AFTER INSERT OR UPDATE OR DELETE ON visor_{each} FOR EACH STATEMENT EXECUTE FUNCTION chaos_refuse();
CREATE CONSTRAINT TRIGGER chaos_{each}_at_commit AFTER INSERT ON visor_{each} DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION chaos_refuse();
""" for each in REFUSED_TABLES),
    # Each table has a sequence of its own: LOCK TABLES locks with a table what its triggers use.
    "mysql": "DELIMITER //\nCREATE TABLE chaos_weight (n INT PRIMARY KEY)//\n" +
             "".join(f"CREATE SEQUENCE chaos_refused_{each} NOCACHE//\n" for each in REFUSED_TABLES) + "".join(f"""
CREATE TRIGGER chaos_{each}_{what.lower()} AFTER {what} ON visor_{each} FOR EACH ROW IF rand() < {{chance}} THEN
  DO nextval(chaos_refused_{each}); SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'chaos: deadlock';
END IF//
""" for each in REFUSED_TABLES for what in ("INSERT", "UPDATE", "DELETE")),
}
# Rows that the database refuses however often it is asked: the output of one workflow, and every job of another one.
UNWANTED = "this is no output for a database"
LASTING_REFUSALS = {
    "postgresql": f"""
CREATE FUNCTION refuse_value() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not such a value' USING ERRCODE = '23514'; END $$;
CREATE TRIGGER refuse_output BEFORE INSERT ON visor_attempt FOR EACH ROW WHEN (NEW.output LIKE '%{UNWANTED}%') EXECUTE FUNCTION refuse_value();
CREATE TRIGGER refuse_job BEFORE INSERT ON visor_job FOR EACH ROW WHEN (NEW.type = 'unwanted-job') EXECUTE FUNCTION refuse_value();
""",
    "mysql": "DELIMITER //\n" + "".join(f"""
CREATE TRIGGER refuse_{table} BEFORE INSERT ON visor_{table} FOR EACH ROW IF {condition} THEN
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not such a value';
END IF//
""" for table, condition in (("attempt", f"NEW.output LIKE '%{UNWANTED}%'"), ("job", "NEW.type = 'unwanted-job'"))),
}
# An administrator, or a migration of somebody else, locks a table. Nobody waits long to get the lock, since all that come later wait behind.
TABLE_LOCKS = {
    "postgresql": "SET lock_timeout = '2s'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({length}); COMMIT",
    "mysql": "SET lock_wait_timeout = 2; LOCK TABLES {table} WRITE; DO SLEEP({length}); UNLOCK TABLES",
}
# A primary that is demoted, while its connections stay up, and that is promoted again.
DEMOTE = {
    "postgresql": ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"),
    "mysql": ("SET SESSION lock_wait_timeout = 2; SET GLOBAL read_only = 1",),
}
PROMOTE = {
    "postgresql": ("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
    "mysql": ("SET GLOBAL read_only = 0",),
}
# Somebody locks in the other order what every completion locks: first leases, then what all that write share. The server ends one of the two,
# which is always the node: on PostgreSQL the one that looks first, on MariaDB the one that has written less.
DEADLOCKS = {
    "postgresql": "SET deadlock_timeout = '1min'; SET lock_timeout = '3s'; BEGIN; SELECT count(*) FROM (SELECT id FROM visor_lease FOR UPDATE) l; "
                  "SELECT pg_sleep(0.4); SELECT pg_advisory_xact_lock(hashtext('visor'), hashtext('public')); COMMIT",
    "mysql": "SET innodb_lock_wait_timeout = 3; BEGIN; INSERT INTO chaos_weight SELECT seq FROM seq_1_to_5000; "
             "SELECT count(*) FROM (SELECT id FROM visor_lease FOR UPDATE) l; DO SLEEP(0.4); "
             "SELECT version FROM visor_migration WHERE version = 1 FOR UPDATE; ROLLBACK",
}

CONFIG = """
scheduler:
  storage: {{driver: {driver}, connection: {{connection_string: "{driver}://visor:correct%20horse@127.0.0.1:{port}/visor?{options}"}}}}
  ha: {{enabled: true, node_id: {name}, lock_ttl: {ttl}s, heartbeat_interval: {heartbeat}ms}}
  check_interval_ms: 200
  node: {{drain_timeout: 3s}}
  cron:
    each-second: {{schedule: "* * * * * *", workflow: quick, misfire: {{policy: all, limit: 1000}}}}
    each-other-second: {{schedule: "*/2 * * * * *", workflow: slow, misfire: {{policy: all, limit: 1000}}}}
    each-third-second: {{schedule: "*/3 * * * * *", workflow: flaky, misfire: {{policy: all, limit: 1000}}}}
    refused-output: {{schedule: "*/4 * * * * *", workflow: unwanted-output, misfire: {{policy: all, limit: 1000}}}}
    refused-job: {{schedule: "*/5 * * * * *", workflow: unwanted-job}}{cron}
workflows:
  quick: {{command: [sh, -c, "{begin}; {end}"], max_attempts: 1000, max_lost: 1000, env: {{LD_PRELOAD: ""}}}}
  slow: {{command: [sh, -c, "{begin}; sleep 1.2; {end}; printf %016000d 0"], max_attempts: 1000, max_lost: 1000, env: {{LD_PRELOAD: ""}}}}
  unwanted-output: {{command: [sh, -c, "{begin}; {end}; echo {unwanted}"], max_attempts: 1000, max_lost: 1000, env: {{LD_PRELOAD: ""}}}}
  unwanted-job: {{command: [sh, -c, "{begin}; {end}"], max_attempts: 1000, max_lost: 1000, env: {{LD_PRELOAD: ""}}}}
  flaky:
    env: {{LD_PRELOAD: ""}}
    command: [sh, -c, "{begin}; {end}; test $VISOR_ATTEMPT -ge 2"]
    max_attempts: 1000
    max_lost: 1000
    backoff: {{kind: fixed, base: 100ms}}
"""
# What every job says, so that a result is known by it on its way to the database. Long outputs make tables grow, so that a full disk matters.
RESULT = b"this is a result"
# A line is written at once, so that it is never between the parts of another.
LINE = "echo {what} $VISOR_JOB_ID $VISOR_ATTEMPT $VISOR_NODE $VISOR_EPOCH $(date +%s.%N) >> {runs}"


class Gate:
    """Between one node and the server: lets through, cuts, swallows everything, or only what the server says, or everything from the first
    result on."""

    def __init__(self, hosts, to):
        """At one port of each host, to another one of the same."""
        self.to, self.mode, self.pairs, self.lock, self.port, self.doors = to, "pass", [], threading.Lock(), 0, {}
        self.holds = threading.Event()
        for host in hosts:
            listener = self.doors[host] = socket.create_server((host, self.port))
            self.port = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, host), daemon=True).start()

    def shut(self, host):
        """For good: who connects there is refused, as where nobody listens."""
        if host in self.doors:
            self.doors.pop(host).shutdown(socket.SHUT_RDWR)

    def accept(self, listener, host):
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return listener.close()
            threading.Thread(target=self.serve, args=(here, host), daemon=True).start()

    def serve(self, here, host):
        try:
            there = socket.create_connection((host, self.to))
        except OSError:
            here.close()
            return
        with self.lock:
            self.pairs.append((here, there))
        try:
            while True:
                for one in select.select([here, there], [], [], 0.05)[0]:
                    other = there if one is here else here
                    if self.mode == "hold":
                        time.sleep(0.01)
                        continue
                    some = one.recv(65536)
                    if not some:
                        return
                    if self.mode == "hold results" and one is here and RESULT in some:
                        self.mode = "hold"
                        self.holds.set()
                        while self.mode == "hold":
                            time.sleep(0.01)
                    if not (self.mode == "swallow answers" and one is there):
                        other.sendall(some)
        except (OSError, ValueError):
            pass
        finally:
            for one in (here, there):
                one.close()
            with self.lock:
                self.pairs.remove((here, there))

    def cut(self):
        with self.lock:
            for pair in self.pairs:
                for one in pair:
                    try:
                        one.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass


class Deck:
    """Deals cards at random, each as often as its weight says. The first cards are one of each kind, so that a run of a minute has all."""

    def __init__(self, random_numbers, weights):
        self.random, self.weights, self.cards = random_numbers, weights, list(weights)
        self.random.shuffle(self.cards)

    def draw(self):
        if not self.cards:
            self.cards = [card for card, weight in self.weights.items() for _ in range(weight)]
            self.random.shuffle(self.cards)
        return self.cards.pop()

    def put_back(self, card):
        self.cards.insert(max(0, len(self.cards) - 3), card)


class Run:
    """One process of a node, with the file that it read."""

    def __init__(self, process, version):
        self.process, self.version, self.begin, self.end = process, version, time.time(), None


class Node:
    PIPE_SIZE = 4096  # the smallest, which is full after some lines

    def __init__(self, cluster, number):
        self.cluster, self.number, self.name, self.process = cluster, number, f"node{number}", None
        self.gate = Gate(cluster.server.HOSTS, cluster.server.entrance)
        self.folder = cluster.folder / self.name
        self.folder.mkdir()
        self.is_faulty = threading.Lock()  # one fault of a node at a time
        self.is_log_read, self.log_readers, self.log_begin = threading.Event(), [], 0
        self.is_log_read.set()
        self.version, self.runs, self.rival_until = OLD, [], 0
        self.set_clock("+0")

    def file(self, port):
        runs = self.cluster.folder / "runs"
        return CONFIG.format(
            driver=self.cluster.server.DRIVER, port=port, options=self.cluster.server.options_of(self.number), name=self.name, ttl=int(TTL),
            heartbeat=int(HEARTBEAT * 1000), cron=FILES[self.version], unwanted=UNWANTED,
            begin=LINE.format(what="begin", runs=runs), end=LINE.format(what="end", runs=runs) + f"; echo {RESULT.decode()}")

    def set_clock(self, offset):
        """In one go, since the node may look at any time."""
        (self.folder / "next clock").write_text(offset)
        (self.folder / "next clock").rename(self.folder / "clock")

    def start(self, prefix=()):
        """Whoever reads the log of the node does so through a pipe."""
        self.note_end()
        (self.folder / "visor.yaml").write_text(self.file(self.gate.port))
        own_clock = {}
        if self.cluster.has_clocks:
            own_clock = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"), "FAKETIME_NO_CACHE": "1",
                         "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.log_begin = len(self.log())
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, self.PIPE_SIZE)
        self.process = subprocess.Popen([*prefix, PROGRAM, "run"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing,
                                        env={**os.environ, **own_clock})
        os.close(writing)
        self.log_readers.append(threading.Thread(target=self.read_log, args=(reading,), daemon=True))
        self.log_readers[-1].start()
        self.runs.append(Run(self.process, self.version))

    def read_log(self, reading):
        with open(self.folder / "log", "ab", buffering=0) as log:
            while some := os.read(reading, self.PIPE_SIZE):
                log.write(some)
                self.is_log_read.wait()
        os.close(reading)

    def note_end(self):
        """The last process has ended, or ends now."""
        if self.runs and self.runs[-1].end is None:
            self.runs[-1].end = time.time()

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_of_this_run(self):
        """All of it, once the process has ended."""
        for each in self.log_readers:
            each.join(5)
        return self.log()[self.log_begin:]

    def send(self, which):
        self.process.send_signal(which)


class Trouble:
    """When something was wrong, with one node or, where it names none, with the server."""

    def __init__(self, begin, end, node, costs_leases):
        self.begin, self.end, self.node, self.costs_leases = begin, end, node, costs_leases


def has_own_mounts():
    return "VISOR_CHAOS_MOUNTS" in os.environ


def take_own_mounts():
    """What is mounted, and how the machine is called, is then the business of this process and its children, and goes with them."""
    if has_own_mounts() or os.geteuid() != 0:
        return
    words = ["unshare", "--mount", "--uts"]
    if subprocess.run([*words, "sh", "-c", "mount -t tmpfs none /mnt && hostname elsewhere"], capture_output=True).returncode == 0:
        os.environ["VISOR_CHAOS_MOUNTS"] = "own"
        os.execvp(words[0], [*words, sys.executable, *sys.argv])


def server_of(kind):
    """On a disk that can be full, where that can be had."""
    has_disk = kind in ("postgresql", "mysql", "pgbouncer") and has_own_mounts()
    return type("OnSmallDisk" + SERVERS[kind].__name__, (OnSmallDisk, SERVERS[kind]) if has_disk else (SERVERS[kind],), {})(tls=False)


class Cluster:
    def __init__(self, server, nodes, seed, has_clocks, is_patient=False):
        """Patient: other work takes the time of the nodes, so that nothing is said of how long something took, nor of what happens only in
        time."""
        self.has_clocks, self.is_patient = has_clocks, is_patient
        self.random, self.seed, self.kind = random.Random(seed), seed, server
        self.temporary = tempfile.TemporaryDirectory(prefix="visor-cluster-")
        self.folder = pathlib.Path(self.temporary.name)
        self.server = server_of(server)
        self.counts = collections.Counter()
        self.kills = []  # (when, node)
        self.troubles = []
        self.refused_from = self.refused_since = None  # the first job, and the first instant, of which some is refused for good
        self.deck_of_tables = None
        self.is_server_faulty = threading.Lock()  # one fault of the server at a time, but for its crashes
        self.acknowledged, self.unknown = set(), 0
        self.is_resting = False
        self.nodes = [Node(self, i) for i in range(nodes)]

    def say(self, *words):
        print(f"{time.monotonic() - self.began:7.2f} ", *words, flush=True)

    # What goes wrong.

    def trouble(self, node, length, costs_leases=True):
        now = time.time()
        self.troubles.append(Trouble(now, now + length, node, costs_leases))

    @contextlib.contextmanager
    def in_trouble(self, node, more, costs_leases=True):
        """For as long as it takes, and some seconds more."""
        trouble = Trouble(time.time(), float("inf"), node, costs_leases)
        self.troubles.append(trouble)
        try:
            yield
        finally:
            trouble.end = time.time() + more

    def was_in_trouble(self, begin, end, nodes=(None,), costs_leases=False):
        return any(each.begin < end and each.end > begin and each.node in nodes and (each.costs_leases or not costs_leases)
                   for each in self.troubles)

    def kill(self, node):
        self.counts["nodes killed"] += 1
        self.kills.append((time.time(), node.name))
        node.note_end()
        node.send(signal.SIGKILL)
        node.process.wait()
        pause = self.random.choice([0, 0.1, TTL * 2])
        time.sleep(pause)
        node.start()

    @contextlib.contextmanager
    def no_more_faults(self):
        """Those that there are have ended."""
        with contextlib.ExitStack() as kept:
            for node in self.nodes:
                kept.enter_context(node.is_faulty)
            kept.enter_context(self.is_server_faulty)
            for node in self.nodes:
                if node.process.poll() is not None:
                    self.end(node)
                    node.start()
            yield

    @contextlib.contextmanager
    def nothing_else(self):
        """Yields whether nothing is wrong, and keeps it so."""
        with self.no_more_faults():
            end = time.monotonic() + 15
            while time.time() < max((each.end for each in self.troubles), default=0) or not all(map(self.is_online, self.nodes)):
                if time.monotonic() > end:
                    yield False
                    return
                time.sleep(0.1)
            yield True

    def kill_alone(self):
        """Once nothing else is wrong: how long it takes then until others have its jobs."""
        with self.nothing_else() as is_quiet:
            if not is_quiet:
                return False
            time.sleep(1)
            node = self.random.choice(self.nodes)
            self.counts["nodes killed"] += 1
            self.kills.append((time.time(), node.name))
            node.note_end()
            node.send(signal.SIGKILL)
            node.process.wait()
            time.sleep(TTL + 1.5)
            node.start()
        return True

    def lock_alone(self):
        """A lock for longer than the lease on any table but that of the nodes, once nothing else is wrong: it costs no node its lease."""
        with self.nothing_else() as is_quiet:
            if not is_quiet:
                return False
            lost = self.count_lost_leases()
            table = self.random.choice([each for each in self.tables() if each != "visor_node"])
            is_done = self.lock(table, 2.5 * TTL)
            lost = self.count_lost_leases() - lost
            if lost and not self.is_patient and self.server.answers():
                self.fault(f"a lock on {table} for {2.5 * TTL} s cost {lost} leases")
        return is_done

    def count_lost_leases(self):
        return sum(node.log().count(LEASE_LOST) for node in self.nodes)

    def stop(self, node):
        length = self.random.uniform(0.5, 2.5) * TTL
        self.counts["stopped for longer than the lease"] += length > TTL
        self.trouble(node.name, length + 1)
        node.send(signal.SIGSTOP)
        time.sleep(length)
        node.send(signal.SIGCONT)

    def cut(self, node):
        node.gate.cut()

    def hold(self, node):
        length = self.random.uniform(0.2, 2.0) * TTL
        self.trouble(node.name, length + 3)
        node.gate.mode = "hold"
        time.sleep(length)
        if self.random.random() < 0.5:
            node.gate.cut()
        node.gate.mode = "pass"

    def delay_results(self, node):
        """A result is on its way when nothing comes through any more, and arrives when others have the job."""
        length = self.random.uniform(1.3, 1.8) * TTL
        self.trouble(node.name, length + 6)
        node.gate.holds.clear()
        node.gate.mode = "hold results"
        if node.gate.holds.wait(3):
            time.sleep(length)
        node.gate.mode = "pass"

    def end_lease(self, node):
        """As where the clock of the database is set forward: the node learns of that when it next says something."""
        with self.server_lock, self.in_trouble(node.name, 3):
            past = "'epoch'" if self.server.DRIVER == "postgresql" else "0"
            text = f"UPDATE visor_node SET lease_until = {past} WHERE name = '{node.name}'"
            subprocess.run(self.server.client(text, "visor"), capture_output=True)  # which may be refused as well

    def lose_answers(self, node):
        """What the node says arrives; that it was done, it never hears."""
        length = self.random.uniform(0.05, 0.5)
        self.trouble(node.name, length + 3)
        node.gate.mode = "swallow answers"
        time.sleep(length)
        node.gate.cut()
        node.gate.mode = "pass"

    def restart(self, node):
        self.end(node)
        node.start()

    def restart_with_another_file(self, node):
        """A node of the new version, or of the one before it, as where a deployment is rolled back or an old node is evicted once more."""
        node.version = NEW if node.version == OLD else OLD
        if self.random.random() < 0.5:
            self.kill(node)
        else:
            self.restart(node)

    @staticmethod
    def another_machine():
        """How to start a process that looks as if it ran there, whose processes nobody sees from here."""
        return ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh") if has_own_mounts() else ()

    def start_a_second(self, node):
        """A process that has the name of a living node ends, as documented, and the node lives on."""
        if not self.is_at_work(node):
            return False
        folder = node.folder / "second"
        folder.mkdir(exist_ok=True)
        (folder / "visor.yaml").write_text(node.file(self.server.entrance))
        begin = time.time()
        node.rival_until = begin + 3600
        prefix = self.random.choice(((), self.another_machine()))
        with open(folder / "log", "ab") as log:
            second = subprocess.Popen([*prefix, PROGRAM, "run"], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE,
                                      text=True)
        lost, has_run_on = node.log().count(LEASE_LOST), False
        end = time.monotonic() + (120 if self.is_patient else 20)
        # The first may have lost its lease just before: then the second has the name, and the first ends.
        while second.poll() is None and node.process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        if second.poll() is None:
            has_run_on = True
            second.terminate()
        text = second.communicate()[1]
        with open(folder / "log", "a") as log:
            log.write(text)
        node.rival_until = time.time() + 10
        if second.returncode == 1 and NAME_IS_TAKEN.search(text):
            if node.process.poll() is not None:
                self.fault(f"{node.name} ended when a second process came with its name: {node.log()[-500:]}")
            return True
        if has_run_on and node.process.poll() is None and node.log().count(LEASE_LOST) == lost:
            self.fault(f"a second {node.name} ran beside the first: {text[-500:]}")
        # Where something was wrong with the server, it may have found none, or a lease that had run out.
        elif not self.was_in_trouble(begin - TTL, time.time()) and not self.is_patient:
            self.fault(f"a second {node.name} ended with {second.returncode}: {text[-500:]}")
        return False

    def replace(self, node):
        """A node is stopped until its lease is over, and another process is started under its name. When the first goes on, it ends."""
        if not self.is_at_work(node):
            return False
        with self.in_trouble(node.name, 3):
            first = node.process
            node.note_end()
            node.send(signal.SIGSTOP)
            time.sleep(TTL + self.random.uniform(0.3, 1.5))
            node.rival_until = time.time() + 3600
            node.start(self.random.choice(((), self.another_machine())))
            time.sleep(self.random.uniform(0.5, 2 * TTL))
            first.send_signal(signal.SIGCONT)
            end = time.monotonic() + (120 if self.is_patient else 20)
            while first.poll() is None and node.process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            node.rival_until = time.time() + 10
            if first.poll() is None and node.process.poll() is None:
                self.fault(f"two processes have the name {node.name}: {node.log()[-1000:]}")
            if first.poll() is None:  # as it should be only where the second one found no server
                first.kill()
                first.wait()
                return False
            if first.returncode != 1 or not NAME_IS_TAKEN.search(node.log()[node.log_begin:]):
                self.fault(f"{node.name}, which was replaced, ended with {first.returncode}: {node.log()[-1000:]}")
        return True

    def read_no_log(self, node):
        """Nobody reads what the node writes to standard error. Nothing may come of it."""
        node.is_log_read.clear()
        time.sleep(self.random.uniform(1, 4) * TTL)
        node.is_log_read.set()

    def tables(self):
        """Of the program, in an order that does not change."""
        return sorted(self.server.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self.server.SCHEMA}' "
                                      "AND table_name LIKE 'visor%' AND table_type = 'BASE TABLE'", "visor").split())

    def lock(self, table, length):
        """The server may crash meanwhile. Gives whether it did not."""
        text = TABLE_LOCKS[self.server.DRIVER].format(table=table, length=length)
        with self.in_trouble(None, 2, costs_leases=table == "visor_node"):
            done = subprocess.run(self.server.client(text, "visor"), capture_output=True, text=True)
        return done.returncode == 0

    def lock_a_table(self):
        """Each in turn, and that of the nodes, whose lock costs leases, a little more often than any other."""
        if self.deck_of_tables is None:
            with self.server_lock:
                self.deck_of_tables = Deck(self.random, {each: 3 if each == "visor_node" else 1 for each in self.tables()})
        table = self.deck_of_tables.draw()
        is_done = self.lock(table, self.random.uniform(0.5, 2) * TTL)
        if is_done:
            self.counts["locks on " + ("visor_node" if table == "visor_node" else "other tables")] += 1
        return is_done

    def switch_over(self):
        """The server is a read-only one for a while, and keeps its connections. Where it crashes meanwhile, it is told again to be none."""
        with self.in_trouble(None, 5):
            is_done = all(subprocess.run(self.server.client(each), capture_output=True).returncode == 0 for each in DEMOTE[self.server.DRIVER])
            time.sleep(self.random.uniform(0.3, 1.5) * TTL)
            while any(subprocess.run(self.server.client(each), capture_output=True).returncode != 0 for each in PROMOTE[self.server.DRIVER]):
                time.sleep(0.1)
        return is_done

    def fill_disk(self):
        with self.server_lock, self.in_trouble(None, 6):
            self.server.fill()
            time.sleep(self.random.uniform(0.5, 2) * TTL)
            self.counts["servers that a full disk ended"] += self.server.make_room()

    def step_clock(self, node):
        """By an hour, or back. The clock of the database decides, so nothing may come of it."""
        node.set_clock(self.random.choice(("+3600", "-3600", "+0")))

    def roll(self):
        """Another version for all: each is restarted, when the one before it is back. In the end the schedules are those of that version."""
        version = self.random.choice((OLD, NEW))
        for node in self.nodes:
            with node.is_faulty:
                node.version = version
                self.restart(node)
                end = time.monotonic() + 5
                while time.monotonic() < end and not self.is_online(node):
                    time.sleep(0.1)
        with self.no_more_faults():
            self.await_declared()

    def declared(self):
        """What the stored schedules are to be, with the expression of the one that differs: the newest that a living node declares."""
        versions = {node.version for node in self.nodes}
        expression = EXPRESSIONS[NEW if NEW in versions else OLD]
        return {*PERIODS, "refused-job", f"in-both {expression}", *(f"only-{each}" for each in versions)}

    def stored(self):
        text = self.server.sql("SELECT id, expression FROM visor_schedule WHERE retired_at IS NULL", "visor")
        rows = dict(line.split("\t") for line in text.splitlines())
        return {f"{name} {expression}" if name == "in-both" else name for name, expression in rows.items()}

    def await_declared(self):
        end = time.monotonic() + (120 if self.is_patient else 20)
        while self.stored() != self.declared():
            if time.monotonic() > end:
                self.fault(f"the schedules are {sorted(self.stored())}, declared are {sorted(self.declared())}")
                return
            time.sleep(0.2)

    def is_at_work(self, node):
        """This process of it has joined, and more than that."""
        return node.process.poll() is None and JOB_STARTED in node.log()[node.log_begin:] and self.is_online(node)

    def is_online(self, node):
        """Not while nobody gets an answer, as where the members of a cluster that lost one look for each other."""
        with self.server_lock, contextlib.suppress(subprocess.CalledProcessError):
            return self.server.sql(f"SELECT count(*) FROM visor_node WHERE name = '{node.name}' AND state = 'online'", "visor") == "1"
        return False

    def end(self, node):
        """It may have ended by itself where it found no server at its start, or another process under its name, and it may not have come to
        hear signals yet."""
        node.send(signal.SIGTERM)
        code = node.process.wait(120 if self.is_patient else 30)
        node.note_end()
        text = node.log_of_this_run()
        if code not in (0, 1, -signal.SIGTERM):
            self.fault(f"{node.name} ended with {code}: {text[-500:]}")
        if code != 1:
            return
        if NAME_IS_TAKEN.search(text) and time.time() < node.rival_until:
            self.counts["nodes whose name another process had taken"] += 1
        elif JOB_STARTED in text:
            self.fault(f"{node.name} ended by itself: {text[-500:]}")
        else:
            self.counts["starts that failed"] += 1
            self.say(f"{node.name} did not start:", *re.findall(r"^visor: (.{,200})", text, re.MULTILINE))

    def supervise(self):
        """Starts again what has ended, as a service manager does."""
        while not self.is_resting:
            for node in self.nodes:
                if node.is_faulty.acquire(blocking=False):
                    try:
                        if node.process.poll() is not None:
                            self.end(node)
                            node.start()
                    finally:
                        node.is_faulty.release()
            time.sleep(0.2)

    def fail_server(self):
        with self.server_lock, self.in_trouble(None, 6):
            lost = self.server.fail(self.random.uniform(0, 1))
            for node in self.nodes:
                node.gate.shut(lost)
        return lost is not False

    def end_a_connection(self, node):
        """As an administrator or a failing server would."""
        with self.server_lock:
            if self.server.DRIVER == "postgresql":
                self.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'visor' ORDER BY random() LIMIT 1")
            else:
                ids = self.server.sql("SELECT id FROM information_schema.processlist WHERE db = 'visor' ORDER BY rand() LIMIT 1").split()
                for each in ids:
                    subprocess.run(self.server.client(f"KILL {each}"), capture_output=True)

    def let_the_database_refuse(self):
        self.server.sql(REFUSALS[self.server.DRIVER].format(chance=self.random.choice((0.002, 0.004))), "visor")
        self.server.sql(LASTING_REFUSALS[self.server.DRIVER], "visor")
        self.refused_since = time.time()
        self.refused_from = int(self.server.sql("SELECT coalesce(max(id), 0) + 1 FROM visor_job", "visor"))
        if self.server.DRIVER == "postgresql":
            self.server.sql("ALTER ROLE visor SET deadlock_timeout = '200ms'")  # for sessions to come
            self.server.sql("ALTER TABLE visor_attempt ALTER output SET STORAGE EXTERNAL", "visor")  # as if it could not be compressed

    def force_a_deadlock(self):
        with self.server_lock, self.in_trouble(None, 4):
            done = subprocess.run(self.server.client(DEADLOCKS[self.server.DRIVER], "visor"), capture_output=True, text=True)
            if "1213" in done.stderr:  # it was the one that the server ended
                self.counts["deadlocks"] -= 1

    def count_refusals(self):
        """The logs of servers outlive their crashes."""
        logs = self.server.log()
        self.counts["deadlocks"] += logs.count("deadlock detected") + logs.count("deadlock found")
        if self.server.DRIVER == "postgresql":
            self.counts["serialization failures"] = logs.count("chaos: could not serialize access")
        else:
            values = " + ".join(f"nextval(chaos_refused_{each}) - 1" for each in REFUSED_TABLES)
            self.counts["serialization failures"] = int(self.server.sql(f"SELECT {values}", "visor"))

    def make_trouble(self, until):
        """Faults of nodes, one at a time for each node; beside them faults of the server, one at a time; and what needs all of it."""
        faults = {self.kill: 6, self.stop: 3, self.cut: 4, self.hold: 2, self.lose_answers: 4, self.restart: 1, self.end_a_connection: 3,
                  self.delay_results: 2, self.end_lease: 3, self.restart_with_another_file: 3, self.start_a_second: 2, self.replace: 1,
                  self.read_no_log: 2}
        of_server, of_all = {}, {self.fail_server: 3, self.roll: 1, self.kill_alone: 2}
        if self.server.REFUSES:
            of_server = {self.force_a_deadlock: 3, self.lock_a_table: 3, self.switch_over: 2}
            of_all[self.lock_alone] = 1
        if hasattr(self.server, "fill"):
            of_server[self.fill_disk] = 2
        if self.has_clocks:
            faults[self.step_clock] = 6
        deck, deck_of_server, deck_of_all = (Deck(self.random, cards) for cards in (faults, of_server, of_all))
        next_of_server, next_of_all = (time.monotonic() + self.random.uniform(1, least) for least in (3, 10))
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.1, 0.8))
            if time.monotonic() > next_of_all:
                self.go(deck_of_all)
                next_of_all = time.monotonic() + self.random.uniform(6, 15)
            elif of_server and time.monotonic() > next_of_server and self.is_server_faulty.acquire(blocking=False):
                self.go_beside(deck_of_server, self.is_server_faulty)
                next_of_server = time.monotonic() + self.random.uniform(3, 7)
            else:
                free = [node for node in self.nodes if node.is_faulty.acquire(blocking=False)]
                chosen = self.random.choice(free) if free else None
                for node in free:
                    if node is not chosen:
                        node.is_faulty.release()
                if chosen:
                    self.go_beside(deck, chosen.is_faulty, chosen)

    def go_beside(self, deck, lock, *node):
        def go():
            try:
                self.go(deck, *node)
            except Exception as problem:  # a fault of the test's own
                self.fault(f"a fault failed: {problem!r} {traceback.format_exc()}")
            finally:
                lock.release()

        threading.Thread(target=go, daemon=True).start()

    def go(self, deck, *node):
        """What could not be done is tried again soon."""
        what = deck.draw()
        if what(*node) is False:
            deck.put_back(what)
        else:
            self.counts[self.server.FAILURE if what == self.fail_server else what.__name__.replace("_", " ")] += 1

    def watch_machine(self):
        """Where this process got no time, the nodes may have got none either."""
        while not self.is_resting:
            before = time.time()
            time.sleep(0.1)
            if time.time() - before > 0.5:
                self.troubles.append(Trouble(before, time.time() + TTL, None, True))
                self.counts["moments in which the machine had no time"] += 1

    # What is asked of it meanwhile.

    def enqueue(self):
        """A client with a way of its own to the server, which notes what was acknowledged."""
        folder = self.folder / "client"
        folder.mkdir()
        text = self.nodes[0].file(self.server.entrance)
        (folder / "visor.yaml").write_text(text)
        for workflow in itertools.cycle(("quick", "slow")):
            if self.is_resting:
                return
            done = subprocess.run([PROGRAM, "job", "enqueue", workflow, "--json"], cwd=folder, capture_output=True, text=True)
            if done.returncode == 0:
                self.acknowledged.add(int(json.loads(done.stdout)["id"]))
            else:
                self.unknown += 1
                self.check_said("the client", done.stderr)
            time.sleep(0.4 if self.is_patient else 0.05)

    # What must be so.

    def fault(self, text):
        self.faults.append(text)
        self.say("FAULT:", text)

    def check_said(self, who, text):
        """That two were in each other's way is what a store deals with: nobody is told."""
        for line in text.splitlines():
            if "chaos: " in line or "deadlock" in line.lower():
                self.fault(f"{who} is told of a conflict: {line}")

    def rows(self, columns, rest):
        """Instants come as microseconds."""
        def spelled(column):
            if self.server.DRIVER == "postgresql" and column.endswith("_at"):
                return f"CAST(extract(epoch FROM {column}) * 1000000 AS bigint)"
            missing = {"final_state": "", "node": "", "outcome": "completed", "job": "0", "reason": "-"}
            return f"coalesce({column}, '{missing[column]}')" if column in missing else column
        text = self.server.sql(f"SELECT {', '.join(map(spelled, columns))} FROM {rest}", "visor")
        row = collections.namedtuple("row", columns)
        return [row(*line.split("\t")) for line in text.splitlines()]

    def count(self, table):
        return int(self.server.sql(f"SELECT count(*) FROM {table}", "visor"))

    def left(self):
        return sum(self.count(table) for table in ("visor_ready", "visor_scheduled", "visor_waiting", "visor_lease"))

    def come_to_rest(self):
        for node in self.nodes:
            with node.is_faulty:
                node.gate.mode = "pass"
        with self.is_server_faulty:
            time.sleep(TTL)
        self.is_resting = True
        self.client.join()
        self.supervisor.join()
        self.say("what was wrong has ended")
        self.await_declared()
        self.say("the schedules are as declared")
        self.paused_at = {}
        for name in self.server.sql("SELECT id FROM visor_schedule WHERE retired_at IS NULL", "visor").split():
            self.paused_at[name] = time.time()
            for _ in range(20):
                done = subprocess.run([PROGRAM, "schedule", "pause", name, "--force"], cwd=self.folder / "client", capture_output=True, text=True)
                if done.returncode == 0:
                    break
                time.sleep(0.5)
            else:
                self.fault(f"{name} cannot be paused: {done.stderr}")
        end = time.time() + (300 if self.is_patient else 60)
        # A job that was lost several times in a row waits longer each time.
        end = max(end, *(int(row.run_at) / 1e6 + 30 for row in self.rows(["run_at"], "visor_scheduled")), 0)
        while self.left() != 0 and time.time() < end:
            time.sleep(0.2)
        self.say("nothing is left to do" if self.left() == 0 else "something is left to do")
        for node in self.nodes:
            if node.process.poll() is not None:
                self.fault(f"{node.name} is not there at the end: {node.log()[-500:]}")
            else:
                self.end(node)

    def check(self):
        for table in ("visor_ready", "visor_scheduled", "visor_waiting", "visor_lease", "visor_dead"):
            if self.count(table) != 0:
                self.fault(f"{self.count(table)} rows are left in {table}")
        jobs = {int(row.id) for row in self.rows(["id"], "visor_job")}
        fires = self.rows(["schedule", "planned_at", "fired_at", "job", "result", "reason"], "visor_fire ORDER BY schedule, planned_at")
        self.check_fires(fires)
        fired = [int(row.job) for row in fires if row.result == "fired"]
        if len(fired) != len(set(fired)):
            self.fault("two fires share a job")
        for job in set(fired) - jobs:
            self.fault(f"job {job} was fired and is not there")
        for job in self.acknowledged - jobs:
            self.fault(f"job {job} was acknowledged and is not there")
        strangers = jobs - set(fired) - self.acknowledged
        if len(strangers) > self.unknown:
            self.fault(f"nobody asked for {len(strangers)} jobs, and only for {self.unknown} the answer was lost")
        attempts = collections.defaultdict(list)
        for row in self.rows(["job", "number", "node", "epoch", "outcome", "final_state", "started_at", "finished_at"],
                             "visor_attempt ORDER BY job, number"):
            attempts[int(row.job)].append(row)
        for job in jobs:
            self.check_job(job, attempts[job])
        self.check_runs(attempts)
        self.check_recoveries(attempts)
        self.check_refused_outputs()
        self.check_lost_leases()
        for node in self.nodes:
            self.check_said(node.name, node.log())
        self.jobs = len(jobs)

    def check_fires(self, fires):
        """No schedule is silent: not for instants between others, not for long, and not to the end. What was missed says why."""
        of = collections.defaultdict(list)
        for row in fires:
            of[row.schedule].append(row)
        for schedule, period in PERIODS.items():
            instants = [int(row.planned_at) for row in of[schedule]]
            if len(instants) < 3:
                self.fault(f"{schedule} fired {len(instants)} times")
            for one, next_one in zip(instants, instants[1:]):
                if next_one - one != period * 1_000_000:
                    self.fault(f"{schedule}: from {one} to {next_one} is not its period")
            for row in of[schedule]:
                if row.result != "fired":
                    self.fault(f"{schedule} {row.planned_at} is {row.result}: {row.reason}")
            self.delays += [(int(row.fired_at) - int(row.planned_at)) / 1e6 for row in of[schedule]]
        for version in FILES:
            self.check_fires_of_version(version, [int(row.planned_at) / 1e6 for row in of[f"only-{version}"]])
        self.check_refused_fires(of["refused-job"])
        for schedule, paused_at in self.paused_at.items():
            last = max((int(row.planned_at) / 1e6 for row in of[schedule]), default=0)
            if last < paused_at - 5 - (60 if self.is_patient else 5):
                self.fault(f"{schedule} was silent for {paused_at - last:.1f} s at the end")
            self.check_silences(schedule, sorted(int(row.fired_at) / 1e6 for row in of[schedule]))

    def check_fires_of_version(self, version, instants):
        """It fires without a gap as long as a node declares it with which nothing is wrong."""
        self.counts[f"fires of a schedule that only the {version} file has"] = len(instants)
        for one, next_one in zip(instants, instants[1:]):
            steps = int((next_one - one) * 4) + 1
            if next_one - one > 2.5 and all(self.is_declared(version, one + step / 4) for step in range(steps)):
                self.fault(f"only-{version}: from {one} to {next_one} it did not fire, and a node had it")

    def is_declared(self, version, when):
        start = 30 if self.is_patient else 10
        return any(run.version == version and run.begin + start < when < (run.end or time.time()) - 1 and
                   not self.was_in_trouble(when - start, when + TTL, (None, node.name), costs_leases=True)
                   for node in self.nodes for run in node.runs)

    def check_refused_fires(self, rows):
        for row in rows:
            if self.refused_since is not None and int(row.planned_at) / 1e6 > self.refused_since:
                self.counts["fires refused for good"] += 1
                if row.result != "missed" or "refuses its job" not in row.reason:
                    self.fault(f"refused-job {row.planned_at} is {row.result}: {row.reason}")

    def check_silences(self, schedule, times):
        """For as long as no fault lasts, whatever the reason; for shorter only with a word in some log. Clocks that step tell nothing."""
        longest = 300 if self.is_patient else 60
        for one, next_one in zip(times, times[1:]):
            is_removed = schedule.startswith("only-")
            if next_one - one > longest and not is_removed:
                self.fault(f"{schedule} was silent for {next_one - one:.1f} s")
            elif next_one - one > 15 and not self.has_clocks and not any(one < each < next_one for each in self.warned_at):
                self.fault(f"{schedule} was silent for {next_one - one:.1f} s, and no log says a word")

    def check_refused_outputs(self):
        """Each of these jobs completed without what the database refuses of it, and its attempt says so."""
        if self.refused_from is None:
            return
        which = f"visor_attempt a JOIN visor_job j ON j.id = a.job WHERE j.type = 'unwanted-output' AND j.id >= {self.refused_from} " \
            "AND a.final_state = 'completed'"
        self.counts["outputs refused for good"] = self.count(which)
        for condition in ("a.output IS NOT NULL", "a.error IS NULL", "a.error NOT LIKE '%its output is left out%'"):
            if self.count(f"{which} AND {condition}") != 0:
                self.fault(f"{self.count(f'{which} AND {condition}')} refused results have {condition}")

    def read_logs(self):
        """When nodes warned of something, and when one found its lease lost."""
        self.warned_at, self.lost_at = [], []
        for node in self.nodes:
            for line in node.log().splitlines():
                found = re.match(r"(\S+)Z (warning|error) +(.*)", line)
                if not found:
                    continue
                with contextlib.suppress(ValueError):  # the end of a line that a kill cut off
                    when = datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()
                    self.warned_at.append(when)
                    if LEASE_LOST in found[3]:
                        self.lost_at.append((when, node.name))

    def check_lost_leases(self):
        """A node loses its lease only where something was wrong with it or its server that can cost a lease."""
        if self.has_clocks:
            return
        for when, node in self.lost_at:
            if not self.was_in_trouble(when - TTL - 2, when, (None, node), costs_leases=True):
                self.counts["leases lost with nothing wrong"] += 1
                if not self.is_patient:
                    self.fault(f"{node} lost its lease at {when:.3f}, and nothing was wrong with it")

    def check_job(self, job, attempts):
        if [int(each.number) for each in attempts] != list(range(1, len(attempts) + 1)):
            self.fault(f"job {job} has the attempts {[each.number for each in attempts]}")
        final = [each for each in attempts if each.final_state]
        if len(final) != 1 or final[0] is not attempts[-1] or final[0].final_state != "completed":
            self.fault(f"job {job} ended as {[each.final_state for each in attempts]}")
        for each in attempts:
            self.counts[each.outcome] += 1

    def check_runs(self, attempts):
        begins, ends = collections.defaultdict(list), collections.defaultdict(list)
        for line in (self.folder / "runs").read_text().splitlines():
            what, job, number, node, epoch, when = line.split()
            (begins if what == "begin" else ends)[int(job), int(number)].append((node, int(epoch), float(when)))
        for (job, number), all_of_it in begins.items():
            known = [each for each in attempts.get(job, []) if int(each.number) == number]
            if not known:
                self.fault(f"job {job}, attempt {number} ran and is not in the database")
            if len(all_of_it) > 1 and known and known[0].outcome != "lost":
                self.fault(f"job {job}, attempt {number} ran {len(all_of_it)} times: {all_of_it}")
        for job, all_of_it in attempts.items():
            for each in all_of_it:
                ran = begins.get((job, int(each.number)), [])
                if each.outcome in ("completed", "failed"):
                    if len(ran) != 1 or len(ends.get((job, int(each.number)), [])) != 1:
                        self.fault(f"job {job}, attempt {each.number} is {each.outcome} and ran {len(ran)} times")
                    elif (ran[0][0], ran[0][1]) != (each.node, int(each.epoch)):
                        self.fault(f"job {job}, attempt {each.number} ran on {ran[0]}, but {each.node} {each.epoch} completed it")
            for one, next_one in zip(all_of_it, all_of_it[1:]):
                before, after = ends.get((job, int(one.number)), []), begins.get((job, int(next_one.number)), [])
                if before and after and after[0][2] < before[0][2]:
                    self.counts["overlaps after a lost lease"] += 1
                    if one.outcome != "lost":
                        self.fault(f"job {job}: attempt {next_one.number} began before {one.number}, which was not lost, had ended")

    def check_recoveries(self, attempts):
        """How long it took until the jobs of a node that was killed were taken from it: while nothing else was wrong, and beside other
        faults. A node that is stopped in the middle of a transaction keeps the others waiting for longer."""
        self.recoveries, self.disturbed_recoveries = [], []
        lost = [each for all_of_it in attempts.values() for each in all_of_it if each.outcome == "lost"]
        for when, node in self.kills:
            end = when + TTL + 1
            is_disturbed = self.was_in_trouble(when, end, (None, *(node.name for node in self.nodes))) or \
                any(when - 1 < killed < end and (killed, name) != (when, node) for killed, name in self.kills)
            for each in lost:
                began, ended = int(each.started_at) / 1e6, int(each.finished_at) / 1e6
                was_running = each.node == node and began <= when <= ended
                if was_running and not any(when < killed <= ended for killed, name in self.kills if name == node):
                    (self.disturbed_recoveries if is_disturbed else self.recoveries).append(ended - when)
        for took in self.recoveries:
            if took > TTL + 1 and not self.is_patient:
                self.fault(f"jobs of a killed node were taken over after {took:.2f} s")

    def run(self, seconds):
        self.faults, self.delays, self.server_lock, self.began = [], [], threading.Lock(), time.monotonic()
        print(f"{self.kind}, {len(self.nodes)} nodes{', clocks that step' * self.has_clocks}, {seconds} s, --seed {self.seed}", flush=True)
        try:
            self.nodes[0].start()
            while self.server.tables() < 10 and time.monotonic() < self.began + 30:
                time.sleep(0.1)
            while not self.is_online(self.nodes[0]) and time.monotonic() < self.began + 60:
                time.sleep(0.1)
            if self.server.REFUSES:
                self.let_the_database_refuse()
            for node in self.nodes[1:]:
                node.start()
            self.client, self.supervisor = threading.Thread(target=self.enqueue), threading.Thread(target=self.supervise)
            self.client.start()
            self.supervisor.start()
            threading.Thread(target=self.watch_machine, daemon=True).start()
            self.make_trouble(time.monotonic() + seconds)
            self.come_to_rest()
            if self.server.REFUSES:
                self.count_refusals()
            self.read_logs()
            self.check()
        finally:
            self.is_resting = True
            for node in self.nodes:
                if node.process and node.process.poll() is None:
                    node.send(signal.SIGKILL)
                    node.process.wait()
        logs = "".join(node.log() for node in self.nodes)
        self.counts["results refused by the database"] = logs.count("its lease was lost, the result is refused")
        self.counts["results given up by the node"] = logs.count("ended after its lease was lost: its result does not count")
        self.counts["leases lost"] = logs.count(LEASE_LOST)
        self.counts["went on not knowing what it claimed"] = logs.count(" goes on under epoch ")
        self.counts["taken over"] = logs.count("took over from node")
        self.counts["lines of logs dropped"] = sum(int(each) for each in re.findall(r"(\d+) lines of the log were dropped", logs))
        self.counts["writes refused for want of space"] = sum(map(logs.count, self.server.NO_SPACE))
        self.counts["writes refused by a read-only server"] = sum(map(logs.count, self.server.READ_ONLY))
        self.counts["schedules removed, by name"] = len(re.findall(r"schedule \S+ was removed: no living node declares it", logs))
        self.report(seconds)
        if self.faults:
            kept = pathlib.Path(tempfile.mkdtemp(prefix="visor-cluster-kept-"))
            subprocess.run(["cp", "-r", str(self.folder), str(kept)])
            print("the logs of the nodes are in", kept)
        self.server.end()
        return 1 if self.faults else 0

    def report(self, seconds):
        print(f"jobs {self.jobs}, of which {len(self.acknowledged)} from a client that got no answer {self.unknown} times")
        for what, count in sorted(self.counts.items()):
            print(f"  {what}: {count}")
        for which, times in (("nothing else was wrong", self.recoveries), ("other things were wrong too", self.disturbed_recoveries)):
            if times:
                times.sort()
                print(f"  taken over after a kill, while {which}: {len(times)} attempts, p50 {times[len(times) // 2]:.2f} s, "
                      f"p100 {times[-1]:.2f} s, lock_ttl {TTL:.0f} s")
        if self.delays:
            self.delays.sort()
            print(f"  from an instant to its fire: p50 {self.delays[len(self.delays) // 2]:.3f} s, p100 {self.delays[-1]:.2f} s")
        wanted = {"nodes killed": 5, "lost": 5, "cut": 2, "taken over": 1, "leases lost": 1, "results refused by the database": 1}
        if self.server.REFUSES:
            wanted |= {"deadlocks": 1, "serialization failures": 1}
        if self.is_patient:
            wanted = {"nodes killed": 2, "lost": 1, "cut": 1}
        wanted |= {"restart with another file": 1, "read no log": 1, "stopped for longer than the lease": 1, "start a second": 1}
        if self.server.REFUSES:
            wanted |= {"lock a table": 1, "switch over": 1, "outputs refused for good": 1, "fires refused for good": 1}
        if hasattr(self.server, "fill"):
            wanted["fill disk"] = 1
        if seconds >= 300:
            wanted |= {each: 5 for each in wanted}
            wanted |= {"replace": 1, "roll": 1, "kill alone": 1, "schedules removed, by name": 1}
            if self.server.REFUSES:
                wanted |= {"lock alone": 1, "writes refused by a read-only server": 1}
            if hasattr(self.server, "fill"):
                wanted["writes refused for want of space"] = 1
        if seconds >= 1200 and self.server.REFUSES:
            wanted["locks on visor_node"] = 1
        rare = [f"vacuous: only {self.counts[what]} times {what}" for what, least in wanted.items() if self.counts[what] < least]
        # Where the machine has much else to do, a minute may be too short for some.
        if seconds >= 30 and len(rare) > (len(wanted) // 3 if self.is_patient else 0):
            for each in rare:
                self.fault(each)
        print("faults:", len(self.faults))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=sorted(SERVERS), default="postgresql")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=60)
    length.add_argument("--minutes", dest="seconds", type=lambda text: 60 * float(text))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--patient", action="store_true", help="others need the machine too: no limits of time, and less to do")
    parser.add_argument("--clocks", action="store_true", help="the clocks of the nodes step by an hour; needs libfaketime")
    given = parser.parse_args()
    if given.clocks and FAKETIME is None:
        parser.error("--clocks needs libfaketime, of the package faketime")
    take_own_mounts()
    sys.exit(Cluster(given.server, given.nodes, given.seed, given.clocks, given.patient).run(given.seconds))


if __name__ == "__main__":
    main()
