"""Moving from SQLite to PostgreSQL: `db copy`, killed in the middle and repeated, and a router that goes on there."""

import json
import sqlite3
import subprocess

from fakes.postgres import storage
from fakes.router import BINARY

RECORDS = 3000
# Records of one upstream, a minute after another.
FILL = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {RECORDS - 1})
INSERT INTO records (request_id, created_at, model, status, outcome, upstream_id, upstream_name, attempts, body, response, elapsed_time)
SELECT printf('%08x-%04x-7000-8000-%012x', (1769860800000 + i * 60000) / 65536, (1769860800000 + i * 60000) % 65536, i),
    strftime('%Y-%m-%dT%H:%M:%fZ', 1769860800 + i * 60, 'unixepoch'), 'gpt-4o', 200, 'ok', 1, 'one', 1, 'asked ' || i, 'said ☃', 1000000
FROM n;
INSERT INTO attempts (request_id, number, upstream_id, upstream_name, started_at, status, outcome, elapsed_time)
SELECT request_id, 1, 1, 'one', created_at, 200, 'ok', 1000 FROM records;
"""


def fill(router, upstream):
    router.ok("upstream", "add", "--name", "one", "--sk", "sk-0123456789abcdef", "--endpoint", upstream.url, "--database", "db.sqlite")
    key = router.ok("key", "add", "alice", "--database", "db.sqlite").strip()
    connection = sqlite3.connect(router.database)
    connection.executescript(FILL)
    connection.close()
    return key


def test_a_copy_that_was_killed_is_repeated_and_a_router_goes_on_there(router, upstream, database):
    key = fill(router, upstream)
    command = ["db", "copy", "--from", "sqlite:db.sqlite", "--to", database.url]
    with subprocess.Popen([BINARY, *command], cwd=router.directory, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr.readline() == b"500 of 3000 records, 16 %\n"
        process.kill()
    done = router.ok(*command)
    assert done == ("upstreams: 0 copied (1 more were there)\nclient keys: 0 copied (1 more were there)\n"
                    f"records: {RECORDS}, all of them there\n")
    assert database.sql("SELECT count(*), count(DISTINCT request_id) FROM records") == f"{RECORDS}|{RECORDS}"
    assert database.sql("SELECT count(*), count(DISTINCT request_id) FROM attempts") == f"{RECORDS}|{RECORDS}"
    assert database.sql("SELECT body, response, extract(epoch FROM created_at)::int FROM records ORDER BY request_id OFFSET 7 LIMIT 1") == (
        f"asked 7|said ☃|{1769860800 + 7 * 60}")
    # They lie in partitions of their time, not with the strays.
    assert database.sql("SELECT count(*) FROM records_default") == "0"

    router.configure([], storage=storage(database.url)).start()
    answer = router.ask(key=key)
    assert answer.status == 200
    assert database.record(answer)["upstream_name"] == "one"


def test_the_status_of_a_database(router, upstream, database):
    fill(router, upstream)
    router.ok("db", "copy", "--from", "sqlite:db.sqlite", "--to", database.url)
    status = json.loads(router.ok("db", "status", "--json", "--database", database.guarded_url))
    assert status["server"].startswith("PostgreSQL ")
    assert status["schema_version"] == 4
    rows = {table["name"]: table["rows"] for table in status["tables"]}
    assert rows == {"openai_upstreams": 1, "client_keys": 1, "records": RECORDS, "attempts": RECORDS, "made_by": 0}
    assert all(table["bytes"] > 8000 for table in status["tables"])
    assert status["oldest_record"] == "2026-01-31T12:00:00.000Z"
    assert status["partitions"] > 1
    assert "a-password" not in json.dumps(status)
    assert status["outbox"] == {"path": str(router.directory / "outbox.sqlite"), "records": 0, "bytes": 0}
