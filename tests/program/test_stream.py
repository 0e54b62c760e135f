"""Replies on their way: when they are committed, how they pass, and how they break (SPEC 5, points 5 to 8 and 11)."""

import json
import socket
import time

import pytest

from fakes.client import Broken, chat, request
from fakes.router import eventually
from fakes.upstream import END, SSE_HEAD, Gate, chat_events, chunk, head, numbered, raw, reply, silence, stream

STREAMED = chat(stream=True)
ODD_EVENTS = (b"\xef\xbb\xbf: a comment\r\n\r\nretry: 5\r\nid:7\r\ndata:no space\r\n\r\nevent: unknown\ndata: line 1\ndata: line 2\n\n"
              b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80\"}}]}\n\n\n\n:\n\nx: y\rdata: cr\r\rdata: [DONE]\n\n")


# --- 11: byte for byte

@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_passes_byte_for_byte(route, make_upstream, size):
    pieces = [ODD_EVENTS[at:at + size] for at in range(0, len(ODD_EVENTS), size)]
    router = route(make_upstream(stream(*pieces)))
    answer = router.ask(body=STREAMED)
    assert answer.body == ODD_EVENTS
    assert answer.header("content-type") == "text/event-stream"
    assert router.record(answer)["response"] == "你好 😀"


def test_each_event_passes_at_once(route, make_upstream):
    gates = [Gate() for _ in range(3)]

    def script(connection, _):
        connection.send(SSE_HEAD)
        for number, gate in enumerate(gates):
            connection.send(chunk(numbered(number)))
            gate.wait()
        connection.send(END)

    router = route(make_upstream(script))
    with router.client() as client:
        client.send(request(body=STREAMED))
        assert client.read_head().status == 200
        for number, gate in enumerate(gates):
            assert client.read_chunk() == numbered(number)
            gate.open()
        assert client.read_chunk() == b""


def test_a_stream_that_ends_with_its_connection(route, make_upstream):
    data = b"".join(chat_events("a", "b"))
    router = route(make_upstream(raw(head(200, [("Content-Type", "text/event-stream"), ("Connection", "close")]) + data)))
    answer = router.ask(body=STREAMED)
    assert answer.body == data
    assert router.record(answer)["outcome"] == "ok"


def test_a_large_stream(route, make_upstream):
    pieces = [numbered(n, pad="x" * 3000) for n in range(2000)]
    answer = route(make_upstream(stream(*pieces))).ask(body=STREAMED)
    assert answer.body == b"".join(pieces)


def test_a_client_that_reads_slowly_gets_everything(route, make_upstream):
    pieces = [numbered(n, pad="x" * 100_000) for n in range(300)]
    upstream = make_upstream(stream(*pieces))
    router = route(upstream)
    with router.client() as client:
        client.send(request(body=STREAMED))
        client.read_head()
        time.sleep(0.5)  # what waits is far more than the buffers in between can take
        assert b"".join(iter(client.read_chunk, b"")) == b"".join(pieces)


# --- 5: commit

def test_a_stream_is_committed_at_its_first_event_and_not_before(route, make_upstream):
    gate = Gate()

    def script(connection, _):
        connection.send(SSE_HEAD + chunk(b": still thinking\n\n"))
        gate.wait()
        connection.send(chunk(numbered(1)))
        connection.wait_closed()

    router = route(make_upstream(script))
    with router.client() as client:
        client.send(request(body=STREAMED))
        client.socket.settimeout(0.3)
        with pytest.raises(socket.timeout):
            client.read_more()
        client.socket.settimeout(10)
        gate.open()
        assert client.read_head().status == 200
        # What came before the first event is not lost.
        data = client.read_chunk()
        while b'"n"' not in data:
            data += client.read_chunk()
        assert data == b": still thinking\n\n" + numbered(1)


@pytest.mark.parametrize("content_type", ["audio/mpeg", "application/x-ndjson", "text/plain"])
def test_other_replies_are_committed_at_their_first_byte(route, make_upstream, content_type):
    def script(connection, _):
        connection.send(head(200, [("Content-Type", content_type), ("Content-Length", 10)]) + b"a")
        connection.wait_closed()

    router = route(make_upstream(script))
    with router.client() as client:
        client.send(request())
        assert client.read_head().status == 200
        assert client.read_exactly(1) == b"a"


def test_a_long_json_is_committed_when_the_buffer_is_full(route, make_upstream):
    def script(connection, _):
        connection.send(head(200, [("Content-Type", "application/json"), ("Content-Length", 100_000)]) + b"[" + b" " * 60_000)
        connection.wait_closed()

    router = route(make_upstream(script), failover={"reply_buffer": "32KiB"})
    with router.client() as client:
        client.send(request())
        assert client.read_head().header("content-length") == "100000"
        assert len(client.read_exactly(60_001)) == 60_001


def test_any_reply_is_committed_some_time_after_its_headers(route, make_upstream):
    script = raw(head(200, [("Content-Type", "application/json"), ("Content-Length", 100)]) + b"{", then="stall")
    router = route(make_upstream(script), failover={"commit_after": 0.3})
    with router.client() as client:
        client.send(request())
        assert client.read_head().status == 200


def test_json_for_a_stream_is_relayed_as_json(route, make_upstream):
    answer = route(make_upstream(reply())).ask(body=STREAMED)
    assert (answer.header("content-type"), answer.json()["object"]) == ("application/json", "chat.completion")


# --- 6 and 7: cut after commit

@pytest.mark.parametrize("then", ["close", "reset", "stall"])
def test_a_stream_cut_after_its_first_event_breaks(route, make_upstream, then):
    events = chat_events("one", "two")[:3]
    upstream, other = make_upstream(stream(*events, then=then)), make_upstream()
    router = route(upstream, other, timeouts={"idle": 1} if then == "stall" else {})
    with router.client() as client:
        client.send(request(body=STREAMED))
        answer = client.read_head()
        received = b""
        with pytest.raises(Broken):
            while data := client.read_chunk():
                received += data
    told, last, _ = received.removeprefix(b"".join(events)).partition(b"\n\n")
    assert received.startswith(b"".join(events))
    assert json.loads(told.removeprefix(b"data: "))["error"]["code"] == "upstream_truncated"
    assert b"[DONE]" not in received and last == b"\n\n"
    assert other.requests == []
    record = eventually(lambda: router.sql("SELECT * FROM records WHERE request_id = ?", answer.header("x-request-id")))[0]
    assert (record["outcome"], record["status"], record["response"]) == ("truncated", 200, "onetwo")
    assert router.attempts(record)[0]["outcome"] == ("timeout" if then == "stall" else "cut")


def test_nothing_is_put_into_the_middle_of_an_event(route, make_upstream):
    router = route(make_upstream(stream(numbered(1), b'data: {"n"', then="close")))
    with router.client() as client:
        client.send(request(body=STREAMED))
        client.read_head()
        received = b""
        with pytest.raises(Broken):
            while data := client.read_chunk():
                received += data
    assert received == numbered(1) + b'data: {"n"'


def test_anthropic_clients_are_told_in_their_own_way(route, make_upstream):
    first = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1}}}\n\n' \
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    router = route(make_upstream(stream(first, then="close")))
    with router.client() as client:
        client.send(request("/v1/messages", body=STREAMED))
        client.read_head()
        received = b""
        with pytest.raises(Broken):
            while data := client.read_chunk():
                received += data
    name, data = received.removeprefix(first).decode().strip().split("\n")
    assert name == "event: error"
    told = json.loads(data.removeprefix("data: "))
    assert told["type"] == "error" and told["error"]["message"]


@pytest.mark.parametrize("fields, sent", [
    ([("Content-Length", 100)], b"only this"),
    ([("Transfer-Encoding", "chunked")], chunk(b"only this")),
])
def test_other_replies_cut_after_commit_break(route, make_upstream, fields, sent):
    router = route(make_upstream(raw(head(200, [("Content-Type", "audio/mpeg"), *fields]) + sent)), make_upstream())
    with router.client() as client:
        client.send(request())
        with pytest.raises(Broken):
            client.read_response()
    assert router.only_record()["outcome"] == "truncated"


def test_http_1_0_is_told_by_a_reset(route, make_upstream):
    cut = head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")]) + chunk(b"only this")
    router = route(make_upstream(raw(cut)))
    with router.client() as client:
        client.send(request(version="HTTP/1.0"))
        with pytest.raises(Broken) as broken:
            client.read_all()
        assert broken.value.was_reset


def test_bytes_restart_the_idle_limit(route, make_upstream):
    def script(connection, _):
        connection.send(SSE_HEAD)
        for number in range(8):
            connection.send(chunk(numbered(number)))
            time.sleep(0.4)
        connection.send(END)

    answer = route(make_upstream(script), timeouts={"idle": 2}).ask(body=STREAMED)
    assert answer.body == b"".join(numbered(number) for number in range(8))


def test_total_ends_at_commit(route, make_upstream):
    gate = Gate()

    def script(connection, _):
        connection.send(SSE_HEAD + chunk(numbered(1)))
        gate.wait()
        connection.send(chunk(numbered(2)) + END)

    router = route(make_upstream(script), failover={"total": 2})
    with router.client() as client:
        client.send(request(body=STREAMED))
        client.read_head()
        assert client.read_chunk() == numbered(1)
        time.sleep(2.3)
        gate.open()
        assert client.read_chunk() == numbered(2)
        assert client.read_chunk() == b""


# --- 8: the client goes away

@pytest.mark.parametrize("leave", ["close", "reset", "finish_sending"])
@pytest.mark.parametrize("script", [silence, stream(numbered(1), then="stall")], ids=["waiting", "streaming"])
def test_a_client_that_leaves_cancels_the_attempt(route, make_upstream, leave, script):
    upstream, other = make_upstream(script), make_upstream()
    router = route(upstream, other, timeouts={"stream": 30})
    with router.client() as client:
        client.send(request(body=STREAMED))
        upstream.wait_for_requests()
        if script is not silence:
            client.read_head()
            client.read_chunk()
        getattr(client, leave)()
        upstream.wait_for(lambda: not upstream._open)
        record = router.only_record()
    assert (record["outcome"], record["status"], record["attempts"]) == ("client_closed", 499, 1)
    assert router.attempts(record)[0]["outcome"] == "client_closed"
    assert other.requests == []


def test_pipelined_bytes_are_no_leaving(route, make_upstream):
    gate = Gate()

    def script(connection, seen):
        gate.wait()
        reply()(connection, seen)

    upstream = make_upstream(script)
    router = route(upstream)
    with router.client() as client:
        client.send(request())
        upstream.wait_for_requests()
        client.send(request() + request())
        gate.open()
        assert [client.read_response().status for _ in range(3)] == [200] * 3
