"""SIGTERM: what was begun is finished, and then it ends."""

import signal
import sqlite3
import time

import pytest

from fakes.client import Client, chat, request
from fakes.router import BINARY, eventually
from fakes.upstream import END, SSE_HEAD, Gate, chunk, numbered, reply, silence


def refuses(address) -> bool:
    try:
        Client(address, 2).close()
    except OSError:
        return True
    return False


def slow_stream(gate):
    def script(connection, _):
        connection.send(SSE_HEAD + chunk(numbered(1)))
        gate.wait()
        connection.send(chunk(numbered(2)) + END)

    return script


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_finish_before_it_ends(route, make_upstream, number):
    gate = Gate()
    router = route(make_upstream(slow_stream(gate)))
    with router.client() as client, router.client() as idle:
        idle.ask("/v1/metrics", method="GET")
        client.send(request(body=chat(stream=True)))
        client.read_head()
        assert client.read_chunk() == numbered(1)
        before = len(router.lines)
        router.signal(number)
        router.wait_for_line("shutting down", after=before)
        assert idle.closed()
        assert eventually(lambda: refuses(router.address))  # each event loop closes its own listener
        assert router.process.poll() is None
        gate.open()
        assert client.read_chunk() == numbered(2)
        assert client.read_chunk() == b""
        assert client.closed()
    assert router.wait() == 0
    assert router.only_record()["outcome"] == "ok"


def test_a_reply_that_begins_during_the_drain_closes_its_connection(route, make_upstream):
    gate = Gate()

    def script(connection, seen):
        gate.wait()
        reply()(connection, seen)

    upstream = make_upstream(script)
    router = route(upstream)
    with router.client() as client, router.client() as other:
        client.send(request())
        upstream.wait_for_requests()
        other.send(b"GET /readyz HTTP/1.1\r\nHost: r\r\n")
        router.signal(signal.SIGTERM)
        router.wait_for_line("shutting down")
        gate.open()
        answer = client.read_response()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert client.closed()
    assert router.wait() == 0


def test_what_waits_to_be_accepted_is_served(route, upstream):
    router = route(upstream, server={"threads": 2})
    router.signal(signal.SIGSTOP)
    clients = [router.client() for _ in range(400)]
    for client in clients:
        client.send(request())
    router.signal(signal.SIGTERM)
    router.signal(signal.SIGCONT)
    for client in clients:
        with client:
            answer = client.read_response()
            assert (answer.status, answer.header("connection")) == (200, "close")
            assert client.closed()
    assert router.wait() == 0
    assert len(router.records()) == 400


def test_a_second_signal_ends_at_once(route, make_upstream):
    upstream = make_upstream(silence)
    router = route(upstream)
    with router.client() as client:
        client.send(request())
        upstream.wait_for_requests()
        router.signal(signal.SIGTERM)
        router.wait_for_line("shutting down")
        router.signal(signal.SIGTERM)
        router.wait(20)


def test_a_second_signal_ends_at_once_while_records_wait_for_the_database(route, upstream):
    router = route(upstream, records={"durability": "batch"}, storage={"outbox": "no/such/place/outbox.sqlite"})
    holder = sqlite3.connect(router.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert router.ask().status == 200
        router.signal(signal.SIGTERM)
        router.wait_for_line("shutting down")
        time.sleep(0.5)
        assert router.process.poll() is None, "it did not wait for the database"
        started = time.monotonic()
        router.signal(signal.SIGTERM)
        router.wait(20)
        assert time.monotonic() - started < 5
        assert "a signal ends it at once" in "\n".join(router.lines)
    finally:
        holder.close()


def test_a_drain_ends_in_time(route, make_upstream):
    upstream = make_upstream(silence)
    router = route(upstream, server={"drain": 0.5})
    with router.client() as client:
        client.send(request())
        upstream.wait_for_requests()
        started = time.monotonic()
        router.stop(seconds=10)
        assert time.monotonic() - started < 6
    assert len(router.records()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_second_router_on_the_same_port_is_refused_and_hears_by_whom(route, upstream, make_router, host):
    first = route(upstream, server={"listen": "127.0.0.1:0"})
    second = make_router()
    second.start("--addr", f"{host}:{first.address[1]}", ready=False)
    assert second.wait() == 1
    said = second.stderr.decode()
    assert f"address in use by {BINARY.name} (process {first.process.pid}); --handover starts" in said
    assert first.ask().status == 200


def test_a_second_router_takes_over_the_port(route, upstream, make_router):
    old = route(upstream, server={"listen": "127.0.0.1:0"})
    new = make_router()
    new.start("--addr", f"127.0.0.1:{old.address[1]}", "--handover")
    assert old.stop() == 0
    assert new.ask().status == 200
