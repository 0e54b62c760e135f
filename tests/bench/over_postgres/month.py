"""Millions of records as 30 days would have left them."""

from datetime import datetime, timedelta, timezone

from fakes.postgres import Database
from over_postgres.report import say
from over_postgres.server import BOTH_TABLES, long_sql

PERIOD = timedelta(days=30)
MODELS, UPSTREAMS, KEYS = 20, 5, 3


def least_request_id(moment: datetime) -> str:
    prefix = f"{int(moment.timestamp() * 1000):012x}"
    return f"{prefix[:8]}-{prefix[8:]}-0000-0000-000000000000"


def make_partitions_back_to(database: Database, oldest: datetime):
    """As storage/postgres/partitions.cpp does it for records that come from another database: weeks before the first partition."""
    bounds = database.sql("SELECT min(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \\(''([0-9a-f-]+)')) FROM pg_inherits i"
                          " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'records'::regclass")
    first = datetime.fromtimestamp(int(bounds.replace("-", "")[:12], 16) / 1000, timezone.utc)
    begin = oldest.replace(hour=0, minute=0, second=0, microsecond=0)
    statements = []
    while begin < first:
        end = min(begin + timedelta(days=7), first)
        for table in ("records", "attempts"):
            name = f"{table}_p{begin:%Y%m%d}"
            statements.append(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
                              f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES"
                              f" FROM ('{least_request_id(begin)}') TO ('{least_request_id(end)}');")
        begin = end
    database.sql("\n".join(["BEGIN;", *statements, "COMMIT;"]))


FILL = """
WITH plan AS MATERIALIZED (
    SELECT i, '{start}'::timestamptz + i * interval '{step} seconds' AS moment, md5(i::text) AS noise, random() AS fate,
           CASE WHEN i % 50000 = 7 THEN 'model-rare' ELSE 'model-' || 1 + floor(power(random(), 3) * {models} - 0.001)::int END AS model,
           1 + floor(power(random(), 2) * {upstreams})::int AS upstream, 1 + floor(random() * {keys})::int AS key_number,
           (random() * 3e9)::bigint AS took
    FROM generate_series({first}::bigint, {last}::bigint) i
), made AS (
    INSERT INTO records (request_id, client_request_id, created_at, node, ip, key_name, user_agent, method, path, model, stream, body,
        body_bytes, status, outcome, error, upstream_id, upstream_name, upstream_endpoint, attempts, response, response_bytes, response_time,
        elapsed_time, prompt_tokens, completion_tokens, total_tokens, finish_reason)
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid,
        '', moment, 'node-1', '10.0.0.' || key_number, 'key-' || key_number, 'OpenAI/Python 1.54.0', 'POST', '/v1/chat/completions', model, false,
        '{{"model":"' || model || '","messages":[{{"role":"user","content":"' || noise || '"}}]}}', 90,
        CASE WHEN fate < 0.98 THEN 200 WHEN fate < 0.99 THEN 429 ELSE 502 END,
        CASE WHEN fate < 0.98 THEN 'ok' WHEN fate < 0.998 THEN 'upstream_error' ELSE 'timeout' END,
        CASE WHEN fate < 0.98 THEN '' ELSE 'all upstreams failed' END,
        upstream, 'upstream-' || upstream, 'https://upstream-' || upstream || '.example/v1', CASE WHEN fate < 0.98 THEN 1 ELSE 2 END,
        left(noise, 16), 700, took / 2, took, 400, 200, 600, CASE WHEN fate < 0.98 THEN 'stop' ELSE '' END
    FROM plan ORDER BY i
    RETURNING request_id, attempts, upstream_id, upstream_name, created_at, status, outcome, error, response_time, elapsed_time
)
INSERT INTO attempts (request_id, number, upstream_id, upstream_name, started_at, status, outcome, error, first_byte_time, elapsed_time)
SELECT request_id, number, upstream_id, upstream_name, created_at, status, CASE WHEN outcome = 'ok' THEN 'ok' ELSE 'status' END, error,
    response_time, elapsed_time / attempts
FROM made, generate_series(1, attempts) number
"""


def fill(database: Database, rows: int) -> datetime:
    """The last 30 days. Returns when they begin."""
    end = datetime.now(timezone.utc)
    start = end - PERIOD
    make_partitions_back_to(database, start)
    chunk = 200_000
    for first in range(0, rows, chunk):
        last = min(first + chunk, rows) - 1
        long_sql(database, FILL.format(start=start.isoformat(), step=PERIOD.total_seconds() / rows, first=first, last=last, models=MODELS - 1,
                                       upstreams=UPSTREAMS, keys=KEYS))
        say(f"million: {last + 1} of {rows} rows")
    # What autovacuum does in time; it leaves the partitioned tables themselves alone.
    leaves = database.sql(f"SELECT relid::regclass FROM {BOTH_TABLES}").split()
    long_sql(database, "VACUUM (ANALYZE) " + ", ".join(leaves))
    return start

