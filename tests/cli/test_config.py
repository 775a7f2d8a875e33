"""visor config, and everything that a configuration can have wrong."""

import os
import pathlib
import re
import socket
import unittest

from program import CONFIG, SOURCE, ProgramTest, main


class Files(ProgramTest):
    def test_none_at_all_gives_the_defaults(self):
        self.assertIn("the defaults: valid, 0 schedules, 0 workflows", self.accepts("config", "check"))
        shown = {each["key"]: each for each in self.accepts_json("config", "show")}
        self.assertEqual(shown["scheduler.storage.driver"], {"key": "scheduler.storage.driver", "value": "sqlite", "source": "default"})
        self.assertEqual(shown["scheduler.storage.connection.filename"]["value"], ".visor/schedules.db")

    def test_where_it_is_looked_for(self):
        def zone(*words, environment=None):
            shown = self.accepts_json("config", "show", *words, environment=environment)
            return next(each["value"] for each in shown if each["key"] == "scheduler.default_timezone")

        for name, value in (("visor.yaml", "Asia/Tokyo"), ("named.yaml", "Europe/Paris"), ("other.yaml", "Europe/Rome")):
            self.write(f"scheduler: {{default_timezone: {value}}}\n", name)
        self.assertEqual(zone(), "Asia/Tokyo")
        self.write("scheduler: {default_timezone: Europe/Oslo}\n", ".visor.yaml")
        self.assertEqual(zone(), "Europe/Oslo")
        self.assertEqual(zone(environment={"VISOR_CONFIG": "named.yaml"}), "Europe/Paris")
        self.assertEqual(zone("--config", "other.yaml", environment={"VISOR_CONFIG": "named.yaml"}), "Europe/Rome")

    def test_a_file_of_other_users_is_not_taken_unless_it_is_named(self):
        file = self.write(CONFIG)
        for mode in (0o646, 0o666):
            file.chmod(mode)
            self.refuses("config", "check", says=["visor.yaml can be written by other users", "chmod go-w visor.yaml", "--config visor.yaml"])
            self.refuses("job", "enqueue", "greet", says="can be written by other users")
            self.assertIn("valid", self.accepts("config", "check", "--config", "visor.yaml"))
            self.assertIn("valid", self.accepts("config", "check", environment={"VISOR_CONFIG": "visor.yaml"}))
        file.chmod(0o644)
        self.assertIn("valid", self.accepts("config", "check"))
        if os.geteuid() != 0:
            self.skipTest("only root can give a file to somebody else")
        file.chmod(0o664)
        os.chown(file, 0, 65534)
        self.refuses("config", "check", says="can be written by other users")
        file.chmod(0o644)
        os.chown(file, 65534, 65534)
        self.refuses("run", says=["visor.yaml belongs to ", "65534"])
        self.write(CONFIG, ".visor.yaml")
        self.assertIn("valid", self.accepts("config", "check"))
        (self.folder / ".visor.yaml").unlink()
        os.chown(file, 0, 0)
        file.rename(self.folder / "real.yaml")
        file.symlink_to("real.yaml")
        self.assertIn("valid", self.accepts("config", "check"))
        os.lchown(file, 65534, 65534)
        self.refuses("config", "check", says="visor.yaml belongs to ")

    def test_a_database_folder_of_somebody_else_is_not_taken_unless_it_is_named(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a folder to somebody else")
        self.write(CONFIG)
        (self.folder / ".visor").mkdir()
        os.chown(self.folder / ".visor", 65534, 65534)
        self.refuses("job", "enqueue", "greet", says=[".visor belongs to ", "VISOR_DB"])
        self.accepts("job", "enqueue", "greet", environment={"VISOR_DB": ".visor/schedules.db"})

    def test_a_file_that_cannot_be_read(self):
        self.refuses("config", "check", "--config", "none.yaml", says=["none.yaml", "No such file"])
        self.refuses("job", "list", environment={"VISOR_CONFIG": "none.yaml"}, says="none.yaml")
        self.refuses("config", "check", "--config", ".", says="directory")
        self.refuses("config", "check", "a.yaml", "--config", "b.yaml", code=2, says="together")

    def test_the_quickstart_is_valid(self):
        self.assertIn("valid, 4 schedules, 4 workflows", self.accepts("config", "check", str(SOURCE / "examples/quickstart/visor.yaml")))


class Show(ProgramTest):
    def test_every_value_has_its_source(self):
        self.write("scheduler:\n  ha:\n    lock_ttl: 90\n  storage:\n    connection: {filename: '${DB_FILE}'}\n")
        text = self.accepts("config", "show", environment={"DB_FILE": "there.db", "VISOR_NODE_NAME": "one"})
        self.assertRegex(text, r"scheduler\.ha\.lock_ttl +1m30s +visor\.yaml:3:\d+")
        self.assertRegex(text, r"scheduler\.ha\.node_id +one +environment VISOR_NODE_NAME")
        self.assertRegex(text, r"scheduler\.storage\.connection\.filename +\$\{DB_FILE\} +visor\.yaml:5:\d+, environment DB_FILE")
        self.assertRegex(text, r"scheduler\.storage\.driver +sqlite +default")

    def test_only_what_was_changed(self):
        self.write("scheduler: {default_timezone: Asia/Tokyo}\n")
        self.assertEqual([each["key"] for each in self.accepts_json("config", "show", "--changed")], ["scheduler.default_timezone"])

    def test_secrets_are_masked(self):
        self.write('workflows:\n  a:\n    webhook: {url: "https://example.com/x", headers: {Authorization: "Bearer ${TOKEN}"}}\n'
                   '  b:\n    command: ["true"]\n    env: {PASSWORD: hunter2}\n')
        for words in (["config", "show"], ["config", "show", "--json"], ["config", "check"]):
            text = self.accepts(*words, environment={"TOKEN": "s3cr3t"})
            self.assertNotIn("s3cr3t", text)
            self.assertNotIn("hunter2", text)
        self.assertIn("********", self.accepts("config", "show", environment={"TOKEN": "s3cr3t"}))


class Sources(ProgramTest):
    def shown(self, environment, *words):
        return {each["key"].removeprefix("scheduler.storage."): (each["value"], each["source"])
                for each in self.accepts_json("config", "show", *words, environment=environment)}

    def test_each_is_named(self):
        self.write("scheduler: {storage: {driver: postgresql, connection: {database: jobs}}}\n")
        found = self.shown({"VISOR_ENV": "production", "DB_HOST": "db", "DB_PASSWORD": "hunter2", "VISOR_STORAGE_CONNECTION_USER": "me"})
        self.assertEqual(found["driver"], ("postgresql", "visor.yaml:1:31"))
        self.assertEqual(found["connection.database"], ("jobs", "visor.yaml:1:66"))
        self.assertEqual(found["connection.host"], ("db", "environment DB_HOST"))
        self.assertEqual(found["connection.user"], ("me", "environment VISOR_STORAGE_CONNECTION_USER"))
        self.assertEqual(found["connection.password"], ("********", "environment DB_PASSWORD"))
        self.assertEqual(found["connection.pool.max"], ("20", "profile production"))
        self.assertEqual(found["connection.ssl.enabled"], ("true", "profile production"))
        self.assertEqual(found["connection.pool.max_lifetime"], ("20m", "default"))

    def test_a_connection_string_is_shown_without_its_password(self):
        found = self.shown({"DATABASE_URL": "postgres://u:hunter2@h/d?sslmode=require", "DB_PASSWORD": "hunter2", "DB_NAME": "other"})
        self.assertEqual(found["connection.connection_string"], ("postgresql://u@h:5432/d?sslmode=require", "environment DATABASE_URL"))
        self.assertEqual([key for key in found if key.removeprefix("connection.") in ("host", "port", "database", "user", "password")], [])
        self.assertEqual(found["driver"], ("postgresql", "environment DATABASE_URL"))
        stricter = self.shown({"DATABASE_URL": "postgres://u@h/d?sslmode=require", "DB_SSL": "true"})
        self.assertEqual(stricter["connection.connection_string"][0], "postgresql://u@h:5432/d?sslmode=verify-full")

    def test_what_lies_about_does_no_harm_to_sqlite(self):
        environment = {"NODE_ENV": "production", "DB_HOST": "h", "DB_PASSWORD": "p", "DB_PORT": "x", "AUTO_INIT_DB": "false"}
        self.accepts("db", "init", environment={**environment, "STORE_TYPE": "sqlite"})
        self.assertTrue((self.folder / ".visor/schedules.db").exists())
        self.write("scheduler: {storage: {driver: sqlite}}\n")
        self.accepts("db", "status", environment={**environment, "DATABASE_URL": "postgres://h"})

    def test_errors(self):
        def refused(environment, *says):
            for words in (["config", "check"], ["config", "show"], ["run", "--for", "0s"], ["db", "init"]):
                self.assertNotIn("hunter2", self.refuses(*words, environment=environment, says=says))

        refused({"STORE_TYPE": "postgres"}, "environment STORE_TYPE: ", "DATABASE_URL", "DB_HOST, DB_NAME and DB_USER")
        refused({"DB_HOST": "db"}, "environment DB_HOST: ", "DATABASE_URL", "DB_HOST, DB_NAME and DB_USER")
        refused({"NODE_ENV": "production"}, "profile production: ", "DATABASE_URL", "STORE_TYPE")
        refused({"STORE_TYPE": "hunter2"}, "environment STORE_TYPE: ", "sqlite, memory, postgresql")
        refused({"VISOR_ENV": "hunter2"}, "environment VISOR_ENV: ", "production, development, serverless")
        refused({"DATABASE_URL": "hunter2"}, "environment DATABASE_URL: ", "postgresql://")
        refused({"DATABASE_URL": "postgres://u:hunter2@h:0/"}, "environment DATABASE_URL: ", "has a wrong port")
        # The last ones are passwords that are not escaped.
        for url in ("u:hunter2@h/a b", "u:x@hunter2@h/d", "u:x/hunter2@h/d", "u:1/hunter2@h", "u:x#hunter2@h/d"):
            refused({"DATABASE_URL": "postgres://" + url}, "environment DATABASE_URL: ", "is no URL of the form")
        refused({"DATABASE_URL": "postgres://h/d?sslmode=hunter2"}, "environment DATABASE_URL: ", "verify-full")
        refused({"DATABASE_URL": "postgres://h", "DB_SSL_CA": "hunter2"}, "environment DB_SSL_CA: ")
        for url in ("mssql://u:hunter2@h/d?encrypt=true", "mssql://u:hunter2@h/d?trustServerCertificate=yes"):
            refused({"DATABASE_URL": url, "DB_SSL": "false"}, "environment DATABASE_URL: ", "asks for TLS by its option ",
                    "scheduler.storage.connection.ssl.enabled (environment DB_SSL) is false: leave one out")

    def test_variables_that_mean_nothing_are_told(self):
        self.write('workflows: {w: {command: ["true"], env: {MINE: "${VISOR_MINE}"}}}\n')
        environment = {"VISOR_HA_LOCKTTL": "5s", "VISOR_WHATEVER_IT_IS": "1", "VISOR_MINE": "used", "VISOR_JOB_ID": "1", "VISOR_INPUT_NAME": "x",
                       "VISOR_SERVICE_HOST": "10.0.0.1", "VISOR_PORT": "tcp://10.0.0.1:80", "VISOR_PORT_80_TCP_PORT": "80", "VISOR_EMPTY": ""}
        said = self.run_program("config", "check", environment=environment)
        self.assertEqual((said.returncode, sorted(said.stderr.splitlines())), (0, [
            "visor: note: environment VISOR_HA_LOCKTTL: ignored, visor knows no such variable; did you mean VISOR_HA_LOCK_TTL?",
            "visor: note: environment VISOR_WHATEVER_IT_IS: ignored, visor knows no such variable"]))
        said = self.run_program("run", "--for", "0s", environment=environment)
        self.assertRegex(said.stderr, "warning +environment VISOR_HA_LOCKTTL: ignored")

    def test_the_manual_names_every_option_of_a_connection_string(self):
        manual = (SOURCE / "docs/configuration.md").read_text()
        there = [each["name"] for each in self.accepts_json("drivers")]
        for scheme in {"postgresql", "mysql", "mssql"}.intersection(there):
            said = self.run_program("config", "check", environment={"DATABASE_URL": f"{scheme}://h/d?nonsense=1"}).stderr
            known = re.search(r"which is not supported \(supported are (.*)\)", said)
            self.assertIsNotNone(known, said)
            for option in known[1].split(", "):
                self.assertIn(f"`{option}`", manual, scheme)

    def test_flags(self):
        self.refuses("db", "test", "--port", "x", code=2, says="--port")
        self.refuses("db", "test", "--url", "", code=2, says="--url is empty")
        self.refuses("db", "test", "--url", "redis://u:hunter2@h", says=["flag --url: ", "postgresql://"])
        self.refuses("db", "test", "--url", "postgres://h", "--user", "me", says=["flag --user: ", "has no effect"])
        self.refuses("db", "test", "--host", "h", environment={"STORE_TYPE": "sqlite"}, says=["flag --host: ", "sqlite"])
        self.assertNotIn("--url", self.accepts("job", "list", "--help"))

    def test_a_password_is_not_in_the_list_of_processes(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = str(nobody.getsockname()[1])
            for words in (["--url", f"postgres://u:hunter2@127.0.0.1:{port}/d"], [f"--url=postgres://u:hunter2@127.0.0.1:{port}/d"],
                          ["--host", "127.0.0.1", "--port", port, "--password", "hunter2"],
                          ["--host", "127.0.0.1", "--port", port, "--password=hunter2"]):
                waiting = self.start("db", "test", *words)
                peer, _ = nobody.accept()
                with peer:  # it waits for an answer
                    line = pathlib.Path(f"/proc/{waiting.pid}/cmdline").read_bytes()
                    self.assertIn(b"****", line)
                    self.assertNotIn(b"hunter2", line)
                    waiting.kill()


class Bad(ProgramTest):
    def wrong(self, text, *says, lines=1, environment=None):
        self.write(text)
        for words in (["config", "check"], ["run", "--for", "0s"], ["job", "list"]):
            self.refuses(*words, says=says, lines=lines, environment=environment)
        self.assertFalse((self.folder / ".visor").exists(), "something was stored")

    def test_broken_yaml(self):
        self.wrong("scheduler: [1, 2\n", "visor.yaml:")
        self.wrong("scheduler:\n\tcron: {}\n", "visor.yaml:2", "tab")
        self.wrong("a: b: c\n", "visor.yaml:1")
        self.wrong("- a\n", "visor.yaml:1")
        self.wrong("scheduler: {ha: {},\n  ha: {}}\n", "visor.yaml:2")

    def test_bytes_that_are_no_text(self):
        self.wrong(b"scheduler:\n  default_timezone: \xff\xfe\n", "UTF-8")
        self.wrong(b"scheduler:\n  default_timezone: a\x00b\n", "visor.yaml")
        self.wrong(b"\x00" * 100, "visor.yaml")

    def test_a_file_that_is_far_too_big(self):
        self.wrong("# " + "x" * (20 << 20) + "\n", "visor.yaml")

    def test_unknown_keys(self):
        self.wrong("sheduler: {}\n", "visor.yaml:1:1", "sheduler", "scheduler")
        self.wrong("scheduler:\n  storage: {drivr: sqlite}\n", "scheduler.storage.drivr", "driver")
        self.wrong(CONFIG + "  last: {comand: [a]}\n", "workflows.last", lines=2)

    def test_wrong_types(self):
        self.wrong("scheduler: 5\n", "scheduler")
        self.wrong("scheduler: {ha: {enabled: maybe}}\n", "scheduler.ha.enabled", "true or false")
        self.wrong("scheduler: {node: {drain_timeout: 30}}\n", "scheduler.node.drain_timeout", "unit")
        self.wrong("scheduler: {storage: {driver: sqlit}}\n", "scheduler.storage.driver", "sqlite")
        self.wrong("workflows: {a: {command: {x: 1}}}\n", "workflows.a.command")
        self.wrong("workflows: {a: {command: [a], max_attempts: 0}}\n", "workflows.a.max_attempts")

    def test_every_error_is_told_at_once(self):
        self.wrong("scheduler:\n  default_timezone: Nowhere\n  cron:\n    a: {schedule: '0 24 * * *', workflow: greet}\n" + CONFIG,
                   "visor.yaml:2", "Nowhere", "visor.yaml:4", "24 is above 23", lines=2)

    def test_what_would_have_no_effect(self):
        self.wrong("scheduler: {ha: {node_id: ''}}\n", "visor.yaml:1:27: scheduler.ha.node_id: cannot be empty", "remove the key")
        self.wrong("scheduler: {storage: {path: ''}}\n", "visor.yaml:1:29: scheduler.storage.path: cannot be empty", "remove the key")
        self.wrong("workflows: {a: {command: ['true'], backoff: {kind: fixed, base: 1s, cap: 1m}}}\n", "workflows.a.backoff.cap: belongs to")
        self.wrong("scheduler: {storage: {connection: {filename: ':memory:'}}}\n", "visor.yaml:1:46: scheduler.storage.connection.filename: ",
                   "scheduler.storage.driver to memory")

    def test_unset_variables(self):
        self.wrong("scheduler: {default_timezone: '${NOT_SET_AT_ALL}'}\n", "NOT_SET_AT_ALL", "scheduler.default_timezone")

    def test_a_variable_is_not_repeated(self):
        self.write("scheduler: {default_timezone: '${SECRET_ZONE}'}\n")
        said = self.refuses("config", "check", environment={"SECRET_ZONE": "s3cr3t"}, says="scheduler.default_timezone")
        self.assertNotIn("s3cr3t", said)

    def cron(self, entry):
        return "scheduler:\n  cron:\n    one: " + entry + "\n" + CONFIG

    def test_a_schedule_whose_years_are_over_is_named(self):
        self.write(self.cron("{schedule: '0 0 9 1 1 ? 2020', workflow: greet}"))
        checked = self.run_program("config", "check")
        self.assertEqual(checked.returncode, 0)
        self.assertRegex(checked.stderr, "^visor: note: schedule one: .* never fires after .*: its last year, 2020, is over\n$")
        self.assertRegex(self.run_program("run", "--for", "1ms").stderr, "warning +schedule one: .*: its last year, 2020, is over")

    def test_schedules(self):
        self.wrong(self.cron("{schedule: '0 0 31 2 *', workflow: greet}"), "scheduler.cron.one.schedule", "never fires")
        self.wrong(self.cron("{schedule: '0 0 * * *', workflow: gret}"), "scheduler.cron.one.workflow", "greet")
        self.wrong(self.cron("{workflow: greet}"), "scheduler.cron.one.schedule", "missing")
        self.wrong(self.cron("{schedule: '@daily'}"), "workflow")
        self.wrong(self.cron("{schedule: '@daily', workflow: greet, timezone: Europe/Berlim}"), "Europe/Berlin")
        self.wrong(self.cron("{schedule: '@daily', workflow: greet, misfire: {policy: sometimes}}"), "misfire.policy", "latest")
        self.wrong(self.cron("{schedule: '@daily', workflow: greet, overlap: wait}"), "overlap")

    def test_several_nodes_on_one_file(self):
        self.wrong("scheduler: {ha: {enabled: true}}\n", "scheduler.ha.enabled", "postgresql")

    def test_memory_lasts_no_longer_than_a_run(self):
        self.write("scheduler: {storage: {driver: memory}}\n")
        self.accepts("config", "check")
        self.refuses("job", "list", says=["memory", "sqlite"])
        self.refuses("db", "init", says=["memory", "sqlite"])


class Commands(ProgramTest):
    def wrong(self, workflow, *says):
        self.write("workflows:\n  one: " + workflow + "\n")
        for words in (["config", "check"], ["run", "--for", "0s"]):
            self.refuses(*words, says=["visor.yaml:2:", "workflows.one", *says])
        self.assertFalse((self.folder / ".visor").exists(), "something was stored")

    def test_commands_are_looked_for_before_anything_starts(self):
        self.wrong('{command: ["/nowhere/at/all"]}', "/nowhere/at/all", "does not exist")
        self.wrong('{command: ["no-such-program-here"]}', "no-such-program-here", "PATH")
        self.wrong('{command: ["/tmp"]}', "folder")
        self.wrong('{command: ["true"], working_directory: /nowhere}', "working_directory", "/nowhere")
        self.wrong('{command: []}', "command")
        self.wrong('{command: [""]}', "command")
        self.wrong('{}', "command")
        script = self.write("#!/bin/sh\n", "script.sh")
        script.chmod(0o644)
        self.wrong(f'{{command: ["{script}"]}}', "chmod +x")

    def test_a_relative_command_starts_at_its_folder(self):
        (self.folder / "below").mkdir()
        script = self.write("#!/bin/sh\n", "below/script.sh")
        script.chmod(0o755)
        self.write('workflows: {a: {command: ["./script.sh"], working_directory: below}}\n')
        self.accepts("config", "check")

    @unittest.skipIf(os.geteuid() == 0, "root may enter every folder")
    def test_a_folder_that_may_not_be_entered(self):
        (self.folder / "closed").mkdir(mode=0)
        self.wrong('{command: ["true"], working_directory: closed}', "closed")


class Handlers(ProgramTest):
    """What only shows when a webhook or a command is made ready, at the key where it can be mended."""

    def wrong(self, text, *lines, environment=None):
        self.write(text)
        for words in (["config", "check"], ["run", "--for", "0s"]):
            said = self.refuses(*words, lines=len(lines), environment=environment)
            self.assertEqual(said.splitlines(), ["visor: visor.yaml:" + line for line in lines])
        self.assertFalse((self.folder / ".visor").exists(), "something was stored")

    def webhook(self, keys):
        return 'workflows:\n  one:\n    webhook:\n      url: "http://localhost/"\n' + "".join(f"      {key}\n" for key in keys)

    def test_a_template_with_a_place_that_is_not_known(self):
        path = "workflows.one.webhook.body: "
        self.wrong(self.webhook(["body: '{\"job\": {{jobid}}}'"]), '5:13: ' + path + '"{{jobid}}" is not known; did you mean "{{job_id}}"?')
        self.wrong(self.webhook(["method: PUT", 'body: "{{payload.text"']), '6:13: ' + path + '"{{payload.text" has no closing "}}"')
        self.wrong(self.webhook(['body: "{{something}}"']),
                   '5:13: ' + path + '"{{something}}" is not known; there are: payload.NAME, payload, type, job_id, attempt, schedule, '
                   'planned_at, node, fence, epoch')

    def test_a_template_from_the_environment_is_not_repeated(self):
        self.wrong(self.webhook(['body: "${BODY}"']),
                   '5:13: workflows.one.webhook.body: has a "{{" without "}}", or between them what is not known',
                   environment={"BODY": "{{s3cr3t}}"})

    def test_headers(self):
        path = "workflows.one.webhook.headers."
        self.wrong(self.webhook(["headers:", "  X-Mine: 1", "  host: x", "  Visor-Job-Id: 7"]),
                   "7:15: " + path + "host: is set by visor itself",
                   "8:23: " + path + "Visor-Job-Id: is set by visor itself: choose a name without Visor-")
        self.wrong(self.webhook(['headers: {"a b": c, Good: "${INJECTED}"}']),
                   '5:24: ' + path + '"a b": is no name of an HTTP header',
                   '5:33: ' + path + "Good: the value of an HTTP header is one line without control characters",
                   environment={"INJECTED": "s3cr3t\r\nX: y"})

    def test_a_url(self):
        self.wrong('workflows:\n  one:\n    webhook: {url: "http://local host/"}\n',
                   "3:33: workflows.one.webhook.url: has a character that must be written as a percent escape such as %20")
        self.wrong('workflows:\n  one:\n    webhook: {url: "localhost/"}\n',
                   "3:21: workflows.one.webhook.url: must begin with https:// or http://")

    def test_the_environment_of_a_command(self):
        own = "is set by visor itself: choose another name"
        self.wrong('workflows:\n  one:\n    command: ["true"]\n    env: {MINE: x, VISOR_JOB_ID: "1", VISOR_INPUT_X: "1"}\n',
                   "4:34: workflows.one.env.VISOR_JOB_ID: " + own, "4:54: workflows.one.env.VISOR_INPUT_X: " + own)
        self.wrong('workflows: {one: {command: ["true"], env: {"A=B": x}}}\n',
                   "1:51: workflows.one.env.\"A=B\": a variable's name cannot hold \"=\"")

    def test_all_of_it_at_once_in_the_order_of_the_file(self):
        self.wrong('workflows:\n  b: {webhook: {url: "http://h/", body: "{{x"}}\n  a:\n    command: [/nowhere/at/all]\n    env: {VISOR_NODE: x}\n',
                   '2:41: workflows.b.webhook.body: "{{x" has no closing "}}"',
                   "4:14: workflows.a.command: the program /nowhere/at/all does not exist",
                   "5:23: workflows.a.env.VISOR_NODE: is set by visor itself: choose another name")


if __name__ == "__main__":
    main()
