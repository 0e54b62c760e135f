"""Routers whose records go to PostgreSQL, the load on them, and what a record costs."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import urllib.request

from fakes.postgres import Database, storage
from fakes.router import toml_file
from over_postgres import BENCH, run
from over_postgres.report import say
from over_postgres.server import BOTH_TABLES, cpu_seconds, long_sql, most_connections


class Router(run.Router):
    """With its records in a database; its connections carry its name."""

    def __init__(self, name: str, binary: pathlib.Path, database: Database):
        super().__init__(name, binary)
        self.url = database.url_at(database.cluster.port, options=f"?application_name={name}")

    def command(self, directory: pathlib.Path, port: int, upstream: int) -> list:
        command = super().command(directory, port, upstream)
        with open(directory / "openai-api-route.toml", "a") as file:
            file.write(toml_file({"storage": storage(self.url)}))
        return command


class Upstream:
    """The fixed one of tests/bench/run."""

    def __init__(self, binary: pathlib.Path):
        self.process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class Running(run.Running):
    """On the cores of this process."""

    def __init__(self, router: Router, upstream: Upstream):
        self.name = router.name
        super().__init__(router, ",".join(map(str, os.sched_getaffinity(0))), upstream.port)


def samples(running) -> list:
    """Names without the prefix, labels, values."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/v1/metrics", timeout=10) as reply:
        return re.findall(r"^openai_api_route_(\w+)(?:\{(.*)\})? (\S+)$", reply.read().decode(), re.MULTILINE)


def metrics(running) -> dict:
    """Sums of the samples of each name."""
    sums: dict = {}
    for name, _, value in samples(running):
        sums[name] = sums.get(name, 0) + float(value)
    return sums


def total(routers: list, name: str) -> int:
    return int(sum(metrics(running).get(name, 0) for running in routers))


def completed(routers: list) -> int:
    """Chat requests whose records are complete."""
    return int(sum(float(value) for running in routers for name, labels, value in samples(running)
                   if name == "requests_total" and f'endpoint="{run.CHAT}"' in labels))


def wait_until_written(routers: list, seconds=300):
    """Until every record is in the database. The request for the metrics is itself in flight."""
    deadline = time.monotonic() + seconds
    while True:
        values = [metrics(running) for running in routers]
        waiting = sum(value[name] for value in values for name in ("requests_in_flight", "record_queue_bytes", "outbox_records"))
        if waiting == len(routers) and completed(routers) == sum(value["records_written_total"] for value in values):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all records were written within {seconds} s: {values}")
        time.sleep(0.02)


def say_warnings(routers: list):
    """Why records went to the outbox."""
    for running in routers:
        with open(running.directory / "output.log") as log:
            for line in log:
                if not re.match(r"\S+ info ", line):
                    say(f"{running.name}: {line.rstrip()}")


class OutboxWatch:
    """How many records wait in outboxes, looked at now and then."""

    def __init__(self, routers: list):
        self.routers = routers
        self.seen: list = []  # (when, how many)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self._stopping.wait(0.2):
            with contextlib.suppress(OSError):
                self.seen.append((time.monotonic(), total(self.routers, "outbox_records")))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(20)

    @property
    def most(self) -> int:
        return max((count for _, count in self.seen), default=0)

    def empty_after(self, moment: float) -> float:
        """Seconds until there were none for good."""
        return max((when - moment for when, count in self.seen if count), default=0.0)


class Wrk:
    def __init__(self, running, connections: int, seconds: float, *arguments):
        self.seconds = seconds
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", BENCH / "words.lua", f"http://127.0.0.1:{running.port}{run.CHAT}",
             "--", *map(str, arguments)], stdout=subprocess.PIPE, text=True)

    def result(self) -> dict:
        try:
            said, _ = self.process.communicate(timeout=self.seconds + 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return json.loads(said.strip().splitlines()[-1])


def load(routers: list, connections: int, seconds: float) -> list:
    """One wrk for each."""
    results = [one.result() for one in [Wrk(running, connections, seconds) for running in routers]]
    if any(result["errors"] or not result["requests"] for result in results):
        raise RuntimeError(f"wrk saw errors: {results}")
    return results

@dataclasses.dataclass
class State:
    """What grows, at one moment."""

    records: int
    wal: int
    table: int
    index: int
    server_cpu: float
    router_cpu: float

    @classmethod
    def of(cls, database: Database, routers: list):
        values = long_sql(database, f"SELECT (SELECT count(*) FROM records), pg_current_wal_insert_lsn() - '0/0', sum(pg_table_size(relid)),"
                                    f" sum(pg_indexes_size(relid)) FROM {BOTH_TABLES}").split("|")
        return cls(*map(int, values), cpu_seconds(database.cluster), sum(running.cpu_seconds() for running in routers))


def check_all_there(database: Database, routers: list, rows_before=0):
    """Whether each request of these routers is recorded once, with its attempts, and what was there before still is."""
    records, different, attempts, told = map(int, long_sql(
        database, "SELECT count(*), count(DISTINCT request_id), (SELECT count(*) FROM attempts), sum(attempts) FROM records").split("|"))
    wanted = completed(routers) + rows_before
    dropped = total(routers, "records_dropped_total")
    if records != wanted or different != wanted or attempts != told or dropped:
        raise RuntimeError(f"{wanted} requests, but {records} records of {different}, {attempts} attempts of {told}, {dropped} dropped")


def cost_per_record(before: State, after: State) -> dict:
    rows = after.records - before.records
    return {"CPU of PostgreSQL per record, µs": (after.server_cpu - before.server_cpu) / rows * 1e6,
            "CPU of the routers per request, µs": (after.router_cpu - before.router_cpu) / rows * 1e6,
            "WAL per record, bytes": (after.wal - before.wal) / rows,
            "tables per record, bytes": (after.table - before.table) / rows,
            "indexes per record, bytes": (after.index - before.index) / rows}


def measure_load(database: Database, count: int, upstream: Upstream, options, rows_before=0) -> dict:
    """`count` routers with as much load as they take, on one database that holds `rows_before` records."""
    with contextlib.ExitStack() as closing:
        routers = [closing.enter_context(Running(Router(f"router-{number}", options.binary, database), upstream))
                   for number in range(1, count + 1)]
        load(routers, options.connections, 1)
        wait_until_written(routers)
        database.cluster.sql("CHECKPOINT")
        before = State.of(database, routers)
        written_before = total(routers, "records_written_total")
        with most_connections(database.cluster) as connections, OutboxWatch(routers) as outbox:
            started = time.monotonic()
            results = load(routers, options.connections, options.seconds)
            ended = time.monotonic()
            written = total(routers, "records_written_total") - written_before
            wait_until_written(routers)
            last = time.monotonic()
        after = State.of(database, routers)
        check_all_there(database, routers, rows_before)
        if outbox.most:
            say_warnings(routers)
    rows = after.records - before.records
    return {"requests per second": sum(result["requests"] / result["seconds"] for result in results),
            "records per second, while loaded": written / (ended - started),
            "records per second, until the last": rows / (last - started),
            "the last after, s": last - ended,
            "outbox records, most": outbox.most,
            **cost_per_record(before, after),
            "connections, most of a router": max(connections.values(), default=0),
            "connections, all": sum(connections.values()),
            "records": rows}
