"""Database servers of several machines, as far as one machine can have them: each listens at the same port of another address."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from servers import MariaDB, Postgres, Server, free_port


class OnSmallDisk:
    """Before a server in the bases of a class: its data is on a file system of its own, which can be full. Needs the right to mount."""

    SIZE = 2 << 30  # what is not written takes no memory

    def make(self):
        self.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,size={self.SIZE}", "visor-data", self.data], check=True)
        shutil.chown(self.data, self.user, self.user_group())
        super().make()

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.data], check=True)

    def fill(self):
        """From now on no file can grow. What the server wrote meanwhile may need another try."""
        for _ in range(100):
            disk = os.statvfs(self.data)
            try:
                return self.resize((disk.f_blocks - disk.f_bfree) * disk.f_frsize)
            except subprocess.CalledProcessError:
                continue
        raise RuntimeError("the disk cannot be made full")

    def make_room(self):
        """Starts the server again where it has ended, and gives whether it had."""
        self.resize(self.SIZE)
        for _ in range(600):
            if self.server.poll() is not None:
                self.start()
                return True
            if self.answers():
                return False
            time.sleep(0.05)
        raise RuntimeError("the server is not back: " + self.log()[-2000:])

    def end(self):
        if self.server and self.server.poll() is None:
            self.crash()
        subprocess.run(["umount", "--lazy", self.data], check=True)
        super().end()


class Several:
    """Asked as a single server is: what the administrator says goes to `one()` of them."""

    PASSWORD, REFUSES = Server.PASSWORD, True

    def __getattr__(self, name):
        """What is the same for all."""
        if name in ("NO_SPACE", "READ_ONLY", "SCHEMA"):
            return getattr(self.one(), name)
        raise AttributeError(name)

    def answers(self):
        return self.one().answers()

    def log(self):
        return self.one().log()

    @classmethod
    def options_of(cls, number):
        return cls.OPTIONS

    def sql(self, text, database=None):
        return self.one().sql(text, database)

    def client(self, text, database=None):
        return self.one().client(text, database)

    def tables(self):
        return self.one().tables()


class Standby(Postgres):
    """A copy of another, which follows it: at the same port of another address, without passwords between the two."""

    def __init__(self, of, address):
        self.of, self.ADDRESS = of, address
        super().__init__(tls=False)

    def choose_port(self):
        return self.of.port

    def make(self):
        self.binaries = self.of.binaries
        self.copy()

    def copy(self):
        shutil.rmtree(self.data, ignore_errors=True)
        self.run(self.binaries / "pg_basebackup", "-D", self.data, "-h", self.of.root, "-p", self.of.port, "-U", "postgres", "-R", "-c", "fast")

    def make_user(self):
        pass


class Replicated(Several):
    """Two PostgreSQL servers. One takes what is written, and acknowledges it when the other has it too. When the first is killed, the other
    one takes its place, and the first comes back as its copy. Clients know both."""

    DRIVER, FAILURE = "postgresql", "failovers"
    HOSTS = ("127.0.0.1", "127.0.0.2")
    OPTIONS = "host=127.0.0.1,127.0.0.2&target_session_attrs=read-write"

    def __init__(self, tls=False):
        self.first = Postgres(tls=False)
        self.second = Standby(self.first, self.HOSTS[1])
        self.port = self.entrance = self.first.port
        self.follow()

    def follow(self):
        """The first waits for the second from here on. The second, which was copied before, waits for nobody when it takes its place."""
        self.set_standbys("*")
        self.wait_until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'", "t")

    def set_standbys(self, which):
        self.first.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{which}'")
        self.first.sql("SELECT pg_reload_conf()")

    def wait_until(self, question, answer):
        for _ in range(600):
            if self.first.sql(question) == answer:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{question} is not {answer}: " + self.first.log()[-1000:])

    def kill(self):
        """All its processes, by SIGKILL."""
        first = self.first.server.pid
        others = [int(path.parent.name) for path in pathlib.Path("/proc").glob("[0-9]*/stat") if self.parent_of(path) == first]
        for each in (first, *others):
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.first.server.wait()

    @staticmethod
    def parent_of(stat):
        try:
            return int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            return None

    def fail(self, pause):
        self.kill()
        time.sleep(pause)
        old, self.first = self.first, self.second
        self.first.sql("SELECT pg_promote()")
        self.wait_until("SELECT pg_is_in_recovery()", "f")
        self.second = old
        old.of = self.first
        Standby.copy(old)
        old.start()
        self.follow()

    def one(self):
        return self.first

    def log(self):
        return self.first.log() + self.second.log()

    def end(self):
        self.second.end()
        self.first.end()


class GaleraMember(MariaDB):
    """One of three that agree on each commit. The others begin with copies of the first one's files, so that none has to be sent all."""

    PROVIDER = "/usr/lib/galera/libgalera_smm.so"

    def __init__(self, cluster, address):
        self.cluster, self.ADDRESS, self.is_first = cluster, address, not cluster.members
        self.is_made = self.is_first
        super().__init__(tls=False)
        self.is_made = True

    def choose_port(self):
        return self.cluster.port

    def make(self):
        if self.is_first:
            super().make()
        else:
            self.run("cp", "-a", self.cluster.members[0].data, self.data)

    def make_user(self):
        if self.is_first:
            super().make_user()

    def start(self):
        """A copy not before the first one runs again."""
        if self.is_made:
            super().start()

    def command(self):
        peers = ",".join(f"{host}:{self.cluster.group_port}" for host in self.cluster.HOSTS)
        own = f"{self.ADDRESS}:{self.cluster.group_port}"
        more = [f"--wsrep-provider={self.PROVIDER}", "--wsrep-on=ON", f"--wsrep-cluster-address=gcomm://{peers}",
                f"--wsrep-node-address={own}", "--wsrep-sst-method=visor", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
                f"--wsrep-provider-options=gmcast.listen_addr=tcp://{own};ist.recv_addr={self.ADDRESS}:{self.cluster.ist_port};"
                "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.5S"]
        if self.is_first:
            more.append("--wsrep-new-cluster")
        return ["env", f"PATH={self.cluster.folder}:/usr/sbin:/usr/bin:/sbin:/bin", *super().command(), *more]

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()


class Galera(Several):
    """Three members. Clients know all of them in one order, and use the first that lets them in."""

    DRIVER, FAILURE, REFUSES = "mysql", "members lost", False
    HOSTS, OPTIONS = ("127.0.0.1", "127.0.0.2", "127.0.0.3"), "host=127.0.0.1,127.0.0.2,127.0.0.3"

    # What MariaDB asks for where one member needs the state of another: here only where it has all but the last commits, which it is
    # sent by Galera itself.
    TRANSFER = r"""#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role="$2" ;;
    --address) address="$2" ;;
    --gtid) position="$2" ;;
    --parent) parent="$2" ;;
    --bypass) bypass=1 ;;
  esac
  shift
done
file="$(dirname "$0")/$(echo "$address" | tr -c '0-9.\n' _ | cut -d_ -f1)"
if [ "$role" = joiner ]; then
  rm -f "$file"
  echo "ready $address"
  while [ ! -e "$file" ]; do kill -0 "$parent" || exit 1; sleep 0.05; done
  cat "$file"
elif [ "$bypass" = 1 ]; then
  echo "$position 0" > "$file.next"
  mv "$file.next" "$file"
  echo "done $position"
else
  exit 1
fi
"""

    def __init__(self, tls=False):
        self.port = self.entrance = free_port()
        self.group_port, self.ist_port, self.members = free_port(), free_port(), []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="visor-galera-"))
        self.folder.chmod(0o777)
        (self.folder / "wsrep_sst_visor").write_text(self.TRANSFER)
        (self.folder / "wsrep_sst_visor").chmod(0o755)
        first = GaleraMember(self, self.HOSTS[0])
        first.stop()  # its files are whole, and say where in the history they are
        self.members.append(first)
        for host in self.HOSTS[1:]:
            self.members.append(GaleraMember(self, host))
        first.start()
        first.is_first = False
        for each in self.members[1:]:
            each.start()
        self.wait_for(len(self.HOSTS))

    def alive(self):
        return [each for each in self.members if each.server and each.server.poll() is None]

    def wait_for(self, size):
        for _ in range(1200):
            sizes = {each.sql("SHOW STATUS LIKE 'wsrep_cluster_size'").split()[-1] + each.sql("SHOW STATUS LIKE 'wsrep_ready'").split()[-1]
                     for each in self.alive()}
            if sizes == {f"{size}ON"}:
                return
            time.sleep(0.05)
        raise RuntimeError(f"the members do not agree: {sizes} " + "".join(each.log()[-2000:] for each in self.members))

    def fail(self, pause):
        """The first that is left is killed, for good, and two agree without it. When it came back, some clients would be let in there, and
        others would still be where they are."""
        first, *others = self.alive()
        if len(others) < 2:
            return False
        first.crash()
        return first.ADDRESS

    def one(self):
        return self.alive()[-1]

    def end(self):
        for each in self.members:
            each.end()
        shutil.rmtree(self.folder, ignore_errors=True)


class SpreadGalera(Galera):
    """The same, but each client begins with another member."""

    @classmethod
    def options_of(cls, number):
        first = number % len(cls.HOSTS)
        return "host=" + ",".join(cls.HOSTS[first:] + cls.HOSTS[:first])
