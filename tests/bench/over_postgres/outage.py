"""The server goes away and comes back, at a load that the router bears easily."""

import statistics
import time

from over_postgres.load import OutboxWatch, Running, Router, Upstream, Wrk, check_all_there, load, wait_until_written
from over_postgres.report import keep, print_rows, say
from over_postgres.server import Server

CONNECTIONS = 8


class SteadyLoad:
    """Phase by phase; remembers what was answered."""

    def __init__(self, running: Running, options):
        self.running, self.seconds = running, options.seconds
        self.pause = max(1, round(1000 * CONNECTIONS / options.per_second))
        self.ids: list = []
        self.errors = 0

    def phase(self, event=lambda: None) -> dict:
        """One in which `event` happens early."""
        seen = self.running.directory / "seen"
        wrk = Wrk(self.running, CONNECTIONS, self.seconds, seen, self.pause)
        time.sleep(0.2)
        moment = time.monotonic()
        event()
        result = {**wrk.result(), "moment": moment}
        self.errors += result["errors"]
        self.ids.extend(line.split()[1] for line in seen.read_text().splitlines())
        return result


def measure_outage(steady: SteadyLoad, way: str, begin, end) -> dict:
    """Figures of each phase."""
    before = steady.phase()
    with OutboxWatch([steady.running]) as outbox:
        during = steady.phase(begin)
        after = steady.phase(end)
        wait_until_written([steady.running])
    found = {name: {"p50, ms": result["p50"] / 1e3, "p99, ms": result["p99"] / 1e3, "p99 over before": (result["p99"] - before["p99"]) / 1e3,
                    "requests": result["requests"]}
             for name, result in {f"before it was {way}": before, way: during, f"after it was {way}": after}.items()}
    for name in (way, f"after it was {way}"):
        found[name]["outbox, most"] = outbox.most
    found[f"after it was {way}"]["caught up after, s"] = outbox.empty_after(after["moment"])
    return found


def check_each_is_recorded(steady: SteadyLoad, recorded: list):
    lost = set(steady.ids) - set(recorded)
    if steady.errors or not steady.ids or lost:
        raise RuntimeError(f"{steady.errors} errors; {len(lost)} of {len(steady.ids)} replies without a record")


def print_phases(results: dict):
    figures = list(list(results.values())[-1])
    rows = []
    for name, values in results.items():
        medians = {figure: statistics.median(found) for figure, found in values.items()}
        within = "" if name.startswith("before") else "yes" if medians["p99 over before"] <= 1 else "no"
        rows.append([name, *(medians.get(figure, "") for figure in figures), within])
    print_rows(["PostgreSQL", *figures, "within 1 ms"], rows)


def outage(cluster: Server, upstream: Upstream, options):
    """Latency at a steady load before an outage, during it, and while its records are written."""
    database = cluster.database()
    results: dict = {}
    ways = {"frozen": (cluster.freeze, cluster.thaw), "stopped": (cluster.stop, cluster.start)}
    if options.smoke:
        del ways["frozen"]
    with Running(Router("router", options.binary, database), upstream) as running:
        load([running], CONNECTIONS, 1)
        wait_until_written([running])
        steady = SteadyLoad(running, options)
        for number in range(options.rounds):
            for way, (begin, end) in ways.items():
                say(f"outage, round {number + 1} of {options.rounds}: {way}")
                for name, values in measure_outage(steady, way, begin, end).items():
                    keep(results, name, values)
        check_all_there(database, [running])
        check_each_is_recorded(steady, database.ids())
    print(f"\noutage: {options.rounds} rounds of {options.seconds:g} s, {options.per_second:g} requests per second on "
          f"{CONNECTIONS} connections; no request failed, each of the {len(steady.ids)} replies is recorded once")
    print_phases(results)
