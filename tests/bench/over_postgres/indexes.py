"""What each index costs an insert."""

import re

from fakes.postgres import Database
from over_postgres import ROOT
from over_postgres.report import keep, print_rows, say
from over_postgres.server import Server, database_with_schema, long_sql

BATCH = 1000
SECONDARY = ("records_id", "records_model", "records_upstream_name", "records_key_name", "records_status", "records_outcome")
VALUES = {  # of row n in a batch; `moment` is the batch's, t the texts
    "request_id": "(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n), 3, '0') || '8'"
                  " || substr(md5(random()::text), 1, 15))::uuid",
    "client_request_id": "''", "created_at": "moment", "node": "'node-1'", "ip": "'10.0.0.1'", "key_name": "'key-' || n % 3",
    "user_agent": "'OpenAI/Python 1.54.0'", "method": "'POST'", "path": "'/v1/chat/completions'", "model": "'model-' || n % 20",
    "stream": "false", "body": "t.body", "body_bytes": "2000", "status": "CASE WHEN n % 50 = 0 THEN 502 ELSE 200 END",
    "outcome": "CASE WHEN n % 50 = 0 THEN 'upstream_error' ELSE 'ok' END", "error": "''", "upstream_id": "n % 5",
    "upstream_name": "'upstream-' || n % 5", "upstream_endpoint": "'https://upstream.example/v1'", "attempts": "1", "response": "t.response",
    "response_bytes": "1000", "response_time": "500000000", "elapsed_time": "900000000", "prompt_tokens": "400", "completion_tokens": "200",
    "total_tokens": "600", "finish_reason": "'stop'", "trace_id": "''",
    "number": "1", "started_at": "moment", "first_byte_time": "500000000"}


def insert_statement() -> str:
    """The router's own."""
    source = (ROOT / "storage/postgres/insert_records.cpp").read_text()
    literal = re.search(r"constexpr auto insert_sql =(.*?);\n", source, re.DOTALL)[1]
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal))


def insert_procedure() -> str:
    """A procedure that inserts batches and tells seconds, seconds of CPU and bytes of WAL; making the arrays does not count."""
    statement = insert_statement()
    columns = [name.strip() for names in re.findall(r"INSERT INTO \w+ \((.*?)\)", statement) for name in names.split(",")]
    types = {int(number): kind for number, kind in re.findall(r"\$(\d+)::(\w+)\[\]", statement)}
    numbers = sorted(types)
    if len(columns) != len(types) or not set(columns) <= set(VALUES):
        raise RuntimeError(f"the statement is not as expected: {columns}, {types}")
    arrays = [f"a{number}" for number in numbers]
    # request_id is random: both tables get that of one row.
    chosen = [f"array_agg(({'id' if column == 'request_id' else VALUES[column]})::{types[number]} ORDER BY n)"
              for column, number in zip(columns, numbers)]
    # What is no array is the least request id.
    least = f"a{numbers[columns.index('request_id')]}[1]::text"
    values = [f"a{number}" if number in types else least for number in range(1, numbers[-1] + 1)]
    cpu = "split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9"
    return f"""
CREATE PROCEDURE bench_insert(batches integer, INOUT seconds numeric, INOUT cpu numeric, INOUT wal numeric) LANGUAGE plpgsql AS $procedure$
DECLARE
    {' '.join(f'a{number} {kind}[];' for number, kind in types.items())}
    started timestamptz; began numeric; lsn pg_lsn;
BEGIN
    seconds := 0; cpu := 0; wal := 0;
    FOR batch IN 1..batches LOOP
        SELECT {', '.join(chosen)} INTO {', '.join(arrays)}
        FROM (SELECT n, moment, {VALUES['request_id']} AS id FROM generate_series(1, {BATCH}) n, (SELECT clock_timestamp()) AS m(moment)) AS rows
        JOIN bench_texts t USING (n);
        started := clock_timestamp(); began := {cpu}; lsn := pg_current_wal_insert_lsn();
        EXECUTE $insert${statement}$insert$ USING {', '.join(values)};
        COMMIT;
        seconds := seconds + extract(epoch FROM clock_timestamp() - started);
        cpu := cpu + {cpu} - began;
        wal := wal + (pg_current_wal_insert_lsn() - lsn);
    END LOOP;
END $procedure$"""


def texts() -> str:
    """A table of bodies and replies made of words, for one batch."""
    def words(size: int) -> str:
        return (f"(SELECT left(string_agg(chr(97 + (random() * 25)::int) || chr(97 + (random() * 25)::int) || substr('ationingther', w % 4 + 1,"
                f" 3 + (random() * 5)::int), ' '), {size}) FROM generate_series(1, {size // 4}) w WHERE n > 0)")
    return f"CREATE TABLE bench_texts AS SELECT n, {words(2000)} AS body, {words(1000)} AS response FROM generate_series(1, {BATCH}) n"


def insert_batches(database: Database, options) -> dict:
    """What one row of them costs."""
    seconds, cpu, wal = map(float, long_sql(
        database, f"SET synchronous_commit = off;\nCALL bench_insert({options.batches}, NULL, NULL, NULL)", "postgres").split("|"))
    rows = options.batches * BATCH
    return {"time per row, µs": seconds / rows * 1e6, "CPU per row, µs": cpu / rows * 1e6, "WAL per row, bytes": wal / rows}


def print_costs(results: dict, all_indexes: Database):
    """`results`: as print_medians takes them; but the least, for whatever disturbs a round only adds to it."""
    least = {name: {figure: min(values) for figure, values in found.items()} for name, found in results.items()}
    rows_there = int(all_indexes.sql("SELECT count(*) FROM records"))
    rows = []
    for name, values in least.items():
        if name in SECONDARY:
            size = int(all_indexes.sql(f"SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('{name}')"))
            rows.append([f"without {name}", *values.values(), least["all"]["CPU per row, µs"] - values["CPU per row, µs"],
                         least["all"]["WAL per row, bytes"] - values["WAL per row, bytes"], size / rows_there])
        else:
            rows.append([f"with {name}", *values.values(), "", "", ""])
    print_rows(["secondary indexes", *least["all"], "it costs CPU, µs", "WAL, bytes", "disk, bytes"], rows)


def indexes(cluster: Server, _upstream, options):
    """The router's INSERT of whole batches with all indexes, and without each of them."""
    made = database_with_schema(cluster, options)
    long_sql(made, f"{texts()};\nANALYZE bench_texts;\n{insert_procedure()}", "postgres")
    variants: dict = {}
    secondary = SECONDARY[:1] if options.smoke else SECONDARY
    for name, dropped in {"all": (), **{name: (name,) for name in secondary}, "none": SECONDARY}.items():
        variants[name] = cluster.database(f"TEMPLATE {made.name}")
        if dropped:
            variants[name].sql("DROP INDEX " + ", ".join(dropped))
    results: dict = {name: {} for name in variants}
    rounds = 1 if options.smoke else 4 * options.rounds
    for number in range(rounds):
        say(f"indexes, round {number + 1} of {rounds}")
        cluster.sql("CHECKPOINT")
        # None is always the one after the checkpoint.
        first = number % len(variants)
        for name, database in (*list(variants.items())[first:], *list(variants.items())[:first]):
            keep(results, name, insert_batches(database, options))
    print(f"\nindexes: {rounds} rounds of {options.batches} batches of {BATCH} rows, 2 KB and 1 KB of words; synchronous_commit off; one connection; "
          "least of the rounds; the unique indexes of request_id stay")
    print_costs(results, variants["all"])
    for database in (*variants.values(), made):
        cluster.sql(f"DROP DATABASE {database.name}")
