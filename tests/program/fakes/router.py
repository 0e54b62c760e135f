"""The real program as a process, in a directory of its own."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import sqlite3
import subprocess
import threading
import time

from fakes.client import KEY, Client, Response

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("ROUTER_BINARY", ROOT / "build/release/app/openai-api-route"))
INSTRUMENTED = bool({"asan", "tsan"} & set(BINARY.parts))


def toml(value) -> str:
    """A value as TOML; strings, numbers, lists and inline tables are enough."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def toml_file(tables: dict) -> str:
    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def eventually(condition, seconds=10):
    """Until `condition()` gives something true, for what no event tells (another process's database)."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return result


def within_a_second(condition):
    """SPEC's second and half a one for the test's own work; an instrumented program takes longer."""
    eventually(condition, 11 if INSTRUMENTED else 1.5)


def impatient(upstream, seconds=0.4) -> dict:
    """An upstream from which no more than so much silence is borne; others are waited for as long as they need."""
    return {"endpoint": upstream.url, "timeout": seconds}


class Router:
    """Starts with the configuration the test gives over these defaults: one thread, one known client key, records written
    before the reply ends."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.process = None
        self.address = None
        self.lines: list[str] = []
        self._said = {"stdout": [], "stderr": []}
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._readers: list[threading.Thread] = []

    # --- its life

    def configure(self, upstreams=(), **tables):
        """Writes openai-api-route.toml. An upstream is a FakeUpstream, a URL, or a table."""
        settings = {
            "server": {"listen": "127.0.0.1:0", "threads": 1},
            "auth": {"keys": [{"name": "tester", "key": KEY}]},
            "records": {"durability": "commit"},
        }
        for name, table in tables.items():
            settings[name] = {**settings.get(name, {}), **table}
        names = iter(("first", "second", "third", "fourth", "fifth", "sixth"))
        settings["upstreams"] = [self._upstream(item, next(names)) for item in upstreams]
        (self.directory / "openai-api-route.toml").write_text(toml_file(settings))
        return self

    @staticmethod
    def _upstream(item, name: str) -> dict:
        table = item if isinstance(item, dict) else {"endpoint": item if isinstance(item, str) else item.url}
        return {"name": name, "sk": f"sk-upstream-{name}-0123456789", **table}

    def start(self, *arguments: str, environment=None, ready=True, journal=False, descriptors=None):
        """`journal`: as far as the program can tell, systemd's journal reads its standard error.
        `descriptors`: its soft and its hard limit of them."""
        reading, writing = os.pipe()
        if journal:
            pipe = os.fstat(writing)
            environment = {**(environment or {}), "JOURNAL_STREAM": f"{pipe.st_dev}:{pipe.st_ino}"}
        self.process = subprocess.Popen(
            [BINARY, *arguments], cwd=self.directory, env=self.environment(environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing,
            preexec_fn=descriptors and functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, descriptors))
        os.close(writing)
        self.process.stderr = os.fdopen(reading, "rb")
        self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in ("stdout", "stderr")]
        for reader in self._readers:
            reader.start()
        if ready:
            found = self.wait_for_line(r"listening on 127\.0\.0\.1:(\d+)")
            self.address = ("127.0.0.1", int(found[1]))
        return self

    @staticmethod
    def environment(more=None) -> dict:
        kept = {name: value for name, value in os.environ.items()
                if not re.match(r"(?i)OPENAI_|https?_proxy|no_proxy|FEISHU|MATRIX|PG", name)}
        return {**kept, **(more or {})}

    def stop(self, with_signal=signal.SIGTERM, seconds=30) -> int:
        self.signal(with_signal)
        return self.wait(seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=30) -> int:
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return code

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.wait()

    def end(self):
        """After a test: an instrumented program ends by itself, so that it can say what it found."""
        if self.process and self.process.poll() is None and INSTRUMENTED:
            self.signal(signal.SIGTERM)
            try:
                self.wait(10)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        found = re.search(rb"(ERROR|WARNING): \w+Sanitizer.*|.*runtime error:.*", self.stderr)
        assert not found, self.stderr[found.start():].decode(errors="replace")

    # --- what it says

    def _read(self, name: str):
        for line in getattr(self.process, name):
            self._reading.wait()
            with self._changed:
                self._said[name].append(line)
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @contextlib.contextmanager
    def log_unread(self):
        """Standard error is a pipe that nobody reads meanwhile, full once a little more than 64 KiB were written."""
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    @property
    def stderr(self) -> bytes:
        return b"".join(self._said["stderr"])

    def wait_for_line(self, pattern: str, seconds=20, after=0) -> re.Match:
        """The first line, from the `after`th, that has `pattern`."""
        found, looked_at = None, after

        def look():
            nonlocal found, looked_at
            while not found and looked_at < len(self.lines):
                found = re.search(pattern, self.lines[looked_at])
                looked_at += 1
            return found or not any(reader.is_alive() for reader in self._readers)

        with self._changed:
            self._changed.wait_for(look, seconds)
        assert found, f"no line with {pattern!r} in:\n" + "\n".join(self.lines)
        return found

    @property
    def output(self) -> bytes:
        return b"".join(self._said["stdout"]) + self.stderr

    # --- asking it

    def client(self, seconds=20, tls=None) -> Client:
        return Client(self.address, seconds, tls)

    def ask(self, *args, seconds=20, tls=None, **kwargs) -> Response:
        """One request on a connection of its own."""
        with self.client(seconds, tls) as client:
            return client.ask(*args, **kwargs)

    def get(self, path: str, **kwargs) -> Response:
        return self.ask(path, method="GET", **kwargs)

    def metric(self, name: str, **labels) -> float:
        """The sum of the samples of `name` that have all the labels."""
        total = 0.0
        for line in self.get("/v1/metrics", key=None).body.decode().splitlines():
            if re.match(re.escape(name) + r"[{ ]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def metrics_of(self, name: str) -> str:
        """The lines of one metric."""
        text = self.get("/v1/metrics", key=None).body.decode()
        return "\n".join(line for line in text.splitlines() if line.startswith(f"openai_api_route_{name}"))

    def run(self, *arguments: str, stdin: str | None = None, environment=None) -> subprocess.CompletedProcess:
        """A command line of the program, in the same directory."""
        return subprocess.run([BINARY, *arguments], cwd=self.directory, env=self.environment(environment), input=stdin or "",
                              capture_output=True, text=True, timeout=30)

    def ok(self, *arguments: str, **kwargs) -> str:
        done = self.run(*arguments, **kwargs)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # --- its database

    def make_database(self):
        """For commands that make none."""
        self.ok("key", "add", "someone")
        return self

    @property
    def database(self) -> pathlib.Path:
        return self.directory / "db.sqlite"

    def sql(self, statement: str, *values) -> list[sqlite3.Row]:
        connection = sqlite3.connect(self.database, timeout=10, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def records(self) -> list[sqlite3.Row]:
        return self.sql("SELECT * FROM records ORDER BY id")

    def record(self, response: Response) -> sqlite3.Row:
        """The record of a reply, which durability "commit" has written by now: where the database took longer than it may, to
        the outbox, which the log tells of."""
        query = "SELECT * FROM records WHERE request_id = ?", response.header("x-request-id")
        rows = self.sql(*query)
        if not rows and any("the database does not take records" in line for line in self.lines):
            rows = eventually(lambda: self.sql(*query))
        assert len(rows) == 1, f"{len(rows)} records of {response.header('x-request-id')}"
        return rows[0]

    def only_record(self) -> sqlite3.Row:
        """The one record there is, waiting for it when no reply tells that it is written."""
        rows = eventually(self.records)
        assert len(rows) == 1
        return rows[0]

    def attempts(self, record: sqlite3.Row) -> list[sqlite3.Row]:
        return self.sql("SELECT * FROM attempts WHERE request_id = ? ORDER BY number", record["request_id"])


def key_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
