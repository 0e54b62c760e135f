"""WebSocket connections: the handshake fails over, then bytes pass both ways untouched."""

import base64
import contextlib
import json
import os
import select
import signal
import socket
import threading
import zlib

import pytest

from fakes.certificates import server_context
from fakes.client import KEY, request
from fakes.router import eventually, impatient
from fakes.upstream import Gone, head, raw, refused_url, reply, silence
from fakes.websocket import ACCEPTED, REALTIME, UPGRADE, handshake

def accept(then, accepted=ACCEPTED):
    """Takes the handshake; `then(connection)` is what follows."""

    def script(connection, _):
        connection.send(accepted)
        then(connection)

    return script


def echo(connection):
    """Until the client ends its side; then it ends its own."""
    try:
        while True:
            connection.send(connection.read_more())
    except Gone:
        pass


def opened(router, *fields, tls=None, **kwargs):
    client = router.client(tls=tls)
    client.send(handshake(*fields, **kwargs))
    answer = client.read_head()
    assert answer.status == 101
    return client, answer


def test_bytes_pass_both_ways_untouched(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route(upstream)
    client, answer = opened(router, ("Sec-WebSocket-Extensions", "permessage-deflate"))
    assert answer.header("upgrade") == "websocket" and answer.header("connection") == "Upgrade"
    assert answer.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.header("x-route-upstream") == "first" and answer.header("x-request-id")
    assert answer.header("content-length") is None and answer.header("transfer-encoding") is None
    data = os.urandom(300_000)
    client.send(data[:7])
    assert client.read_exactly(7) == data[:7]
    client.send(data[7:100_000])
    client.send(data[100_000:])
    assert client.read_exactly(len(data) - 7) == data[7:]
    client.finish_sending()
    assert client.read_all() == b""
    seen = upstream.requests[0]
    assert seen.target == REALTIME
    assert seen.header("connection") == "Upgrade" and seen.header("upgrade") == "websocket"
    assert seen.header("sec-websocket-key") and seen.header("sec-websocket-extensions") == "permessage-deflate"
    assert seen.header("authorization") == "Bearer sk-upstream-first-0123456789"
    record = router.only_record()
    assert (record["status"], record["outcome"], record["path"]) == (101, "ok", "/v1/realtime")
    assert (record["body_bytes"], record["response_bytes"]) == (len(data), len(data))
    assert record["response"] == f"[websocket, {len(data)} bytes]"
    assert record["elapsed_time"] >= record["response_time"] > 0
    assert router.attempts(record)[0]["outcome"] == "ok"


def test_what_comes_with_the_handshakes_is_not_lost(route, make_upstream):
    router = route(make_upstream(accept(echo, ACCEPTED + b"early answer")))
    with router.client() as client:
        client.send(handshake() + b"early question")
        assert client.read_head().status == 101
        assert client.read_exactly(12 + 14) == b"early answerearly question"


def test_the_handshake_fails_over(route, make_upstream):
    router = route(refused_url(), make_upstream(reply(503)), make_upstream(raw(head(101, [("Upgrade", "h2c")]))),
                   impatient(make_upstream(silence)), make_upstream(accept(echo)))
    client, answer = opened(router)
    assert answer.header("x-route-upstream") == "fifth" and answer.header("x-route-attempts") == "5"
    client.finish_sending()
    client.read_all()
    attempts = router.attempts(router.only_record())
    assert [each["outcome"] for each in attempts] == ["connect", "status", "cut", "timeout", "ok"]


def test_the_model_of_the_query_counts(route, make_upstream):
    denying, renaming = make_upstream(accept(echo)), make_upstream(accept(echo))
    router = route({"endpoint": denying.url, "deny": ["gpt-rt*"]}, {"endpoint": renaming.url, "rename": {"gpt-rt/1": "a b"}})
    client, answer = opened(router, path="/v1/realtime?x=1&model=gpt-rt%2F1&y=2")
    assert answer.header("x-route-upstream") == "second"
    client.close()
    assert renaming.requests[0].target == "/v1/realtime?x=1&model=a%20b&y=2"
    assert not denying.requests
    assert router.only_record()["model"] == "gpt-rt/1"


def test_a_model_named_twice_in_the_query_is_refused(route, upstream):
    router = route(upstream)
    with router.client() as client:
        client.send(handshake(path="/v1/realtime?model=a&model=b"))
        answer = client.read_response("GET")
    assert answer.status == 400
    assert answer.json()["error"]["message"] == "the query names `model` twice"
    assert not upstream.requests


def test_when_no_upstream_takes_it_the_last_reply_is_the_answer(route, make_upstream):
    router = route(make_upstream(reply(500)), make_upstream(reply(429)))
    with router.client() as client:
        client.send(handshake())
        answer = client.read_response("GET")
        assert (answer.status, answer.error_code) == (429, "c")
        assert client.ask().status == 429, "the connection speaks HTTP on"


def test_an_upstream_that_answers_in_http_is_relayed(route, make_upstream):
    router = route(make_upstream(reply(200, body={"no": "websocket"})))
    assert router.ask(REALTIME, method="GET", headers=UPGRADE).json() == {"no": "websocket"}


def test_a_wrong_key_is_refused(route, upstream):
    router = route(upstream)
    assert router.ask(REALTIME, method="GET", headers=UPGRADE, key="wrong").error_code == "invalid_api_key"
    assert router.ask(REALTIME, method="GET", headers=UPGRADE, key=None).status == 403
    assert upstream.connections == 0


# --- the key as browsers send it


def protocols(key=KEY, *others):
    return ("Sec-WebSocket-Protocol", ", ".join(["realtime", f"openai-insecure-api-key.{key}", *others]))


def test_a_key_among_the_protocols_is_replaced(route, make_upstream):
    echoing = ACCEPTED[:-2] + b"Sec-WebSocket-Protocol: realtime\r\n\r\n"
    upstream = make_upstream(accept(echo, echoing))
    router = route(upstream)
    client, answer = opened(router, protocols(KEY, "openai-beta.realtime-v1"), key=None)
    assert answer.header("sec-websocket-protocol") == "realtime"
    client.finish_sending()
    client.read_all()
    seen = upstream.requests[0]
    assert seen.header("sec-websocket-protocol") == \
        "realtime, openai-insecure-api-key.sk-upstream-first-0123456789, openai-beta.realtime-v1"
    assert KEY.encode() not in seen.head
    record = router.only_record()
    assert record["key_name"] == "tester"
    assert KEY not in str(tuple(record)) and KEY.encode() not in router.output


def test_an_upstreams_key_does_not_come_back_among_the_protocols(route, make_upstream):
    def script(connection, seen):
        connection.send(ACCEPTED[:-2] + f"Sec-WebSocket-Protocol: {seen.header('sec-websocket-protocol').split(', ')[1]}\r\n\r\n".encode())
        echo(connection)

    router = route(make_upstream(script))
    client, answer = opened(router, protocols(), key=None)
    assert answer.header("sec-websocket-protocol") == f"openai-insecure-api-key.{KEY}"
    client.close()


def test_a_key_among_the_protocols_is_not_passed_on_beside_another_one(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route(upstream)
    opened(router, protocols("some-key-of-mine"))[0].close()
    seen = upstream.requests[0]
    assert seen.header("authorization") == "Bearer sk-upstream-first-0123456789"
    assert seen.header("sec-websocket-protocol") == "realtime"


def test_the_client_cannot_take_the_upstreams_key_away(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route(upstream)
    nominating = [("Connection", "Upgrade, Sec-WebSocket-Protocol"), *UPGRADE[1:]]
    with router.client() as client:
        client.send(request(REALTIME, method="GET", key=None, headers=[*nominating, ("Sec-WebSocket-Protocol", "realtime"), protocols(),
                                                                        protocols("another")]))
        assert client.read_head().status == 101
    assert upstream.requests[0].header_values("sec-websocket-protocol") == \
        ["realtime", "realtime, openai-insecure-api-key.sk-upstream-first-0123456789", "realtime"]


def test_a_key_that_is_no_token_goes_as_authorization(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route({"endpoint": upstream.url, "sk": "sk/with,comma="})
    opened(router, protocols(), key=None)[0].close()
    seen = upstream.requests[0]
    assert seen.header("authorization") == "Bearer sk/with,comma="
    assert seen.header("sec-websocket-protocol") == "realtime"


def test_asis_passes_the_protocols_on(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route({"endpoint": upstream.url, "sk": "asis"})
    opened(router, protocols(), key=None)[0].close()
    assert upstream.requests[0].header("sec-websocket-protocol") == f"realtime, openai-insecure-api-key.{KEY}"


def test_a_wrong_key_among_the_protocols_is_refused(route, upstream):
    router = route(upstream)
    answer = router.ask(REALTIME, method="GET", headers=[*UPGRADE, protocols("wrong")], key=None)
    assert (answer.status, answer.json()["error"]["message"]) == (403, "wrong authorization header")


# --- what is no WebSocket


@pytest.mark.parametrize("fields,version,method", [
    ([("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")], "HTTP/1.1", "GET"),
    ([("Upgrade", "websocket")], "HTTP/1.1", "GET"),
    (UPGRADE, "HTTP/1.0", "GET"),
    (UPGRADE, "HTTP/1.1", "POST"),
], ids=["h2c", "no Connection", "HTTP/1.0", "POST"])
def test_other_upgrades_are_served_as_http(route, upstream, fields, version, method):
    router = route(upstream)
    assert router.ask(REALTIME, method=method, headers=fields, version=version).status == 200
    seen = upstream.requests[0]
    assert seen.header("upgrade") is None and seen.header("http2-settings") is None


def test_a_101_nobody_asked_for_is_a_failed_attempt(route, make_upstream):
    router = route(make_upstream(accept(echo)), make_upstream())
    assert router.ask().header("x-route-upstream") == "second"


# --- how it ends


def test_the_end_of_one_direction_leaves_the_other_open(route, make_upstream):
    def talk_on(connection):
        with pytest.raises(Gone):
            connection.read_more()
        connection.send(b"still here")

    router = route(make_upstream(accept(talk_on)))
    client, _ = opened(router)
    client.finish_sending()
    assert client.read_all() == b"still here"
    assert router.only_record()["outcome"] == "ok"


def test_a_client_that_has_gone_does_not_keep_its_tunnel(route, make_upstream):
    """The upstream never ends: the router waits a few seconds for it, not for `idle`, and so does SIGTERM."""
    over = threading.Event()
    router = route(make_upstream(accept(lambda connection: over.wait(60))))
    try:
        client, _ = opened(router)
        client.finish_sending()
        assert client.closed()
        assert router.only_record()["outcome"] == "ok"
    finally:
        over.set()


def test_an_upstream_may_end_first(route, make_upstream):
    heard = []

    def end_first(connection):
        connection.peer.shutdown(1)
        heard.append(connection.read_exactly(4))

    router = route(make_upstream(accept(end_first)))
    client, _ = opened(router)
    assert client.read_all() == b""
    client.send(b"bye!")
    client.close()
    record = router.only_record()
    assert (record["outcome"], record["body_bytes"]) == ("ok", 4)
    eventually(lambda: heard == [b"bye!"])


def test_an_upstream_that_breaks_off(route, make_upstream):
    def break_off(connection):
        connection.send(b"half a mess")
        connection.read_exactly(1)
        connection.reset()

    upstream = make_upstream(accept(break_off))
    router = route(upstream)
    client, _ = opened(router)
    assert client.read_exactly(11) == b"half a mess"
    client.send(b".")
    assert client.closed()
    record = router.only_record()
    assert (record["status"], record["outcome"]) == (101, "truncated")
    assert router.attempts(record)[0]["outcome"] == "cut"


def test_a_client_that_breaks_off(route, make_upstream):
    upstream = make_upstream(accept(echo))
    router = route(upstream)
    client, _ = opened(router)
    client.send(b"x")
    client.read_exactly(1)
    client.reset()
    record = router.only_record()
    assert (record["status"], record["outcome"]) == (499, "client_closed")
    upstream.wait_for(lambda: not upstream._open)


def test_silence_in_both_directions_ends_it(route, make_upstream):
    router = route(make_upstream(accept(lambda connection: connection.wait_closed())), timeouts={"idle": 0.3})
    client, _ = opened(router)
    assert client.closed()
    record = router.only_record()
    assert (record["outcome"], record["error"]) == ("truncated", "both sides silent for too long")
    assert router.attempts(record)[0]["outcome"] == "timeout"


def test_silence_counts_for_no_cooldown(route, make_upstream):
    router = route(make_upstream(accept(lambda connection: connection.wait_closed()), reply()), make_upstream(),
                   timeouts={"idle": 0.2}, failover={"cooldown_after": 1})
    client, _ = opened(router)
    assert client.closed()
    router.only_record()
    assert router.ask(REALTIME, method="GET").header("x-route-upstream") == "first"


def test_an_upstream_that_has_ended_may_be_followed_by_silence(route, make_upstream):
    def end_first(connection):
        connection.peer.shutdown(1)
        connection.wait_closed()

    router = route(make_upstream(accept(end_first)), timeouts={"idle": 2})
    client, _ = opened(router)
    assert client.closed()
    assert router.only_record()["outcome"] == "ok"


def test_a_slow_reader_is_not_silent(route, make_upstream):
    size = 16 << 20

    def flood(connection):
        connection.send(b"x" * size)
        connection.peer.shutdown(1)
        connection.wait_closed()

    router = route(make_upstream(accept(flood)), timeouts={"idle": 4})
    client, _ = opened(router)
    # A large buffer's window opens only when much of it was read: no byte would move for seconds.
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
    received = 0
    # Time passes between the pieces: far less than `idle` each, more than that in all.
    while received < size:
        piece = client.socket.recv(256 << 10)
        assert piece, f"closed after {received} bytes"
        received += len(piece)
        select.select([], [], [], 0.1)
    client.close()
    assert router.only_record()["outcome"] == "ok"


def test_a_client_that_takes_nothing_is_gone(route, make_upstream):
    def flood(connection):
        with contextlib.suppress(Gone):
            while True:
                connection.send(b"x" * 65536)

    router = route(make_upstream(accept(flood)), timeouts={"idle": 2})
    client, _ = opened(router)
    record = router.only_record()
    assert record["outcome"] == "client_closed"
    assert router.attempts(record)[0]["outcome"] == "client_closed"
    client.close()


def test_an_upstream_that_resets_after_the_client_has_left(route, make_upstream):
    def reset_at_the_end(connection):
        with pytest.raises(Gone):
            connection.read_more()
        connection.reset()

    router = route(make_upstream(accept(reset_at_the_end)))
    opened(router)[0].close()
    assert router.only_record()["outcome"] == "ok"


def test_a_tunnel_that_ends_leaves_a_cooldown_alone(route, make_upstream):
    upstream = make_upstream(accept(echo), reply(429, headers=[("Retry-After", "60")]), reply())
    router = route(upstream, make_upstream())
    client, _ = opened(router)
    assert router.ask().header("x-route-upstream") == "second"
    client.finish_sending()
    assert client.read_all() == b""
    eventually(lambda: len(router.records()) == 2)
    assert router.ask().header("x-route-upstream") == "second"


def test_a_client_that_does_not_read_holds_its_upstream_back(route, make_upstream):
    sent = [0]

    def flood(connection):
        try:
            while sent[0] < 64 << 20:
                connection.peer.settimeout(1)
                connection.peer.sendall(b"x" * 65536)
                sent[0] += 65536
        except OSError:
            sent.append("held back")
            connection.reset()

    router = route(make_upstream(accept(flood)))
    client, _ = opened(router)
    assert router.get("/healthz", key=None).status == 200
    eventually(lambda: len(sent) > 1, 30)
    assert sent[0] < 32 << 20
    client.close()


def test_a_drain_waits_for_it(route, make_upstream):
    router = route(make_upstream(accept(echo)))
    client, _ = opened(router)
    before = len(router.lines)
    router.signal(signal.SIGTERM)
    router.wait_for_line("shutting down", after=before)
    client.send(b"still")
    assert client.read_exactly(5) == b"still"
    client.finish_sending()
    assert client.read_all() == b""
    assert router.wait() == 0
    assert router.only_record()["outcome"] == "ok"


def test_the_end_of_the_drain_ends_it(route, make_upstream):
    router = route(make_upstream(accept(echo)), server={"drain": 0.3}, failover={"cooldown_after": 1})
    client, _ = opened(router)
    router.signal(signal.SIGTERM)
    assert client.closed()
    assert router.wait() == 0
    record = router.only_record()
    assert (record["status"], record["outcome"]) == (101, "truncated")
    assert router.attempts(record)[0]["outcome"] == "client_closed"
    assert b"tried last" not in router.output


def test_an_upstream_that_leaves_tls_without_a_goodbye(route, make_upstream, authority):
    def close_first(connection):
        connection.send(b"last words")
        connection.close()

    upstream = make_upstream(accept(close_first), tls=server_context(*authority.issue("upstream", "127.0.0.1")))
    router = route(upstream, upstream={"ca_file": str(authority.file)})
    client, _ = opened(router)
    assert client.read_all() == b"last words"
    client.close()
    assert router.only_record()["outcome"] == "ok"


def test_inside_tls_on_both_sides(route, make_upstream, authority):
    certificate, key = authority.issue("router", "127.0.0.1")
    upstream = make_upstream(accept(echo), tls=server_context(*authority.issue("upstream", "127.0.0.1")))
    router = route(upstream, server={"certificate": str(certificate), "private_key": str(key)},
                   upstream={"ca_file": str(authority.file)})
    client, _ = opened(router, tls=authority.client_context("http/1.1"))
    data = base64.b64encode(os.urandom(100_000))
    client.send(data)
    assert client.read_exactly(len(data)) == data
    client.close()
    assert router.only_record()["outcome"] == "ok"


# --- the responses that are given over it


def frame(text: str, deflate=None, mask=b"") -> bytes:
    """A text message; `deflate`: a compressor of its direction."""
    payload, first = text.encode(), 0x81
    if deflate:
        payload, first = (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC1
    masked = 0x80 if mask else 0
    length = bytes([masked | len(payload)]) if len(payload) < 126 else bytes([masked | 126]) + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + mask + (bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload)


def test_each_response_of_a_coding_agent_is_a_record(route, make_upstream):
    """Compressed both ways, two responses on one connection, the second one cut by the agent's user."""
    questions = [json.dumps({"type": "response.create", "model": "gpt-5-codex", "input": text}) for text in ("list the files", "go on")]
    ours, theirs = zlib.compressobj(wbits=-15), zlib.compressobj(wbits=-15)
    asked = [frame(question, ours, b"\x12\x34\x56\x78") for question in questions]
    events = [[{"type": "response.created", "response": {"id": "r1"}}, {"type": "response.output_text.delta", "delta": "a.txt"},
               {"type": "response.completed", "response": {"id": "r1", "status": "completed", "output": [], "usage": {
                   "input_tokens": 40, "input_tokens_details": {"cached_tokens": 30}, "output_tokens": 3, "total_tokens": 43}}}],
              [{"type": "response.created", "response": {"id": "r2"}}, {"type": "response.output_text.delta", "delta": "half a"}]]
    answers = [b"".join(frame(json.dumps(event), theirs) for event in each) for each in events]

    def converse(connection):
        for question, answer in zip(asked, answers):
            assert connection.read_exactly(len(question)) == question
            connection.send(answer)
        connection.wait_closed()

    accepted = ACCEPTED[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    router = route(make_upstream(accept(converse, accepted)))
    client, _ = opened(router, ("Sec-WebSocket-Extensions", "permessage-deflate"), path="/v1/responses")
    for question, answer in zip(asked, answers):
        client.send(question)
        assert client.read_exactly(len(answer)) == answer
    client.reset()
    eventually(lambda: len(router.records()) == 3)
    first, second, whole = router.records()
    assert (first["model"], first["response"], first["outcome"], first["status"]) == ("gpt-5-codex", "a.txt", "ok", 101)
    assert (first["prompt_tokens"], first["completion_tokens"], first["total_tokens"]) == (40, 3, 43)
    assert [json.loads(first["body"]), json.loads(second["body"])] == [json.loads(question) for question in questions]
    assert (second["response"], second["outcome"], second["status"]) == ("half a", "client_closed", 499)
    assert [router.attempts(each)[0]["outcome"] for each in (first, second)] == ["ok", "client_closed"]
    assert first["key_name"] == second["key_name"] == "tester" and first["path"] == "/v1/responses"
    assert (whole["outcome"], whole["total_tokens"], whole["response"][:11]) == ("client_closed", None, "[websocket,")
    assert router.metric("openai_api_route_requests_total", model="gpt-5-codex", outcome="ok") == 1
