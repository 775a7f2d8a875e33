"""The program on PostgreSQL behind PgBouncer, in the mode `transaction`, where that is installed."""

import json
import signal
import sys

import server_tests
from program import SLOWNESS, SOURCE, main
from servers import PgBouncer

if not PgBouncer.is_there():
    print("skipped: there is no PgBouncer")
    sys.exit(0)

SETTING = "keeps no session: set connection.pgbouncer, or pgbouncer=true in the connection string"


class Pooled(server_tests.OnServer):
    SERVER = PgBouncer
    TLS = False

    def tearDown(self):
        self.leaves_nothing()

    def storage(self, **changes):
        return super().storage(**{"port": self.server.entrance, "ssl": None, "pgbouncer": True, **changes})

    def url(self, options="pgbouncer=true", user="visor"):
        return super().url(options, user).replace(f":{self.server.port}/", f":{self.server.entrance}/")

    def leaves_nothing(self):
        """What others find in the sessions, of which each has its turn."""
        found = {self.server.through("SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('search_path'), "
                                     "current_setting('jit'), (SELECT count(*) FROM pg_prepared_statements), "
                                     "(SELECT count(*) FROM pg_listening_channels()))") for _ in range(8)}
        self.assertEqual(found, {'0 "$user", public on 0 0'})

    def test_the_quickstart(self):
        text = (SOURCE / "examples/quickstart/visor.yaml").read_text()
        self.write(text.replace("scheduler:\n", "scheduler:\n  storage: " + json.dumps(self.storage()) + "\n", 1))
        self.accepts("config", "check")
        ended = self.run_program("run", "--for", f"{7 + 3 * SLOWNESS:.0f}s")
        self.assertEqual(ended.returncode, 0)
        self.assertEqual(ended.stderr.count("tells of no commits of others: they are looked for"), 1)
        jobs = self.accepts_json("job", "list")
        self.assertGreaterEqual(len([job for job in jobs if job["type"] == "greet" and job["state"] == "completed"]), 3)
        self.each_fire_is_one()
        self.assertEqual(len(self.accepts_json("schedule", "list")), 4)

    def test_jobs_from_another_process_run_on_one_of_several_nodes(self):
        storage = json.dumps(self.storage())
        nodes = []
        for name in ("one", "two"):
            self.write("scheduler: {storage: " + storage + ", ha: {enabled: true, node_id: " + name + "}}\n"
                       "workflows:\n  greet: {command: 'echo $VISOR_JOB_ID >> ran', shell: true}\n")
            nodes.append(self.start("run"))
            self.wait_until(lambda: self.server.tables() > 10 and self.count("visor_node", "state = 'online'") == len(nodes))
        jobs = [self.accepts_json("job", "enqueue", "greet")["id"] for _ in range(20)]
        self.wait_until(lambda: self.count("visor_attempt", "final_state = 'completed'") == len(jobs))
        for node in nodes:
            node.send_signal(signal.SIGTERM)
            self.assertEqual(node.wait(30), 0)
        self.assertEqual(sorted(map(int, (self.folder / "ran").read_text().split())), sorted(jobs))

    def test_a_pooler_that_is_restarted_is_used_again(self):
        self.configure()
        daemon = self.start("run")
        self.wait_until(self.is_online)
        self.server.open_entrance()
        job = self.accepts_json("job", "enqueue", "greet")["id"]
        self.wait_until(lambda: self.accepts_json("job", "show", str(job))["state"] == "completed")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)

    def test_the_tables_are_in_the_schema_that_is_asked_for(self):
        self.server.sql("""DROP SCHEMA IF EXISTS "it's ours" CASCADE; CREATE SCHEMA "it's ours" AUTHORIZATION visor""", "visor")
        self.configure_url(self.url("pgbouncer=true&search_path=it%27s%20ours"))
        self.accepts("db", "init")
        self.accepts("db", "validate")
        self.assertEqual(self.server.tables(), 0)  # of `public`
        self.accepts("db", "rollback", "--yes")

    def test_a_server_that_is_not_said_to_be_one_is_refused(self):
        self.configure(pgbouncer=None)
        self.refuses("db", "status", says=[SETTING, "unsupported startup parameter"])
        self.addCleanup(self.server.open_entrance)
        self.server.open_entrance("ignore_startup_parameters = options")
        self.refuses("db", "status", says=[SETTING, "the settings of the session were not taken"])
        self.configure_url(self.url("pgbouncer=false"))
        self.refuses("db", "status", says=SETTING)
        self.accepts("db", "init", environment={"VISOR_STORAGE_CONNECTION_PGBOUNCER": "true"})


if __name__ == "__main__":
    main()
