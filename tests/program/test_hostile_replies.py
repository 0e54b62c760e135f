"""Replies made to be misunderstood: what the client gets of them, and that nothing of them gets into the next reply (RFC 9112)."""

import pytest

from fakes.client import Broken, request
from fakes.rows import router_and_upstream, table
from fakes.upstream import Gate, raw, reply

# One whose replies are not judged by what they say.
ANY_PATH = "/v1/files"
CHUNKED = "Transfer-Encoding: chunked"
FRESH = reply(body=b'"fresh"', headers=[("Connection", "close")])


def answer(*fields: str, status="HTTP/1.1 200 OK", body=b"", content_type="application/json") -> bytes:
    """A reply written line by line."""
    return "\r\n".join([status, f"Content-Type: {content_type}", *fields, "", ""]).encode("latin-1") + body


def chunks(data: bytes, **kwargs) -> bytes:
    return answer(CHUNKED, body=data, **kwargs)


def audio(*fields: str, **kwargs) -> bytes:
    """A reply that is committed at its first byte."""
    return answer(*fields, content_type="audio/mpeg", **kwargs)


WHOLE = answer("Content-Length: 2", body=b"{}")
EVIL = answer("Content-Length: 6", body=b'"evil"')
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    yield from router_and_upstream(tmp_path_factory.mktemp("behind"), failover={"cooldown": 0})


@pytest.fixture
def router(behind):
    return behind[0]


@pytest.fixture
def upstream(behind):
    behind[1].wait_for_leaving()
    behind[1].forget()
    return behind[1]


def next_is_fresh(router, upstream):
    """The router has closed the connection, and the next request gets its own answer on another one."""
    upstream.wait_for_leaving()
    before = upstream.connections
    assert router.ask(ANY_PATH).body == b'"fresh"'
    assert (upstream.connections, len(upstream.requests)) == (before + 1, 2)


def is_a_failed_attempt(router, **how):
    failed = router.ask(ANY_PATH, **how)
    assert (failed.status, failed.error_code) == (502, "upstream_error")
    attempt, = router.attempts(router.record(failed))
    assert (attempt["outcome"], attempt["error"] != "") == ("cut", True)


# --- what is no reply

FRAMING = {
    "a length, then chunks": answer("Content-Length: 2", CHUNKED, body=b"2\r\n{}\r\n0\r\n\r\n"),
    "chunks, then a length": answer(CHUNKED, "Content-Length: 2", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "two lengths": answer("Content-Length: 2", "Content-Length: 3", body=b"{} "),
    "the same length twice": answer("Content-Length: 2", "Content-Length: 2", body=b"{}"),
    "a list of lengths": answer("Content-Length: 2, 2", body=b"{}"),
    "a negative length": answer("Content-Length: -2", body=b"{}"),
    "a positive length": answer("Content-Length: +2", body=b"{}"),
    "a length in hexadecimal": answer("Content-Length: 0x2", body=b"{}"),
    "a length of 64 bits and two": answer("Content-Length: 18446744073709551618", body=b"{}"),
    "an empty length": answer("Content-Length:", body=b"{}"),
    "a coding nobody knows": answer("Transfer-Encoding: xchunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "gzip, chunked": answer("Transfer-Encoding: gzip, chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "identity with a length": answer("Transfer-Encoding: identity", "Content-Length: 2", body=b"{}"),
    "chunked on two lines": answer(CHUNKED, CHUNKED, body=b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": answer(CHUNKED, status="HTTP/1.0 200 OK", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "a length on a folded line": answer("Content-Length:\r\n 2", body=b"{}"),
}
CHUNKS = {
    "a chunk size of no digits": chunks(b"zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk size": chunks(b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with 0x": chunks(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size of 17 digits": chunks(b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunks(b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk that ends in LF": chunks(b"2\r\n{}\n0\r\n\r\n"),
    "a length in the trailers": chunks(b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "an extension without end": chunks(b"2;" + b"a" * 1_000_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "trailers without end": chunks(b"2\r\n{}\r\n0\r\n" + b"X-T: 1\r\n" * 100_000 + b"\r\n"),
}
HEADS = {
    "17 interim replies": PROCESSING * 17 + WHOLE,
    "a flood of interim replies": PROCESSING * 100_000,
    "a 101 nobody asked for": answer("Upgrade: websocket", "Connection: Upgrade", status="HTTP/1.1 101 Switching Protocols"),
    "257 fields": answer(*(f"X-{n}: 1" for n in range(255)), "Content-Length: 2", body=b"{}"),
    "many long fields": answer(*(f"X-{n}: {'x' * 1000}" for n in range(100)), "Content-Length: 2", body=b"{}"),
    "fields without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
    "a line of 65 KiB": answer("X: " + "x" * (65 << 10), "Content-Length: 2", body=b"{}"),
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    "a folded field": answer("X: 1\r\n 2", "Content-Length: 2", body=b"{}"),
    "a NUL in a value": answer("X: 1\x002", "Content-Length: 2", body=b"{}"),
    "a NUL in a name": answer("X\x00: 1", "Content-Length: 2", body=b"{}"),
    "a bare LF in a value": answer("X: 1\nSet-Cookie: evil", "Content-Length: 2", body=b"{}"),
    "a bare CR in a value": answer("X: 1\rSet-Cookie: evil", "Content-Length: 2", body=b"{}"),
    "lines that end in LF": WHOLE.replace(b"\r\n", b"\n"),
    "a space before the colon": answer("Content-Length : 2", body=b"{}"),
    "a field without a colon": answer("Content-Length", body=b"{}"),
    "a status of letters": answer("Content-Length: 2", status="HTTP/1.1 abc", body=b"{}"),
    "a status of two digits": answer("Content-Length: 2", status="HTTP/1.1 99 X", body=b"{}"),
    "a status of four digits": answer("Content-Length: 2", status="HTTP/1.1 1000 X", body=b"{}"),
    "status 000": answer("Content-Length: 2", status="HTTP/1.1 000 X", body=b"{}"),
    "status 099": answer("Content-Length: 2", status="HTTP/1.1 099 X", body=b"{}"),
    "a negative status": answer("Content-Length: 2", status="HTTP/1.1 -20 X", body=b"{}"),
    "a status with a space": answer("Content-Length: 2", status="HTTP/1.1 2 0 X", body=b"{}"),
    "HTTP/2": answer("Content-Length: 2", status="HTTP/2 200", body=b"{}"),
    "HTTP/1.2": answer("Content-Length: 2", status="HTTP/1.2 200 OK", body=b"{}"),
    "another protocol": answer("Content-Length: 2", status="ICY 200 OK", body=b"{}"),
    "HTTP/0.9": b'"evil"',
    "a greeting": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "a NUL in the reason": answer("Content-Length: 2", status="HTTP/1.1 200 O\x00K", body=b"{}"),
    "a CR in the reason": answer("Content-Length: 2", status="HTTP/1.1 200 O\rSet-Cookie: evil", body=b"{}"),
    "an empty line before it": b"\r\n" + WHOLE,
    "a request": b"GET / HTTP/1.1\r\nHost: router\r\n\r\n",
}


@table({**FRAMING, **CHUNKS, **HEADS})
def test_what_is_no_reply_is_a_failed_attempt(router, upstream, row):
    upstream.answer(raw(row + EVIL, then="keep"), FRESH)
    is_a_failed_attempt(router)
    next_is_fresh(router, upstream)


# What waits for the rest of these would wait for the whole timeout.
HOPELESS = {
    "lines that end in LF": WHOLE.replace(b"\r\n", b"\n"),
    "HTTP/0.9": b"{}",
    "a greeting": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "an alert of TLS": b"\x15\x03\x01\x00\x02\x02\x46",
}


@table(HOPELESS)
def test_what_can_become_no_reply_is_a_failed_attempt_at_once(router, upstream, row):
    upstream.answer(raw(row, then="keep"), FRESH)
    is_a_failed_attempt(router, seconds=5)
    next_is_fresh(router, upstream)


# Whole as far as they go, and then nothing more: known by the end of the connection.
ENDED = {
    "nothing at all": b"",
    "half a status line": b"HTTP/1.1 2",
    "a head without end": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    "a length longer than the body": answer("Content-Length: 10", body=b"{}"),
    "no last chunk": chunks(b"2\r\n{}\r\n"),
    "half a last chunk": chunks(b"2\r\n{}\r\n0\r\n"),
    "trailers without an empty line": chunks(b"2\r\n{}\r\n0\r\nX-T: 1\r\n"),
    "a chunk size of 64 bits": chunks(b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "chunk sizes that end in LF": chunks(b"2\n{}\n0\n\n"),
    "only interim replies": PROCESSING * 16,
}


@table(ENDED)
def test_a_reply_that_ends_early_is_a_failed_attempt(router, upstream, row):
    upstream.answer(raw(row, then="close"), FRESH)
    is_a_failed_attempt(router)
    next_is_fresh(router, upstream)


# --- a reply with more behind it

SPLIT = {
    "behind a length": (WHOLE, 200, b"{}"),
    "behind chunks": (chunks(b"2\r\n{}\r\n0\r\n\r\n"), 200, b"{}"),
    "behind trailers": (chunks(b"2\r\n{}\r\n0\r\nX-T: evil\r\nSet-Cookie: evil\r\n\r\n"), 200, b"{}"),
    "behind a length too short": (audio("Content-Length: 1", body=b"{}"), 200, b"{"),
    "behind 16 interim replies": (PROCESSING * 16 + WHOLE, 200, b"{}"),
    "behind an interim reply with a length": (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 500\r\n\r\n" + WHOLE, 200, b"{}"),
    "behind 204": (answer(status="HTTP/1.1 204 No Content"), 204, b""),
    "behind 204 with a length": (answer("Content-Length: 500", status="HTTP/1.1 204 No Content"), 204, b""),
    "behind 204 with chunks": (answer(CHUNKED, status="HTTP/1.1 204 No Content", body=b"0\r\n\r\n"), 204, b""),
    "behind 304 with a length": (answer("Content-Length: 500", status="HTTP/1.1 304 Not Modified"), 304, b""),
    "behind a failure": (answer("Content-Length: 2", status="HTTP/1.1 500 X", body=b"{}"), 500, b"{}"),
    "behind a status nobody knows": (answer("Content-Length: 2", status="HTTP/1.1 999 X", body=b"{}"), 999, b"{}"),
    "behind 256 fields": (answer(*(f"X-{n}: 1" for n in range(254)), "Content-Length: 2", body=b"{}"), 200, b"{}"),
}


@pytest.mark.parametrize("more", [EVIL, b"x", b"\r\n"], ids=["a reply", "a byte", "an empty line"])
@table(SPLIT)
def test_what_stands_behind_a_reply_reaches_nobody(router, upstream, row, more):
    data, status, body = row
    upstream.answer(raw(data + more, then="keep"), FRESH)
    with router.client() as client:
        got = client.ask(ANY_PATH)
        assert (got.status, got.body) == (status, body)
        assert not any("evil" in name + value for name, value in got.headers)
        assert client.rest == b""
        next_is_fresh(router, upstream)


def test_what_stands_behind_a_reply_to_head_reaches_nobody(router, upstream):
    """A body where none may be (RFC 9110 9.3.2)."""
    upstream.answer(raw(EVIL, then="keep"), FRESH)
    got = router.ask("/v1/models", method="HEAD")
    assert (got.status, got.header("content-length")) == (200, "6")
    next_is_fresh(router, upstream)


# --- broken after commit

BROKEN = {
    "a bad chunk size": audio(CHUNKED, body=b"5\r\nhello\r\n") + b"zz\r\n",
    "a chunk longer than its size": audio(CHUNKED, body=b"5\r\nhello\r\n") + b"1\r\n{}\r\n0\r\n\r\n",
    "no last chunk": audio(CHUNKED, body=b"5\r\nhello\r\n"),
    "a length longer than the body": audio("Content-Length: 10", body=b"hello"),
}


@table(BROKEN)
def test_a_reply_that_turns_out_broken_is_not_ended_as_if_it_were_whole(router, upstream, row):
    begin, _, rest = row.partition(b"hello")
    gate = Gate()

    def script(connection, seen):
        connection.send(begin + b"hello")
        gate.wait()
        raw(rest, then="close")(connection, seen)

    upstream.answer(script, FRESH)
    with router.client() as client:
        client.send(request("/v1/audio/speech"))
        assert client.read_head().status == 200
        client.read_until(b"hello")
        gate.open()
        with pytest.raises(Broken):
            while not client.rest.endswith(b"0\r\n\r\n"):
                if not client.read_more():
                    raise Broken(client.rest, False)
    next_is_fresh(router, upstream)
