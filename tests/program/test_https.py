"""HTTPS towards clients: server.certificate and server.private_key."""

import contextlib
import json
import signal
import ssl
import subprocess

import pytest

from fakes.certificates import common_name, openssl
from fakes.client import Broken, chat, request
from fakes.upstream import END, SSE_HEAD, Gate, chunk, numbered, reply


@pytest.fixture
def serve(authority, route):
    """serve(upstream…, **server): the router on HTTPS."""

    def start(*upstreams, **server):
        certificate, key = authority.issue("first", "127.0.0.1")
        return route(*upstreams, server={"certificate": str(certificate), "private_key": str(key), **server})

    return start


@pytest.fixture
def tls(authority):
    return authority.client_context("http/1.1")


def test_requests_on_one_connection(serve, upstream, tls):
    router = serve(upstream)
    with router.client(tls=tls) as client:
        assert client.socket.version() in ("TLSv1.2", "TLSv1.3")
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        assert client.ask().json()["choices"][0]["message"]["content"] == "hello"
        assert client.ask(key="not the key").error_code == "invalid_api_key"
    assert len(router.records()) == 1


def test_pipelined_requests(serve, upstream, tls):
    router = serve(upstream)
    with router.client(tls=tls) as client:
        client.send(request(body=chat("one")) + request(body=chat("two")))
        assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert [each.json()["messages"][0]["content"] for each in upstream.requests] == ["one", "two"]


def test_a_stream_comes_event_by_event(serve, make_upstream, tls):
    gate = Gate()

    def script(connection, _):
        connection.send(SSE_HEAD + chunk(numbered(1)))
        gate.wait()
        connection.send(chunk(numbered(2)) + END)

    router = serve(make_upstream(script))
    with router.client(tls=tls) as client:
        client.send(request(body=chat(stream=True)))
        client.read_head()
        assert client.read_chunk() == numbered(1)
        gate.open()
        assert client.read_chunk() == numbered(2)
        assert client.read_chunk() == b""


def test_long_bodies_both_ways(serve, make_upstream, tls):
    answer = json.dumps({"text": "x" * 3_000_000}).encode()
    upstream = make_upstream(reply(body=answer))
    router = serve(upstream)
    question = json.dumps(chat("y" * 5_000_000)).encode()
    assert router.ask(body=question, tls=tls).body == answer
    assert upstream.requests[0].body == question


def test_a_client_that_leaves_ends_its_request(serve, make_upstream, tls):
    def script(connection, _):
        connection.send(SSE_HEAD + chunk(numbered(1)))
        connection.wait_closed()

    upstream = make_upstream(script)
    router = serve(upstream)
    with router.client(tls=tls) as client:
        client.send(request(body=chat(stream=True)))
        client.read_head()
        client.read_chunk()
    assert router.only_record()["outcome"] == "client_closed"


def test_a_cut_reply_does_not_look_whole(serve, make_upstream, tls):
    def script(connection, _):
        connection.send(SSE_HEAD + chunk(numbered(1)))
        connection.reset()

    router = serve(make_upstream(script))
    with router.client(tls=tls) as client:
        client.send(request(body=chat(stream=True)))
        client.read_head()
        with pytest.raises(Broken):
            while client.read_chunk():
                pass


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "get"])
def test_plain_http_is_answered_in_plain_words(serve, upstream, method):
    router = serve(upstream)
    answer = router.ask(method=method)
    assert (answer.status, answer.error_code) == (400, "bad_request")
    assert "https://" in answer.json()["error"]["message"]
    assert answer.header("connection") == "close"


def test_who_speaks_neither_is_closed(serve, upstream, tls):
    router = serve(upstream)
    with router.client() as client:
        client.send(b"\x00\x01\x02 what is this\r\n\r\n")
        client.finish_sending()
        with contextlib.suppress(Broken):
            client.read_all()
    assert router.ask(tls=tls).status == 200


def test_a_handshake_that_stalls_is_given_up(serve, upstream):
    router = serve(upstream, header_timeout=0.3)
    with router.client() as silent, router.client() as begun:
        begun.send(b"\x16\x03\x01\x02\x00\x01")
        assert silent.closed()
        assert begun.closed()


def test_a_drain_waits_for_handshakes_no_longer_than_for_heads(serve, upstream):
    router = serve(upstream, header_timeout=2)
    with router.client() as silent, router.client() as begun:
        begun.send(b"\x16\x03\x01\x02\x00\x01")
        router.get("/healthz", key=None)  # plain HTTP: its answer tells that the others were accepted
        router.signal(signal.SIGTERM)
        assert silent.closed() and begun.closed()
        assert router.wait(20) == 0


def test_other_protocols_and_old_versions_are_refused(serve, upstream, authority):
    router = serve(upstream)
    with pytest.raises(ssl.SSLError, match="(?i)alert no application protocol"):
        router.client(tls=authority.client_context("h2"))
    done = subprocess.run(["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0",
                           "-connect", "%s:%d" % router.address], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert "alert protocol version" in done.stderr


def test_sighup_reads_the_certificate_again_and_drops_nobody(serve, upstream, authority, tls):
    router = serve(upstream)
    with router.client(tls=tls) as client:
        assert common_name(client.socket) == "first"
        before = len(router.lines)
        # The files are the same, what they hold is not.
        for made, served in zip(authority.issue("second", "127.0.0.1"), ("first.pem", "first.key")):
            made.replace(made.with_name(served))
        router.signal(signal.SIGHUP)
        router.wait_for_line("configuration was read again", after=before)
        assert client.ask().status == 200
        with router.client(tls=tls) as another:
            assert common_name(another.socket) == "second"
            assert another.ask().status == 200


def test_a_bad_certificate_leaves_the_one_in_force(serve, upstream, authority, tls):
    router = serve(upstream)
    before = len(router.lines)
    (authority.directory / "first.pem").write_text("no certificate\n")
    router.signal(signal.SIGHUP)
    router.wait_for_line(r"configuration stays as it was: .*server\.certificate", after=before)
    with router.client(tls=tls) as client:
        assert common_name(client.socket) == "first"


def refused_files(authority):
    certificate, key = authority.issue("good", "127.0.0.1")
    _, other_key = authority.issue("other", "127.0.0.1")
    locked = authority.directory / "locked.key"
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret-passphrase", "-out", locked)
    missing = authority.directory / "missing.pem"
    return {
        "missing": (missing, key, "No such file"),
        "no key file": (certificate, missing, "No such file"),
        "not PEM": (authority.directory / "good.request", key, "certificate"),
        "another's key": (certificate, other_key, "not that of the certificate"),
        "passphrase": (certificate, locked, "passphrase"),
    }


@pytest.mark.parametrize("case", ["missing", "no key file", "not PEM", "another's key", "passphrase"])
def test_files_that_cannot_be_used_are_named(router, upstream, authority, case):
    certificate, key, reason = refused_files(authority)[case]
    router.configure([upstream], server={"certificate": str(certificate), "private_key": str(key)})
    checked = router.run("config", "check")
    assert checked.returncode == 1
    assert "server.certificate" in checked.stderr and reason in checked.stderr, checked.stderr
    router.start(ready=False)
    assert router.wait() == 1
    assert reason in router.stderr.decode()


def test_one_file_without_the_other_is_refused(router, upstream):
    router.configure([upstream], server={"certificate": "cert.pem"})
    assert "private_key" in router.run("config", "check").stderr
