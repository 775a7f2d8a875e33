"""visor run: what users see of it, and what is in the database afterwards."""

import http.server
import json
import os
import re
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
        self.assertEqual((job["state"], job["attempt_list"]), ("ready", []))

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
        self.refuses("db", "reset", "--yes", says=[f"pid {first.pid}", "stop that"])
        first.kill()
        first.wait()
        second = self.run_program("run", "--for", "0s")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(self.run_program("db", "reset", "--yes").returncode, 0)


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
