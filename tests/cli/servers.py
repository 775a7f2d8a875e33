"""Database servers of the tests' own: in a folder that goes with them, on a port of their own, without a trace of the system's."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """Listens on 127.0.0.1 with passwords and, if wanted, with TLS, and on a Unix socket in its folder for the user postgres."""

    def __init__(self, tls=True):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="visor-pg-"))
        self.data, self.port, self.server = self.root / "data", free_port(), None
        self.binaries = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        self.root.chmod(0o755)
        # PostgreSQL refuses to be root.
        self.other = os.geteuid() == 0
        if self.other:
            shutil.chown(self.root, "postgres", "postgres")
        self.run(self.binaries / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "--encoding=UTF8", "--locale=C.UTF-8")
        self.write("pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        if tls:
            self.make_certificates()
        self.tls = tls
        self.start()
        self.sql("CREATE ROLE visor LOGIN PASSWORD 'correct horse'")
        self.sql("CREATE DATABASE visor OWNER visor")

    def run(self, *words):
        return subprocess.run([*self.prefix(), *map(str, words)], cwd="/", check=True, capture_output=True, text=True).stdout

    def prefix(self):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if self.other else []

    def write(self, name, text):
        path = self.data / name
        path.write_text(text)
        if self.other:
            shutil.chown(path, "postgres", "postgres")
        path.chmod(0o600)

    def make_certificates(self):
        """An authority, `ca.pem`, that vouches for localhost; and `other.pem`, that vouches for nobody."""
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.root, check=True, capture_output=True)

        for name in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    f"/CN=visor test {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        (self.root / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key",
                "-out", "server.csr")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
                "-out", "server.pem")
        self.write("server.crt", (self.root / "server.pem").read_text())
        self.write("server.key", (self.root / "server.key").read_text())

    def start(self):
        words = [self.binaries / "postgres", "-D", self.data, "-k", self.root, "-p", self.port, "-c", "listen_addresses=127.0.0.1", "-c",
                 "fsync=off", "-c", f"ssl={'on' if self.tls else 'off'}"]
        log = open(self.root / "log", "ab")
        guard = ["setpriv", "--pdeathsig=QUIT", *self.prefix()[1:]]
        self.server = subprocess.Popen([*guard, *map(str, words)], cwd="/", stdout=log, stderr=log)
        log.close()
        for _ in range(600):
            if subprocess.run([*self.psql(), "SELECT 1"], capture_output=True).returncode == 0:
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the server does not start: " + (self.root / "log").read_text())

    def psql(self, database="postgres"):
        return [str(self.binaries / "psql"), "-h", str(self.root), "-p", str(self.port), "-U", "postgres", "-d", database, "-At", "-c"]

    def sql(self, text, database="postgres"):
        return subprocess.run([*self.psql(database), text], check=True, capture_output=True, text=True).stdout.strip()

    def crash(self):
        """Every process of the server at once, as when the machine loses power."""
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()

    def end(self):
        if self.server and self.server.poll() is None:
            self.crash()
        shutil.rmtree(self.root, ignore_errors=True)
