"""Database servers of the tests' own: in a folder that goes with them, on a port of their own, without a trace of the system's."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    """Certificates in a folder. `ca.pem` vouches for those of the servers: `right` is for localhost, `elsewhere` for another name,
    `expired` was for localhost; `selfmade` is for localhost and vouches for itself. `client.pem` is for whoever connects. `other.pem`
    is an authority that vouches for nobody but `stranger.pem`."""

    KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def __init__(self, folder):
        self.folder = folder
        for name in ("ca", "other"):
            self.openssl("req", "-x509", *self.KEY, "-days", "2", "-subj", f"/CN=visor test {name}", "-keyout", f"{name}.key", "-out",
                         f"{name}.pem")
        self.openssl("req", "-x509", *self.KEY, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                     "-keyout", "selfmade.key", "-out", "selfmade.pem")
        self.issue("right", "localhost")
        self.issue("elsewhere", "db.invalid")
        self.issue("expired", "localhost", ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z"))
        self.issue("client", "visor")
        self.issue("stranger", "visor", by="other")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, subject, dates=("-days", "2"), by="ca"):
        (self.folder / "index").write_text("")
        (self.folder / "how").write_text("[ca]\ndefault_ca=a\n[a]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
                                         f"policy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:{subject}\n")
        self.openssl("req", *self.KEY, "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("ca", "-config", "how", "-batch", "-notext", "-cert", f"{by}.pem", "-keyfile", f"{by}.key", "-in", f"{name}.csr",
                     "-out", f"{name}.pem", *dates)


class Server:
    """Listens on 127.0.0.1 with passwords and, if wanted, with TLS, and on a Unix socket in its folder for its administrator."""

    PASSWORD = "correct horse"
    FAILURE = "crashes of the server"
    HOSTS = ("127.0.0.1",)  # where clients connect, each with the port `entrance`
    OPTIONS = ""            # of their URL
    REFUSES = True          # an administrator can make it refuse statements

    @classmethod
    def options_of(cls, number):
        """For one of several clients."""
        return cls.OPTIONS

    def __init__(self, tls=True):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="visor-db-"))
        self.root.chmod(0o755)
        self.data, self.port, self.server, self.tls = self.root / "data", self.choose_port(), None, tls
        self.entrance = self.port
        # These servers refuse to be root.
        self.user = self.users_name() if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.root, self.user, self.user_group())
        if tls:
            self.authority = Authority(self.root)
        self.make()
        if tls:
            self.put_certificate("right")
        self.start()
        self.make_user()

    def choose_port(self):
        return free_port()

    def fail(self, pause):
        """What is the worst that may happen to it, and how it comes back. Gives the host that does not, if any; False where nothing
        is left that may fail."""
        self.crash()
        time.sleep(pause)
        self.start()

    def user_group(self):
        return pwd.getpwnam(self.user).pw_gid

    def as_user(self):
        return [f"--reuid={self.user}", f"--regid={self.user_group()}", "--clear-groups"] if self.user else []

    def run(self, *words):
        prefix = ["setpriv", *self.as_user()] if self.user else []
        done = subprocess.run([*prefix, *map(str, words)], cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def write(self, name, text):
        path = self.data / name
        path.write_text(text)
        if self.user:
            shutil.chown(path, self.user, self.user_group())
        path.chmod(0o600)

    def put_certificate(self, name):
        self.write("server.pem", (self.root / f"{name}.pem").read_text())
        self.write("server.key", (self.root / f"{name}.key").read_text())
        self.write("ca.pem", (self.root / "ca.pem").read_text())

    def show(self, name):
        """From now on the server has that certificate."""
        self.put_certificate(name)
        self.read_certificate()

    def start(self):
        log = open(self.root / "log", "ab")
        self.server = subprocess.Popen(["setpriv", "--pdeathsig=" + self.DEATH, *self.as_user(), *map(str, self.command())], cwd="/",
                                       stdout=log, stderr=log)
        log.close()
        for _ in range(600):
            if self.answers():
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the server does not start: " + self.log())

    def answers(self):
        return subprocess.run(self.client("SELECT 1"), capture_output=True).returncode == 0

    def log(self):
        return (self.root / "log").read_text(errors="replace")

    def sql(self, text, database=None):
        return subprocess.run(self.client(text, database), check=True, capture_output=True, text=True).stdout.strip()

    def hold(self, *tables, seconds):
        """Begins a transaction that has read these tables and stays open for so long. Gives the process."""
        read = "".join(f"SELECT count(*) FROM {table}; " for table in tables)
        text = f"BEGIN; {read}SELECT {self.SLEEP}({seconds}); COMMIT"
        begun = subprocess.Popen(self.client(text, "visor"), stdout=subprocess.DEVNULL)
        time.sleep(1)
        return begun

    def crash(self):
        """Every process of the server at once, as when the machine loses power."""
        self.server.send_signal(getattr(signal, "SIG" + self.DEATH))
        self.server.wait()

    def end(self):
        if self.server and self.server.poll() is None:
            self.crash()
        shutil.rmtree(self.root, ignore_errors=True)

    def tables(self):
        return int(self.sql(f"SELECT count(*) FROM information_schema.tables WHERE table_schema = '{self.SCHEMA}' AND table_name LIKE 'visor%'",
                            "visor"))


class Postgres(Server):
    DRIVER, SCHEMA, DEATH = "postgresql", "public", "QUIT"
    NO_SPACE, READ_ONLY = ("No space left on device",), ("in a read-only transaction",)  # its words
    LATER, SLEEP = "now() + interval '1 hour'", "pg_sleep"
    ADMINISTRATOR = "postgres"
    ENCRYPTED = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'visor' AND ssl"
    REFUSED_PASSWORD = "password authentication failed"
    POOR_USER = ("CREATE ROLE poor LOGIN PASSWORD 'correct horse'", "DROP ROLE poor")

    def users_name(self):
        return "postgres"

    def make(self):
        self.binaries = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        self.run(self.binaries / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "--encoding=UTF8", "--locale=C.UTF-8")
        mutual = "hostssl all mutual 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n" if self.tls else ""
        self.write("pg_hba.conf", "local all,replication all trust\n" + mutual + "host all all 127.0.0.0/8 scram-sha-256\n")

    def make_user(self):
        for user in ("visor", "mutual"):
            self.sql(f"CREATE ROLE {user} LOGIN PASSWORD '{self.PASSWORD}'")
        self.sql("CREATE DATABASE visor OWNER visor")

    ADDRESS = "127.0.0.1"

    def command(self):
        encrypted = ["-c", "ssl=on", "-c", "ssl_cert_file=server.pem", "-c", "ssl_key_file=server.key", "-c", "ssl_ca_file=ca.pem"]
        return [self.binaries / "postgres", "-D", self.data, "-k", self.root, "-p", self.port, "-c", f"listen_addresses={self.ADDRESS}", "-c",
                "fsync=off", *(encrypted if self.tls else [])]

    def client(self, text, database=None):
        return [str(self.binaries / "psql"), "-h", str(self.root), "-p", str(self.port), "-U", "postgres", "-d", database or "postgres", "-At",
                "-F", "\t", "-c", text]

    def clear(self):
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION visor", "visor")

    def read_certificate(self):
        before = self.log().count("reloading configuration files")
        self.server.send_signal(signal.SIGHUP)
        while self.log().count("reloading configuration files") == before:
            time.sleep(0.01)

    def drop_index(self, table, index):
        self.sql(f"DROP INDEX {index}", "visor")

    def drop_primary_key(self, table):
        self.sql(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey", "visor")

    def limit_connections(self, most):
        self.sql(f"ALTER ROLE visor CONNECTION LIMIT {-1 if most is None else most}")


class PgBouncer(Postgres):
    """PostgreSQL, and before it, where clients connect, a PgBouncer that gives each transaction another of four sessions."""

    @staticmethod
    def is_there():
        return PgBouncer.program() is not None

    @staticmethod
    def program():
        return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")

    def __init__(self, tls=False):
        super().__init__(tls=False)
        self.entrance, self.pooler = free_port(), None
        self.open_entrance()

    def open_entrance(self, *more):
        """Anew, where it is open."""
        self.close_entrance()
        lines = ["[databases]", f"* = host={self.root} port={self.port}", "[pgbouncer]", "listen_addr = 127.0.0.1",
                 f"listen_port = {self.entrance}", "unix_socket_dir =", "auth_type = scram-sha-256", f"auth_file = {self.data}/users",
                 "pool_mode = transaction", "default_pool_size = 4", "server_round_robin = 1", "max_client_conn = 500", *more]
        self.write("pgbouncer.ini", "\n".join(lines) + "\n")
        self.write("users", f'"visor" "{self.PASSWORD}"\n')
        with open(self.root / "pgbouncer.log", "ab") as log:
            self.pooler = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *self.as_user(), self.program(), str(self.data / "pgbouncer.ini")],
                                           cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.entrance)) == 0:
                    return
            if self.pooler.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("PgBouncer does not start: " + (self.root / "pgbouncer.log").read_text(errors="replace"))

    def close_entrance(self):
        if self.pooler and self.pooler.poll() is None:
            self.pooler.kill()
            self.pooler.wait()

    def through(self, text):
        """Asked by somebody else who came in by the same way."""
        words = [str(self.binaries / "psql"), "-X", "-At", "-c", text, f"postgresql://visor@127.0.0.1:{self.entrance}/visor"]
        return subprocess.run(words, env={**os.environ, "PGPASSWORD": self.PASSWORD}, check=True, capture_output=True, text=True).stdout.strip()

    FAILURE = "crashes of the server and restarts of the pooler"
    OPTIONS = "pgbouncer=true"

    def fail(self, pause):
        super().fail(pause)
        self.open_entrance()

    def end(self):
        self.close_entrance()
        super().end()


class MariaDB(Server):
    DRIVER, SCHEMA, DEATH = "mysql", "visor", "KILL"
    NO_SPACE, READ_ONLY = ("is full", "No space left on device"), ("read-only option",)  # its words
    LATER, SLEEP = "(UNIX_TIMESTAMP() + 3600) * 1000000", "sleep"
    ADMINISTRATOR = "root"
    POOR_USER = ("CREATE USER poor IDENTIFIED BY 'correct horse'; GRANT SELECT ON visor.visor_node TO poor", "DROP USER poor")
    ENCRYPTED = "SELECT count(*) FROM information_schema.processlist WHERE user = 'visor' AND '0' < (SELECT variable_value FROM " \
        "information_schema.global_status WHERE variable_name = 'SSL_ACCEPTS')"
    REFUSED_PASSWORD = "Access denied for user 'visor'"

    def users_name(self):
        names = {each.pw_name for each in pwd.getpwall()}
        return "mysql" if "mysql" in names else "nobody"

    def make(self):
        words = [self.binary("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
                 "--skip-name-resolve", *self.storage()]
        self.run(*words)

    def storage(self):
        """A server that starts removes what others have in their folder for temporary tables."""
        return [f"--datadir={self.data}", f"--tmpdir={self.root}", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=64M"]

    def binary(self, name):
        return next(path for path in (pathlib.Path(folder) / name for folder in ("/usr/sbin", "/usr/bin", "/usr/local/bin")) if path.exists())

    def make_user(self):
        for user, more in (("visor", ""), ("mutual", " REQUIRE X509" if self.tls else "")):
            self.sql(f"CREATE USER {user}@'%' IDENTIFIED BY '{self.PASSWORD}'{more}; GRANT ALL ON visor.* TO {user}@'%'")
        self.sql("CREATE DATABASE visor")

    ADDRESS = "127.0.0.1"

    def command(self):
        encrypted = [f"--ssl-cert={self.data}/server.pem", f"--ssl-key={self.data}/server.key", f"--ssl-ca={self.data}/ca.pem"]
        return [self.binary("mariadbd"), "--no-defaults", f"--socket={self.root}/mysqld.sock", f"--pid-file={self.root}/pid",
                f"--port={self.port}", f"--bind-address={self.ADDRESS}", "--skip-log-bin", "--skip-name-resolve", "--log-warnings=2",
                "--innodb-flush-log-at-trx-commit=2", "--innodb-print-all-deadlocks", *self.storage(), *(encrypted if self.tls else ["--skip-ssl"])]

    def client(self, text, database=None):
        return [str(self.binary("mariadb")), "--no-defaults", f"--socket={self.root}/mysqld.sock", "--user=root", "--skip-ssl",
                *([database] if database else []), "--batch", "--skip-column-names", "--execute", text]

    def clear(self):
        self.sql("DROP DATABASE visor; CREATE DATABASE visor")

    def read_certificate(self):
        self.sql("FLUSH SSL")

    def drop_index(self, table, index):
        self.sql(f"DROP INDEX {index} ON {table}", "visor")

    def drop_primary_key(self, table):
        self.sql(f"ALTER TABLE {table} DROP PRIMARY KEY", "visor")

    def limit_connections(self, most):
        self.sql(f"ALTER USER visor WITH MAX_USER_CONNECTIONS {most or 0}")


class SqlServer:
    """A SQL Server that somebody else has set up: that of TEST_MSSQL_URL, or one at 127.0.0.1:1433 whose user `sa` has the password
    `Visor_Test_1`. A database there goes with this."""

    DRIVER = "mssql"
    url = urllib.parse.urlsplit(os.environ.get("TEST_MSSQL_URL", "mssql://sa:Visor_Test_1@127.0.0.1:1433/master"))
    HOST, port, USER = url.hostname, url.port or 1433, urllib.parse.unquote(url.username or "")
    PASSWORD = urllib.parse.unquote(url.password or "")

    @classmethod
    def is_there(cls):
        if "TEST_MSSQL_URL" in os.environ:
            return True
        with socket.socket() as probe:
            return probe.connect_ex((cls.HOST, cls.port)) == 0

    def __init__(self, tls=False):
        self.database = f"visor_cli_{os.getpid()}"
        self.clear()

    def sql(self, text, database=None):
        words = ["tsql", "-H", self.HOST, "-p", str(self.port), "-U", self.USER, "-P", self.PASSWORD, "-o", "fhq"]
        if database:
            words += ["-D", self.database]
        done = subprocess.run(words, input=text + "\ngo\nexit\n", capture_output=True, text=True, timeout=60)
        if done.returncode != 0 or "Msg " in done.stdout + done.stderr:
            raise RuntimeError(done.stdout + done.stderr)
        return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("Changed database"))

    def tables(self):
        return int(self.sql("SELECT count(*) FROM sys.tables WHERE name LIKE 'visor!_%' ESCAPE '!'", "visor"))

    def clear(self):
        self.end()
        self.sql(f"CREATE DATABASE {self.database}")

    def end(self):
        self.sql(f"DROP DATABASE IF EXISTS {self.database}")
