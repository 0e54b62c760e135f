"""How PostgreSQL answers the command line: with an index, whatever is searched for."""

import json
import re

import pytest

from fakes.postgres import Database
from fakes.router import INSTRUMENTED, Router

pytestmark = pytest.mark.skipif(INSTRUMENTED, reason="what the server plans does not depend on it")

# A day's worth, and a few that are rare.
FILL = """
INSERT INTO records (request_id, created_at, key_name, model, status, outcome, upstream_name, attempts, elapsed_time, body, response)
SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(i), 15, '0'))::uuid,
    moment, 'key-' || i % 3, CASE WHEN i % 5000 = 0 THEN 'rare' ELSE 'model-' || i % 10 END,
    CASE WHEN i % 50 = 0 THEN 502 ELSE 200 END, CASE WHEN i % 50 = 0 THEN 'timeout' ELSE 'ok' END, 'upstream-' || i % 4, 1, 1000000,
    repeat('a word ', 30), 'another'
FROM generate_series(1, 20000) i, LATERAL (SELECT date_trunc('day', now(), 'UTC') + i * interval '4 seconds' AS moment) AS at;
INSERT INTO attempts (request_id, number, outcome) SELECT request_id, 1, 'ok' FROM records;
ANALYZE
"""

SEARCHES = {
    "list": ["record", "list"],
    "time": ["record", "list", "--since", "{noon}", "--until", "{later}"],
    "model": ["record", "list", "--model", "model-3"],
    "a rare model": ["record", "list", "--model", "rare"],
    "an unknown model": ["record", "list", "--model", "x" * 3000],
    "upstream": ["record", "list", "--upstream", "upstream-2"],
    "key": ["record", "list", "--key", "nobody"],
    "status": ["record", "list", "--status", "502"],
    "an unknown status": ["record", "list", "--status", "418"],
    "the usual status": ["record", "list", "--status", "200"],
    "outcome": ["record", "list", "--outcome", "timeout"],
    "text in an hour": ["record", "list", "--grep", "nowhere", "--since", "{noon}", "--until", "{later}"],
    "show a number": ["record", "show", "{id}"],
    "show a request": ["record", "show", "{request_id}"],
    "tail": ["record", "tail", "--no-follow"],
    "stats of an hour": ["record", "stats", "--since", "{noon}", "--until", "{later}"],
    "stats of a model": ["record", "stats", "--model", "rare"],
    "export an hour": ["record", "export", "--since", "{noon}", "--until", "{later}"],
}


@pytest.fixture(scope="module")
def day(cluster, tmp_path_factory):
    """A router's command line over the day, and what its words stand for."""
    database = cluster.database()
    router = Router(tmp_path_factory.mktemp("plans"))
    router.ok("key", "add", "anybody", "--database", database.url)
    database.sql(FILL)
    # Superusers only, but for this database.
    for name, value in {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_format": "json",
                        "auto_explain.log_nested_statements": "on"}.items():
        cluster.sql(f"ALTER DATABASE {database.name} SET {name} = '{value}'", database.name)
    words = database.rows("SELECT id, request_id FROM records ORDER BY request_id OFFSET 10800 LIMIT 1")[0]
    words["noon"] = database.sql("SELECT to_char(date_trunc('day', now(), 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD') || 'T12:00:00Z'")
    words["later"] = words["noon"].replace("T12", "T13")
    return router, database, words


def plans(database: Database, command) -> list[dict]:
    """What the server planned for the statements of `command`."""
    log = database.cluster.log
    before = log.stat().st_size
    command()
    with open(log, "rb") as file:
        file.seek(before)
        text = file.read().decode()
    return [json.loads(found)["Plan"] for found in re.findall(r"^\S+ \S+ \S+ \[\d+\] LOG:  duration: .* plan:\n((?:\t.*\n)+)", text, re.M)]


def scans(plan: dict):
    """Those of records and attempts."""
    if re.match(r"(records|attempts)_", plan.get("Relation Name", "")):
        yield f"{plan['Node Type']} of {plan['Relation Name']}"
    for part in plan.get("Plans", ()):
        yield from scans(part)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_goes_by_an_index(day, search):
    router, database, words = day
    arguments = [argument.format(**words) if "{" in argument else argument for argument in SEARCHES[search]]

    made = plans(database, lambda: router.ok(*arguments, "--database", database.url))
    # The other partitions are empty: there is nothing to look up.
    partition = "p" + words["noon"][:10].replace("-", "")
    found = [scan for plan in made for scan in scans(plan) if partition in scan]
    assert found, "nothing of the day was planned"
    assert [scan for scan in found if "Index" not in scan and "Bitmap Heap" not in scan] == []
