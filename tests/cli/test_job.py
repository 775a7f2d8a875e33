"""visor job, where nothing runs them."""

import datetime
import getpass
import json

from program import CONFIG, ProgramTest, main


class Jobs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write(CONFIG)

    def enqueue(self, *words, **how):
        return self.accepts_json("job", "enqueue", *words, **how)["id"]

    def shown(self, number):
        return self.accepts_json("job", "show", str(number))

    def listed(self, *words):
        return [each["id"] for each in self.accepts_json("job", "list", *words)]


class Enqueue(Jobs):
    def test_it_waits_in_the_database(self):
        self.assertEqual(self.accepts("job", "enqueue", "greet", "--inputs", "name=Ada", "n=1"), "job 1 enqueued: greet\n")
        job = self.shown(1)
        self.assertEqual((job["type"], job["state"], job["attempts"], job["max_attempts"]), ("greet", "ready", 0, 1))
        self.assertEqual((job["payload"], job["owner"], job["priority"]), ({"name": "Ada", "n": "1"}, getpass.getuser(), 100))
        for field in ("schedule", "planned_at", "started_at", "finished_at", "node", "error"):
            self.assertIsNone(job[field], field)

    def test_what_the_workflow_says_counts_unless_it_is_said(self):
        self.assertEqual(self.shown(self.enqueue("report"))["max_attempts"], 3)
        self.assertEqual(self.shown(self.enqueue("report", "--max-attempts", "7"))["max_attempts"], 7)

    def test_priorities(self):
        for text, value in (("high", 50), ("normal", 100), ("low", 200), ("7", 7), ("-32768", -32768)):
            self.assertEqual(self.shown(self.enqueue("greet", "--priority", text))["priority"], value)
        for text in ("hihg", "32768", "1.5"):
            self.refuses("job", "enqueue", "greet", "--priority=" + text, code=2, says="high, normal, low")

    def test_later(self):
        job = self.shown(self.enqueue("greet", "--in", "10m"))
        now = datetime.datetime.now(datetime.timezone.utc)
        at = datetime.datetime.fromisoformat(job["run_at"].replace("Z", "+00:00"))
        self.assertEqual(job["state"], "scheduled")
        self.assertAlmostEqual((at - now).total_seconds(), 600, delta=30)
        job = self.shown(self.enqueue("greet", "--at", "2200-01-01T01:00:00+01:00"))
        self.assertEqual((job["state"], job["run_at"]), ("scheduled", "2200-01-01T00:00:00Z"))
        self.assertEqual(self.shown(self.enqueue("greet", "--at", "2020-01-01T00:00:00Z"))["state"], "ready")
        self.refuses("job", "enqueue", "greet", "--in", "1m", "--at", "2200-01-01T00:00:00Z", code=2, says="together")

    def test_payloads(self):
        self.assertEqual(self.shown(self.enqueue("greet", "--payload", '{"a": [1, null]}'))["payload"], {"a": [1, None]})
        self.assertEqual(self.shown(self.enqueue("greet", "--payload", "-", stdin=b'{"b": "\xc3\xa9"}'))["payload"], {"b": "é"})
        self.assertEqual(self.shown(self.enqueue("greet"))["payload"], {})

    def test_numbers_stay_as_they_are_written(self):
        payload = '{ "a" : 3.10,\n"b":[123456789012345678901234, 1e5], "c": "x  y" }'
        number = self.enqueue("greet", "--payload", payload)
        shown = self.accepts("job", "show", str(number), "--json")
        self.assertIn('"payload":{"a":3.10,"b":[123456789012345678901234,1e5],"c":"x  y"}', shown)
        self.assertEqual(shown.count("\n"), 1)
        deep = "[" * 199 + "]" * 199
        number = self.enqueue("greet", "--payload", '{"d":%s}' % deep)
        self.assertIn('{"d":%s}' % deep, self.accepts("job", "show", str(number), "--json"))

    def test_a_payload_of_ten_megabytes(self):
        text = json.dumps({"data": "x" * 10_000_000})
        self.assertEqual(self.shown(self.enqueue("report", "--payload", "-", stdin=text.encode()))["payload"], json.loads(text))

    def test_what_is_refused(self):
        self.refuses("job", "enqueue", "gret", says="did you mean 'greet'?")
        self.refuses("job", "enqueue", "greet", "--payload", "{", says=["not JSON", "nothing was stored"])
        self.refuses("job", "enqueue", "greet", "--payload", "{} x", says="not JSON")
        self.refuses("job", "enqueue", "greet", "--payload", "-", stdin=b"", says="not JSON")
        self.refuses("job", "enqueue", "greet", "--payload", "-", stdin=b'{"a": "\xff"}', says="UTF-8")
        self.refuses("job", "enqueue", "greet", "--payload", "-", stdin=b'{"a": "\x00"}', says="NUL")
        self.refuses("job", "enqueue", "greet", "--payload", "-", stdin=b"[" * 100000, says="more than 200 levels")
        self.refuses("job", "enqueue", "greet", "--payload", '{"n":1e999}', says=['"n"', "larger than any program can read", "nothing was stored"])
        self.refuses("job", "enqueue", "greet", "--payload", '[1e-999]', says=['"[0]"', "read it as 0"])
        self.refuses("job", "enqueue", "report", "--payload", "-", stdin=b'"' + b"x" * (16 << 20) + b'"', says=["16777216", "payload_limit"])
        self.refuses("job", "enqueue", "greet", "--payload", "{}", "--inputs", "a=1", code=2, says="together")
        self.refuses("job", "enqueue", "greet", "--inputs", "=1", code=2, says="name=value")
        self.refuses("job", "enqueue", "greet", "--max-attempts", "0", code=2, says="--max-attempts")
        self.assertFalse((self.folder / ".visor").exists())


class Look(Jobs):
    def test_list_and_its_filters(self):
        greet, later, report = self.enqueue("greet"), self.enqueue("greet", "--in", "1h"), self.enqueue("report")
        self.assertEqual(self.listed(), [report, later, greet])
        self.assertEqual(self.listed("--type", "greet"), [later, greet])
        self.assertEqual(self.listed("--state", "scheduled"), [later])
        self.assertEqual(self.listed("--limit", "1"), [report])
        self.assertEqual(self.listed("--schedule", "none"), [])
        self.assertEqual(self.listed("--state", "dead"), [])
        text = self.accepts("job", "list")
        self.assertRegex(text, rf"(?m)^{report} +report +ready +0/3")
        self.assertEqual(self.accepts("job", "list", "--state", "dead"), "no jobs\n")

    def test_the_fields_that_scripts_rely_on(self):
        self.enqueue("greet")
        (job,) = self.accepts_json("job", "list")
        for field in ("id", "type", "state", "attempts", "schedule", "planned_at", "started_at", "finished_at", "node", "error"):
            self.assertIn(field, job)

    def test_nothing_is_made_by_looking(self):
        result = self.run_program("job", "list", "--json")
        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, []))
        self.assertFalse((self.folder / ".visor").exists())

    def test_what_a_job_holds_cannot_drive_the_terminal(self):
        number = self.enqueue("greet", "--payload", json.dumps({"a": "\x1b[31m\u202e"}, ensure_ascii=False).replace("\x1b", "\\u001b"))
        self.assertNotIn("\x1b", self.accepts("job", "show", str(number)))
        self.assertNotIn("\u202e", self.accepts("job", "show", str(number)))


class Change(Jobs):
    def test_cancel(self):
        number = self.enqueue("greet")
        self.assertEqual(self.accepts("job", "cancel", str(number)), f"job {number} cancelled\n")
        self.assertEqual(self.shown(number)["state"], "cancelled")
        self.refuses("job", "cancel", str(number), says="has ended already")

    def test_retry(self):
        number = self.enqueue("greet")
        self.refuses("job", "retry", str(number), says="has not ended yet")
        self.accepts("job", "cancel", str(number))
        self.accepts("job", "retry", str(number))
        self.assertEqual(self.shown(number)["state"], "ready")

    def test_no_such_job(self):
        self.enqueue("greet")
        for command in ("show", "cancel", "retry"):
            self.refuses("job", command, "99", says="there is no job 99")
            for number in ("0", "-1", "1x", "99999999999999999999"):
                self.refuses("job", command, "--", number, code=2, says="the number of a job")


if __name__ == "__main__":
    main()
