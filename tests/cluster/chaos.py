"""Several nodes on one database server, which are killed, stopped and cut off at random, and then a look at whether all is as promised.

    chaos.py --server postgresql --seconds 60 --seed 7 --nodes 3

What jobs do is written down in a file, by themselves: what is in the database must agree with that. VISOR_PROGRAM is the program. A run
in which too little went wrong proves nothing, and fails."""

import argparse
import collections
import contextlib
import itertools
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from clusters import Galera, Replicated, SpreadGalera  # noqa: E402
from servers import MariaDB, PgBouncer, Postgres  # noqa: E402

PROGRAM = os.environ.get("VISOR_PROGRAM", "visor")
SERVERS = {"postgresql": Postgres, "mysql": MariaDB, "pgbouncer": PgBouncer, "replica": Replicated, "galera": Galera,
           "galera-spread": SpreadGalera}
TTL, HEARTBEAT = 2.0, 0.4
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
PERIODS = {"each-second": 1, "each-other-second": 2, "each-third-second": 3}

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
    "mysql": "DELIMITER //\nCREATE SEQUENCE chaos_refused NOCACHE//\nCREATE TABLE chaos_weight (n INT PRIMARY KEY)//\n" + "".join(f"""
CREATE TRIGGER chaos_{each}_{what.lower()} AFTER {what} ON visor_{each} FOR EACH ROW IF rand() < {{chance}} THEN
  DO nextval(chaos_refused); SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'chaos: deadlock';
END IF//
""" for each in REFUSED_TABLES for what in ("INSERT", "UPDATE", "DELETE")),
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
workflows:
  quick: {{command: [sh, -c, "{begin}; {end}"], max_attempts: 1000, env: {{LD_PRELOAD: ""}}}}
  slow: {{command: [sh, -c, "{begin}; sleep 1.2; {end}"], max_attempts: 1000, env: {{LD_PRELOAD: ""}}}}
  flaky:
    env: {{LD_PRELOAD: ""}}
    command: [sh, -c, "{begin}; {end}; test $VISOR_ATTEMPT -ge 2"]
    max_attempts: 1000
    backoff: {{kind: fixed, base: 100ms}}
"""
# What every job says, so that a result is known by it on its way to the database.
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


class Node:
    def __init__(self, cluster, number):
        self.cluster, self.name, self.process = cluster, f"node{number}", None
        self.gate = Gate(cluster.server.HOSTS, cluster.server.entrance)
        self.folder = cluster.folder / self.name
        self.folder.mkdir()
        self.is_faulty = threading.Lock()  # one fault of a node at a time
        self.set_clock("+0")
        runs = cluster.folder / "runs"
        (self.folder / "visor.yaml").write_text(CONFIG.format(
            driver=cluster.server.DRIVER, port=self.gate.port, options=cluster.server.options_of(number), name=self.name, ttl=int(TTL),
            heartbeat=int(HEARTBEAT * 1000),
            begin=LINE.format(what="begin", runs=runs), end=LINE.format(what="end", runs=runs) + f"; echo {RESULT.decode()}"))

    def set_clock(self, offset):
        """In one go, since the node may look at any time."""
        (self.folder / "next clock").write_text(offset)
        (self.folder / "next clock").rename(self.folder / "clock")

    def start(self):
        own_clock = {}
        if self.cluster.has_clocks:
            own_clock = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"), "FAKETIME_NO_CACHE": "1",
                         "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([PROGRAM, "run"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env={**os.environ, **own_clock})
        log.close()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def send(self, which):
        self.process.send_signal(which)


class Cluster:
    def __init__(self, server, nodes, seed, has_clocks, is_patient=False):
        """Patient: other work takes the time of the nodes, so that nothing is said of how long something took, nor of what happens only in
        time."""
        self.has_clocks, self.is_patient = has_clocks, is_patient
        self.random, self.seed, self.kind = random.Random(seed), seed, server
        self.temporary = tempfile.TemporaryDirectory(prefix="visor-cluster-")
        self.folder = pathlib.Path(self.temporary.name)
        self.server = SERVERS[server](tls=False)
        self.counts = collections.Counter()
        self.kills = []  # (when, node)
        self.troubles = []  # (from, until, node or None for the server)
        self.acknowledged, self.unknown = set(), 0
        self.is_resting = False
        self.nodes = [Node(self, i) for i in range(nodes)]

    def say(self, *words):
        print(f"{time.monotonic() - self.began:7.2f} ", *words, flush=True)

    # What goes wrong.

    def trouble(self, node, length):
        now = time.time()
        self.troubles.append((now, now + length, node))

    def kill(self, node):
        self.kills.append((time.time(), node.name))
        node.send(signal.SIGKILL)
        node.process.wait()
        pause = self.random.choice([0, 0.1, TTL * 2])
        time.sleep(pause)
        node.start()

    def kill_alone(self):
        """Once nothing else is wrong: how long it takes then until others have its jobs."""
        with contextlib.ExitStack() as kept:
            for node in self.nodes:
                kept.enter_context(node.is_faulty)
            end = time.monotonic() + 15
            while time.time() < max((until for _, until, _ in self.troubles), default=0) or not all(map(self.is_online, self.nodes)):
                if time.monotonic() > end:
                    return False
                time.sleep(0.1)
            time.sleep(1)
            node = self.random.choice(self.nodes)
            self.kills.append((time.time(), node.name))
            node.send(signal.SIGKILL)
            node.process.wait()
            time.sleep(TTL + 1.5)
            node.start()
        return True

    def stop(self, node):
        length = self.random.uniform(0.5, 2.5) * TTL
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
        self.trouble(node.name, 3)
        with self.server_lock:
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

    def step_clock(self, node):
        """By an hour, or back. The clock of the database decides, so nothing may come of it."""
        node.set_clock(self.random.choice(("+3600", "-3600", "+0")))

    def roll(self):
        """A new version for all: each is restarted, when the one before it is back."""
        for node in self.nodes:
            with node.is_faulty:
                self.restart(node)
                end = time.monotonic() + 5
                while time.monotonic() < end and not self.is_online(node):
                    time.sleep(0.1)
        return True

    def is_online(self, node):
        """Not while nobody gets an answer, as where the members of a cluster that lost one look for each other."""
        with self.server_lock, contextlib.suppress(subprocess.CalledProcessError):
            return self.server.sql(f"SELECT count(*) FROM visor_node WHERE name = '{node.name}' AND state = 'online'", "visor") == "1"
        return False

    def end(self, node):
        """It may have ended by itself where it found no server at its start, and it may not have come to hear signals yet."""
        node.send(signal.SIGTERM)
        code = node.process.wait(120 if self.is_patient else 30)
        if code not in (0, 1, -signal.SIGTERM):
            self.fault(f"{node.name} ended with {code}: {node.log()[-500:]}")
        if code == 1:
            self.counts["starts that failed"] += 1

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
        with self.server_lock:
            began = time.time()
            lost = self.server.fail(self.random.uniform(0, 1))
            for node in self.nodes:
                node.gate.shut(lost)
            self.troubles.append((began, time.time() + 6, None))
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
        if self.server.DRIVER == "postgresql":
            self.server.sql("ALTER ROLE visor SET deadlock_timeout = '200ms'")  # for sessions to come

    def force_a_deadlock(self, _):
        self.trouble(None, 4)
        with self.server_lock:
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
            self.counts["serialization failures"] = int(self.server.sql("SELECT nextval(chaos_refused) - 1", "visor"))

    def make_trouble(self, until):
        faults = {self.kill: 6, self.stop: 3, self.cut: 4, self.hold: 2, self.lose_answers: 4, self.restart: 1, self.end_a_connection: 3,
                  self.delay_results: 2, self.end_lease: 3}
        if self.server.REFUSES:
            faults[self.force_a_deadlock] = 3
        if self.has_clocks:
            faults[self.step_clock] = 6
        of_all = {self.fail_server: self.server.FAILURE, self.roll: "rolling restarts", self.kill_alone: "kills with nothing else wrong"}
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.1, 0.8))
            if self.random.random() < 0.04:
                what = self.random.choices(list(of_all), (2, 1, 2))[0]
                self.counts[of_all[what]] += what()
                continue
            what = self.random.choices(list(faults), list(faults.values()))[0]
            node = self.random.choice(self.nodes)
            if not node.is_faulty.acquire(blocking=False):
                continue

            def go(what=what, node=node):
                try:
                    what(node)
                except Exception as problem:  # a fault of the test's own
                    self.fault(f"{what.__name__}: {problem!r}")
                finally:
                    node.is_faulty.release()

            self.counts[what.__name__.replace("_", " ")] += 1
            threading.Thread(target=go, daemon=True).start()

    # What is asked of it meanwhile.

    def enqueue(self):
        """A client with a way of its own to the server, which notes what was acknowledged."""
        folder = self.folder / "client"
        folder.mkdir()
        text = (self.nodes[0].folder / "visor.yaml").read_text()
        (folder / "visor.yaml").write_text(text.replace(f":{self.nodes[0].gate.port}/", f":{self.server.entrance}/"))
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
            missing = {"final_state": "", "node": "", "outcome": "completed"}
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
        time.sleep(TTL)
        self.is_resting = True
        self.client.join()
        self.supervisor.join()
        for name in PERIODS:
            for _ in range(20):
                done = subprocess.run([PROGRAM, "schedule", "pause", name, "--force"], cwd=self.folder / "client", capture_output=True, text=True)
                if done.returncode == 0:
                    break
                time.sleep(0.5)
            else:
                self.fault(f"{name} cannot be paused: {done.stderr}")
        end = time.monotonic() + (300 if self.is_patient else 60)
        while self.left() != 0 and time.monotonic() < end:
            time.sleep(0.2)
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
        fires = self.rows(["schedule", "planned_at", "job"], "visor_fire ORDER BY schedule, planned_at")
        self.check_fires(fires)
        fired = [int(row.job) for row in fires]
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
        for node in self.nodes:
            self.check_said(node.name, node.log())
        self.jobs = len(jobs)

    def check_fires(self, fires):
        for schedule, period in PERIODS.items():
            instants = [int(row.planned_at) for row in fires if row.schedule == schedule]
            if len(instants) < 3:
                self.fault(f"{schedule} fired {len(instants)} times")
            for one, next_one in zip(instants, instants[1:]):
                if next_one - one != period * 1_000_000:
                    self.fault(f"{schedule}: from {one} to {next_one} is not its period")

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
            is_disturbed = any(begin < end and until > when for begin, until, _ in self.troubles) or \
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
        self.faults, self.server_lock, self.began = [], threading.Lock(), time.monotonic()
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
            self.make_trouble(time.monotonic() + seconds)
            self.come_to_rest()
            if self.server.REFUSES:
                self.count_refusals()
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
        self.counts["leases lost"] = logs.count(" is lost: running jobs are told to stop")
        self.counts["went on not knowing what it claimed"] = logs.count(" goes on under epoch ")
        self.counts["taken over"] = logs.count("took over from node")
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
        wanted = {"kill": 5, "lost": 5, "cut": 2, "taken over": 1, "leases lost": 1, "results refused by the database": 1}
        if self.server.REFUSES:
            wanted |= {"deadlocks": 1, "serialization failures": 1}
        if self.is_patient:
            wanted = {"kill": 2, "lost": 1, "cut": 1}
        for what, least in wanted.items():
            if seconds >= 30 and self.counts[what] < least:
                self.fault(f"vacuous: only {self.counts[what]} times {what}")
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
    sys.exit(Cluster(given.server, given.nodes, given.seed, given.clocks, given.patient).run(given.seconds))


if __name__ == "__main__":
    main()
