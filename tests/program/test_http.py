"""What a client may send, and what is refused before any upstream hears of it."""

import json

import pytest

from fakes.client import KEY, chat, request
from fakes.upstream import head, raw, reply, silence

BODY = json.dumps(chat()).encode()


def lines(*fields: str, path="/v1/chat/completions", method="POST", body=b"", version="HTTP/1.1") -> bytes:
    """A request written line by line, with the key."""
    return "\r\n".join([f"{method} {path} {version}", "Host: router", f"Authorization: Bearer {KEY}", *fields, "", ""]).encode("latin-1") + body


# --- the ordinary

def test_a_request_passes(route, upstream):
    router = route(upstream)
    reply = router.ask()
    assert reply.status == 200
    assert reply.json()["choices"][0]["message"]["content"] == "hello"
    assert upstream.requests[0].body == BODY
    assert upstream.requests[0].header("content-length") == str(len(BODY))


def test_a_connection_is_used_again(route, upstream):
    router = route(upstream)
    with router.client() as client:
        for _ in range(3):
            assert client.ask().status == 200
    assert upstream.connections == 1


def test_pipelined_requests_are_answered_in_order(route, make_upstream):
    upstream = make_upstream(*(reply(body={"n": n, "choices": [{"text": str(n)}]}) for n in range(3)))
    router = route(upstream)
    with router.client() as client:
        client.send(request() + request() + request(headers=[("Connection", "close")]))
        assert [client.read_response().json()["n"] for _ in range(3)] == [0, 1, 2]
        assert client.closed()


def test_a_chunked_upload_arrives_whole(route, upstream):
    router = route(upstream)
    with router.client() as client:
        client.send(lines("Content-Type: application/json", "Transfer-Encoding: chunked"))
        for byte in range(0, len(BODY), 7):
            piece = BODY[byte:byte + 7]
            client.send(b"%x;extension=1\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\nTrailer: x\r\n\r\n")
        assert client.read_response().status == 200
    assert upstream.requests[0].body == BODY


def test_a_head_that_comes_byte_by_byte(route, upstream):
    router = route(upstream)
    with router.client() as client:
        for byte in request():
            client.send(bytes([byte]))
        assert client.read_response().status == 200


def test_100_continue_is_sent_when_the_head_is_accepted(route, upstream):
    router = route(upstream)
    with router.client() as client:
        client.send(lines("Content-Type: application/json", f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert client.read_head().status == 100
        client.send(BODY)
        assert client.read_response().status == 200
    assert upstream.requests[0].header("expect") is None


@pytest.mark.parametrize("fields, status", [
    ([f"Content-Length: {1 << 40}"], 413),
    (["Content-Length: 10"], 403),
])
def test_no_100_continue_for_what_will_be_refused(route, upstream, fields, status):
    router = route(upstream)
    data = lines(*fields, "Expect: 100-continue")
    if status == 403:
        data = data.replace(KEY.encode(), b"wrong")
    with router.client() as client:
        client.send(data)
        assert client.read_head().status == status


@pytest.mark.parametrize("path, expected", [
    ("/v1/files", "/v1/files"),
    ("/v1/files?limit=1&after=a%20b", "/v1/files?limit=1&after=a%20b"),
    ("/v1/files/file-1/content", "/v1/files/file-1/content"),
    ("/v1/models/ft%3Agpt-4o%3Aorg", "/v1/models/ft%3Agpt-4o%3Aorg"),
    ("/v1/x?a=../b", "/v1/x?a=../b"),
])
def test_path_and_query_arrive_as_they_were(route, upstream, path, expected):
    router = route(upstream)
    assert router.get(path).status == 200
    assert upstream.requests[0].target == expected


@pytest.mark.parametrize("endpoint, expected", [("", "/v1/files"), ("/", "/v1/files"), ("/v1/", "/v1/files"),
                                                ("/api/openai/v3", "/api/openai/v3/files")])
def test_the_path_goes_behind_the_endpoints(route, upstream, endpoint, expected):
    router = route(f"http://127.0.0.1:{upstream.port}{endpoint}")
    assert router.get("/v1/files").status == 200
    assert upstream.requests[0].target == expected


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_any_method_is_routed(route, upstream, method):
    router = route(upstream)
    assert router.ask("/v1/files/1", method=method).status == 200
    assert upstream.requests[0].method == method


def test_head_is_answered_by_the_head_alone(route, upstream):
    router = route(upstream)
    with router.client() as client:
        assert client.ask("/v1/files", method="HEAD").status == 200
        assert client.ask("/v1/files", method="GET").status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_replies_without_a_body(route, make_upstream, status):
    router = route(make_upstream(raw(head(status, [("ETag", '"1"')]), then="keep")))
    with router.client() as client:
        for _ in range(2):
            reply = client.ask("/v1/files/1", method="DELETE")
            assert (reply.status, reply.header("etag"), reply.header("content-length")) == (status, '"1"', None)


def test_http_1_0_gets_no_chunks(route, make_upstream):
    chunked = head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n0\r\n\r\n"
    router = route(make_upstream(raw(chunked, then="keep")))
    with router.client() as client:
        client.send(lines(method="GET", path="/v1/x", version="HTTP/1.0"))
        reply = client.read_head()
        assert reply.header("transfer-encoding") is None
        assert client.read_all() == b"hello"


def test_a_binary_reply_is_byte_for_byte(route, make_upstream):
    sound = bytes(range(256)) * 5000
    router = route(make_upstream(reply(body=sound, content_type="audio/mpeg")))
    answer = router.ask("/v1/audio/speech", body={"model": "tts-1", "input": "x"})
    assert answer.body == sound
    assert router.record(answer)["response"] == f"[audio/mpeg, {len(sound)} bytes]"


def test_a_multipart_upload_keeps_every_byte(route, upstream):
    body = (b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n" + bytes(range(256)) * 40 + b"\r\n--b--\r\n")
    upstream.answer(reply(body={"text": "hello"}))
    router = route(upstream)
    answer = router.ask("/v1/audio/transcriptions", body=body, headers=[("Content-Type", "multipart/form-data; boundary=b")])
    assert answer.status == 200
    assert upstream.requests[0].body == body
    record = router.record(answer)
    assert record["model"] == "whisper-1"
    assert record["body"].endswith(f", {len(body)} bytes]")


# --- what is refused (malformed HTTP: test_hostile.py)

@pytest.mark.parametrize("body", [
    b'{"model":"a","messages":[],"model":"b"}',
    b'{"model":"a","messages":[],"mod\\u0065l":"b"}',
])
def test_two_models_are_refused(route, upstream, body):
    reply = route(upstream).ask(body=body)
    assert (reply.status, reply.error_code) == (400, "bad_request")
    assert upstream.requests == []


@pytest.mark.parametrize("path", ["/", "/v2/models", "/v1", "/v1x/models", "/favicon.ico"])
def test_other_paths_are_not_found(route, upstream, path):
    reply = route(upstream).get(path)
    assert (reply.status, reply.error_code) == (404, "not_found")


def test_a_model_nobody_has_is_not_found(route, upstream):
    router = route({"endpoint": upstream.url, "allow": ["gpt-4*"]})
    reply = router.ask(body=chat(model="claude"))
    assert (reply.status, reply.error_code) == (404, "model_not_found")
    assert router.record(reply)["outcome"] == "rejected"
    assert router.ask(body=chat(model="gpt-4o")).status == 200


def test_a_body_declared_too_large_is_refused_unread(route, upstream):
    router = route(upstream, server={"max_body": "1KiB"})
    with router.client() as client:
        client.send(lines("Content-Length: 2000"))
        reply = client.read_response()
        assert (reply.status, reply.error_code) == (413, "body_too_large")


def test_a_chunked_body_too_large_is_refused(route, upstream):
    router = route(upstream, server={"max_body": "1KiB"})
    with router.client() as client:
        client.send(lines("Transfer-Encoding: chunked") + (b"100\r\n" + b"x" * 256 + b"\r\n") * 5)
        reply = client.read_response()
        assert (reply.status, reply.error_code) == (413, "body_too_large")
    assert upstream.requests == []


def test_an_error_sent_early_can_be_read_by_a_client_that_is_still_sending(route, upstream):
    router = route(upstream)
    with router.client() as client:
        client.send(lines(f"Content-Length: {1 << 20}").replace(KEY.encode(), b"wrong"))
        client.send(b"x" * (1 << 16))
        reply = client.read_response()
        assert (reply.status, reply.header("connection")) == (403, "close")


def test_headers_too_large(route, upstream):
    router = route(upstream)
    with router.client() as client:
        client.send(lines(*(f"X-{n}: {'x' * 1000}" for n in range(200))))
        reply = client.read_response()
        assert (reply.status, reply.error_code) == (431, "headers_too_large")


@pytest.mark.parametrize("server, data", [
    ({"header_timeout": 0.3}, b"POST /v1/x HTTP/1.1\r\nHost: r"),
    ({"body_timeout": 0.3}, lines("Content-Length: 10", body=b"half")),
])
def test_a_client_that_stops_sending_is_told(route, upstream, server, data):
    router = route(upstream, server=server)
    with router.client() as client:
        client.send(data)
        reply = client.read_response()
        assert (reply.status, reply.error_code) == (408, "request_timeout")
        assert client.closed()


def test_a_connection_that_says_nothing_is_closed_without_a_word(route, upstream):
    router = route(upstream, server={"header_timeout": 0.3, "keep_alive": 0.3})
    with router.client() as client:
        assert client.read_all() == b""
    with router.client() as client:
        client.ask()
        assert client.read_all() == b""


def test_too_much_held_in_memory_is_overload(route, make_upstream):
    upstream = make_upstream(silence)
    router = route(upstream, server={"max_buffered": "300KiB"})
    body = b"x" * 200_000
    with router.client() as waiting:
        waiting.send(request(body=body))
        upstream.wait_for_requests()
        reply = router.ask(body=body)
        assert (reply.status, reply.error_code) == (503, "overloaded")
        assert reply.header("retry-after")


def test_a_body_that_is_no_json_is_the_upstreams_business(route, upstream):
    router = route(upstream)
    for body in (b"{", b"", b"\xff\xfe", b"[1,2]"):
        assert router.ask(body=body).status == 200
    assert [seen.body for seen in upstream.requests] == [b"{", b"", b"\xff\xfe", b"[1,2]"]


def test_rename_changes_the_value_of_model_and_no_other_byte(route, upstream):
    router = route({"endpoint": upstream.url, "rename": {"gpt-4o": "deployment \"7\""}})
    body = b'{ "a" : {"model":"gpt-4o"}, "n":1.0e2,\t"model" :  "gpt-4o" , "z":"\\u00e9" }'
    answer = router.ask(body=body)
    assert upstream.requests[0].body == body.replace(b':  "gpt-4o"', b':  "deployment \\"7\\""')
    assert upstream.requests[0].header("content-length") == str(len(upstream.requests[0].body))
    assert router.record(answer)["model"] == "gpt-4o"
