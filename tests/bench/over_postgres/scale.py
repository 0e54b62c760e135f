"""Several routers on one server."""

from over_postgres.load import Upstream, measure_load
from over_postgres.report import keep, print_medians, say
from over_postgres.server import Server, database_with_schema


def scale(cluster: Server, upstream: Upstream, options):
    """1, 2 and 4 routers of one thread on one server."""
    results: dict = {}
    for number in range(options.rounds):
        for count in options.routers:
            say(f"scale, round {number + 1} of {options.rounds}: {count} routers")
            database = database_with_schema(cluster, options)
            keep(results, f"{count} router{'s' if count > 1 else ''}", measure_load(database, count, upstream, options))
            cluster.sql(f"DROP DATABASE {database.name}")
    print(f"\nscale: {options.rounds} rounds of {options.seconds:g} s, {options.connections} connections to each router, 2 KB and 1 KB bodies; "
          "each request was recorded once")
    print_medians(results)

