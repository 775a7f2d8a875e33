"""Measures the program beside the floors, on private servers, and writes a table, JSON and charts. Started by scripts/bench.

    suite.py --folder bench-results --rounds 5 --drivers postgresql,sqlite

A row is measured in rounds: the floor and the program one after the other, in turns first, so that both meet the same machine; a ratio is the
median of those of the rounds. VISOR_PROGRAM is the program, VISOR_FLOORS the folder of the floors."""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/cli", "tests/cluster"):
    sys.path.insert(0, str(SOURCE / folder))
import charts  # noqa: E402
import servers  # noqa: E402

PROGRAM = os.environ.get("VISOR_PROGRAM", "visor")
FLOORS = pathlib.Path(os.environ.get("VISOR_FLOORS", "."))
TICK = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    pass


def run(words, **how):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, **how)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


# ---- where the program and the floors work ----


class PostgreSQL(servers.Postgres):
    """As a server that loses nothing is set up: it waits for the disk."""

    def __init__(self):
        super().__init__(tls=False)
        self.sql(f"ALTER ROLE postgres PASSWORD '{self.PASSWORD}'")
        self.address = f"postgresql://postgres:{urllib.parse.quote(self.PASSWORD)}@{self.ADDRESS}:{self.port}"  # by TCP
        self.url = f"postgresql://postgres@/visor?host={self.root}".replace("@/", f"@:{self.port}/")

    def command(self):
        lasting = [word for word in super().command() if word != "fsync=off"][:-1]
        return [*lasting, "-c", "max_connections=200", "-c", "shared_buffers=2GB", "-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=30min"]

    def version(self):
        return "PostgreSQL " + self.sql("SHOW server_version")

    def settle(self):
        self.sql("VACUUM", "visor")
        self.sql("CHECKPOINT")

    def floor(self, words):
        self.sql("DROP SCHEMA IF EXISTS visor_floor CASCADE; CREATE SCHEMA visor_floor", "visor")
        run([PROGRAM, "db", "init", "--url", self.url + "&search_path=visor_floor"])
        try:
            where = f"host={self.root} port={self.port} user=postgres dbname=visor options='-c search_path=visor_floor -c TimeZone=UTC'"
            return run([FLOORS / "floor_queue_postgresql", where, *words])
        finally:
            self.sql("DROP SCHEMA visor_floor CASCADE", "visor")


class MariaDB(servers.MariaDB):
    def __init__(self):
        super().__init__(tls=False)
        self.url = f"mysql://root@localhost/visor?host={self.root}/mysqld.sock"

    def storage(self):
        return [f"--datadir={self.data}", f"--tmpdir={self.root}", "--innodb-buffer-pool-size=2G", "--innodb-log-file-size=2G"]

    def command(self):
        return [word for word in super().command() if word != "--innodb-flush-log-at-trx-commit=2"]

    def version(self):
        return "MariaDB " + self.sql("SELECT version()")

    def settle(self):
        pass

    def deadlocks(self):
        return int(self.sql("SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'"))

    def floor(self, words):
        self.sql("DROP DATABASE IF EXISTS visor_floor; CREATE DATABASE visor_floor")
        run([PROGRAM, "db", "init", "--url", self.url.replace("/visor?", "/visor_floor?")])
        try:
            return run([FLOORS / "floor_queue_mysql", self.root / "mysqld.sock", "root", "visor_floor", *words])
        finally:
            self.sql("DROP DATABASE visor_floor")


class SQLite:
    server = url = None

    def __init__(self):
        # On a disk: what the temporary folder is kept in may be memory.
        self.own = tempfile.TemporaryDirectory(prefix="visor-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.root = pathlib.Path(self.own.name)

    def version(self):
        return next(each["library"] for each in json.loads(run([PROGRAM, "drivers", "--json"])) if each["name"] == "sqlite")

    def settle(self):
        pass

    def floor(self, words):
        file, config = self.root / "floor.db", self.root / "floor.yaml"
        config.write_text(json.dumps({"scheduler": {"storage": {"driver": "sqlite", "connection": {"filename": str(file)}}}}))
        run([PROGRAM, "db", "init", "--config", config])
        try:
            return run([FLOORS / "floor_queue_sqlite", file, *words])
        finally:
            for end in ("", "-wal", "-shm"):
                file.with_name(file.name + end).unlink(missing_ok=True)

    def end(self):
        self.own.cleanup()


class Memory:
    server = url = None
    root = pathlib.Path(tempfile.gettempdir())

    def version(self):
        return "built in"

    def settle(self):
        pass

    def floor(self, words):
        return run([FLOORS / "floor_queue_memory", *words])

    def end(self):
        pass


# First what is about a cluster that is idle: behind heavy work a server cleans up for a while. For the same reason peers have one of their own.
PARTS = {"postgresql": [["steady", "idle", "postgresql", "scale", "depth", "others"], ["peers"]]}
BACKENDS = {"memory": Memory, "sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB}
# How many times as fast as a peer, with that batch, it has to be.
LEAST = {("graphile-worker", 500): 2.5, ("pg-boss", 500): 5, ("river", 2000): 3}
NAMES = {"memory": "memory", "sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}


def cpu_of(process):
    """Seconds of a server's processes, those included that have ended."""
    if process is None:
        return None
    ticks, below = 0, {process.pid}
    stats = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            rest = path.read_text().rpartition(")")[2].split()
            stats[int(path.parent.name)] = (int(rest[1]), [int(word) for word in rest[11:15]])
    for pid in sorted(stats):  # children come after their parents, but for numbers that began anew
        parent, times = stats[pid]
        if pid in below or parent in below:
            below.add(pid)
            ticks += sum(times)
    return ticks / TICK


class Bench:
    def __init__(self, driver):
        self.driver, self.backend = driver, BACKENDS[driver]()

    def visor(self, scenario, url=None, **options):
        words = [PROGRAM, "bench", scenario, "--driver", self.driver, "--json"]
        if self.backend.url:
            words += ["--url", url or self.backend.url]
        if self.driver == "sqlite":
            words += ["--file", self.backend.root / "visor.db"]
        for name, value in options.items():
            words += [f"--{name}", value]
        self.backend.settle()
        before = cpu_of(self.backend.server)
        result = json.loads(run(words, cwd=self.backend.root))
        if before is not None:
            result["server_cpu_seconds"] = cpu_of(self.backend.server) - before  # with making and checking the jobs
        return result

    def floor(self, scenario, jobs, batch=1, nodes=1):
        self.backend.settle()
        return json.loads(self.backend.floor([scenario, jobs, batch, nodes, 150]))


# ---- what is measured ----


def rate(result):
    return result["jobs_per_second"]


class Suite:
    def __init__(self, options):
        self.options, self.folder = options, pathlib.Path(options.folder)
        self.rows, self.results, self.charts = [], [], []
        self.folder.mkdir(parents=True, exist_ok=True)

    def count(self, jobs):
        return max(200, int(jobs * self.options.scale))

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def keep(self, what, result):
        self.results.append({"of": what, **result})
        return result

    def row(self, what, measured, wanted, ok, detail=""):
        self.rows.append({"what": what, "measured": measured, "wanted": wanted, "ok": ok, "detail": detail})
        self.say(f"  {what}: {measured}{' (' + detail + ')' if detail else ''}")

    def chart(self, name, svg):
        (self.folder / f"{name}.svg").write_text(svg)
        self.charts.append(f"{name}.svg")

    def beside(self, bench, scenario, **how):
        """Rounds of the program and the floor. Gives the medians of both, and of the ratios."""
        ours, floors = [], []
        for i in range(self.options.rounds):
            for which in ("floor", "visor") if i % 2 == 0 else ("visor", "floor"):
                result = getattr(bench, which)(scenario, **how)
                self.keep(which, result)
                (ours if which == "visor" else floors).append(result)
        ratio = statistics.median(rate(one) / rate(floor) for one, floor in zip(ours, floors))
        return sorted(ours, key=rate)[len(ours) // 2], statistics.median(map(rate, floors)), ratio

    def ratio_row(self, bench, what, scenario, least, **how):
        one, floor, ratio = self.beside(bench, scenario, **how)
        self.row(what, f"{ratio:.2f} of the floor", f"{least:.2f}" if least else "", ratio >= least if least else None,
                 f"{rate(one):,.0f} /s, floor {floor:,.0f} /s")
        return one

    # Each of these is one part, by the name of its driver.

    def postgresql(self, bench):
        jobs = self.count(200_000)
        for batch in (500, 1000):
            one = self.ratio_row(bench, f"PostgreSQL burn-down, batch {batch}, 2 nodes", "burn-down", 0.75, jobs=jobs, batch=batch, nodes=2)
        written = one["wal_bytes_per_job"]
        self.row("WAL from enqueue to completion", f"{written:.0f} bytes a job", "700", written < 700, "150-byte payload")
        for batch in (500, 5000):
            self.ratio_row(bench, f"PostgreSQL bulk enqueue, batch {batch}", "bulk-enqueue", 0.75, jobs=jobs, batch=batch)
        self.ratio_row(bench, "PostgreSQL, one at a time", "one-at-a-time", 0.8, jobs=self.count(5_000))

    def others(self, bench):
        for scenario, count in (("schedule-storm", 20_000), ("mixed", 20_000)):
            one = self.keep("visor", bench.visor(scenario, jobs=self.count(count)))
            self.row(f"PostgreSQL {scenario}", f"{rate(one):,.0f} jobs/s", "", None, f"{one['jobs']} jobs")

    def steady(self, bench):
        os.sync()  # what was measured before is idle only when it is on the disk
        time.sleep(2)
        one = self.keep("visor", bench.visor("steady", jobs=self.count(2_000), rate=100))
        start = one["latencies"]["start"]
        floor = self.keep("floor", bench.floor("steady", self.count(2_000), batch=100))["latencies"]["start"]
        self.row("enqueue to start on an idle cluster, PostgreSQL", f"p50 {start['p50_ms']:.2f} ms, p99 {start['p99_ms']:.2f} ms", "0.5 and 3 ms",
                 start["p50_ms"] < 0.5 and start["p99_ms"] < 3,
                 f"100 jobs a second, each added by itself; floor p50 {floor['p50_ms']:.2f} ms, p99 {floor['p99_ms']:.2f} ms")
        self.chart("latency", charts.histogram("From enqueue to start", f"PostgreSQL, {one['jobs']} jobs, 100 a second, one node",
                                               "milliseconds", start["histogram"], {"p50": start["p50_ms"], "p99": start["p99_ms"]}))

    def scale(self, bench):
        jobs, of_batch = self.count(200_000), {"visor": [], "floor": []}
        for batch in (1, 10, 100, 500, 1000, 5000):
            count = min(jobs, self.count(2_000 if batch == 1 else 20_000 if batch == 10 else jobs))
            for which, points in of_batch.items():
                points.append((batch, rate(self.keep(which, getattr(bench, which)("burn-down", jobs=count, batch=batch, nodes=2)))))
        self.chart("batch", charts.lines("Throughput against batch", "PostgreSQL burn-down, 2 nodes, history kept", "jobs a node takes at a time",
                                         "jobs a second", of_batch, log_x=True))
        of_nodes = {"visor": [], "floor": []}
        for nodes in (1, 2, 4, 8):
            for which, points in of_nodes.items():
                points.append((nodes, rate(self.keep(which, getattr(bench, which)("burn-down", jobs=jobs, batch=500, nodes=nodes)))))
        self.chart("nodes", charts.lines("Throughput against nodes", "PostgreSQL burn-down, batch 500, history kept", "nodes",
                                         "jobs a second", of_nodes, log_x=True))

    def depth(self, bench):
        claims = {"p50": [], "p99": []}
        for depth in (0, 10_000, 100_000, 1_000_000, 10_000_000):
            if depth > self.options.depth:
                break
            one = self.keep("visor", bench.visor("deep-queue", jobs=self.count(20_000), batch=100, depth=depth))
            for name, points in claims.items():
                points.append((max(depth, 1_000), one["latencies"]["claim"][name + "_ms"]))
        first, last = claims["p50"][0][1], claims["p50"][-1][1]
        self.row("claim beside jobs that have ended", f"{last / first:.2f} times an empty queue's", "2.00", last < 2 * first,
                 f"{last:.2f} ms with {charts.number(claims['p50'][-1][0])} ended and a tenth ready, {first:.2f} ms without, batch 100")
        self.chart("depth", charts.lines("Claim against depth", "PostgreSQL, batch 100, a tenth as many jobs ready", "jobs that have ended",
                                         "milliseconds", claims, log_x=True, x_names={1_000: "0"}))
        one = self.keep("visor", bench.visor("pinned-xmin", jobs=self.count(1_000_000), batch=500))
        first, last = one["claims"][0]["p50_ms"], one["claims"][-1]["p50_ms"]
        self.row("claim behind dead entries", f"{last / first:.2f} times an empty queue's", "2.00", last < 2 * first,
                 f"{last:.2f} ms behind {charts.number(one['claims'][-1]['jobs'])}, {first:.2f} ms behind none, batch 500")
        dead = {name: [(point["jobs"], point[name + "_ms"]) for point in one["claims"]] for name in ("p50", "p99")}
        self.chart("dead", charts.lines("Claim behind dead entries", "PostgreSQL, batch 500, an old transaction keeps them", "dead entries",
                                        "milliseconds", dead))

    def mysql(self, bench):
        before = bench.backend.deadlocks()
        for nodes in (1, 2):
            self.ratio_row(bench, f"MariaDB burn-down, {nodes} node{'s' if nodes > 1 else ''}", "burn-down", 0.75, jobs=self.count(50_000),
                           batch=500, nodes=nodes)
        self.ratio_row(bench, "MariaDB, one at a time", "one-at-a-time", None, jobs=self.count(2_000))
        self.ratio_row(bench, "MariaDB bulk enqueue", "bulk-enqueue", None, jobs=self.count(50_000), batch=500)
        dead = bench.backend.deadlocks() - before
        self.row("MariaDB deadlocks", str(dead), "0", dead == 0)

    def sqlite(self, bench):
        # Many: at this speed to join and to leave would take a tenth of the time for 100,000.
        for batch in (500, 1000):
            self.ratio_row(bench, f"SQLite burn-down, batch {batch}", "burn-down", 0.7, jobs=self.count(1_000_000), batch=batch)
        self.ratio_row(bench, "SQLite, one at a time", "one-at-a-time", None, jobs=self.count(2_000))
        self.ratio_row(bench, "SQLite bulk enqueue", "bulk-enqueue", None, jobs=self.count(100_000), batch=500)

    def memory(self, bench):
        self.ratio_row(bench, "memory burn-down", "burn-down", None, jobs=self.count(200_000), batch=500)

    def idle(self, bench):
        """A node with nothing to do, as the program runs it."""
        from idle import Counter
        config = bench.backend.root / "idle.yaml"
        config.write_text(json.dumps({"scheduler": {"storage": {"driver": "postgresql", "connection": {"connection_string": bench.backend.url}}},
                                      "workflows": {"quick": {"command": ["true"]}}}))
        node = subprocess.Popen([PROGRAM, "run", "--config", config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        try:
            time.sleep(4)
            counter = Counter(bench.backend)
            time.sleep(1)
            before, begin = counter.value(), time.monotonic()
            time.sleep(30)
            each = (counter.value() - before) / (time.monotonic() - begin)
            status = pathlib.Path(f"/proc/{node.pid}/status").read_text()
            resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
        finally:
            node.terminate()
            node.wait()
            bench.backend.sql("ALTER SYSTEM RESET log_statement")
            bench.backend.sql("SELECT pg_reload_conf()")
        self.row("idle daemon, PostgreSQL", f"{each:.2f} statements a second, {resident:.1f} MiB", "1 and 15 MiB", each < 1 and resident < 15)

    def peers(self, bench):
        """Other queues on one server, each at its best as benchmarks/peers has it, between rounds of the program; all by TCP."""
        jobs, shape = self.count(200_000), {"batch": 1000, "nodes": 2}

        def ours():
            return rate(self.keep("visor by TCP", bench.visor("burn-down", url=bench.backend.address + "/visor", jobs=jobs, **shape)))

        ours()  # the first finds a server that has no file of its log yet to write to
        rounds = [ours() for _ in range(self.options.rounds // 2 + 1)]
        said = subprocess.run([sys.executable, SOURCE / "benchmarks/peers/run.py", "--json", "--jobs", str(jobs), "--url",
                               bench.backend.address + "/postgres"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
        rounds += [ours() for _ in range(self.options.rounds // 2)]
        one = statistics.median(rounds)
        found = [self.keep("peer", json.loads(line)) for line in said.splitlines()]
        self.row("PostgreSQL burn-down, beside peers", f"{one:,.0f} jobs/s", "", None, f"batch {shape['batch']}, {shape['nodes']} nodes")
        for peer in found:
            if "jobs_per_second" not in peer:
                why = next(word for word in ("skipped", "failed") if word in peer)
                self.row(peer["peer"], why, "", None, peer[why])
                continue
            times, least = one / rate(peer), LEAST.get((peer["peer"], peer["batch"]))
            self.row(f"visor beside {peer['peer']} {peer['version']}", f"{times:.1f} times as fast", f"{least} times" if least else "",
                     times >= least if least else None,
                     f"{rate(peer):,.0f} jobs/s, batch {peer['batch']}, {peer['concurrency']} at once, {peer['nodes']} nodes, "
                     f"history {peer['history']}, {peer['wal_bytes_per_job']} bytes of WAL a job")
        best = {}
        for peer in found:
            if "jobs_per_second" in peer:
                best[peer["peer"]] = max(rate(peer), best.get(peer["peer"], 0))
        values = sorted({"visor": one, **best}.items(), key=lambda each: -each[1])
        self.chart("peers", charts.bars("Jobs a second on one PostgreSQL", f"{jobs:,} jobs that do nothing, 2 processors for server and clients",
                                        "jobs a second, claimed, run and completed", values, "visor"))

    # ---- all of it ----

    def measure(self):
        versions = {}
        for driver in self.options.drivers:
            self.say(f"{NAMES[driver]}")
            for parts in PARTS.get(driver, [[driver]]):
                bench = Bench(driver)
                try:
                    versions[NAMES[driver]] = bench.backend.version()
                    for part in parts:
                        try:
                            getattr(self, part)(bench)
                        except Failure as failed:
                            self.row(f"{NAMES[driver]}, {part}", "failed", "", None, str(failed).strip().splitlines()[-1])
                finally:
                    bench.backend.end()
        return versions

    def write(self, versions):
        machine = {"processor": processor(), "processors": os.cpu_count(), "memory_gb": round(memory() / 1e9), "system": platform.platform(),
                   "python": platform.python_version()}
        when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        version = self.results[0].get("version") or run([PROGRAM, "--version"]).split()[-1]
        everything = {"when": when, "version": version, "machine": machine, "databases": versions, "command": " ".join(sys.argv[1:]),
                      "rounds": self.options.rounds, "rows": self.rows, "results": self.results}
        (self.folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
        (self.folder / "results.md").write_text(self.table(everything))
        print(self.table(everything))

    def table(self, everything):
        machine = everything["machine"]
        lines = [f"visor {everything['version']}, {everything['when']}, {machine['processors']} processors ({machine['processor']}), "
                 f"{machine['memory_gb']} GB, client and server on the same machine; {', '.join(everything['databases'].values())}; "
                 f"{everything['rounds']} rounds.", "", "| what | measured | at least / at most | met | |", "|---|---|---|---|---|"]
        met = {True: "yes", False: "**no**", None: ""}
        lines += [f"| {row['what']} | {row['measured']} | {row['wanted']} | {met[row['ok']]} | {row['detail']} |" for row in self.rows]
        lines += ["", *(f"![{name.removesuffix('.svg')}]({name})" for name in self.charts), ""]
        return "\n".join(lines)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures visor beside what the same statements cost by hand.")
    parser.add_argument("--folder", default="bench-results", help="where the table, the JSON and the charts go")
    parser.add_argument("--rounds", type=int, default=5, help="of each row that has a ratio")
    parser.add_argument("--drivers", default="memory,sqlite,postgresql,mysql", help="of which databases")
    parser.add_argument("--scale", type=float, default=1, help="times as many jobs")
    parser.add_argument("--depth", type=int, default=1_000_000, help="the deepest queue; 10000000 takes long to fill")
    options = parser.parse_args()
    options.drivers = options.drivers.split(",")
    unknown = [driver for driver in options.drivers if driver not in BACKENDS]
    if unknown:
        parser.error(f"--drivers: there is no {', '.join(unknown)}; there are: {', '.join(BACKENDS)}")
    suite = Suite(options)
    try:
        versions = suite.measure()
    except Failure as failed:
        sys.exit(f"scripts/bench: {failed}")
    suite.write(versions)


if __name__ == "__main__":
    main()
