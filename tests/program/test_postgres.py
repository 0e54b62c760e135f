"""PostgreSQL behind it: what is stored, what routers share, what a pooler in between changes."""

import json
import re

import pytest

from fakes.client import chat
from fakes.load import Load
from fakes.postgres import PASSWORD, Cluster, PgBouncer, held_port, storage
from fakes.router import INSTRUMENTED, eventually, key_hash
from fakes.upstream import CHAT_REPLY, reply, reset

TEXT, NUMBER, TIME, BOOLEAN = ("text",), ("integer", "bigint"), ("timestamp with time zone",), ("boolean",)
COLUMNS = {
    "records": {
        "id": ("bigint",), "request_id": ("uuid",), "client_request_id": TEXT, "created_at": TIME, "node": TEXT, "ip": TEXT,
        "key_name": TEXT, "user_agent": TEXT, "method": TEXT, "path": TEXT, "model": TEXT, "stream": BOOLEAN, "body": TEXT,
        "body_bytes": NUMBER, "status": NUMBER, "outcome": TEXT, "error": TEXT, "upstream_id": NUMBER, "upstream_name": TEXT,
        "upstream_endpoint": TEXT, "attempts": NUMBER, "response": TEXT, "response_bytes": NUMBER, "response_time": ("bigint",),
        "elapsed_time": ("bigint",), "prompt_tokens": NUMBER, "completion_tokens": NUMBER, "total_tokens": NUMBER,
        "finish_reason": TEXT, "trace_id": TEXT},
    "attempts": {
        "request_id": ("uuid",), "number": NUMBER, "upstream_id": NUMBER, "upstream_name": TEXT, "started_at": TIME,
        "status": NUMBER, "outcome": TEXT, "error": TEXT, "first_byte_time": ("bigint",), "elapsed_time": ("bigint",)},
    "openai_upstreams": {
        "id": NUMBER, "created_at": TIME, "updated_at": TIME, "deleted_at": TIME, "sk": TEXT, "endpoint": TEXT,
        "timeout": ("double precision",), "name": TEXT, "priority": NUMBER, "weight": NUMBER, "stream_timeout": ("double precision",),
        "allow": TEXT, "deny": TEXT, "rename": TEXT, "proxy": TEXT, "enabled": BOOLEAN, "retries": NUMBER,
        "first_content_timeout": ("double precision",), "hedge_after": ("double precision",), "max_in_flight": NUMBER,
        "headers": TEXT, "set": TEXT, "unset": TEXT, "key_header": TEXT},
    "client_keys": {"id": NUMBER, "name": TEXT, "key_hash": TEXT, "created_at": TIME, "deleted_at": TIME},
}


@pytest.fixture
def pgbouncer(cluster):
    made = PgBouncer(cluster)
    yield made
    made.close()


# --- what is stored

@pytest.mark.parametrize("table", COLUMNS)
def test_the_columns_of_a_table(router, database, table):
    router.ok("key", "add", "anybody", "--database", database.url)
    found = {row["column_name"]: row["data_type"] for row in database.rows(
        f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}'")}
    assert found.keys() == COLUMNS[table].keys()
    assert [f"{name} is {kind}" for name, kind in found.items() if kind not in COLUMNS[table][name]] == []


def test_every_column_of_a_record(route, make_upstream, database):
    first, second = make_upstream(reset), make_upstream()
    router = route(first, storage=database.storage, failover={"cooldown": 0})
    router.ok("upstream", "add", "--name", "stored", "--sk", "sk-1", "--endpoint", second.url, "--priority", "5")
    upstream_id = json.loads(router.ok("upstream", "show", "stored", "--json"))["id"]
    eventually(lambda: router.ask().status == 200)
    body = json.dumps(chat("\U0001f600 \\ ☃ {,} \"'"), ensure_ascii=False)
    answer = router.ask("/v1/chat/completions?secret=query", body=body.encode(), headers=[("User-Agent", "tests/1"), ("x-request-id", "mine")])
    record = database.record(answer)
    expected = {
        "request_id": answer.header("x-request-id"), "client_request_id": "mine", "ip": "127.0.0.1", "key_name": "tester",
        "user_agent": "tests/1", "method": "POST", "path": "/v1/chat/completions", "model": "gpt-4o", "stream": False,
        "body": body, "body_bytes": len(body.encode()), "status": 200, "outcome": "ok", "upstream_id": upstream_id, "upstream_name": "stored", "upstream_endpoint": second.url, "attempts": 2,
        "response": "hello", "response_bytes": len(answer.body), "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8,
        "finish_reason": "stop"}
    assert {name: record[name] for name in expected} == expected
    assert record["id"] > 0 and record["node"] and not record["error"]
    assert 0 < record["response_time"] <= record["elapsed_time"] < 20_000_000_000
    assert database.sql(f"SELECT now() - created_at < '1 minute' FROM records WHERE id = {record['id']}") == "t"

    attempts = database.attempts(record)
    assert [(each["number"], each["upstream_name"], each["status"], each["outcome"]) for each in attempts] == [
        (1, "first", None, "cut"), (2, "stored", 200, "ok")]
    assert [each["upstream_id"] for each in attempts] == [None, upstream_id]
    assert attempts[0]["error"] and attempts[0]["first_byte_time"] is None
    assert 0 < attempts[1]["first_byte_time"] <= attempts[1]["elapsed_time"]
    assert database.sql("SELECT bool_and(created_at <= started_at) FROM records JOIN attempts USING (request_id)") == "t"


def test_texts_with_nul_and_broken_utf_8(route, make_upstream, database):
    content = {**CHAT_REPLY, "choices": [{"index": 0, "message": {"content": "a\0b"}}]}
    router = route(make_upstream(reply(body=content)), storage=database.storage)
    record = database.record(router.ask(headers=[("User-Agent", "caf\xe9")]))
    assert record["response"] == "a�b"
    assert record["user_agent"] == "caf�"


def test_records_lie_in_the_partition_of_their_day(route, upstream, database):
    router = route(upstream, storage=database.storage)
    database.wait_for(router.ask())
    for table in ("records", "attempts"):
        partition = database.sql(f"SELECT tableoid::regclass FROM {table}")
        assert re.fullmatch(rf"{table}_p\d{{8}}", partition)


def test_what_the_database_refuses_holds_up_nobody(route, upstream, database):
    router = route(upstream, storage=database.storage, records={"durability": "batch"})
    database.sql("ALTER TABLE records ADD CHECK (model <> 'refused')")
    answers = [router.ask(body=chat(model=model)) for model in ("a", "b", "refused", "c", "d")]
    refused = answers.pop(2)
    database.wait_for(*answers)
    router.wait_for_line(f"{refused.header('x-request-id')} is refused by the database")
    aside = (router.directory / "rejected-records.jsonl").read_text().splitlines()
    assert len(aside) == 1 and refused.header("x-request-id") in aside[0]
    eventually(lambda: router.metric("openai_api_route_outbox_records") == 0)


# --- the command line

def test_the_record_commands(route, make_upstream, database):
    router = route(make_upstream(reply(), reply(500), reply()), storage=database.storage)
    good, bad = router.ask(), router.ask(body=chat("needle", model="gpt-4o-mini"))
    database.wait_for(good, bad)
    assert "gpt-4o-mini" in router.ok("record", "list")
    day = "2020-01-01"
    for arguments, answers in {("--status", "500"): [bad], ("--model", "gpt-4o"): [good], ("--grep", "needle"): [bad],
                               ("--outcome", "ok"): [good], ("--upstream", "first"): [good, bad], ("--key", "tester"): [good, bad],
                               ("--key", "nobody"): [], ("--until", day): [], ("--since", day): [good, bad], ("--limit", "1"): [good],
                               ("--status", "500", "--model", "gpt-4o"): []}.items():
        exported = [json.loads(line)["request_id"] for line in router.ok("record", "export", *arguments).splitlines()]
        assert exported == [answer.header("x-request-id") for answer in answers], arguments
    listed = json.loads(router.ok("record", "list", "--limit", "1", "--json"))
    assert [each["request_id"] for each in listed] == [bad.header("x-request-id")]
    for name in (bad.header("x-request-id"), str(database.record(bad)["id"])):
        shown = router.ok("record", "show", name)
        assert "needle" in shown and "500" in shown
    for name in ("no-such-id", "12345", "01890000-0000-7000-8000-000000000000"):
        assert router.run("record", "show", name).returncode == 1
    stats = router.ok("record", "stats")
    assert "gpt-4o-mini" in stats and "first" in stats


def test_old_records_are_pruned(route, upstream, database):
    router = route(upstream, storage=database.storage)
    old, new = router.ask(), router.ask()
    database.wait_for(old, new)
    # A UUIDv7 holds the time, too.
    for table in ("records", "attempts"):
        database.sql(f"UPDATE {table} SET request_id = '016f5e66-e800-7000-8000-000000000000' WHERE request_id = '{old.header('x-request-id')}'")
    database.sql("UPDATE records SET created_at = '2020-01-01' WHERE request_id = '016f5e66-e800-7000-8000-000000000000'")
    router.ok("record", "prune", "--until", "2021-01-01")
    assert database.ids() == [new.header("x-request-id")]
    assert database.sql("SELECT count(*) FROM attempts") == "1"
    router.ok("record", "prune", "--bodies", "--until", "2100-01-01")
    kept = database.record(new)
    assert not kept["body"] and not kept["response"]
    assert kept["total_tokens"] == 8


def test_the_upstream_and_key_commands_through_a_socket(router, database, upstream):
    def ok(*arguments, **kwargs):
        return router.ok(*arguments, "--database", database.socket_url, **kwargs)

    ok("upstream", "add", "--name", "one", "--sk", "-", "--endpoint", upstream.url, "--priority", "3", "--allow", "gpt-*", "--rename", "a=b",
       stdin="sk-one-0123456789abcdef\n")
    ok("-add", "-sk", "sk-two", "-endpoint", upstream.url)
    ok("upstream", "set", "one", "--weight", "7", "--timeout", "2.5")
    ok("upstream", "disable", "one")
    shown = json.loads(ok("upstream", "show", "one", "--json"))
    assert {name: shown[name] for name in ("name", "priority", "weight", "timeout", "allow", "rename", "enabled")} == {
        "name": "one", "priority": 3, "weight": 7, "timeout": 2.5, "allow": ["gpt-*"], "rename": {"a": "b"}, "enabled": False}
    assert "0123456789" not in ok("upstream", "list")
    again = router.run("upstream", "add", "--name", "one", "--sk", "sk-3", "--endpoint", upstream.url, "--database", database.socket_url)
    assert again.returncode == 1 and "one" in again.stderr and len(again.stderr.splitlines()) == 1

    ok("upstream", "enable", "one")
    (router.directory / "exported.toml").write_text(ok("upstream", "export", "--secrets"))
    ok("upstream", "remove", "one")
    assert len(json.loads(ok("upstream", "list", "--json"))) == 1
    ok("upstream", "import", "exported.toml")
    rows = database.rows("SELECT * FROM openai_upstreams WHERE deleted_at IS NULL AND name = 'one'")
    assert len(rows) == 1
    assert (rows[0]["sk"], rows[0]["enabled"], rows[0]["timeout"]) == ("sk-one-0123456789abcdef", True, 2.5)
    assert database.sql("SELECT count(*) FROM openai_upstreams WHERE deleted_at IS NOT NULL") == "1"

    ok("key", "add", "alice", "--value", "-", stdin="a-key-of-alice-0123456789\n")
    assert database.sql("SELECT name, key_hash FROM client_keys") == f"alice|{key_hash('a-key-of-alice-0123456789')}"
    assert "alice" in ok("key", "list")
    ok("key", "remove", "alice")
    assert "alice" not in ok("key", "list")


# --- what routers share

@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
def test_ten_routers_that_begin_together_make_one_schema_and_one_key(make_router, tmp_path, upstream, database, request, pooled):
    url = request.getfixturevalue("pgbouncer").url(database) if pooled else database.url
    routers = [make_router(tmp_path / str(number)).configure([upstream], storage=storage(url), auth={"keys": []}) for number in range(10)]
    # Nobody can make a table until it is seen that nobody has one.
    with database.transaction("LOCK TABLE pg_class IN SHARE MODE", role="postgres"):
        for router in routers:
            router.start(ready=False)
        eventually(lambda: database.count_waiting() == (2 if pooled else 10), 30)
    for router in routers:
        router.address = ("127.0.0.1", int(router.wait_for_line(r"listening on 127\.0\.0\.1:(\d+)")[1]))
    stored = database.sql("SELECT key_hash FROM client_keys").split()
    said = [path.read_text().strip() for router in routers for path in router.directory.glob("first-key*")]
    assert ([key_hash(key) for key in said], len(stored)) == (stored, 1)
    assert database.sql("SELECT count(*) FROM openai_api_route_state WHERE name = 'schema_version'") == "1"
    answers = [router.ask(key=said[0]) for router in routers]
    assert [answer.status for answer in answers] == [200] * 10
    database.wait_for(*answers)


@pytest.fixture
def two_routers(make_router, tmp_path):
    """two_routers(url): on one database, without upstreams of their own."""
    def make(url, **tables):
        return [make_router(tmp_path / name).configure(storage=storage(url), **tables).start() for name in ("one", "two")]

    return make


def all_use(routers, upstream: str | None):
    """Waits until they all send requests to `upstream`."""
    eventually(lambda: all(router.ask().header("x-route-upstream") == upstream for router in routers))


def test_routers_see_what_the_command_line_changes(two_routers, upstream, database):
    routers = two_routers(database.url)
    one = routers[0]
    one.ok("upstream", "add", "--name", "added", "--sk", "sk-1", "--endpoint", upstream.url)
    all_use(routers, "added")
    one.ok("upstream", "set", "added", "--name", "renamed")
    all_use(routers, "renamed")
    one.ok("upstream", "remove", "renamed")
    all_use(routers, None)

    one.ok("key", "add", "alice", "--value", "-", stdin="a-key-of-alice-0123456789\n")
    eventually(lambda: all(router.ask(key="a-key-of-alice-0123456789").status == 503 for router in routers))
    one.ok("key", "remove", "alice")
    eventually(lambda: all(router.ask(key="a-key-of-alice-0123456789").status == 403 for router in routers))


def test_routers_see_what_sql_changes(two_routers, upstream, database):
    routers = two_routers(database.url)
    added = database.sql(f"INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk-1', '{upstream.url}') RETURNING id")
    all_use(routers, f"upstream-{added}")
    database.sql(f"BEGIN; INSERT INTO openai_upstreams (sk, endpoint, name) VALUES ('sk-2', '{upstream.url}', 'second');"
                 f"UPDATE openai_upstreams SET deny = '[\"*\"]' WHERE id = {added}; COMMIT")
    all_use(routers, "second")
    database.sql("UPDATE openai_upstreams SET enabled = false WHERE name = 'second'")
    all_use(routers, None)
    database.sql("UPDATE openai_upstreams SET enabled = true")
    all_use(routers, "second")
    database.sql("TRUNCATE openai_upstreams")
    all_use(routers, None)
    database.sql(f"INSERT INTO client_keys (name, key_hash) VALUES ('bob', '{key_hash('a-key-of-bob-0123456789')}')")
    eventually(lambda: all(router.ask(key="a-key-of-bob-0123456789").status == 503 for router in routers))


def test_a_row_that_cannot_be_used_is_passed_over(route, upstream, database):
    router = route(storage=database.storage)
    database.sql("INSERT INTO openai_upstreams (sk, endpoint, name) VALUES ('sk-1', 'no url at all', 'broken'), "
                 "('sk-2', 'https://a.example', 'listless')")
    database.sql("UPDATE openai_upstreams SET allow = 'no list' WHERE name = 'listless'")
    database.sql(f"INSERT INTO openai_upstreams (sk, endpoint, name, priority) VALUES ('sk-3', '{upstream.url}', 'good', 1)")
    all_use([router], "good")
    router.wait_for_line(r"(?i)warn.*broken")
    router.wait_for_line(r"(?i)warn.*listless")


def test_a_change_made_while_connections_break_is_seen(two_routers, upstream, database):
    routers = two_routers(database.url)
    database.disconnect()
    database.sql(f"INSERT INTO openai_upstreams (sk, endpoint, name) VALUES ('sk-1', '{upstream.url}', 'first')")
    all_use(routers, "first")
    database.disconnect()
    database.sql("UPDATE openai_upstreams SET name = 'second'")
    all_use(routers, "second")


# --- with something in between

def test_routers_share_few_connections_of_a_pooler(two_routers, pgbouncer, upstream, database):
    routers = two_routers(pgbouncer.url(database), records={"durability": "batch", "flush": 5})
    one = routers[0]
    one.ok("upstream", "add", "--name", "added", "--sk", "sk-1", "--endpoint", upstream.url)
    all_use(routers, "added")
    loads = [Load(router, clients=2) for router in routers]
    eventually(lambda: all(len(load.seen) > 100 for load in loads), 30)
    one.ok("upstream", "set", "added", "--name", "renamed")
    all_use(routers, "renamed")
    listed = json.loads(one.ok("record", "list", "--json"))
    for load in loads:
        load.stop()
        assert load.failed == []
    assert len(listed) == 50
    database.wait_for(*loads[0].seen, *loads[1].seen)
    for router in routers:
        gone, back = (sum(words in line for line in router.lines) for words in ("does not take records", "takes records again"))
        # So slow a machine's database may be given up for a moment.
        assert gone == back if INSTRUMENTED else (gone, back) == (0, 0)
        assert INSTRUMENTED or not [line for line in router.lines if "can not be read" in line]


def test_a_host_that_is_gone_is_passed_over(route, upstream, database):
    with held_port() as nobody:
        router = route(upstream, storage=storage(database.url_at(nobody.getsockname()[1], database.cluster.port)))
        database.wait_for(router.ask())


@pytest.fixture
def other_cluster():
    made = Cluster()
    yield made
    made.close()


def test_of_two_hosts_the_one_that_takes_writes_is_used(fragile_cluster, other_cluster, router, upstream):
    """Even when they exchange their roles, which loses nothing."""
    second = fragile_cluster.database()
    first = other_cluster.database(name=second.name)
    for database in (first, second):
        router.ok("key", "add", "anybody", "--database", database.url)
        # As replication would have it.
        database.sql("UPDATE openai_api_route_state SET value = 'the same' WHERE name = 'schema_id'")
    other_cluster.set("default_transaction_read_only", "on")
    url = first.url_at(other_cluster.port, fragile_cluster.port, options="?target_session_attrs=read-write")
    router.configure([upstream], storage=storage(url)).start()
    before = [router.ask() for _ in range(3)]
    second.wait_for(*before)

    fragile_cluster.set("default_transaction_read_only", "on")
    other_cluster.set("default_transaction_read_only", "default")
    after = [router.ask() for _ in range(3)]
    router.wait_for_line("the database takes records again")
    after.append(router.ask())
    first.wait_for(*after)
    assert len(first.ids()) + len(second.ids()) == 7


# --- secrets

def test_no_password_is_shown(fragile_cluster, route, upstream):
    database = fragile_cluster.database()
    router = route(upstream, storage=storage(database.guarded_url), log={"level": "debug"})
    database.wait_for(router.ask())
    shown = router.ok("config", "show") + router.ok("upstream", "list")
    fragile_cluster.stop()
    router.ask()
    router.wait_for_line("the database does not take records")
    ready = router.get("/readyz", key=None)
    assert b"the database" in ready.body
    away = router.run("upstream", "list")
    assert away.returncode == 1
    shown += away.stdout + away.stderr + ready.body.decode() + router.get("/v1/metrics", key=None).body.decode()
    assert router.stop() == 0
    assert PASSWORD not in shown + router.output.decode()
