"""Searches and inserts among millions of records."""

import time

from over_postgres.load import Upstream, measure_load
from over_postgres.month import fill
from over_postgres.report import keep, print_medians, say
from over_postgres.searches import measure_searches
from over_postgres.server import BOTH_TABLES, Server, database_with_schema


def million(cluster: Server, upstream: Upstream, options):
    """Searches and inserts among so many million records of 30 days."""
    rows = round(options.millions * 1e6)
    results: dict = {}
    database = database_with_schema(cluster, options)
    if not options.smoke:
        say("million: inserts into an empty table")
        keep(results, "empty", measure_load(database, 1, upstream, options))
        database.sql("TRUNCATE records, attempts")
    started = time.monotonic()
    start = fill(database, rows)
    took = time.monotonic() - started
    tables, indexes = map(int, database.sql(f"SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid)) FROM {BOTH_TABLES}").split("|"))
    print(f"\nmillion: {rows} records of 30 days, filled and analyzed in {took:.0f} s; "
          f"{tables / 1e9:.2f} GB of tables, {indexes / 1e9:.2f} GB of indexes")
    say("million: searches")
    sequential = measure_searches(database, start, options)
    say("million: inserts into the full table")
    keep(results, f"{rows} records", measure_load(database, 1, upstream, options, rows))
    print(f"\nInserts by one router, {options.seconds:g} s, into a table with")
    print_medians(results)
    cluster.sql(f"DROP DATABASE {database.name}")
    if sequential:
        raise RuntimeError("without an index: " + "; ".join(sequential))
