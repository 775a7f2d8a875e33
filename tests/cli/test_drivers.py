"""A program without the driver that is asked for; VISOR_PROGRAM has memory and sqlite only."""

from program import ProgramTest, main


class NotBuiltIn(ProgramTest):
    def test_which_it_has(self):
        self.assertEqual([each["name"] for each in self.accepts_json("drivers")], ["memory", "sqlite"])

    def test_a_driver_that_is_not_built_in(self):
        for driver in ("mssql", "mysql", "postgresql"):
            self.write(f"scheduler: {{storage: {{driver: {driver}, connection: {{host: db, ssl: true}}}}}}\n")
            for words in (["run"], ["job", "list"], ["db", "status"], ["db", "init"], ["db", "test"]):
                self.refuses(*words, says=[driver + " was not built into this program (it has: memory, sqlite); build it with cmake "
                                           f'-DVISOR_DRIVERS="memory;sqlite;{driver}"'])
            # It may be meant for another machine.
            checked = self.run_program("config", "check")
            self.assertEqual((checked.returncode, checked.stdout), (0, "visor.yaml: valid, 0 schedules, 0 workflows\n"))
            self.assertIn(f"visor: note: the driver {driver} was not built into this program", checked.stderr)


if __name__ == "__main__":
    main()
