"""Peers that are gone, stuck or speak out of turn, and a router that has no descriptors left."""

import os
import pathlib
import re
import resource
import signal
import threading
import time

import pytest

from fakes.client import request
from fakes.router import BINARY, eventually
from fakes.upstream import Gate, reply

MIB = 1 << 20
EVIL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n\"evil\""


def attempts(router, answer) -> list[tuple]:
    return [(row["upstream_name"], row["outcome"]) for row in router.attempts(router.record(answer))]


def pause(router):
    """Until resumed the router does nothing; what happens meanwhile it finds all at once."""
    router.signal(signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{router.process.pid}/stat")
    eventually(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T")


def resume(router):
    router.signal(signal.SIGCONT)


# --- upstreams

def test_an_upstream_that_never_reads_is_given_up(route, make_upstream):
    gate, left = Gate(), threading.Event()

    def never_reads(connection):
        gate.wait()
        connection.wait_closed()
        left.set()

    second = make_upstream()
    router = route(make_upstream(on_accept=never_reads), second, timeouts={"large_body": 1})
    body = b"x" * (24 * MIB)  # more than all sockets in between hold
    answer = router.ask(body=body)
    assert attempts(router, answer) == [("first", "timeout"), ("second", "ok")]
    assert second.requests[0].body == body
    gate.open()
    assert left.wait(10)


@pytest.mark.parametrize("bytes_behind", [EVIL, b"x", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"], ids=["a reply", "a byte", "a 408"])
@pytest.mark.parametrize("when", ["while idle", "before the next request", "behind the next request"])
def test_bytes_that_nobody_asked_for_answer_nobody(route, make_upstream, bytes_behind, when):
    """Also when the kernel tells of them and of the next request at once, in either order."""
    peers = []

    def first_reply(connection, seen):
        peers.append(connection)
        reply(body=b'"first"')(connection, seen)

    upstream = make_upstream(first_reply, reply(body=b'"second"'))
    router = route(upstream)
    with router.client() as client:
        assert client.ask("/v1/files").body == b'"first"'
        if when != "while idle":
            pause(router)
        if when == "behind the next request":
            client.send(request("/v1/files"))
        peers[0].send(bytes_behind)
        if when == "while idle":
            upstream.wait_for_leaving()
        else:
            resume(router)
        if when != "behind the next request":
            client.send(request("/v1/files"))
        second = client.read_response()
    assert second.body == b'"second"'
    assert attempts(router, second) == [("first", "ok")]
    assert upstream.connections == 2


@pytest.mark.parametrize("noticed", [True, False], ids=["the router sees it", "it has no time to see it"])
def test_an_upstream_that_restarts_costs_no_attempt(route, make_upstream, noticed):
    gate = Gate()
    first = make_upstream(lambda connection, seen: gate.wait() or reply()(connection, seen))
    router = route(first)
    clients = [router.client() for _ in range(4)]
    for client in clients:
        client.send(request())
    first.wait_for_requests(4)
    gate.open()
    assert [client.read_response().status for client in clients] == [200] * 4
    if not noticed:
        pause(router)
    first.close()
    if noticed:
        first.wait_for_leaving()
    again = make_upstream(port=first.port)
    for client in clients:
        client.send(request())
    if not noticed:
        resume(router)
    answers = [client.read_response() for client in clients]
    assert [attempts(router, answer) for answer in answers] == [[("first", "ok")]] * 4
    assert len(again.requests) == 4


def keep_alive_timers(port: int) -> list[tuple[str, float]]:
    """The established connections from and to `port`, proc_net_tcp(5): which side has it, and the seconds until the kernel asks the peer."""
    found = []
    ticks = os.sysconf("SC_CLK_TCK")
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = line.split()
        kind, when = timer.split(":")
        if state != "01" or kind != "02":
            continue
        if int(local.split(":")[1], 16) == port:
            found.append(("local", int(when, 16) / ticks))
        elif int(remote.split(":")[1], 16) == port:
            found.append(("remote", int(when, 16) / ticks))
    return found


def test_vanished_peers_are_asked_for(route, upstream):
    """On both sides: a client or an upstream whose machine is gone leaves no connection behind for ever."""
    router = route(upstream)
    with router.client() as client:
        assert client.ask().status == 200
        for side, port in (("local", router.address[1]), ("remote", upstream.port)):
            # Not while an acknowledgement is delayed, nor while another connection, which asked whether it listens, is closing.
            [timer] = eventually(lambda: len(found := keep_alive_timers(port)) == 1 and found)
            assert timer[0] == side
            assert 30 < timer[1] <= 60


# --- no descriptors left

needs_none_itself = pytest.mark.skipif("asan" in BINARY.parts, reason="UBSan looks at memory through a pipe, and takes its failure for bad memory")


def descriptors(router) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{router.process.pid}/fd")}


def settled_descriptors(router) -> set[int]:
    """Twice the same: at its start it opens and closes files for a while."""

    def settled():
        before = descriptors(router)
        time.sleep(0.05)
        return before == descriptors(router) and before

    return eventually(settled)


def leave_descriptors(router, count: int):
    """As many as it may open from now on."""
    taken = settled_descriptors(router)
    limit = 0
    while count >= 0:
        if limit not in taken:
            count -= 1
        limit += 1
    _, most = resource.prlimit(router.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(router.process.pid, resource.RLIMIT_NOFILE, (limit - 1, most))


def said(router, pattern: str) -> int:
    return sum(bool(re.search(pattern, line)) for line in router.lines)


FULL, ROOM_AGAIN = r"cannot accept connections", r"accepted again"


@needs_none_itself
def test_clients_beyond_the_descriptors_wait_for_others_to_leave(route, upstream):
    router = route(upstream)
    with router.client() as served:
        assert served.ask().status == 200
        leave_descriptors(router, 4)
        clients = [router.client() for _ in range(12)]
        router.wait_for_line(FULL)
        # Half a second of work, while accepting is tried again and again.
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert served.ask().status == 200
        assert said(router, FULL) == 1
        for client in clients[:-1]:
            client.close()
        assert clients[-1].ask().status == 200
        clients[-1].close()
        eventually(lambda: router.ask().status == 200 and said(router, ROOM_AGAIN))
        assert served.ask().status == 200
    assert (said(router, FULL), said(router, ROOM_AGAIN)) == (1, 1)
    assert len(router.records()) > 3


@needs_none_itself
def test_a_request_without_a_descriptor_for_its_upstream_fails_clearly(route, upstream):
    router = route(upstream)
    with router.client() as client:
        assert client.ask("/healthz", method="GET").status == 200
        leave_descriptors(router, 0)
        answer = client.ask()
        assert (answer.status, answer.error_code) == (502, "upstream_error")
        assert "too many open files" in answer.json()["error"]["message"]
        leave_descriptors(router, 8)
        assert client.ask().status == 200
        # The database may have needed one as well: its records came as soon as there was.
        eventually(lambda: len(router.records()) == 2)
        assert attempts(router, answer) == [("first", "connect")]
