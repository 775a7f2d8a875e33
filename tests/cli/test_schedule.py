"""visor schedule"""

import datetime
import getpass
import sqlite3

from program import CONFIG, ProgramTest, main

STATIC = """\
scheduler:
  default_timezone: Europe/Berlin
  cron:
    nightly:
      schedule: "0 2 * * *"
      workflow: report
      inputs: {team: platform}
      description: what happened today
    soon: {schedule: "0 3 1 1 *", workflow: greet}
""" + CONFIG


class Schedules(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write(STATIC)

    def create(self, *words, at="0 9 * * *"):
        return self.accepts_json("schedule", "create", "greet", "--at", at, *words)

    def shown(self, name):
        return self.accepts_json("schedule", "show", name)

    def listed(self, *words):
        return [each["id"] for each in self.accepts_json("schedule", "list", *words)]

    def belongs_to(self, name, owner):
        database = sqlite3.connect(self.folder / ".visor/schedules.db")
        with database:
            database.execute("UPDATE visor_schedule SET owner = ? WHERE id = ?", (owner, name))
        database.close()


class Create(Schedules):
    def test_it_tells_what_it_understood_and_the_next_three(self):
        text = self.accepts("schedule", "create", "greet", "--at", "every weekday at 9am", "--name", "morning", "--inputs", "name=Ada")
        self.assertIn("schedule morning created", text)
        self.assertIn("Europe/Berlin", text)
        self.assertIn("at 09:00", text)
        self.assertEqual(text.count("T0"), 3, text)

    def test_all_that_it_keeps(self):
        made = self.create("--name", "one", "--zone", "Asia/Tokyo", "--inputs", "name=Zoë", "empty=", "odd=a=b", "--output-type", "none",
                           "--misfire", "window:1h", "--overlap", "skip", "--description", "a test")
        self.assertEqual(self.shown("one") | {"fires": None}, made | {"fires": None})
        self.assertEqual((made["id"], made["status"], made["origin"], made["workflow"]), ("one", "active", "user", "greet"))
        self.assertEqual((made["schedule"], made["timezone"], made["phrase"]), ("0 9 * * *", "Asia/Tokyo", None))
        self.assertEqual(made["inputs"], {"name": "Zoë", "empty": "", "odd": "a=b"})
        self.assertIsNone(made["output"])
        self.assertEqual((made["misfire"], made["overlap"], made["max_failures"]), ("window", "skip", 3))
        self.assertEqual((made["misfire_window"], made["misfire_limit"]), ("1h", None))
        self.assertRegex(self.accepts("schedule", "show", made["id"]), r"(?m)^misfire +window:1h$")
        self.assertEqual((made["owner"], made["run_count"], made["failure_count"]), (getpass.getuser(), 0, 0))
        self.assertTrue(made["next_at"].endswith("T00:00:00Z"), made["next_at"])

    def test_one_instant(self):
        later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = self.create(at=later)
        self.assertEqual((made["schedule"], made["next_at"]), (None, later))
        phrase = self.create(at="in 2 hours")
        self.assertEqual(phrase["phrase"], "in 2 hours")

    def test_a_date_and_a_time_of_the_zone(self):
        day = (datetime.date.today() + datetime.timedelta(days=40)).isoformat()
        made = self.create("--zone", "Asia/Tokyo", at=f"{day} 09:00")
        self.assertEqual((made["schedule"], made["phrase"], made["next_at"]), (None, f"{day} 09:00", f"{day}T00:00:00Z"))
        for at in ("9:30", "9am"):
            self.assertRegex(self.create("--zone", "Asia/Tokyo", at=at)["next_at"], "T00:30:00Z$" if at == "9:30" else "T00:00:00Z$")

    def test_a_time_that_the_clocks_skip_or_repeat(self):
        year = datetime.date.today().year + 1
        day = max(day for day in range(25, 32) if datetime.date(year, 3, day).weekday() == 6)
        made = self.create("--zone", "Europe/Berlin", at=f"{year}-03-{day} 02:30")
        self.assertEqual(made["next_at"], f"{year}-03-{day}T01:00:00Z")
        self.assertIn("the clocks go from 02:00 to 03:00: 03:00 is taken", made["note"])
        text = self.accepts("schedule", "create", "greet", "--at", f"{year}-03-{day} 02:30", "--zone", "Europe/Berlin")
        self.assertRegex(text, r"(?m)^clocks +there is no 02:30 on ")

    def test_its_id_chooses_h(self):
        made = self.create("--name", "nightly", "--zone", "UTC", at="H H(0-7) * * *")
        self.assertEqual(made["schedule"], "H H(0-7) * * *")
        self.assertTrue(made["next_at"].endswith("T04:45:00Z"), made["next_at"])
        self.assertRegex(self.accepts("schedule", "show", "nightly"), r"(?m)^chosen +minute 45 \(of 0 to 59\), hour 4 \(of 0 to 7\), by its id$")
        self.assertIn("T04:45:00Z", self.accepts("schedule", "next", "nightly"))

    def test_anchors_and_clocks(self):
        made = self.create("--anchor", "2026-01-01T00:00:00Z", at="every 45 minutes")
        self.assertEqual((made["schedule"], made["phrase"]), ("@every 45m from 2026-01-01T00:00:00Z", "every 45 minutes"))
        made = self.create("--dst-gap", "skip", "--dst-overlap", "both")
        self.assertEqual(made["dst"], {"gap": "skip", "overlap": "both"})
        self.refuses("schedule", "create", "greet", "--at", "@every 90s", "--dst-gap", "skip", says="follows the clocks")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--anchor", "2026-01-01T00:00:00Z", says="goes with an interval")

    def test_ids_are_made_up(self):
        ids = {self.create()["id"] for _ in range(5)}
        self.assertEqual(len(ids), 5)

    def test_what_is_refused(self):
        self.refuses("schedule", "create", "greet", code=2, says="--at is missing")
        self.refuses("schedule", "create", "gret", "--at", "@daily", says=["'gret'", "did you mean 'greet'?"])
        self.refuses("schedule", "create", "greet", "--at", "0 0 31 2 *", says="never fires")
        self.refuses("schedule", "create", "greet", "--at", "2020-01-01T00:00:00Z", says="is not after")
        self.refuses("schedule", "create", "greet", "--at", "when it suits")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--zone", "Europe/Berlim", says="Europe/Berlin?")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--inputs", "novalue", code=2, says="name=value is wanted")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--inputs", "a=1", "a=2", code=2, says="twice")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--inputs", b"a=\xff", says=["UTF-8", "nothing was stored"])
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--description", b"\xff", says="UTF-8")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--output-target", "x", code=2, says="sent nowhere yet")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--output-type", "slack", code=2, says="sent nowhere yet")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--output-type", "slak", code=2, says="slack")
        for option, value in (("--overlap", "queue"), ("--misfire", "all"), ("--misfire", "all:3")):
            self.refuses("schedule", "create", "greet", "--at", "in 2 hours", option, value, says=f"{option}")
        for misfire in ("sometimes", "window", "window:", "window:5", "all:0", "all:x", "skip:1"):
            self.refuses("schedule", "create", "greet", "--at", "@daily", "--misfire", misfire, code=2, says="window:LENGTH")
        for name in ("", "a b", "-x", "a/b", "x" * 201, "a'b", "a\nb"):
            self.refuses("schedule", "create", "greet", "--at", "@daily", "--name=" + name, code=2, says="--name")
        self.assertEqual(self.listed(), [])

    def test_a_taken_name(self):
        self.create("--name", "one")
        self.refuses("schedule", "create", "greet", "--at", "@daily", "--name", "one", says=["'one'", "already"])

    def test_without_a_configuration(self):
        (self.folder / "visor.yaml").unlink()
        self.refuses("schedule", "create", "greet", "--at", "@daily", says="--config")


class Look(Schedules):
    def test_nothing_is_made_by_looking(self):
        self.assertIn("[]", self.run_program("schedule", "list", "--json").stdout)
        self.assertIn("no database yet", self.run_program("schedule", "list").stderr)
        self.refuses("schedule", "show", "x", lines=2, says="there is no schedule 'x'")
        self.assertFalse((self.folder / ".visor").exists())

    def test_list_and_its_filters(self):
        self.accepts("schedule", "create", "greet", "--at", "@daily", "--name", "a")
        self.accepts("schedule", "create", "report", "--at", "@daily", "--name", "b")
        self.accepts("schedule", "pause", "b")
        self.assertEqual(self.listed(), ["a", "b"])
        self.assertEqual(self.listed("--status", "paused"), ["b"])
        self.assertEqual(self.listed("--user", getpass.getuser()), ["a", "b"])
        self.assertEqual(self.listed("--user", "nobody-else"), [])
        self.assertEqual(self.listed("--limit", "1"), ["a"])
        text = self.accepts("schedule", "list")
        self.assertRegex(text, r"(?m)^a +active +greet +@daily|^a +active +greet +0 0 \* \* \*")
        self.assertRegex(text, r"(?m)^b +paused +report")
        self.assertFalse([line for line in text.splitlines() if line != line.rstrip()], "trailing blanks")

    def test_columns_line_up_whatever_the_letters(self):
        for name in ("ascii", "größe", "日本語"):
            self.accepts("schedule", "create", "greet", "--at", "@daily", "--name", name)
        starts = set()
        for line in self.accepts("schedule", "list").splitlines()[1:]:
            before = line[:line.index("active")]
            starts.add(sum(2 if ord(c) > 0x2E80 else 1 for c in before))
        self.assertEqual(len(starts), 1)

    def test_completed_ones_are_hidden(self):
        self.create("--name", "done", at="in 1 hour")
        database = sqlite3.connect(self.folder / ".visor/schedules.db")
        stored = dict(zip(("active",), database.execute("SELECT state FROM visor_schedule").fetchone()))
        with database:
            database.execute("UPDATE visor_schedule SET state = ?", ("completed" if isinstance(stored["active"], str) else 2,))
        database.close()
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.listed("--all"), ["done"])
        self.assertEqual(self.listed("--status", "completed"), ["done"])
        self.refuses("schedule", "resume", "done", says="completed")
        self.refuses("schedule", "pause", "done", says="completed")

    def test_next(self):
        self.create("--name", "a")
        self.create("--name", "b", at="30 8 * * *")
        one = self.accepts("schedule", "next", "a", "--count", "2").splitlines()
        self.assertEqual(len(one), 2)
        both = self.accepts("schedule", "next", "--count", "4").splitlines()
        self.assertEqual(sorted(line.split()[1] for line in both), ["a", "a", "b", "b"])
        self.assertEqual(both, sorted(both))
        self.assertEqual([each["at"] for each in self.accepts_json("schedule", "next", "a", "--count", "2")], one)
        # A zone that this machine does not know hides no other schedule, and not the instant that is stored.
        database = sqlite3.connect(self.folder / ".visor/schedules.db")
        with database:
            database.execute("UPDATE visor_schedule SET zone = 'Mars/Base' WHERE id = 'b'")
        database.close()
        some = self.run_program("schedule", "next", "--count", "3")
        self.assertEqual((some.returncode, sorted(line.split()[1] for line in some.stdout.splitlines())), (0, ["a", "a", "b"]), some.stderr)
        self.assertRegex(some.stderr, "^visor: note: schedule b: only its next instant is known here: unknown time zone \"Mars/Base\"")
        self.accepts("schedule", "pause", "a")
        self.refuses("schedule", "next", "a", says="paused")


class Change(Schedules):
    def test_pause_and_resume(self):
        self.create("--name", "one")
        self.assertIn("paused", self.accepts("schedule", "pause", "one"))
        self.assertEqual(self.shown("one")["status"], "paused")
        self.refuses("schedule", "pause", "one", says="only an active one")
        self.assertIn("next at", self.accepts("schedule", "resume", "one"))
        self.assertEqual(self.shown("one")["status"], "active")
        self.refuses("schedule", "resume", "one", says="only a paused or failed one")

    def test_resume_goes_on_with_the_next_instant_from_now(self):
        self.create("--name", "one", at="* * * * *")
        self.accepts("schedule", "pause", "one")
        database = sqlite3.connect(self.folder / ".visor/schedules.db")
        with database:
            database.execute("UPDATE visor_schedule SET next_at = next_at - 86400000000")
        database.close()
        missed = self.shown("one")["next_at"]
        self.accepts("schedule", "resume", "one")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.assertLess(missed, now)
        self.assertGreater(self.shown("one")["next_at"], now)

    def test_the_only_instant_has_passed(self):
        self.create("--name", "one", at="in 1 hour")
        self.accepts("schedule", "pause", "one")
        database = sqlite3.connect(self.folder / ".visor/schedules.db")
        with database:
            database.execute("UPDATE visor_schedule SET next_at = next_at - 86400000000")
        database.close()
        self.refuses("schedule", "resume", "one", says="has passed")
        self.assertEqual(self.shown("one")["status"], "paused")

    def test_cancel(self):
        self.create("--name", "one")
        self.assertIn("cancelled", self.accepts("schedule", "cancel", "one"))
        self.assertEqual(self.listed("--all"), [])
        self.refuses("schedule", "cancel", "one", says="there is no schedule 'one'")

    def test_the_beginning_of_an_id(self):
        for name in ("apple", "apricot", "banana"):
            self.create("--name", name)
        self.accepts("schedule", "pause", "b")
        self.assertEqual(self.shown("ban")["status"], "paused")
        self.refuses("schedule", "cancel", "ap", says=["apple, apricot", "more of the id"])
        self.refuses("schedule", "show", "", says="there is no schedule ''")
        self.refuses("schedule", "show", "bananna", says="did you mean 'banana'?")
        self.refuses("schedule", "show", "%", says="there is no schedule '%'")
        self.create("--name", "app")
        self.accepts("schedule", "cancel", "app")  # the whole id goes before a longer one
        self.assertEqual(self.listed(), ["apple", "apricot", "banana"])

    def test_those_of_others(self):
        self.create("--name", "one")
        self.belongs_to("one", "somebody-else")
        for command in ("pause", "cancel"):
            self.refuses("schedule", command, "one", says=["'somebody-else'", "--force"])
        self.assertEqual(self.shown("one")["status"], "active")
        self.accepts("schedule", "pause", "one", "--force")
        self.refuses("schedule", "resume", "one", says="--force")
        self.accepts("schedule", "resume", "one", "--force")
        self.accepts("schedule", "cancel", "one", "--force")


class Static(Schedules):
    def setUp(self):
        super().setUp()
        self.run_program("run", "--for", "0s")

    def test_they_are_there_after_a_run(self):
        self.assertEqual(self.listed(), ["nightly", "soon"])
        nightly = self.shown("nightly")
        self.assertEqual((nightly["origin"], nightly["owner"], nightly["timezone"]), ("config", None, "Europe/Berlin"))
        self.assertEqual((nightly["inputs"], nightly["description"]), ({"team": "platform"}, "what happened today"))

    def test_they_can_be_paused_but_not_cancelled(self):
        self.accepts("schedule", "pause", "nightly")
        self.refuses("schedule", "cancel", "nightly", says=["visor.yaml", "schedule pause"])
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.shown("nightly")["status"], "paused")
        self.accepts("schedule", "resume", "nightly")
        self.assertEqual(self.shown("nightly")["status"], "active")

    def test_they_follow_the_file(self):
        self.accepts("schedule", "create", "greet", "--at", "@daily", "--name", "mine")
        self.write(STATIC.replace('"0 2 * * *"', '"0 4 * * *"').replace("soon:", "late:"))
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.listed(), ["late", "mine", "nightly"])
        self.assertEqual(self.shown("nightly")["schedule"], "0 4 * * *")

    def test_a_file_without_cron_leaves_them_alone_and_an_empty_one_removes_them(self):
        self.accepts("schedule", "pause", "nightly")
        self.write(CONFIG)
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.listed(), ["nightly", "soon"])
        self.write("scheduler: {cron: {}}\n" + CONFIG)
        said = self.run_program("run", "--for", "0s").stderr
        self.assertEqual(self.listed(), [])
        for name in ("nightly", "soon"):
            self.assertRegex(said, rf"warning +schedule {name} was removed: no living node declares it")
        self.write(STATIC)
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.listed(), ["nightly", "soon"])
        self.assertEqual(self.shown("nightly")["status"], "paused")

    def test_one_of_a_user_is_left_to_him_and_the_others_run(self):
        self.accepts("schedule", "create", "greet", "--at", "@daily", "--name", "mine")
        self.write(STATIC.replace("soon:", "mine: {schedule: '@hourly', workflow: greet}\n    soon:"))
        said = self.run_program("run", "--for", "0s")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stderr, r"schedule mine is not added, .*visor schedule cancel mine\) and then restart this node or run visor schedule apply")
        self.assertEqual(self.shown("mine")["origin"], "user")
        self.accepts("schedule", "cancel", "mine")
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.shown("mine")["origin"], "config")

    def test_sets_are_apart(self):
        self.write(STATIC.replace("scheduler:\n", "scheduler:\n  set: others\n").replace("nightly:", "nightly2:").replace("soon:", "soon2:"))
        self.run_program("run", "--for", "0s")
        self.assertEqual(self.listed(), ["nightly", "nightly2", "soon", "soon2"])
        self.assertEqual((self.shown("nightly")["set"], self.shown("nightly2")["set"]), ("default", "others"))


class Sets(Schedules):
    def setUp(self):
        super().setUp()
        self.run_program("run", "--for", "0s")
        self.accepts("schedule", "create", "greet", "--at", "@daily", "--name", "mine")
        self.write(STATIC.replace('"0 2 * * *"', '"0 4 * * *"')
                   .replace("soon:", "late: {schedule: '@daily', workflow: greet}\n    mine:"))

    def differences(self):
        return {each["id"]: each["what"] for each in self.accepts_json("schedule", "diff")}

    def test_diff(self):
        self.assertEqual(self.differences(), {"late": "missing", "mine": "taken", "nightly": "different", "soon": "undeclared"})
        text = self.accepts("schedule", "diff")
        self.assertIn("~ nightly: different, schedule '0 2 * * *' -> '0 4 * * *'", text)
        self.assertIn("0 schedules are as the configuration says, 4 are not", text)

    def test_apply_adds_and_changes(self):
        text = self.accepts("schedule", "apply")
        self.assertIn("schedule nightly changed", text)
        self.assertIn("schedule mine not added", text)
        self.assertIn("1 added, 1 changed, 0 as before", text)
        self.assertEqual(self.listed(), ["late", "mine", "nightly", "soon"])
        self.assertEqual(self.differences(), {"mine": "taken", "soon": "undeclared"})

    def test_prune_removes(self):
        self.assertEqual(self.accepts("schedule", "prune"), "schedule soon removed\n1 removed\n")
        self.assertEqual(self.listed(), ["mine", "nightly"])
        self.write(STATIC)
        self.assertEqual(self.differences(), {"soon": "retired"})

    def test_without_cron(self):
        self.write(CONFIG)
        for command in ("diff", "apply", "prune"):
            self.refuses("schedule", command, says="scheduler.cron")


if __name__ == "__main__":
    main()
