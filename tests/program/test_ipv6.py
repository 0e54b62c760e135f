"""IPv6 on both sides, and names with addresses of both kinds."""

import re
import socket

import pytest

from fakes.certificates import server_context
from fakes.client import Client


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def test_an_upstream_named_by_its_address(route, make_upstream):
    upstream = make_upstream(host="::1")
    router = route(upstream)
    assert router.ask().status == 200
    assert upstream.requests[0].header("host") == f"[::1]:{upstream.port}"


def test_its_certificate_is_verified_by_the_address(route, make_upstream, authority):
    good = make_upstream(host="::1", tls=server_context(*authority.issue("good", "::1")))
    other = make_upstream(host="::1", tls=server_context(*authority.issue("other", "127.0.0.1")))
    router = route(other, good, upstream={"ca_file": str(authority.file)})
    answer = router.ask()
    assert answer.header("x-route-upstream") == "second"
    attempt = router.attempts(router.record(answer))[0]
    assert (attempt["outcome"], attempt["error"]) == ("tls", "tls: its certificate is for another address")


def test_a_name_with_both_kinds_of_addresses(route, make_upstream):
    found = {info[4][0] for info in socket.getaddrinfo("localhost", 80, proto=socket.IPPROTO_TCP)}
    if "127.0.0.1" not in found:
        pytest.skip("localhost has no IPv4 address here")
    upstream = make_upstream()
    router = route(upstream.url.replace("127.0.0.1", "localhost"))
    answer = router.ask()
    assert answer.status == 200 and answer.header("x-route-attempts") == "1"


def test_listening_on_an_address_and_on_all(router, upstream):
    router.configure([upstream], server={"listen": "[::1]:0"}).start(ready=False)
    port = int(router.wait_for_line(r"listening on \[::1\]:(\d+)")[1])
    with Client(("::1", port)) as client:
        assert client.ask().status == 200
    assert router.records()[0]["ip"] == "::1"
    router.stop()
    router.configure([upstream], server={"listen": ":0"}).start(ready=False)
    found = router.wait_for_line(r"listening on \[::\]:(\d+)")
    for address in ("::1", "127.0.0.1"):
        with Client((address, int(found[1]))) as client:
            assert client.ask().status == 200
    assert re.fullmatch(r"::1|127\.0\.0\.1", router.records()[-1]["ip"])
