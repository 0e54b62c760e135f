"""Requests made to be misunderstood: what is refused, and exactly what the upstream sees of what passes (RFC 9112, 9110)."""

import socket

import pytest

from fakes.client import KEY, Broken, request
from fakes.rows import router_and_upstream, table

AUTHORIZATION = f"Authorization: Bearer {KEY}".encode()
CHAT = "/v1/chat/completions"
HIDDEN = request("/v1/smuggled", method="GET")
CHUNKED = "Transfer-Encoding: chunked"


def lines(*fields: str, path=CHAT, method="POST", body=b"", version="HTTP/1.1", host="Host: router") -> bytes:
    """A request written line by line, with the key."""
    return "\r\n".join([f"{method} {path} {version}", host, AUTHORIZATION.decode(), *fields, "", ""]).encode("latin-1") + body


def chunks(data: bytes) -> bytes:
    return lines(CHUNKED, body=data)


def get(path: str, **kwargs) -> bytes:
    return lines(path=path, method="GET", **kwargs)


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    yield from router_and_upstream(tmp_path_factory.mktemp("front"), server={"max_body": "1MiB"})


@pytest.fixture
def router(front):
    return front[0]


@pytest.fixture
def upstream(front):
    front[1].forget()
    return front[1]


def seen(upstream) -> list[tuple]:
    """The requests the upstream got, and not a byte besides."""
    assert b"".join(upstream.received) == b"".join(each.head + each.body for each in upstream.requests)
    return [(each.method, each.target, each.body) for each in upstream.requests]


def refuse(router, upstream, data: bytes, status=400, code="bad_request"):
    """The answer to `data`, behind which another request stands that must not be served."""
    with router.client() as client:
        client.send(data + HIDDEN)
        answer = client.read_response()
        assert (answer.status, answer.error_code) == (status, code)
        assert client.closed()
    assert upstream.received == []


# --- where a message ends

FRAMING = {
    "a length, then chunks": lines("Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "chunks, then a length": lines(CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n"),
    "the same length twice": lines("Content-Length: 5", "Content-Length: 5", body=b"hello"),
    "two lengths": lines("Content-Length: 5", "Content-Length: 6", body=b"hello"),
    "a list of the same length": lines("Content-Length: 5,5", body=b"hello"),
    "a list of lengths": lines("Content-Length: 5, 6", body=b"hello"),
    "a list of one": lines("Content-Length: 5,", body=b"hello"),
    "a positive length": lines("Content-Length: +5", body=b"hello"),
    "a negative length": lines("Content-Length: -5", body=b"hello"),
    "a length in hexadecimal": lines("Content-Length: 0x5", body=b"hello"),
    "a length with an exponent": lines("Content-Length: 1e1", body=b"hellohello"),
    "a length with a fraction": lines("Content-Length: 5.0", body=b"hello"),
    "a length with a space inside": lines("Content-Length: 5 5", body=b"hello"),
    "a length with a parameter": lines("Content-Length: 5;x", body=b"hello"),
    "a quoted length": lines('Content-Length: "5"', body=b"hello"),
    "a length behind a vertical tab": lines("Content-Length: \x0b5", body=b"hello"),
    "a length before a no-break space": lines("Content-Length: 5\xa0", body=b"hello"),
    "a length of 64 bits and five": lines("Content-Length: 18446744073709551621", body=b"hello"),
    "a length of many digits": lines("Content-Length: 99999999999999999999999", body=b"hello"),
    "an empty length": lines("Content-Length:"),
    "a coding nobody knows": lines("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked, identity": lines("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked, gzip": lines("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "gzip, chunked": lines("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked twice": lines("Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunked on two lines": lines(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "identity, and chunked on the next line": lines("Transfer-Encoding: identity", CHUNKED, body=b"0\r\n\r\n"),
    "identity with a length": lines("Transfer-Encoding: identity", "Content-Length: 5", body=b"hello"),
    "chunked and an empty element": lines("Transfer-Encoding: chunked,", body=b"0\r\n\r\n"),
    "an empty element and chunked": lines("Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"),
    "chunked with a parameter": lines("Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"),
    "chunked in quotes": lines('Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "chunked behind a vertical tab": lines("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "chunked before a no-break space": lines("Transfer-Encoding: chunked\xa0", body=b"0\r\n\r\n"),
    "an empty coding": lines("Transfer-Encoding:", "Content-Length: 5", body=b"hello"),
    "chunked on a folded line": lines("Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "chunked in HTTP/1.0": lines(CHUNKED, version="HTTP/1.0", body=b"0\r\n\r\n"),
    "chunked in HTTP/1.0 with a length": lines(CHUNKED, "Content-Length: 5", version="HTTP/1.0", body=b"0\r\n\r\n"),
}
CHUNKS = {
    "no chunk size": chunks(b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of no digits": chunks(b"zz\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk size": chunks(b"-5\r\nhello\r\n0\r\n\r\n"),
    "a positive chunk size": chunks(b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with 0x": chunks(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with an underscore": chunks(b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size behind a space": chunks(b" 5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size before a space": chunks(b"5 \r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a space inside": chunks(b"0 5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of 17 digits": chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of many digits": chunks(b"f" * 100 + b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk size line that ends in LF": chunks(b"5\nhello\r\n0\r\n\r\n"),
    "a chunk size line that ends in CR": chunks(b"5\rhello\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunks(b"3\r\nhello\r\n0\r\n\r\n"),
    "a chunk that ends without CRLF": chunks(b"5\r\nhello0\r\n\r\n"),
    "a chunk that ends in LF": chunks(b"5\r\nhello\n0\r\n\r\n"),
    "a last chunk that ends in LF": chunks(b"5\r\nhello\r\n0\n\n"),
    "an extension without a name": chunks(b"5;=b\r\nhello\r\n0\r\n\r\n"),
    "an extension with a LF": chunks(b"5;a\nhello\r\n0\r\n\r\n"),
    "an extension with a CR": chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "an extension with a NUL": chunks(b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
    "an extension whose quote is not closed": chunks(b'5;a="\r\nhello\r\n0\r\n\r\n'),
    "an extension quoted over the line's end": chunks(b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n'),
    "an extension without end": chunks(b"5;a=" + b"b" * 200_000 + b"\r\nhello\r\n0\r\n\r\n"),
    "extensions of many small chunks": chunks(b"1;a=%s\r\nx\r\n" % (b"b" * 1000) * 200 + b"0\r\n\r\n"),
    "a length in the trailers": chunks(b"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
    "a coding in the trailers": chunks(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a trailer without a colon": chunks(b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    "a trailer that ends in LF": chunks(b"5\r\nhello\r\n0\r\nX: 1\nY: 2\r\n\r\n"),
    "trailers without end": chunks(b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 30_000 + b"\r\n"),
}


@table({**FRAMING, **CHUNKS})
def test_ambiguous_framing_is_refused(router, upstream, row):
    refuse(router, upstream, row)


# --- the lines of a head

HEADS = {
    "a folded first field": lines(" X-A: 1", host="POST-like: 1").replace(b"\r\nPOST-like: 1", b""),
    "a field folded with a space": lines("X-A: 1\r\n 2"),
    "a field folded with a tab": lines("X-A: 1\r\n\t2"),
    "a Host folded": get("/v1/x", host="Host:\r\n router"),
    "a bare CR in a name": lines("X\rA: 1"),
    "a bare CR in a value": lines("X-A: 1\rX-B: 2"),
    "a bare CR at a value's end": lines("X-A: 1\r"),
    "a bare LF in a value": lines("X-A: 1\nX-B: 2"),
    "lines that end in LF": get("/v1/x").replace(b"\r\n", b"\n"),
    "an empty line that ends in LF": get("/v1/x")[:-2] + b"\n\r\n",
    "a NUL in a name": lines("X\x00A: 1"),
    "a NUL in a value": lines("X-A: 1\x002"),
    "a NUL in the target": get("/v1/\x00x"),
    "a control character in a value": lines("X-A: \x01"),
    "a DEL in a value": lines("X-A: \x7f"),
    "a DEL in the target": get("/v1/\x7fx"),
    "a tab in the target": get("/v1/\tx"),
    "a space in the target": get("/v1/a b"),
    "a space before the colon": lines("Content-Length : 5", body=b"hello"),
    "a tab before the colon": lines("Content-Length\t: 5", body=b"hello"),
    "a space in a name": lines("X A: 1"),
    "a parenthesis in a name": lines("X(A): 1"),
    "a name that is not ASCII": lines("X\xe9: 1"),
    "an empty name": lines(": 1"),
    "a field without a colon": lines("X-A"),
    "no Host": b"GET /v1/x HTTP/1.1\r\n" + AUTHORIZATION + b"\r\n\r\n",
    "two Hosts": lines("Host: other"),
    "two equal Hosts": lines("Host: router"),
    "a Host with a space": get("/v1/x", host="Host: a b"),
    "a Host with a path": get("/v1/x", host="Host: a/b"),
    "a Host with a user": get("/v1/x", host="Host: user@router"),
    "no request at all": b"hello\r\n\r\n",
    "HTTP/0.9": b"GET /v1/x\r\n\r\n",
    "HTTP/0.9 by name": get("/v1/x", version="HTTP/0.9"),
    "HTTP/1.2": get("/v1/x", version="HTTP/1.2"),  # allowed to be taken for 1.1 (RFC 9110 2.5); nobody sends it
    "HTTP/1.10": get("/v1/x", version="HTTP/1.10"),
    "HTTP/01.1": get("/v1/x", version="HTTP/01.1"),
    "HTTP/2.0": get("/v1/x", version="HTTP/2.0"),
    "HTTP in lower case": get("/v1/x", version="http/1.1"),
    "another protocol": get("/v1/x", version="HTTX/1.1"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces behind the method": get("/v1/x").replace(b"GET ", b"GET  "),
    "two spaces before the version": get("/v1/x").replace(b" HTTP", b"  HTTP"),
    "a tab behind the method": get("/v1/x").replace(b"GET ", b"GET\t"),
    "a space behind the version": get("/v1/x").replace(b"HTTP/1.1", b"HTTP/1.1 "),
    "a space before the method": b" " + get("/v1/x"),
    "an empty line that ends in LF before the method": b"\n" + get("/v1/x"),
    "an at sign in the method": lines(method="G@T"),
    "a method that is not ASCII": lines(method="G\xc9T"),
    "a control character in the method": lines(method="G\x01T"),
    "no method": lines(method=""),
    "CONNECT to an authority": lines(method="CONNECT", path="router:443"),
    "an authority": get("router:443"),
    "an asterisk": get("*"),
    "no leading slash": get("v1/models"),
    "another scheme": get("ftp://router/v1/models"),
    "a scheme that begins like http": get("httpx://router/v1/models"),
    "a URL without a host": get("http:///v1/models"),
    "a URL with a user": get("http://user:password@router/v1/models"),
    "a URL with dot segments": get("http://router/v1/../x"),
    "a fragment": get("/v1/models#x"),
    "a fragment behind a query": get("/v1/models?x#y"),
}
PATHS = [
    "/v1/..", "/v1/../x", "/v1/./x", "/v1/x/..", "/v1/a/../../b", "/v1//../x", "/./v1/x", "/v1/a/..?x=1", "/v1/metrics/../x",
    "/v1/%2e%2e/x", "/v1/%2E%2e/x", "/v1/.%2e/x", "/v1/%2e/x", "/v1/x/%2e%2e?y", "/v1/files/%2e", "/v1/%252e%252e/x", "/v1/%2%65%2%65/x",
    "/v1/..%2fx", "/v1%2f..%2fx", "/v1/%2E%2E%2Fx", "/v1/..%252fx", "/v1/x%2f..%2fy", "/v1/%3f/..", "/v1/x%3f/../y",
    "/v1/..\\x", "/v1/\\..\\x", "/v1/a\\b", "/v1/..%5cx", "/v1/%5c..%5cx", "/v1/%5c%2e%2e", "/v1/%255c..%255cx",
    "/v1/..;/x", "/v1/..;a=b/x", "/v1/.;/x", "/v1/..%3b/x", "/v1/%2e%2e%3bx/y",
    "/v1/%00", "/v1/..%00/x", "/v1/%09", "/v1/a%0d%0ab", "/v1/%252e%252e/x/%00", "/v1/%7f",
]


@table({**HEADS, **{f"path {path}": get(path) for path in PATHS}})
def test_heads_that_others_may_read_otherwise_are_refused(router, upstream, row):
    refuse(router, upstream, row)


TOO_LARGE = {
    "a URL": (get("/v1/" + "x" * 65536), 431, "headers_too_large"),
    "a field": (lines("X: " + "x" * 65536), 431, "headers_too_large"),
    # Not longer than what is discarded so that the answer can be read.
    "a field without end": (lines("X: " + "x" * 200_000), 431, "headers_too_large"),
    "a method": (lines(method="A" * 70_000), 431, "headers_too_large"),
    "257 fields": (get("/v1/x", host="Host: r\r\n" + "\r\n".join(f"X-{n}: 1" for n in range(255))), 431, "headers_too_large"),
    "a length of 64 bits": (lines("Content-Length: 18446744073709551615", body=b"hello"), 413, "body_too_large"),
    "a length over max_body": (lines(f"Content-Length: {(1 << 20) + 1}", body=b"hello"), 413, "body_too_large"),
    "chunks over max_body": (chunks(b"10000\r\n%s\r\n" % (b"x" * 65536) * 17), 413, "body_too_large"),
    "a chunk size of 64 bits": (chunks(b"ffffffffffffffff\r\n" + b"x" * (1 << 20)), 413, "body_too_large"),
}


@table(TOO_LARGE)
def test_what_is_too_large_is_refused(router, upstream, row):
    data, status, code = row
    refuse(router, upstream, data, status, code)


# --- what is hidden in a body nobody read

UNREAD = {
    "a wrong key": (lines(f"Content-Length: {len(HIDDEN)}").replace(AUTHORIZATION, b"Authorization: Bearer wrong"), 403),
    "another path": (lines(f"Content-Length: {len(HIDDEN)}", path="/v2/x"), 404),
    "a page": (get("/healthz", host=f"Host: r\r\nContent-Length: {len(HIDDEN)}"), 200),
    "a preflight": (lines(f"Content-Length: {len(HIDDEN)}", method="OPTIONS"), 204),
    "a method not passed on": (lines(f"Content-Length: {len(HIDDEN)}", method="TRACE"), 405),
    "chunks": (lines(CHUNKED, path="/v2/x", body=b"%x\r\n" % len(HIDDEN)), 404),
}


@table(UNREAD)
def test_a_body_that_is_not_read_is_not_served_as_requests(router, upstream, row):
    data, status = row
    with router.client() as client:
        client.send(data + HIDDEN)
        answer = client.read_response()
        assert (answer.status, answer.header("connection")) == (status, "close")
        assert client.closed()
    assert upstream.received == []


# --- what passes, and as what

def posted(body: bytes) -> tuple:
    return "POST", CHAT, body


PASSING = {
    "a length with zeros before it": (lines("Content-Length: 0005", body=b"hello"), posted(b"hello")),
    "a length between tabs": (lines("Content-Length:\t5\t ", body=b"hello"), posted(b"hello")),
    "no length": (lines(), posted(b"")),
    "chunked in mixed case": (lines("TrAnSfEr-EnCoDiNg: \tChUnKeD\t", body=b"5\r\nhello\r\n0\r\n\r\n"), posted(b"hello")),
    "an extension": (chunks(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), posted(b"hello")),
    "a quoted extension": (chunks(b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'), posted(b"hello")),
    "an extension behind a space": (chunks(b"5 ;a\r\nhello\r\n0\r\n\r\n"), posted(b"hello")),
    "a long extension": (chunks(b"5;a=" + b"b" * 15_000 + b"\r\nhello\r\n0\r\n\r\n"), posted(b"hello")),
    "a chunk size with zeros before it": (chunks(b"00000000000000005\r\nhello\r\n000\r\n\r\n"), posted(b"hello")),
    "a chunk size in capitals": (chunks(b"A\r\nhellohello\r\n0\r\n\r\n"), posted(b"hellohello")),
    "trailers": (chunks(b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 300 + b"\r\n"), posted(b"hello")),
    "a trailer that asks for an upgrade": (chunks(b"5\r\nhello\r\n0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), posted(b"hello")),
    "a request in a body": (lines(f"Content-Length: {len(HIDDEN)}", body=HIDDEN), posted(HIDDEN)),
    "a request in a chunk": (chunks(b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)), posted(HIDDEN)),
    "the end of chunks in a body with a length": (lines("Content-Length: 5", body=b"0\r\n\r\n"), posted(b"0\r\n\r\n")),
    "a GET with a body": (get("/v1/x", host="Host: r\r\nContent-Length: 5") + b"hello", ("GET", "/v1/x", b"hello")),
    "an underscore in Transfer_Encoding": (lines("Transfer_Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), posted(b"0\r\n\r\n")),
    "a value that is not ASCII": (lines("X-A: caf\xe9"), posted(b"")),
    "an empty line before the method": (b"\r\n" + get("/v1/x"), ("GET", "/v1/x", b"")),
    "256 fields": (get("/v1/x", host="Host: r\r\n" + "\r\n".join(f"X-{n}: 1" for n in range(254))), ("GET", "/v1/x", b"")),
    "a long URL": (get("/v1/" + "x" * 60_000), ("GET", "/v1/" + "x" * 60_000, b"")),
    "a long field": (lines("X: " + "x" * 60_000), posted(b"")),
    "a method in lower case": (lines(method="get", path="/v1/x"), ("get", "/v1/x", b"")),
    "a method nobody knows": (lines(method="A" * 1000, path="/v1/x"), ("A" * 1000, "/v1/x", b"")),
    "an empty Host": (get("/v1/x", host="Host:"), ("GET", "/v1/x", b"")),
    "a Host of another name": (get("/v1/x", host="Host: evil.example:99"), ("GET", "/v1/x", b"")),
    "a URL": (get("http://router/v1/files?a=b"), ("GET", "/v1/files?a=b", b"")),
    "a URL of another host": (get("HTTPS://evil.example:1/v1/files"), ("GET", "/v1/files", b"")),
    **{f"path {path}": (get(path), ("GET", path, b"")) for path in (
        "/v1/", "/v1/?", "/v1//x", "/v1//evil.example/x", "/v1/...", "/v1/.../x", "/v1/..x", "/v1/x..", "/v1/~", "/v1/;/x", "/v1/x;y=1",
        "/v1/%", "/v1/%zz", "/v1/%2", "/v1/%20", "/v1/..%20/x", "/v1/models%23x", "/v1/%25252e%25252e/x", "/v1/http://evil.example/",
        # No UTF-8 for dots and slashes, or dots of other scripts: these are other characters (RFC 3986 2.5).
        "/v1/%c0%ae%c0%ae/x", "/v1/..%c0%afx", "/v1/%e0%80%ae%e0%80%ae/x", "/v1/%ef%bc%8e%ef%bc%8e/x", "/v1/%u002e%u002e/x", "/v1/\xc0\xae\xc0\xae/x",
        "/v1/x?a=../../b", "/v1/x?a=%00", "/v1/x?a=%0d%0aX:1", "/v1/x?a=\\..\\", "/v1/metrics/", "/v1/%6detrics")},
}


@table(PASSING)
def test_what_passes_is_one_request_and_the_next_one_follows(router, upstream, row):
    data, expected = row
    with router.client() as client:
        client.send(data + request("/v1/next", method="GET"))
        assert [client.read_response().status, client.read_response().status] == [200, 200]
    assert seen(upstream) == [expected, ("GET", "/v1/next", b"")]


@pytest.mark.parametrize("path", ["/v1", "/v1?", "/V1/models", "//v1/models", "/v1%2fmodels", "/%76%31/models", "/v1;/models", "/v1x/models",
                                  "http://router", "http://router?x=/v1/models"])
def test_paths_outside_are_not_found(router, upstream, path):
    with router.client() as client:
        client.send(get(path) + request("/v1/next", method="GET"))
        assert client.read_response().error_code == "not_found"
        assert client.read_response().status == 200
    assert seen(upstream) == [("GET", "/v1/next", b"")]


@pytest.mark.parametrize("method", ["TRACE", "trace", "TRACK", "CONNECT"])
def test_methods_that_speak_to_those_on_the_way_end_at_the_router(router, upstream, method):
    """TRACE would bring the upstream's key back in the echo (RFC 9110 9.3.8)."""
    with router.client() as client:
        client.send(lines(method=method, path="/v1/models") + request("/v1/next", method="GET"))
        answer = client.read_response()
        assert (answer.status, answer.error_code) == (405, "method_not_allowed")
        assert answer.header("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        assert client.read_response().status == 200
    assert seen(upstream) == [("GET", "/v1/next", b"")]


@pytest.mark.parametrize("field", ["Authorization: Bearer evil", "X-Api-Key: evil", "Host: evil", "Cookie: evil", "X-A: evil", "X-A: 1\r\n evil"])
def test_trailers_do_not_reach_the_upstream(router, upstream, field):
    with router.client() as client:
        client.send(chunks(b"5\r\nhello\r\n0\r\n" + field.encode() + b"\r\n\r\n"))
        assert client.read_response().status == 200
    assert seen(upstream) == [posted(b"hello")]
    assert b"evil" not in b"".join(upstream.received)


@pytest.mark.parametrize("named", ["content-length", "transfer-encoding", "host", "authorization", "content-length, authorization, host"])
def test_connection_takes_nothing_of_the_routers_own_away(router, upstream, named):
    with router.client() as client:
        client.send(lines(f"Connection: keep-alive, {named}", "Content-Length: 5", body=b"hello"))
        assert client.read_response().status == 200
    assert seen(upstream) == [posted(b"hello")]
    head = upstream.requests[0]
    assert head.header_values("content-length") == ["5"]
    assert head.header_values("host") == [f"127.0.0.1:{upstream.port}"]
    assert head.header_values("authorization") == ["Bearer sk-upstream-first-0123456789"]


# --- what comes slowly

def drip(client, piece: bytes, times=200):
    """Sends `piece` again and again, until the router says something or closes."""
    client.socket.settimeout(0.05)
    for _ in range(times):
        try:
            client.send(piece)
            client.read_more()
            break
        except socket.timeout:
            pass
        except (Broken, ConnectionError):
            break
    else:
        pytest.fail("it would have gone on")
    client.socket.settimeout(10)


@pytest.mark.parametrize("data, piece", [(b"POST /v1/x HTTP/1.1\r\nX: ", b"x"), (b"POST /v1/x HTTP/1.1\r\n", b"X: 1\r\n"), (b"", b"P")])
def test_a_head_that_drips_has_a_limit_in_all(make_router, make_upstream, data, piece):
    upstream = make_upstream()
    router = make_router().configure([upstream], server={"header_timeout": 0.5}).start()
    with router.client() as client:
        client.send(data)
        drip(client, piece)
        answer = client.read_response()
        assert (answer.status, answer.error_code) == (408, "request_timeout")
    assert upstream.requests == []


@pytest.mark.parametrize("first", [True, False], ids=["before the first request", "between two requests"])
def test_empty_lines_do_not_keep_a_connection(make_router, make_upstream, first):
    router = make_router().configure([make_upstream()], server={"header_timeout": 0.5, "keep_alive": 0.5}).start()
    with router.client() as client:
        if not first:
            assert client.ask().status == 200
        drip(client, b"\r\n")
        assert client.closed()


@pytest.mark.parametrize("data", [
    lines("Content-Length: 10", body=b"half"), chunks(b""), chunks(b"5"), chunks(b"5\r\nhel"), chunks(b"5\r\nhello"), chunks(b"5\r\nhello\r\n0\r\n"),
    chunks(b"5\r\nhello\r\n0\r\nX: 1\r\n"),
])
def test_a_body_that_stops_anywhere_is_given_up(make_router, make_upstream, data):
    upstream = make_upstream()
    router = make_router().configure([upstream], server={"body_timeout": 0.3}).start()
    with router.client() as client:
        client.send(data)
        answer = client.read_response()
        assert (answer.status, answer.error_code) == (408, "request_timeout")
        assert client.closed()
    assert upstream.requests == []


def test_a_body_that_drips_is_waited_for(make_router, make_upstream):
    upstream = make_upstream()
    router = make_router().configure([upstream], server={"body_timeout": 2}).start()
    with router.client() as client:
        piece = b"x" * 4096  # as much as a second more is given for
        client.send(lines(f"Content-Length: {12 * len(piece)}"))
        client.socket.settimeout(0.25)  # eleven times that is longer than a silence may be
        for _ in range(11):
            client.send(piece)
            with pytest.raises((socket.timeout, Broken)):
                client.read_more()
        client.socket.settimeout(10)
        client.send(piece)
        assert client.read_response().status == 200
    assert upstream.requests[0].body == 12 * piece
