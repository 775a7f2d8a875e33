"""visor cron"""

from program import ProgramTest, main

FROM = ("--from", "2026-11-21T00:00:00Z")


class Cron(ProgramTest):
    def next(self, *words):
        return self.accepts("cron", "next", *words).splitlines()

    def test_next_is_one_by_default_and_exclusive(self):
        self.assertEqual(self.next("0 14 * * *", *FROM), ["2026-11-21T14:00:00Z"])
        self.assertEqual(self.next("0 14 * * *", "--from", "2026-11-21T14:00:00Z"), ["2026-11-22T14:00:00Z"])
        self.assertEqual(self.next("0 14 * * *", "--from", "2026-11-21T13:59:59.999999Z"), ["2026-11-21T14:00:00Z"])

    def test_zones(self):
        self.assertEqual(self.next("0 9 * * 1-5", "--zone", "America/New_York", *FROM, "--count", "3"),
                         ["2026-11-23T14:00:00Z", "2026-11-24T14:00:00Z", "2026-11-25T14:00:00Z"])

    def test_six_and_seven_fields_nicknames_and_intervals(self):
        self.assertEqual(self.next("*/20 * * * * *", *FROM, "--count", "2"), ["2026-11-21T00:00:20Z", "2026-11-21T00:00:40Z"])
        self.assertEqual(self.next("0 0 0 29 2 * 2028", *FROM), ["2028-02-29T00:00:00Z"])
        self.assertEqual(self.next("@monthly", *FROM), ["2026-12-01T00:00:00Z"])
        self.assertEqual(self.next("@every 90s", *FROM, "--count", "2"), ["2026-11-21T00:01:30Z", "2026-11-21T00:03:00Z"])

    def test_phrases_and_instants(self):
        self.assertEqual(self.next("every weekday at 9am", *FROM), ["2026-11-23T09:00:00Z"])
        self.assertEqual(self.next("in 2 hours", *FROM), ["2026-11-21T02:00:00Z"])
        self.assertEqual(self.next("2026-12-24T18:00:00+01:00", *FROM), ["2026-12-24T17:00:00Z"])

    def test_phrases_may_begin_with_a_date_or_a_time(self):
        for text, wanted in (("2026-11-22 09:00", "2026-11-22T08:00:00Z"), ("2026-11-22", "2026-11-22T08:00:00Z"),
                             ("2026-11-22 at 9am", "2026-11-22T08:00:00Z"), ("9:30", "2026-11-21T08:30:00Z"),
                             ("9:30 pm", "2026-11-21T20:30:00Z"), ("9am", "2026-11-22T08:00:00Z"), ("12am", "2026-11-21T23:00:00Z"),
                             ("14:30 tomorrow", "2026-11-22T13:30:00Z"), ("9am every weekday", "2026-11-23T08:00:00Z")):
            with self.subTest(text=text):
                self.assertEqual(self.next(text, "--zone", "Europe/Berlin", "--from", "2026-11-21T08:00:00Z"), [wanted])

    def test_a_mistake_in_a_date_or_a_time_is_not_called_one_in_a_cron_expression(self):
        for text, says in (("2026-13-22", "no such day"), ("2020-01-01 09:00", "in the past"), ("25:00", "25 is above 23"),
                           ("2026-11-22 9:60", "60 is above 59"), ("9am on fryday", "did you mean friday?"), ("9", "not understood")):
            with self.subTest(text=text):
                said = self.refuses("cron", "next", text, *FROM, says=says)
                self.assertNotIn("cron expression", said)

    def test_fewer_than_asked_for(self):
        self.assertEqual(self.next("0 0 0 1 1 * 2027,2028", *FROM, "--count", "5"), ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"])

    def test_never_is_said_with_the_reason(self):
        self.refuses("cron", "next", "0 0 31 2 *", says=["0 0 31 2 *", "never fires"])
        self.refuses("cron", "next", "0 0 0 1 1 * 2020", *FROM, says="2020")
        self.refuses("cron", "next", "2020-01-01T00:00:00Z", *FROM, says="is not after 2026-11-21T00:00:00Z")
        self.refuses("cron", "next", FROM[1], *FROM, says="is not after 2026-11-21T00:00:00Z")
        self.refuses("cron", "check", "0 0 0 1 1 * 2020", says="2020")

    def test_json(self):
        self.assertEqual(self.accepts_json("cron", "next", "@daily", *FROM), ["2026-11-22T00:00:00Z"])
        explained = self.accepts_json("cron", "explain", "30 2 * * MON-FRI", "--zone", "Europe/Berlin", *FROM)
        self.assertEqual(explained["expression"], "30 2 * * 1-5")
        self.assertEqual(explained["zone"], "Europe/Berlin")
        self.assertEqual(len(explained["next"]), 3)

    def test_check_and_explain(self):
        self.assertEqual(self.accepts("cron", "check", "@daily"), "valid: 0 0 * * *\n")
        self.assertIn("2030", self.accepts("cron", "check", "2030-01-01T00:00:00Z"))
        text = self.accepts("cron", "explain", "0 2 * * *", *FROM)
        for part in ("at 02:00", "clocks", "UTC", "2026-11-21T02:00:00Z", "2026-11-23T02:00:00Z"):
            self.assertIn(part, text)
        self.assertIn("real time", self.accepts("cron", "explain", "*/5 * * * *"))
        self.assertIn("right after a gap", self.accepts("cron", "explain", "*/5 2 * * *"))

    def test_the_id_chooses_h(self):
        self.refuses("cron", "next", "H * * * *", says="--id")
        self.assertEqual(self.accepts_json("cron", "next", "H H(0-7) * * *", "--id", "nightly", *FROM), ["2026-11-21T04:45:00Z"])
        text = self.accepts("cron", "explain", "H H(0-7) * * *", "--id", "nightly", *FROM)
        self.assertRegex(text, r"(?m)^chosen +minute 45 \(of 0 to 59\), hour 4 \(of 0 to 7\), by the id$")
        text = self.accepts("cron", "explain", "H H(0-7) * * *", *FROM)
        self.assertRegex(text, r"(?m)^meaning +chosen by the id of the schedule: minute 0 to 59 and hour 0 to 7$")
        self.assertIn("say which by --id", text)

    def test_an_instant_in_a_gap_or_twice_is_said(self):
        for at, says in (("2027-03-28 02:30", "there is no 02:30 on 2027-03-28"), ("2026-12-31 02:30", ""),
                         ("2027-10-31 02:30", "02:30 comes twice on 2027-10-31")):
            text = self.accepts("cron", "explain", at, "--zone", "Europe/Berlin", *FROM)
            self.assertEqual("clocks" in text, says != "", text)
            self.assertIn(says, text)

    def test_localtime_is_no_zone(self):
        self.refuses("cron", "next", "@daily", "--zone", "localtime", says=["localtime", "such as Europe/Berlin"])

    def test_errors_name_the_place_and_the_reason(self):
        self.refuses("cron", "check", "0 24 * * *", says=["field 2 (hour)", "column 3", "24 is above 23"])
        self.refuses("cron", "check", "0 0 * *", says="4 fields")
        self.refuses("cron", "check", "0 0 * * FRYDAY", says="field 5")
        self.refuses("cron", "check", "", says="empty")
        self.refuses("cron", "check", "@dayly", says="did you mean @daily?")
        self.refuses("cron", "check", b"\xff\x01 * * * *", says=r"\xff")
        self.refuses("cron", "check", "*" * 100000)
        self.refuses("cron", "check", "every fryday", says="did you mean friday?")
        self.refuses("cron", "check", "every day at 25:00", says="25")
        self.refuses("cron", "check", "whenever it suits")

    def test_unknown_zones(self):
        self.refuses("cron", "next", "@daily", "--zone", "Europe/Berlim", says="did you mean Europe/Berlin?")
        self.refuses("cron", "next", "@daily", "--zone", "../../etc/passwd", says="unknown time zone")
        self.refuses("cron", "next", "@daily", "--zone", "", says="unknown time zone")


if __name__ == "__main__":
    main()
