"""Open descriptors: there are as many as the system allows, and strangers do not take them all."""

import pathlib
import resource
import socket
from contextlib import ExitStack

from fakes.client import request
from fakes.upstream import Gate, reply


def connect(stack: ExitStack, router, count: int):
    """Connections that say nothing."""
    for _ in range(count):
        stack.enter_context(socket.create_connection(router.address, 20))


def test_the_soft_limit_becomes_the_hard_one(router, upstream):
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
    router.configure([upstream]).start(descriptors=(128, hard))
    limits = pathlib.Path(f"/proc/{router.process.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3:5] == [str(hard)] * 2
    assert router.ask().status == 200


def test_silent_strangers_lock_out_nobody_who_has_a_key(router, upstream):
    router.configure([upstream], upstream={"idle_connections": 0}).start(descriptors=(128, 128))
    with ExitStack() as stack, router.client() as known:
        assert known.ask().status == 200
        for _ in range(3):
            connect(stack, router, 140)
            assert known.ask().status == 200
            assert [router.ask().status for _ in range(5)] == [200] * 5
    assert len(router.records()) == 19


def test_those_with_a_key_leave_descriptors_for_upstreams(router, make_upstream):
    """More connections than are accepted: those that are get their answers, the others wait for their turn."""
    gate = Gate()
    upstream = make_upstream(lambda connection, seen: gate.wait() or reply()(connection, seen))
    router.configure([upstream], upstream={"idle_connections": 0}).start(descriptors=(128, 128))
    with ExitStack() as stack:
        clients = []
        for _ in range(100):
            clients.append(stack.enter_context(router.client(60)))
            clients[-1].send(request(headers=[("Connection", "close")]))
        upstream.wait_for_requests(32)
        gate.open()
        assert [client.read_response().status for client in clients] == [200] * len(clients)
