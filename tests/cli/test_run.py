"""visor run: what users see of it, and what is in the database afterwards."""

import fcntl
import http.server
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from program import CONFIG, PROGRAM, SLOWNESS, ProgramTest, main

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) +\S")


class Running(ProgramTest):
    def runs(self, *words, environment=None):
        """Runs to a clean end and gives the lines of the log."""
        result = self.run_program("run", *words, environment=environment)
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
        lines = result.stderr.splitlines()
        for line in lines:
            self.assertRegex(line, LINE)
        return lines

    def jobs(self, *words):
        return self.accepts_json("job", "list", "--limit", "1000", *words)

    def wait_for(self, condition, seconds=15):
        end = time.monotonic() + seconds * SLOWNESS
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        self.fail("it did not happen")

    def starts(self, *words, under=()):
        """A daemon that has begun to work."""
        process = self.start("run", *words, under=under)
        self.wait_for(lambda: (self.folder / ".visor/schedules.db").exists() and self.nodes())
        return process

    def nodes(self):
        try:
            database = sqlite3.connect(self.folder / ".visor/schedules.db")
            names = database.execute("SELECT name FROM visor_node").fetchall()
            database.close()
            return names
        except sqlite3.Error:
            return []

    def in_state(self, state, **where):
        return [job for job in self.jobs("--state", state) if all(job[key] == value for key, value in where.items())]


class Life(Running):
    def test_schedules_run_commands(self):
        (self.folder / "below").mkdir()
        self.write("""\
scheduler:
  default_timezone: Asia/Tokyo
  cron:
    steady: {schedule: "* * * * * *", workflow: steady, inputs: {name: Zoë, count: 3}}
    failing: {schedule: "*/2 * * * * *", workflow: failing}
    slow: {schedule: "* * * * * *", workflow: slow, overlap: skip}
    saying: {schedule: "@every 2s", inputs: {text: just a text}}
    disabled: {schedule: "* * * * * *", workflow: steady, enabled: false}
workflows:
  steady:
    command: "env | sort; pwd; cat"
    shell: true
    env: {MINE: "yes"}
    working_directory: below
  failing:
    command: "echo first; echo last words >&2; exit 3"
    shell: true
    max_attempts: 2
    backoff: {kind: fixed, base: 100ms}
  slow: {command: [sleep, "30"], timeout: 1s}
""")
        log = "\n".join(self.runs("--for", "4500ms"))
        self.assertIn("steady completed", log)
        jobs = self.jobs()
        by_schedule = {name: [job for job in jobs if job["schedule"] == name] for name in ("steady", "failing", "slow", "saying", "disabled")}
        self.assertGreaterEqual(len(by_schedule["steady"]), 3)
        self.assertEqual(by_schedule["disabled"], [])
        for name in ("steady", "saying"):
            self.assertTrue(any(job["state"] == "completed" for job in by_schedule[name]), name)
        dead = [job for job in by_schedule["failing"] if job["state"] == "dead"]
        self.assertTrue(dead)
        self.assertEqual((dead[0]["attempts"], dead[0]["error"]), (2, "exited with code 3: last words"))
        # Each planned instant once, whatever happened to its job.
        for name, those in by_schedule.items():
            planned = [job["planned_at"] for job in those]
            self.assertEqual(len(planned), len(set(planned)), name)
        # One second of work for each, and none beside it.
        timed_out = [job for job in by_schedule["slow"] if job["error"] and "timeout of 1s" in job["error"]]
        self.assertTrue(timed_out, by_schedule["slow"])
        shown = self.accepts_json("schedule", "show", "slow", "--limit", "100")
        self.assertIn("skipped", {fire["result"] for fire in shown["fires"]})

        job = next(job for job in by_schedule["steady"] if job["state"] == "completed")
        output = self.accepts_json("job", "show", str(job["id"]))["attempt_list"][0]["output"]
        for part in (f"VISOR_JOB_ID={job['id']}", "VISOR_ATTEMPT=1", "VISOR_SCHEDULE=steady", "VISOR_PLANNED_AT=" + job["planned_at"],
                     "VISOR_NODE=" + job["node"], "VISOR_EPOCH=1", "VISOR_INPUT_NAME=Zoë", "VISOR_INPUT_COUNT=3", "MINE=yes",
                     str(self.folder / "below"), '{"name":"Zoë","count":3}'):
            self.assertIn(part, output)
        text = self.accepts("job", "show", str(job["id"]))
        self.assertIn("VISOR_ATTEMPT=1", text)

    def test_jobs_that_wait_are_run_and_new_ones_soon(self):
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet", "--inputs", "name=before")
        self.starts()
        self.wait_for(lambda: self.in_state("completed", id=1))
        began = time.monotonic()
        self.accepts("job", "enqueue", "report", "--inputs", "name=after")
        self.wait_for(lambda: self.in_state("completed", id=2))
        self.assertLess(time.monotonic() - began, 3 * SLOWNESS)
        later = self.accepts_json("job", "enqueue", "greet", "--in", "1s")["id"]
        self.wait_for(lambda: self.in_state("completed", id=later))

    def test_a_schedule_that_fails_three_times_in_a_row_stops(self):
        self.write('workflows: {bad: {command: ["false"]}}\n')
        self.accepts("schedule", "create", "bad", "--at", "* * * * * *", "--name", "one")
        self.starts()
        failed = self.wait_for(lambda: [each for each in self.accepts_json("schedule", "list") if each["status"] == "failed"])[0]
        self.assertEqual((failed["failure_count"], failed["last_error"]), (3, "exited with code 1"))
        self.accepts("schedule", "resume", "one")
        self.assertEqual(self.accepts_json("schedule", "show", "one")["status"], "active")

    def test_a_program_that_went_away_is_a_failure_of_the_job(self):
        script = self.write("#!/bin/sh\nexit 0\n", "script.sh")
        script.chmod(0o755)
        self.write(f'workflows: {{gone: {{command: ["{script}"]}}}}\n')
        self.accepts("job", "enqueue", "gone")
        self.starts()
        self.wait_for(lambda: self.in_state("completed"))
        script.unlink()
        self.accepts("job", "enqueue", "gone")
        (job,) = self.wait_for(lambda: self.in_state("dead"))
        self.assertIn("script.sh", job["error"])
        self.assertNotIn("\n", job["error"])

    def test_secrets_of_the_environment_stay_with_visor(self):
        self.write('scheduler: {storage: {driver: sqlite}, node: {queues: {default: 1}}}\n'
                   'workflows:\n'
                   '  one: {command: [env], env: {API_TOKEN: "${API_TOKEN}"}}\n'
                   '  two: {command: [env]}\n'
                   '  none: {command: [env], inherit_env: none}\n'
                   '  hook: {webhook: {url: "http://127.0.0.1:1/${HOOK_KEY}", headers: {Authorization: "Bearer ${BEARER}"}}}\n'
                   '  says: {command: "echo failed with $API_TOKEN; exit 4", shell: true, env: {API_TOKEN: "${API_TOKEN}"}}\n')
        self.environment |= {"API_TOKEN": "geheim-1", "HOOK_KEY": "geheim-2", "BEARER": "geheim-3", "PLAIN": "plain", "HOME": "/root",
                             "VISOR_STORAGE_CONNECTION_PASSWORD_FILE": "x", "TZ": "UTC", "DATABASE_URL": "mine"}
        for name in ("one", "two", "none", "says"):
            self.accepts("job", "enqueue", name)
        self.starts()
        self.wait_for(lambda: self.in_state("dead", id=4))
        def output(number):
            return self.accepts_json("job", "show", str(number))["attempt_list"][0]["output"]
        for number in (1, 2):
            for part in ("PLAIN=plain\n", "HOME=/root\n", "TZ=UTC\n", "PATH=", "DATABASE_URL=mine\n"):
                self.assertIn(part, output(number))
            for part in ("geheim-2", "geheim-3"):
                self.assertNotIn(part, output(number))
        self.assertIn("API_TOKEN=geheim-1\n", output(1))
        self.assertNotIn("geheim", output(2))
        self.assertNotIn("PLAIN", output(3))
        self.assertIn("HOME=/root\n", output(3))
        self.assertIn("VISOR_JOB_ID=3\n", output(3))
        self.assertEqual(self.accepts_json("job", "show", "4")["error"], "exited with code 4: failed with ********")

    def test_variables_of_a_webhook_come_back_in_no_log_nor_error(self):
        class Echo(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                answer = f"no: {self.path} {self.headers['Host']} {body}".encode()
                self.send_response(500, f"No {self.path}")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.write('scheduler: {storage: {driver: sqlite}, node: {queues: {default: 1}}}\n'
                   'workflows:\n'
                   f'  hook: {{webhook: {{url: "http://${{URLHOST}}:{server.server_port}/1/${{URLTOK}}?key=${{QTOK}}&other=literal-token",\n'
                   '                   body: "${BODYTOK}"}}\n'
                   '  whole: {webhook: {url: "${WHOLE}"}}\n'
                   '  says: {command: "echo $TEXT; exit 4", shell: true, env: {TEXT: "${URLTOK} ${BODYTOK}"}}\n')
        secrets = {"URLHOST": "127.0.0.1", "URLTOK": "UrlTokenABC", "QTOK": "QueryTokenABC", "BODYTOK": "BodyTokenABC"}
        self.environment |= secrets | {"WHOLE": f"http://localhost:{server.server_port}/2/PathTokenABC"}
        for name in ("hook", "whole", "says"):
            self.accepts("job", "enqueue", name)
        node = self.starts()
        self.wait_for(lambda: len(self.in_state("dead")) == 3)
        node.send_signal(signal.SIGTERM)
        said = node.communicate(timeout=20 * SLOWNESS)[1] + self.accepts("job", "list") + "".join(self.accepts("job", "show", str(number)) for number in (1, 2))
        for token in (*secrets.values(), "literal-token", "PathTokenABC"):
            self.assertNotIn(token, said)
        self.assertEqual(self.accepts_json("job", "show", "3")["error"], "exited with code 4: ********")
        self.assertIn("answered 500 No /1/********?key=********&other=********", said)

    def test_a_payload_of_ten_megabytes_reaches_its_command(self):
        self.write('workflows: {count: {command: [wc, "-c"]}}\n')
        payload = json.dumps({"data": "x" * 10_000_000}).encode()
        self.accepts("job", "enqueue", "count", "--payload", "-", stdin=payload)
        self.starts()
        self.wait_for(lambda: self.in_state("completed"))
        self.assertEqual(self.accepts_json("job", "show", "1")["attempt_list"][0]["output"].strip(), str(len(payload)))

    def test_memory(self):
        self.write("scheduler: {storage: {driver: memory}, cron: {one: {schedule: '* * * * * *', workflow: greet}}}\n" + CONFIG)
        self.assertIn("greet completed", "\n".join(self.runs("--for", "2500ms")))
        self.assertFalse((self.folder / ".visor").exists())

    def test_switched_off(self):
        self.write("scheduler: {enabled: false}\n" + CONFIG)
        self.assertIn("nothing is run", "\n".join(self.runs()))

    def test_it_has_a_second_name(self):
        self.write(CONFIG)
        started = self.run_program("schedule", "start", "--for", "0s")
        self.assertEqual(started.returncode, 0)
        self.assertIn("visor.yaml, sqlite ", started.stderr)

    def test_log_levels(self):
        self.write(CONFIG)
        self.assertEqual(self.runs("--for", "0s", "--log-level", "error"), [])
        self.assertIn(" info ", self.runs("--for", "0s")[0])
        self.refuses("run", "--log-level", "loud", code=2, says="debug, info, warning, error")

    def test_it_goes_on_when_nobody_reads_its_log(self):
        self.write(CONFIG)
        self.accepts("job", "enqueue", "greet")
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen([PROGRAM, "run", "--for", "2s", "--log-level", "debug"], cwd=self.folder, env=self.environment, stderr=writing)
        os.close(writing)
        self.assertEqual(process.wait(30 * SLOWNESS), 0)
        self.assertTrue(self.in_state("completed"))


class Ending(Running):
    def setUp(self):
        super().setUp()
        self.write('workflows:\n  nap: {command: [sleep, "1"]}\n  sleep: {command: [sleep, "60"]}\n')

    def test_a_signal_lets_running_jobs_finish(self):
        for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=signal_number):
                process = self.starts()
                number = self.accepts_json("job", "enqueue", "nap")["id"]
                self.wait_for(lambda: self.in_state("running", id=number))
                process.send_signal(signal_number)
                self.assertEqual(process.wait(20 * SLOWNESS), 0)
                self.assertEqual(self.accepts_json("job", "show", str(number))["state"], "completed")

    def test_under_nohup_it_outlives_its_terminal(self):
        process = self.starts(under=["nohup"])
        process.send_signal(signal.SIGHUP)
        number = self.accepts_json("job", "enqueue", "nap")["id"]
        self.wait_for(lambda: self.in_state("completed", id=number))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20 * SLOWNESS), 0)

    def test_a_second_signal_waits_no_longer_and_takes_no_attempt(self):
        process = self.starts()
        number = self.accepts_json("job", "enqueue", "sleep")["id"]
        self.wait_for(lambda: self.in_state("running", id=number))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20 * SLOWNESS), 0)
        self.assertLess(time.monotonic() - began, 10 * SLOWNESS)
        job = self.accepts_json("job", "show", str(number))
        self.assertEqual((job["state"], job["uncounted"]), ("ready", 1))
        self.assertEqual([each["outcome"] for each in job["attempt_list"]], ["released"])

    def test_a_node_that_cannot_leave_ends_with_1(self):
        process = self.starts()
        database = sqlite3.connect(self.folder / ".visor/schedules.db", timeout=10)
        database.execute("CREATE TRIGGER full BEFORE UPDATE ON visor_node BEGIN SELECT RAISE(FAIL, 'no room'); END")
        database.close()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60 * SLOWNESS)
        self.assertEqual(process.returncode, 1, said)
        self.assertRegex(said, r"warning +leaving: .*no room")

    def test_a_node_whose_result_is_refused_ends_with_1(self):
        self.write("workflows: {nap: {command: [\"true\"]}}\n" "scheduler: {node: {drain_timeout: 1s, stop_grace: 1s}}\n")
        process = self.starts()
        database = sqlite3.connect(self.folder / ".visor/schedules.db", timeout=10)
        database.execute("CREATE TRIGGER odd BEFORE INSERT ON visor_attempt WHEN new.final_state = 'completed' "
                         "BEGIN SELECT RAISE(ABORT, 'no such end'); END")
        database.close()
        self.accepts("job", "enqueue", "nap")
        self.wait_for(lambda: self.in_state("running"))
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60 * SLOWNESS)
        self.assertEqual(process.returncode, 1, said)
        self.assertRegex(said, "job 1: the database refuses its result in every form, .*no such end")
        self.assertRegex(said, "error +leaving: the results of these jobs could not be stored, .*: 1\n")

    def test_the_end_of_the_time_lets_running_jobs_finish(self):
        self.accepts("job", "enqueue", "nap")
        result = self.run_program("run", "--for", "500ms")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.accepts_json("job", "show", "1")["state"], "completed")

    def test_a_running_job_can_be_cancelled(self):
        self.starts()
        number = self.accepts_json("job", "enqueue", "sleep")["id"]
        self.wait_for(lambda: self.in_state("running", id=number))
        self.assertIn("asked to stop", self.accepts("job", "cancel", str(number)))
        self.wait_for(lambda: self.in_state("cancelled", id=number))

    def test_the_database_has_one_daemon(self):
        first = self.starts()
        said = self.run_program("run")
        self.assertEqual(said.returncode, 1)
        refusal = said.stderr.splitlines()[-1]
        self.assertRegex(refusal, r"^visor: ")
        self.assertIn(f"pid {first.pid}", refusal)
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 1)
        self.refuses("db", "reset", "--yes", says=[f"pid {first.pid}", "stop each"])
        first.kill()
        first.wait()
        second = self.run_program("run", "--for", "0s")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)

    def test_a_daemon_that_stands_still_for_longer_than_its_lease_keeps_its_database(self):
        self.write("scheduler: {ha: {lock_ttl: 1s, heartbeat_interval: 200ms}}\n")
        self.accepts("db", "init")
        daemon = self.starts()
        daemon.send_signal(signal.SIGSTOP)
        self.addCleanup(daemon.send_signal, signal.SIGCONT)
        time.sleep(1.5)
        for words in (("reset", "--yes"), ("rollback", "--yes")):
            self.refuses("db", *words, says=["these nodes work on this database: node ", f"pid {daemon.pid}", "stop each"])
        daemon.send_signal(signal.SIGCONT)
        self.accepts("db", "validate")
        daemon.kill()
        daemon.wait()
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)


class OwnProcess(Running):
    """What the process inherits, and what it lacks."""

    def run_after(self, prepare, *words, **how):
        """Runs it to its end, in a process that was prepared."""
        return subprocess.run([PROGRAM, "run", *words], cwd=self.folder, env=self.environment, preexec_fn=prepare, stderr=subprocess.PIPE,
                              text=True, timeout=60 * SLOWNESS, **how)

    def test_a_parent_that_ignores_or_blocks_signals_changes_nothing(self):
        self.write('workflows: {fine: {command: ["true"]}, bad: {command: ["false"]}}\n')
        self.accepts("job", "enqueue", "fine")
        self.accepts("job", "enqueue", "bad")

        def prepare():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

        process = subprocess.Popen([PROGRAM, "run"], cwd=self.folder, env=self.environment, preexec_fn=prepare, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        self.wait_for(lambda: self.in_state("completed", type="fine"))
        (bad,) = self.wait_for(lambda: self.in_state("dead", type="bad"))
        self.assertEqual(bad["error"], "exited with code 1")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20 * SLOWNESS), 0)

    def test_closed_standard_descriptors_are_taken_by_nothing(self):
        self.write('workflows: {see: {command: "readlink /proc/$PPID/fd/[012]", shell: true}}\n')
        self.accepts("job", "enqueue", "see")

        def prepare():
            for number in range(3):
                os.close(number)

        result = subprocess.run([PROGRAM, "run", "--for", "2s"], cwd=self.folder, env=self.environment, preexec_fn=prepare,
                                timeout=60 * SLOWNESS)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(self.accepts_json("job", "show", "1")["attempt_list"][0]["output"], "/dev/null\n" * 3)
        listing = subprocess.run([PROGRAM, "job", "list"], cwd=self.folder, env=self.environment, preexec_fn=prepare, timeout=60 * SLOWNESS)
        self.assertEqual(listing.returncode, 1)

    def test_a_reader_that_goes_away_ends_a_command_quietly(self):
        reading, writing = os.pipe()
        os.close(reading)
        result = subprocess.run([PROGRAM, "--help"], cwd=self.folder, env=self.environment, stdout=writing, stderr=subprocess.PIPE,
                                timeout=60 * SLOWNESS)
        os.close(writing)
        self.assertEqual((result.returncode, result.stderr), (-signal.SIGPIPE, b""))

    def test_a_limit_on_the_size_of_files_is_an_error_and_no_end(self):
        self.write('workflows: {fill: {command: "head -c 60000 /dev/zero | tr \'\\\\0\' x", shell: true}}\n'
                   'scheduler: {cron: {each: {schedule: "* * * * * *", workflow: fill}}, node: {drain_timeout: 1s, stop_grace: 1s}}\n')
        self.accepts("db", "init")
        limit = 300 * 1024
        result = self.run_after(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), "--for", "8s")
        self.assertGreaterEqual(result.returncode, 0, result.stderr)
        self.assertTrue("cannot read or write the database" in result.stderr or "full" in result.stderr, result.stderr[-1000:])

    def test_jobs_wait_where_there_are_no_descriptors(self):
        self.write('scheduler: {node: {queues: {default: {slots: 60}}}}\nworkflows: {nap: {command: [sleep, "1"]}}\n')
        for _ in range(60):
            self.accepts("job", "enqueue", "nap")
        result = self.run_after(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)), "--for", "8s")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("all 60 slots together need about 160 descriptors, and there can be 64 (ulimit -Hn", result.stderr)
        self.assertIn("was not started and is released for", result.stderr)
        states = [job["state"] for job in self.jobs()]
        self.assertGreater(states.count("completed"), 10)
        self.assertEqual(set(states) - {"completed", "scheduled", "ready"}, set())
        self.assertEqual({job["attempts"] for job in self.in_state("scheduled")} - {0}, set())

    def test_the_limit_of_descriptors_is_raised_and_commands_get_the_old_one(self):
        self.write('workflows: {see: {command: "ulimit -Sn; sed -n \'s/^Max open files *//p\' /proc/$PPID/limits", shell: true}}\n')
        self.accepts("job", "enqueue", "see")
        self.run_after(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)), "--for", "2s")
        output = self.accepts_json("job", "show", "1")["attempt_list"][0]["output"]
        self.assertRegex(output, r"^100\n200 +200 ")

    def test_a_start_that_hangs_takes_one_slot_and_its_timeout(self):
        program = self.write("#!/bin/sh\n", "remote")
        program.chmod(0o755)
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        with open(program) as held:
            try:
                fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # who opens it now waits
            except OSError as error:
                self.skipTest(f"no leases on files here: {error}")
            self.write(f'scheduler: {{node: {{drain_timeout: 1s}}}}\n'
                       f'workflows: {{remote: {{command: [{program}], timeout: 4s}}, endless: {{command: [{program}]}}, local: {{command: ["true"]}}}}\n')
            self.accepts("job", "enqueue", "remote")
            self.accepts("job", "enqueue", "endless")
            process = self.starts()
            self.wait_for(lambda: self.in_state("running", type="remote"))
            self.accepts("job", "enqueue", "local")
            self.wait_for(lambda: self.in_state("completed", type="local"), 3)
            (remote,) = self.wait_for(lambda: self.in_state("dead", type="remote"))
            self.assertIn("timeout of 4s", remote["error"])
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(10 * SLOWNESS), 0)
            (endless,) = self.in_state("ready", type="endless")
            self.assertEqual(endless["attempts"], endless["uncounted"])

    def test_as_process_1_it_reaps_what_commands_leave_behind(self):
        below = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if subprocess.run([*below, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no process namespaces here")
        self.write('workflows: {daemon: {command: "setsid sleep 0.3 & exit 3", shell: true}}\n')
        for _ in range(5):
            self.accepts("job", "enqueue", "daemon")
        process = self.starts(under=below)
        self.wait_for(lambda: len(self.in_state("dead")) == 5)
        self.assertEqual({job["error"] for job in self.in_state("dead")}, {"exited with code 3"})
        first = self.children(process.pid)[0]
        self.wait_for(lambda: len(self.children(first)) == 1)
        os.kill(first, signal.SIGTERM)
        self.assertEqual(process.wait(20 * SLOWNESS), 0)

    @staticmethod
    def children(of):
        found = subprocess.run(["ps", "--ppid", str(of), "-o", "pid="], stdout=subprocess.PIPE, text=True)
        return [int(word) for word in found.stdout.split()]


EVERY_SECOND = """\
scheduler: {cron: {tick: {schedule: "* * * * * *", workflow: note}}}
workflows:
  note: {command: "echo ran >> ran.txt", shell: true}
"""


class Log(Running):
    """Nobody reads what is written: that keeps nothing from being done."""

    def runs_with(self, *words):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writing, False)
        try:
            while os.write(writing, b"x" * 1024):
                pass
        except BlockingIOError:
            pass
        os.set_blocking(writing, True)
        process = subprocess.Popen([PROGRAM, "run", *words], cwd=self.folder, env=self.environment, stderr=writing)
        self.addCleanup(process.kill)
        os.close(writing)
        return process, reading

    def times_run(self):
        path = self.folder / "ran.txt"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def test_a_full_pipe_stops_no_work_and_no_signal(self):
        self.write(EVERY_SECOND)
        process, _ = self.runs_with()
        self.wait_for(lambda: self.times_run() > 2)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(15 * SLOWNESS), 0)

    def test_what_waited_is_written_when_somebody_reads_again(self):
        self.write(EVERY_SECOND)
        process, reading = self.runs_with("--for", "3s")
        self.wait_for(lambda: self.times_run() > 1)
        text = b""
        while part := os.read(reading, 65536):
            text += part
        self.assertEqual(process.wait(15 * SLOWNESS), 0)
        self.assertIn(b"started, attempt 1", text)
        self.assertNotIn(b"dropped", text)

    def test_nor_does_it_keep_a_start_that_fails_from_ending(self):
        self.write(EVERY_SECOND)
        (self.folder / ".visor").mkdir()
        (self.folder / ".visor/schedules.db").write_text("this is no database, but a text that somebody has put here, and long enough\n" * 20)
        process, _ = self.runs_with()
        self.assertEqual(process.wait(20 * SLOWNESS), 1)


class Files(Running):
    def test_a_file_that_is_gone_ends_it(self):
        self.write(EVERY_SECOND)
        for what, does in {"removed": shutil.rmtree, "renamed": lambda folder: folder.rename(folder.parent / "elsewhere")}.items():
            with self.subTest(what):
                process = self.starts()
                does(self.folder / ".visor")
                _, said = process.communicate(timeout=15 * SLOWNESS)
                self.assertEqual(process.returncode, 1, said)
                self.assertRegex(said, r"error +this node ends: the file of the database '.visor/schedules.db' was removed or renamed while it was in use")
                self.assertIn("start again", said.splitlines()[-1])
                self.assertFalse((self.folder / ".visor").exists())

    def test_after_a_kill_another_container_goes_on_at_once(self):
        self.write(EVERY_SECOND)
        container = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", 'hostname $0; shift 0; exec "$@"']
        if shutil.which("unshare") is None or subprocess.run([*container, "first", "true"], capture_output=True).returncode != 0:
            self.skipTest("no namespaces here")
        first = self.start("run", under=[*container, "first"])
        self.wait_for(lambda: (self.folder / ".visor/schedules.db").exists() and self.nodes())
        self.assertIn("(first pid ", (self.folder / ".visor/schedules.db-node").read_text())
        refused = self.run_program("run", "--for", "20s")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertRegex(refused.stderr.splitlines()[-1], r"^visor: node first-\d+ \(first pid \d+\) is at work on this store")
        first.kill()
        first.wait()
        second = subprocess.run([*container, "second", PROGRAM, "run", "--for", "1s"], cwd=self.folder, env=self.environment, capture_output=True,
                                text=True, timeout=60 * SLOWNESS)
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertIn("is gone without leaving: taking over", second.stderr)

    def test_the_home_is_meant(self):
        self.write("scheduler: {storage: {connection: {filename: ~/in/home.db}}}\n" + CONFIG)
        self.runs("--for", "0s", environment={"HOME": str(self.folder / "home")})
        self.assertTrue((self.folder / "home/in/home.db").exists())
        self.assertFalse((self.folder / "~").exists())

    def test_a_file_is_beside_the_configuration_that_names_it(self):
        (self.folder / "below").mkdir()
        self.write("scheduler: {storage: {connection: {filename: kept.db}}}\n" + CONFIG, "below/visor.yaml")
        self.runs("--config", "below/visor.yaml", "--for", "0s")
        self.assertTrue((self.folder / "below/kept.db").exists())


class Legacy(Running):
    def rows(self, *rows, name=".visor/schedules.json"):
        (self.folder / name).parent.mkdir(exist_ok=True)
        self.write(json.dumps({"version": "2.0", "savedAt": "2026-02-01T00:00:00Z", "schedules": rows}), name)

    def test_its_schedules_are_taken_over_once(self):
        self.write(CONFIG)
        later = (int(time.time()) + 86400) * 1000
        self.rows(
            {"id": "a", "creatorId": "U1", "creatorName": "Zoë", "timezone": "Asia/Tokyo", "schedule": "0 9 * * *", "isRecurring": True,
             "originalExpression": "every day at 9am", "workflow": "greet", "workflowInputs": {"name": "Ada"}, "status": "active",
             "createdAt": 1700000000000, "lastRunAt": 1700000500000, "nextRunAt": later, "runCount": 7, "failureCount": 1,
             "lastError": "no", "outputContext": {"type": "slack", "target": "#ops"}, "previousResponse": "x"},
            {"id": "b", "timezone": "UTC", "schedule": "", "runAt": later, "isRecurring": False, "workflowInputs": {"text": "hello"},
             "status": "paused", "createdAt": 1700000000000},
            {"id": "c", "timezone": "UTC", "schedule": "", "isRecurring": False, "workflow": "gone", "status": "completed", "createdAt": 1.7e12},
            {"timezone": "UTC", "schedule": "0 9 * * *"}, {"id": ""}, {"id": "a", "schedule": "0 8 * * *", "isRecurring": True, "workflow": "greet"})
        said = "\n".join(self.runs("--for", "0s"))
        self.assertIn("3 schedules taken over, 1 were there already, 2 without an id are left out; the file is now .visor/schedules.json.migrated", said)
        self.assertRegex(said, r"warning .*schedules\[0\] 'a': its results went to slack")
        self.assertIn("previousResponse", said)
        a = self.accepts_json("schedule", "show", "a")
        self.assertEqual((a["schedule"], a["timezone"], a["workflow"], a["inputs"]), ("0 9 * * *", "Asia/Tokyo", "greet", {"name": "Ada"}))
        self.assertEqual((a["origin"], a["owner"], a["run_count"], a["failure_count"], a["last_error"]), ("user", "U1", 7, 1, "no"))
        self.assertTrue(a["next_at"].endswith("T00:00:00Z"), a["next_at"])
        b = self.accepts_json("schedule", "show", "b")
        self.assertEqual((b["status"], b["inputs"], b["schedule"]), ("paused", {"text": "hello"}, None))
        self.assertEqual(self.accepts_json("schedule", "show", "c")["status"], "completed")
        self.assertFalse((self.folder / ".visor/schedules.json").exists())

        # What is known is left out, and no earlier file is overwritten.
        before = (self.folder / ".visor/schedules.json.migrated").read_text()
        self.rows({"id": "a", "timezone": "UTC", "schedule": "0 1 * * *", "isRecurring": True, "workflow": "greet"})
        self.assertIn("0 schedules taken over, 1 were there already", "\n".join(self.runs("--for", "0s")))
        self.assertEqual((self.folder / ".visor/schedules.json.migrated").read_text(), before)
        self.assertTrue((self.folder / ".visor/schedules.json.migrated.1").exists())
        self.assertEqual(self.accepts_json("schedule", "show", "a")["schedule"], "0 9 * * *")

    def test_a_row_that_is_wrong_stores_nothing(self):
        self.write("scheduler: {storage: {path: old.json}}\n" + CONFIG)
        good = {"id": "good", "timezone": "UTC", "schedule": "0 9 * * *", "isRecurring": True, "workflow": "greet", "status": "active"}
        self.rows(good, good | {"id": "zone", "timezone": "Mars/Base"}, good | {"id": "cron", "schedule": "61 * * * *"},
                  good | {"id": "flow", "workflow": "gret"}, good | {"id": "state", "status": "odd"},
                  good | {"id": "when", "isRecurring": False, "schedule": ""}, good | {"id": "nul", "lastError": "a\0"}, 7, name="old.json")
        before = (self.folder / "old.json").read_bytes()
        result = self.run_program("run", "--for", "0s")
        self.assertEqual(result.returncode, 1)
        lines = [line for line in result.stderr.splitlines() if line.startswith("visor: ")]
        self.assertEqual(len(lines), 8, result.stderr)
        for line, says in zip(lines, ["'zone': ", "'cron': ", "'flow': workflow: there is no workflow 'gret'", "'state': status", "'when': runAt",
                                      "'nul': lastError", "schedules[7]: is no object", "nothing of it was stored"]):
            self.assertIn(says, line)
        self.assertEqual((self.folder / "old.json").read_bytes(), before)
        self.assertEqual(self.accepts_json("schedule", "list"), [])

    def test_files_that_hold_nothing(self):
        self.write(CONFIG)
        for text, stays in {"": True, "{": True, '{"schedules": []}': False, "{}": False}.items():
            with self.subTest(text):
                (self.folder / ".visor").mkdir(exist_ok=True)
                self.write(text, ".visor/schedules.json")
                said = "\n".join(self.runs("--for", "0s"))
                self.assertEqual("is no JSON" in said, stays)
                self.assertEqual((self.folder / ".visor/schedules.json").exists(), stays)
                (self.folder / ".visor/schedules.json").unlink(missing_ok=True)

        for text in ("[]", '{"schedules": 7}'):
            self.write(text, ".visor/schedules.json")
            said = self.run_program("run", "--for", "0s")
            self.assertEqual(said.returncode, 1)
            self.assertRegex(said.stderr.splitlines()[-1], r"^visor: .visor/schedules.json: is not taken over: it ")

    def test_ids_and_files_that_are_odd(self):
        self.write(CONFIG)
        row = {"timezone": "UTC", "schedule": "0 9 * * *", "isRecurring": True, "workflow": "greet"}
        self.rows(row | {"id": "-x"})
        path = self.folder / ".visor/schedules.json"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        said = "\n".join(self.runs("--for", "0s"))
        self.assertIn("1 schedules taken over", said)
        self.assertIn("visor schedule show -- -x", said)
        self.assertEqual(json.loads(self.accepts("schedule", "show", "--json", "--", "-x"))["workflow"], "greet")
        self.rows(row | {"id": "e/f"}, row | {"id": "e\n"}, row | {"id": "e "})
        said = self.run_program("run", "--for", "0s").stderr
        for text in ('schedules[0] \'e/f\': id: has a "/" in it', "id: has a control character", "id: ends with a blank", "nothing of it was stored"):
            self.assertIn(text, said)
        path.unlink()
        path.mkdir()
        said = self.run_program("run", "--for", "0s")
        self.assertEqual(said.returncode, 1)
        self.assertIn("'.visor/schedules.json' is a folder, and a JSON file", said.stderr)

    def test_memory_would_lose_them(self):
        self.write("scheduler: {storage: {driver: memory, path: old.json}}\n" + CONFIG)
        self.refuses("run", "--for", "0s", says="scheduler.storage.path: has no meaning for memory")


class Receiver(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        Receiver.seen.append((self.path, dict(self.headers), body))
        self.send_response(200 if self.path == "/good" else 500)
        self.end_headers()
        self.wfile.write(b"thanks\n")

    def log_message(self, *_):
        pass


class Webhooks(Running):
    def test_they_are_called_and_their_failures_told(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = unused.getsockname()[1]
        here = f"http://127.0.0.1:{server.server_port}"
        self.write(f"""\
workflows:
  good: {{webhook: {{url: "{here}/good", headers: {{Authorization: "Bearer ${{TOKEN}}"}}}}}}
  bad: {{webhook: {{url: "{here}/bad"}}}}
  nobody: {{webhook: {{url: "http://127.0.0.1:{nobody}/"}}}}
""")
        token = {"TOKEN": "s3cr3t"}
        for workflow in ("good", "bad", "nobody"):
            self.accepts("job", "enqueue", workflow, "--inputs", "name=Ada", environment=token)
        self.environment.update(token)
        log = "\n".join(self.runs("--for", "2s", "--log-level", "debug"))
        self.assertNotIn("s3cr3t", log)
        jobs = {job["type"]: job for job in self.jobs()}
        self.assertEqual(jobs["good"]["state"], "completed", jobs["good"])
        path, headers, body = next(each for each in Receiver.seen if each[0] == "/good")
        self.assertEqual((headers["Authorization"], json.loads(body)), ("Bearer s3cr3t", {"name": "Ada"}))
        self.assertIn(str(jobs["good"]["id"]), headers.values())
        for workflow, reason in (("bad", "500"), ("nobody", "refused")):
            self.assertEqual(jobs[workflow]["state"], "dead")
            self.assertIn(reason, jobs[workflow]["error"])
            self.assertNotIn("\n", jobs[workflow]["error"])


if __name__ == "__main__":
    main()
