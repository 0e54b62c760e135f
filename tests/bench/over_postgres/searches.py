"""What the command line searches for, and how the server finds it."""

import dataclasses
import json
import re
import statistics
import time
from datetime import datetime, timedelta

from fakes.postgres import ROLE, Database
from over_postgres.month import PERIOD, least_request_id
from over_postgres.report import print_rows
from over_postgres.server import BOTH_TABLES, run_command


@dataclasses.dataclass
class Plans:
    """What the server did for one command, from auto_explain."""

    milliseconds: float = 0
    statements: int = 0
    in_vain: int = 0
    sequential: bool = False
    scans: dict = dataclasses.field(default_factory=dict)  # how -> partitions
    sorted_rows: int = 0

    def add(self, node: dict, parents: dict, empty: set):
        """Only what was executed, and tables that are not empty. `parents`: index of a partition -> index of the table."""
        if node.get("Actual Loops", 1) == 0:
            return
        table = node.get("Relation Name", "")
        if table.startswith(("records", "attempts")) and table not in empty:
            self.in_vain += node["Actual Loops"] * (node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
            how = node["Node Type"]
            indexes = [part for part in (node, *node.get("Plans", [])) if "Index Name" in part]
            self.sequential |= not how.startswith(("Index", "Bitmap"))
            how += "".join(" of " + parents.get(part["Index Name"], part["Index Name"]) for part in indexes) or f" of {table}"
            self.scans[how] = self.scans.get(how, 0) + 1
        if "Sort" in node["Node Type"]:
            self.sorted_rows += node["Actual Loops"] * node["Actual Rows"]
        for child in node.get("Plans", []):
            self.add(child, parents, empty)

    @property
    def text(self) -> str:
        return ", ".join(how + (f" ×{count}" if count > 1 else "") for how, count in self.scans.items())


class Explained:
    """auto_explain for every new connection of a database."""

    SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
                "auto_explain.log_timing": "off", "auto_explain.log_format": "json"}

    def __init__(self, database: Database, few_rows: bool):
        self.database = database
        # A partition that began today may be one page, which is read rather than an index.
        self.settings = {**self.SETTINGS, "enable_seqscan": "off"} if few_rows else self.SETTINGS
        self.parents = dict(line.split("|") for line in database.sql(
            "SELECT c.relname, p.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
            " WHERE c.relkind = 'i'").splitlines())
        self.empty = set(database.sql(f"SELECT relid::regclass FROM {BOTH_TABLES} WHERE pg_relation_size(relid) = 0").split())

    def __enter__(self):
        # As the whole server's: who owns the database may not preload.
        self.database.cluster.sql("LOAD 'auto_explain';" + "".join(
            f"ALTER ROLE {ROLE} IN DATABASE {self.database.name} SET {name} = '{value}';" for name, value in self.settings.items()))
        return self

    def __exit__(self, *_):
        self.database.cluster.sql(f"ALTER ROLE {ROLE} IN DATABASE {self.database.name} RESET ALL")

    def plans_of(self, command) -> tuple:
        """What `command` returns, and what the server logged meanwhile: it does so before it answers."""
        log = self.database.cluster.log
        offset = log.stat().st_size
        result = command()
        found = Plans()
        with open(log, "rb") as file:
            file.seek(offset)
            text = file.read().decode()
        for took, plan in re.findall(r"duration: ([\d.]+) ms  plan:\n((?:\t.*\n)+)", text):
            top = json.loads(plan)
            if re.search(r"\bFROM (records|attempts)\b", top["Query Text"]):
                found.milliseconds += float(took)
                found.statements += 1
                found.add(top["Plan"], self.parents, self.empty)
        if not found.statements:
            raise RuntimeError(f"no statement was explained: {text}")
        return result, found


def searches_of(database: Database, start: datetime) -> list:
    middle = start + PERIOD / 3
    hour = ["--since", middle.strftime("%Y-%m-%dT%H:%M:%SZ"), "--until", (middle + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")]
    number, request_id = database.sql(f"SELECT id, request_id FROM records WHERE request_id >= '{least_request_id(middle)}'"
                                      " ORDER BY request_id LIMIT 1").split("|")
    return [["list"], ["list", *hour], ["list", "--limit", "0", *hour], ["list", "--model", "model-rare"], ["list", "--model", "model-1"],
            ["list", "--upstream", "upstream-5"], ["list", "--status", "502"], ["list", "--outcome", "timeout"], ["list", "--key", "key-2"],
            ["list", "--model", "model-rare", *hour], ["list", "--model", "nobody-asked-for"],
            ["show", number], ["show", request_id], ["stats", "--since", "1h"], ["tail", "--no-follow"]]


def measure_searches(database: Database, start: datetime, options) -> list:
    """Prints a table. Returns the searches that read partitions without an index."""
    searches = searches_of(database, start)
    took: list = [[] for _ in searches]
    for _ in range(options.rounds):
        for times, search in zip(took, searches):
            started = time.monotonic()
            run_command(database, options, "record", *search)
            times.append((time.monotonic() - started) * 1000)
    rows, sequential = [], []
    with Explained(database, options.smoke) as explained:
        for times, search in zip(took, searches):
            said, plans = explained.plans_of(lambda: run_command(database, options, "record", *search))
            name = "record " + " ".join(search)
            rows.append([name, len(said.splitlines()), times[0], statistics.median(times), plans.milliseconds, plans.statements, plans.in_vain,
                         plans.sorted_rows, "no" if plans.sequential else "yes", plans.text])
            if plans.sequential:
                sequential.append(name)
    print_rows(["search", "lines", "first, ms", "median, ms", "in SQL, ms", "statements", "rows read in vain", "rows sorted", "only index scans",
                "scans that were executed"], rows)
    return sequential
