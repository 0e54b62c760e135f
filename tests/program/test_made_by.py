"""Who made a file, a batch or a response answers for it: on every router, after a restart, after an outage."""

import hashlib

import pytest

from fakes.client import chat
from fakes.router import eventually
from fakes.upstream import CHAT_REPLY, event, reply, stream

FILE = {"id": "file-1", "object": "file"}
NOTHING_MADE = {**CHAT_REPLY, "id": None}


def about(file_id: str) -> dict:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": file_id}}]}]}


def hash_of(some_id: str) -> str:
    return hashlib.sha256(some_id.encode()).hexdigest()


@pytest.fixture
def upstreams(make_upstream):
    return make_upstream(), make_upstream()


def make_at_second(router, upstreams, path="/v1/files", script=reply(body=FILE)):
    """`second` makes it, as `first` fails; afterwards both answer."""
    first, second = upstreams
    first.answer(reply(503))
    second.answer(script)
    made = router.ask(path, body={})
    assert made.header("x-route-upstream") == "second"
    first.answer(reply(body=NOTHING_MADE))
    second.answer(reply(body=NOTHING_MADE))
    return made


def who(router, *args, **kwargs) -> str:
    return router.ask(*args, **kwargs).header("x-route-upstream")


@pytest.mark.parametrize("threads", [1, 2])
def test_on_every_connection_of_a_router(route, upstreams, threads):
    router = route(*upstreams, server={"threads": threads}, failover={"cooldown": 0}, records={"durability": "batch", "flush": 1000})
    make_at_second(router, upstreams)
    # Not yet in the database; connections of both loops.
    for _ in range(20):
        assert who(router, "/v1/files/file-1", method="GET") == "second"
        assert who(router, body=about("file-1")) == "second"
    assert who(router, body=about("file-2")) == "first"
    assert who(router) == "first"


def test_after_a_restart(route, make_router, upstreams):
    router = route(*upstreams, failover={"cooldown": 0})
    make_at_second(router, upstreams)
    rows = router.sql("SELECT hex(id_hash) AS id, upstream_name, created_at FROM made_by")
    assert [(row["id"].lower(), row["upstream_name"]) for row in rows] == [(hash_of("file-1"), "second")]
    assert rows[0]["created_at"] == router.records()[0]["created_at"]
    assert router.stop() == 0
    router = make_router().start()
    assert who(router, "/v1/files/file-1/content", method="GET") == "second"
    assert who(router, "/v1/batches", body={"input_file_id": "file-1"}) == "second"
    assert who(router, "/v1/files/file-2", method="GET") == "first"


def test_a_streamed_response_is_continued_where_it_was_made(route, upstreams):
    router = route(*upstreams, failover={"cooldown": 0})
    events = [event({"type": "response.created", "response": {"id": "resp_1"}}), event({"type": "response.output_text.delta", "delta": "a"}),
              event({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}})]
    make_at_second(router, upstreams, "/v1/responses", stream(*events))
    assert who(router, "/v1/responses", body={"model": "m", "input": "on", "previous_response_id": "resp_1"}) == "second"
    assert who(router, body={"model": "m", "input": "resp_1"}) == "first"
    assert [row["id"].lower() for row in router.sql("SELECT hex(id_hash) AS id FROM made_by")] == [hash_of("resp_1")]


def test_on_every_router_of_a_database(make_router, tmp_path, upstreams, database):
    routers = [make_router(tmp_path / name).configure(upstreams, storage=database.storage, failover={"cooldown": 0}).start()
               for name in ("one", "other")]
    made = make_at_second(routers[0], upstreams)
    database.wait_for(made)
    for router in routers:
        assert who(router, "/v1/files/file-1", method="GET") == "second"
        assert who(router, body=about("file-1")) == "second"
        assert who(router, body=about("file-2")) == "first"
    assert database.sql("SELECT encode(id_hash, 'hex') || ' ' || upstream_name FROM made_by") == f"{hash_of('file-1')} second"


def test_what_was_made_while_the_database_was_away(make_router, tmp_path, upstreams, fragile_cluster):
    database = fragile_cluster.database()
    routers = [make_router(tmp_path / name).configure(upstreams, storage=database.storage, failover={"cooldown": 0}).start()
               for name in ("one", "other")]
    fragile_cluster.stop()
    make_at_second(routers[0], upstreams)
    assert who(routers[0], body=about("file-1")) == "second"
    assert who(routers[1], body=about("file-1")) == "first"
    fragile_cluster.start()
    eventually(lambda: database.sql("SELECT count(*) FROM made_by") == "1", 30)
    eventually(lambda: who(routers[1], body=about("file-1")) == "second", 30)


def test_pruned_with_records(route, upstreams):
    router = route(*upstreams, failover={"cooldown": 0})
    make_at_second(router, upstreams)
    assert [row["id"].lower() for row in router.sql("SELECT hex(id_hash) AS id FROM made_by")] == [hash_of("file-1")]
    router.ok("record", "prune", "--until", "2100-01-01")
    assert router.sql("SELECT count(*) AS rows FROM made_by")[0]["rows"] == 0


def test_nothing_is_remembered_of_chats(route, upstreams):
    router = route(*upstreams)
    router.ask(body=chat())
    assert router.sql("SELECT * FROM made_by") == []
