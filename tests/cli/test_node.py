"""visor node, jobs that need a capability, and visor job why."""

import contextlib
import signal
import sqlite3

from program import ProgramTest, main

HA = "  ha: {node_id: one, lock_ttl: 2s, heartbeat_interval: 200ms}\n"
WORKFLOWS = """\
workflows:
  plain: {command: ["true"]}
  slow: {command: ["sleep", "30"], max_attempts: 2}
"""
CAPABLE = """\
  large: {command: ["true"], capability: gpu}
"""


class Nodes(ProgramTest):
    def configure(self, node="", workflows=WORKFLOWS):
        self.write("scheduler:\n  check_interval_ms: 100\n" + HA + "  node: {stop_grace: 1s" + node + "}\n" + workflows)

    def nodes(self):
        return self.accepts_json("node", "list")

    def state_of(self, number):
        return self.accepts_json("job", "show", str(number))["state"]

    def node_is(self, state):
        nodes = self.nodes()
        return bool(nodes) and nodes[0]["state"] == state

    def starts(self):
        process = self.start("run")
        self.wait_until(lambda: (self.folder / ".visor/schedules.db").exists() and self.node_is("online"))
        return process

    def stops(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())

    def test_before_anything_ran(self):
        self.configure(", capabilities: [gpu]", WORKFLOWS + CAPABLE)
        self.assertEqual(self.accepts("job", "enqueue", "plain"), "job 1 enqueued: plain\n")
        self.assertEqual(self.accepts("node", "list"), "no nodes\n")
        self.assertIn("no node is at work: start one with 'visor run'", self.accepts("job", "why", "1"))
        self.refuses("node", "drain", "one", says=["no node 'one'", "visor node list"])
        self.refuses("node", "remove", "one", says="no node 'one'")
        self.refuses("job", "why", "2", says="there is no job 2")
        self.refuses("job", "why", "x", code=2, says="the number of a job")

    def test_a_job_waits_for_a_node_that_has_what_it_needs(self):
        self.configure(", capabilities: [gpu, tape]", WORKFLOWS + CAPABLE)
        self.accepts("job", "enqueue", "large")
        self.assertIn("for nodes with the capability 'gpu'", self.accepts("job", "why", "1"))
        self.configure()
        without = self.starts()
        self.accepts("job", "enqueue", "plain")
        self.wait_until(lambda: self.state_of(2) == "completed")
        self.assertEqual(self.state_of(1), "ready")
        why = self.accepts("job", "why", "1")
        self.assertIn("no node that is at work takes jobs of it", why)
        self.assertIn("one (queues default:10; capabilities none)", why)
        self.stops(without)
        self.configure(", capabilities: [gpu, tape]", WORKFLOWS + CAPABLE)
        able = self.starts()
        self.wait_until(lambda: self.state_of(1) == "completed")
        self.assertEqual(self.nodes()[0]["capabilities"], "gpu,tape")
        self.assertRegex(self.nodes()[0]["resources"], r"^processors:[1-9]\d*,memory:[1-9]\d*$")
        self.accepts("job", "enqueue", "plain")
        self.wait_until(lambda: self.state_of(3) == "completed")
        self.assertIn("is done, after attempt 1 of 1", self.accepts("job", "why", "1"))
        self.stops(able)

    def test_a_node_whose_tables_are_rolled_back_ends(self):
        self.configure()
        node = self.starts()
        with contextlib.closing(sqlite3.connect(self.folder / ".visor/schedules.db", timeout=10)) as database:
            latest = database.execute("SELECT max(version) FROM visor_migration").fetchone()[0]
            database.execute("DELETE FROM visor_migration WHERE version = ?", (latest,))
            database.commit()
        self.assertEqual(node.wait(timeout=60), 3)
        self.assertIn(f"the tables were rolled back to version {latest - 1}: this node drains", node.stderr.read())

    def test_a_job_for_later_says_who_could_run_it(self):
        self.configure(", capabilities: [gpu]", WORKFLOWS + CAPABLE)
        for name in ("large", "plain"):
            self.accepts("job", "enqueue", name, "--in", "2h")
        said = self.accepts("job", "why", "1")
        self.assertIn("is not due before", said)
        self.assertIn("for nodes with the capability 'gpu'", said)
        self.assertIn("no node is at work", said)
        self.configure()
        node = self.starts()
        said = self.accepts("job", "why", "1")
        self.assertIn("no node that is at work takes jobs of it", said)
        self.assertIn("one (queues default:10; capabilities none)", said)
        said = self.accepts("job", "why", "2")
        self.assertIn("it will be taken then, by one of:", said)
        self.assertIn("one (0 of 10 slots in use)", said)
        self.stops(node)

    def test_limits(self):
        limited = ("  mail: {command: [sleep, '30'], limits: {concurrency: 2, key_concurrency: 1}}\n"
                   "  call: {command: ['true'], limits: {rate: 1, key_rate: 1, per: 1h}}\n")
        self.configure("", WORKFLOWS + limited)
        for key in ("a", "a", "b", "c"):
            self.accepts("job", "enqueue", "mail", "--key", key)
        self.accepts("job", "enqueue", "call", "--key", "a")
        self.accepts("job", "enqueue", "call")
        node = self.starts()
        self.wait_until(lambda: [self.state_of(n) for n in range(1, 7)] == ["running", "ready", "running", "ready", "ready", "completed"]
                        or [self.state_of(n) for n in range(1, 7)] == ["running", "ready", "running", "ready", "completed", "ready"])
        why = self.accepts("job", "why", "2")
        self.assertIn("2 of at most 2 jobs of its type run", why)
        self.assertIn("1 of at most 1 jobs of its type with the key 'a' run", why)
        self.assertIn("at most 1 jobs of its type start in any 1h", self.accepts("job", "why", "6" if self.state_of(6) == "ready" else "5"))
        self.accepts("job", "cancel", "1")
        # The next one is of the key that has its turn.
        self.wait_until(lambda: self.state_of(1) == "cancelled" and self.state_of(4) == "running")
        self.assertEqual(self.state_of(2), "ready")
        node.kill()
        node.wait()
        self.refuses("job", "enqueue", "plain", "--key", "a", code=2, says=["--key", "limits.key_concurrency"])
        self.refuses("job", "enqueue", "mail", "--key", "", code=2, says="--key is empty: give a text, or leave it out")
        self.refuses("job", "enqueue", "mail", "--key", "a" * 101, says="101 bytes: allowed are 100")

    def test_limits_that_cannot_be(self):
        for written, says in (("{concurrency: -1}", "limits.concurrency"), ("{per: 25h}", "limits.per"), ("{most: 1}", "limits.most")):
            self.configure("", WORKFLOWS + "  mail: {command: ['true'], limits: " + written + "}\n")
            self.refuses("config", "check", says=says)
        self.configure("", WORKFLOWS + "  'a*b': {command: ['true'], limits: {rate: 1}}\n")
        self.refuses("config", "check", says=["limits", "no *"])

    def test_slots_are_for_all_jobs_of_a_queue_together(self):
        self.configure(", capabilities: [gpu], queues: {default: 2}", WORKFLOWS + CAPABLE + "  long: {command: [sleep, '30'], capability: gpu}\n")
        process = self.starts()
        for _ in range(3):
            self.accepts("job", "enqueue", "slow")
            self.accepts("job", "enqueue", "long")
        self.wait_until(lambda: self.nodes()[0]["running"] == 2)
        waiting = [job["id"] for job in self.accepts_json("job", "list", "--state", "ready")]
        self.assertEqual(len(waiting), 4)
        self.assertIn("all slots of the nodes that take it are in use", self.accepts("job", "why", str(waiting[0])))
        running = self.accepts_json("job", "list", "--state", "running")[0]["id"]
        self.assertIn("runs on node one since", self.accepts("job", "why", str(running)))
        process.kill()

    def test_drain_and_resume(self):
        self.configure()
        process = self.starts()
        self.accepts("node", "drain", "one")
        self.wait_until(lambda: self.node_is("draining"))
        self.accepts("job", "enqueue", "plain")
        self.assertIn("one (takes no more work: it drains)", self.accepts("job", "why", "1"))
        self.assertEqual(self.state_of(1), "ready")
        self.accepts("node", "resume", "one")
        self.wait_until(lambda: self.state_of(1) == "completed")
        self.wait_until(lambda: self.node_is("online"))
        self.refuses("node", "resume", "one", says="takes work already")
        self.stops(process)
        self.refuses("node", "drain", "one", says="not at work")

    def test_the_table_says_what_a_node_runs(self):
        self.configure()
        process = self.starts()
        header, one = self.accepts("node", "list").splitlines()
        self.assertTrue(header.rstrip().endswith("  RUNS"), header)
        self.assertTrue(one.rstrip().endswith("  plain, slow"), one)
        self.assertEqual(self.nodes()[0]["types"], ["plain", "slow", "visor/text"])
        self.stops(process)
        self.configure(workflows=WORKFLOWS + "".join(f"  w{i}: {{command: ['true']}}\n" for i in range(40)))
        process = self.starts()
        self.assertTrue(self.accepts("node", "list").rstrip().endswith("  42 types, which all online nodes run"))
        self.assertEqual(len(self.nodes()[0]["types"]), 43)
        self.stops(process)

    def test_remove(self):
        self.configure()
        process = self.starts()
        self.accepts("job", "enqueue", "slow")
        self.wait_until(lambda: self.nodes()[0]["running"] == 1)
        self.refuses("node", "remove", "one", says=["is at work", "--force"])
        self.assertIn("one", self.accepts("node", "list"))
        process.kill()
        process.wait()
        self.assertIn("1 jobs that it held run again", self.accepts("node", "remove", "one", "--force"))
        self.assertEqual(self.nodes(), [])
        self.assertEqual(self.state_of(1), "ready")

    def test_a_capability_that_nobody_has_is_a_mistake_where_there_is_one_node(self):
        self.configure(workflows=WORKFLOWS + CAPABLE)
        self.refuses("config", "check", says=["workflows.large.capability", "does not have \"gpu\"", "scheduler.node.capabilities"])
        self.configure(", capabilities: ['a,b']")
        self.refuses("config", "check", says=["scheduler.node.capabilities", '"a,b"'])
        self.configure(", queues: {'a+b': 1, default: 2}")
        self.refuses("config", "check", says=["scheduler.node.queues", '"a+b"'])


if __name__ == "__main__":
    main()
