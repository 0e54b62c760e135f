"""PostgreSQL as a test needs it: clusters of its own that may be stopped, killed and frozen, and PgBouncer before them."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from contextlib import ExitStack, suppress

from fakes.router import eventually

ROLE = "router"
"""Owns the databases and is no superuser, as one would have it."""
PASSWORD = "a-password-nobody-may-see"
GUARDED_ROLE = "guarded"
"""The same for those who log in with PASSWORD; anybody else needs none."""

SETTINGS = """
listen_addresses = '127.0.0.1'
shared_buffers = 16MB
max_connections = 40
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 32MB
autovacuum = off
jit = off
# In the data directory, which is removed whatever happened to the server.
dynamic_shared_memory_type = mmap
"""


def programs() -> pathlib.Path:
    """Where Debian keeps those of the newest server."""
    found = pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    assert newest, "Debian's package postgresql is not installed"
    return newest.parent


def as_server(*command) -> list:
    """A server refuses to run as root. It ends with the test's process, whatever ends that."""
    user = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig=QUIT", *map(str, command)]


def server_directory() -> pathlib.Path:
    """One that servers can enter, which a directory of pytest is not; short enough for the path of a socket."""
    directory = tempfile.mkdtemp(prefix="postgres-")
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    return pathlib.Path(directory)


def held_port() -> socket.socket:
    """A port of this machine for a server that sets SO_REUSEADDR: while this is open nobody else is given it, even when the
    server is away."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def parent_of(pid) -> int | None:
    """None once it has ended."""
    try:
        state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def children(parent: int) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(name) == parent]


def send(number: signal.Signals, processes: list[int]):
    for pid in processes:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, number)


def psql(port: int, role: str, database: str) -> dict:
    """What subprocess.Popen starts it with. It prints values between |, one row a line."""
    return {
        "args": ["psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", role, "-d", database, "-f", "-"],
        "env": {name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def run_sql(port: int, role: str, database: str, statement: str) -> str:
    done = subprocess.run(**psql(port, role, database), input=statement, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


class Transaction:
    """One that a test leaves open: what it locks stays locked."""

    def __init__(self, port: int, role: str, database: str, statement: str):
        self._process = subprocess.Popen(**psql(port, role, database), stdin=subprocess.PIPE)
        self._process.stdin.write(f"BEGIN;\n{statement};\n\\echo open\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line == "open\n", self._process.communicate(timeout=30)[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.roll_back()

    def roll_back(self):
        if self._process.poll() is None:
            self._process.communicate("ROLLBACK;\n", 30)


class Cluster:
    """A server with a port and directory of its own, as a child of this process."""

    def __init__(self):
        self.directory = server_directory()
        self._closing = ExitStack()
        self._closing.callback(shutil.rmtree, self.directory)
        self.log = self.directory / "log"
        self.process = None
        self._data = self.directory / "data"
        self._port_holder = self._closing.enter_context(held_port())
        self.port = self._port_holder.getsockname()[1]
        self._databases = 0
        self._closing.callback(self._end)
        self._make()
        self.start()
        self.sql(f"CREATE ROLE {ROLE} LOGIN; CREATE ROLE crowd LOGIN;"
                 f"CREATE ROLE {GUARDED_ROLE} LOGIN PASSWORD '{PASSWORD}' IN ROLE {ROLE}; ALTER ROLE {GUARDED_ROLE} SET ROLE {ROLE}")

    def _make(self):
        subprocess.run(
            as_server(programs() / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "-E", "UTF8",
                      "--wal-segsize=1", "--no-instructions"),
            cwd="/", check=True, capture_output=True, timeout=60)
        with open(self._data / "postgresql.conf", "a") as file:
            file.write(SETTINGS)
        access = self._data / "pg_hba.conf"
        access.write_text(f"host all {GUARDED_ROLE} 127.0.0.1/32 scram-sha-256\n" + access.read_text())

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                as_server(programs() / "postgres", "-D", self._data, "-p", self.port, "-k", self.directory),
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        eventually(self._is_ready, 30)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return "ready" in (self._data / "postmaster.pid").read_text().splitlines()[-1]
        except (FileNotFoundError, IndexError):
            return False

    def stop(self):
        """In order; whoever is connected is told."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def kill(self):
        """All its processes at once, so that nothing is told or written any more."""
        every = self.freeze()
        send(signal.SIGKILL, every)
        self.process.wait(30)
        eventually(lambda: all(parent_of(pid) is None for pid in every))
        lock = self._data / "postmaster.pid"
        shared_memory = lock.read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "--shmem-id", shared_memory], check=True, timeout=30)
        lock.unlink()

    def freeze(self) -> list[int]:
        """Its processes, which do nothing now: connections are made and stay open, and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)
        every = [self.process.pid, *children(self.process.pid)]
        send(signal.SIGSTOP, every)
        return every

    def thaw(self):
        send(signal.SIGCONT, [*children(self.process.pid), self.process.pid])

    def mend(self):
        """Whatever a test did to it."""
        if self.process.poll() is None:
            self.thaw()
        else:
            self.start()
        self.set("default_transaction_read_only", "default")

    def sql(self, statement: str, database="postgres") -> str:
        """As superuser."""
        return run_sql(self.port, "postgres", database, statement)

    def set(self, name: str, value: str):
        """A setting of the server, "on" or "default", which is off; for connections that are open, too."""
        self.sql(f"SET default_transaction_read_only = off;\nALTER SYSTEM SET {name} = {value};\nSELECT pg_reload_conf()")
        # A new session has it once the server has told the others.
        eventually(lambda: self.sql(f"SHOW {name}") == ("off" if value == "default" else value))

    def database(self, options="", name=None) -> "Database":
        """A new one, empty."""
        self._databases += 1
        name = name or f"routes_{self._databases}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} {options}")
        return Database(self, name)

    def close(self):
        self._closing.close()

    def _end(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)


class Database:
    """One of a cluster, seen with SQL as its owner sees it."""

    def __init__(self, cluster: Cluster, name: str):
        self.cluster = cluster
        self.name = name

    # --- what a router is told of it

    def url_at(self, *ports: int, user=ROLE, options="") -> str:
        """Through other ports: a proxy's, or those of several servers."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{user}@{hosts}/{self.name}{options}"

    @property
    def url(self) -> str:
        return self.url_at(self.cluster.port)

    @property
    def socket_url(self) -> str:
        return f"postgresql:///{self.name}?host={self.cluster.directory}&port={self.cluster.port}&user={ROLE}"

    @property
    def guarded_url(self) -> str:
        """With a password that is needed."""
        return self.url_at(self.cluster.port, user=f"{GUARDED_ROLE}:{PASSWORD}")

    @property
    def storage(self) -> dict:
        return storage(self.url)

    # --- what is in it

    def sql(self, statement: str) -> str:
        return run_sql(self.cluster.port, ROLE, self.name, statement)

    def transaction(self, statement: str, role=ROLE) -> Transaction:
        return Transaction(self.cluster.port, role, self.name, statement)

    def rows(self, query: str) -> list[dict]:
        return json.loads(self.sql(f"SELECT coalesce(json_agg(found), '[]') FROM ({query}) AS found"))

    def ids(self) -> list[str]:
        """Of the requests that are recorded, as often as they are."""
        return self.sql("SELECT request_id FROM records").split()

    def wait_for(self, *answers):
        """Until each of them (replies, or request ids) is recorded with its attempts; nothing may be recorded twice."""
        wanted = {answer if isinstance(answer, str) else answer.header("x-request-id") for answer in answers}

        def complete():
            ids = self.ids()
            assert len(ids) == len(set(ids)), "a request is recorded twice"
            attempts = self.sql("SELECT request_id || ' ' || number FROM attempts").splitlines()
            assert len(attempts) == len(set(attempts)), "an attempt is recorded twice"
            return wanted <= set(ids) and wanted <= {line.split()[0] for line in attempts}

        eventually(complete, 30)

    def record(self, answer) -> dict:
        """The record of a reply."""
        self.wait_for(answer)
        return self.rows(f"SELECT * FROM records WHERE request_id = '{answer.header('x-request-id')}'")[0]

    def attempts(self, record: dict) -> list[dict]:
        return self.rows(f"SELECT * FROM attempts WHERE request_id = '{record['request_id']}' ORDER BY number")

    def count_waiting(self) -> int:
        """Connections that wait for a lock."""
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))

    def disconnect(self):
        """Whoever is connected loses the connection."""
        self.cluster.sql(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{self.name}' AND pid <> pg_backend_pid()")


def storage(url: str, **more) -> dict:
    """The table of a configuration."""
    return {"backend": "postgres", "postgres": url, **more}


class Occupant:
    """A connection to a server that does nothing but count as one (the protocol's start-up, 55.2.1 of the manual)."""

    def __init__(self, port: int, role: str):
        parameters = b"".join(text.encode() + b"\0" for text in ("user", role, "database", "postgres", ""))
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(struct.pack("!ii", 8 + len(parameters), 196608) + parameters)
        self.admitted = self._greeted_with() == b"Z"

    def _greeted_with(self) -> bytes:
        """The kind of the message that ends the start: ReadyForQuery or ErrorResponse."""
        while (kind := self._read(1)) not in (b"Z", b"E", b""):
            self._read(struct.unpack("!i", self._read(4))[0] - 4)
        return kind

    def _read(self, count: int) -> bytes:
        return self.socket.recv(count, socket.MSG_WAITALL)

    def close(self):
        self.socket.close()


class PgBouncer:
    """The real one as a process, in transaction mode; so few connections to the server that clients share them."""

    def __init__(self, cluster: Cluster, connections=2):
        self.directory = server_directory()
        self._port_holder = held_port()
        self.port = self._port_holder.getsockname()[1]
        config = self.directory / "pgbouncer.ini"
        config.write_text(f"""
[databases]
* = host=127.0.0.1 port={cluster.port} user={ROLE}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
""")
        config.chmod(0o644)
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(as_server("/usr/sbin/pgbouncer", config), cwd="/", stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        eventually(self._listens)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def url(self, database: Database) -> str:
        return database.url_at(self.port)

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self._port_holder.close()
        shutil.rmtree(self.directory)
