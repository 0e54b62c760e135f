"""Which upstream is tried, when the next one is, and what the client gets when none is left (SPEC 5, points 1 to 4, 9 and 10)."""

import json
import re
import socket
import time

import pytest

from fakes.client import chat
from fakes.router import eventually, impatient
from fakes.upstream import CHAT_REPLY, Request, chat_events, chunk, close, event, head, raw, refused_url, reply, reset, silence, stream

SECOND = 1_000_000_000
JSON_HEAD = [("Content-Type", "application/json")]


def outcomes(router, answer) -> list[tuple]:
    return [(row["upstream_name"], row["outcome"]) for row in router.attempts(router.record(answer))]


# --- 1: which and in which order

def test_lower_priority_first_then_the_order_of_ids(route, make_upstream):
    a, b, c = (make_upstream(reply(500)) for _ in range(3))
    router = route({"endpoint": a.url, "priority": 5}, {"endpoint": b.url}, {"endpoint": c.url, "priority": -1})
    assert [name for name, _ in outcomes(router, router.ask())] == ["third", "second", "first"]


@pytest.mark.parametrize("table, model, eligible", [
    ({"allow": []}, "gpt-4o", True),
    ({"allow": ["gpt-4o"]}, "gpt-4o", True),
    ({"allow": ["gpt-4o"]}, "gpt-4o-mini", False),
    ({"allow": ["gpt-*"]}, "gpt-4o-mini", True),
    ({"allow": ["*-mini"]}, "gpt-4o-mini", True),
    ({"allow": ["gpt-*"], "deny": ["*-mini"]}, "gpt-4o-mini", False),
    ({"deny": ["claude-*"]}, "gpt-4o", True),
    ({"deny": ["*"]}, "gpt-4o", False),
    ({"allow": ["gpt-4o"]}, None, False),
    ({"allow": ["gpt-4o", "/v1/files*"]}, None, True),
    ({"deny": ["gpt-4o"]}, None, True),
    ({"deny": ["/v1/files"]}, None, False),
])
def test_allow_and_deny(route, upstream, table, model, eligible):
    router = route({"endpoint": upstream.url, **table})
    answer = router.ask(body=chat(model=model)) if model else router.get("/v1/files")
    assert answer.status == (200 if eligible else 404)


def test_a_disabled_upstream_is_not_tried(route, make_upstream):
    off, on = make_upstream(), make_upstream()
    router = route({"endpoint": off.url, "enabled": False}, on)
    assert outcomes(router, router.ask()) == [("second", "ok")]
    assert off.requests == []


# --- 2: what makes an attempt fail

FAILURES = {
    "reset": (reset, "cut"),
    "close": (close, "cut"),
    "half a status line": (raw(b"HTTP/1.1 2"), "cut"),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app"), "cut"),
    "garbage": (raw(b"\x16\x03\x01 this is not HTTP\r\n\r\n"), "cut"),
    "silence": (silence, "timeout"),
    "half a head, then silence": (raw(b"HTTP/1.1 200 OK\r\n", then="stall"), "timeout"),
    "JSON cut by close": (raw(head(200, [*JSON_HEAD, ("Content-Length", 100)]) + b'{"half":'), "cut"),
    "JSON cut by reset": (raw(head(200, [*JSON_HEAD, ("Content-Length", 100)]) + b'{"half":', then="reset"), "cut"),
    "half a chunk": (raw(head(200, [*JSON_HEAD, ("Transfer-Encoding", "chunked")]) + b"20\r\nhalf"), "cut"),
    "no last chunk": (raw(head(200, [*JSON_HEAD, ("Transfer-Encoding", "chunked")]) + chunk(b"{}")), "cut"),
    "a chunk size that is none": (raw(head(200, [*JSON_HEAD, ("Transfer-Encoding", "chunked")]) + b"zz\r\n{}\r\n"), "cut"),
    "two lengths": (raw(head(200, [*JSON_HEAD, ("Content-Length", 2), ("Content-Length", 3)]) + b"{} "), "cut"),
    "a 1xx flood": (raw(head(102) * 17 + head(200, [*JSON_HEAD, ("Content-Length", 2)]) + b"{}"), "cut"),
    "a 101 nobody asked for": (raw(head(101, [("Upgrade", "x"), ("Connection", "Upgrade")]), then="stall"), "cut"),
    "an empty stream": (stream(), "empty"),
    "a stream of comments": (stream(b": ping\n\n", b": ping\n\n"), "empty"),
    "a stream of [DONE]": (stream(event("[DONE]")), "empty"),
    "a stream cut before its first event": (stream(b": ping\n\ndata: {\"ha", then="close"), "cut"),
    "an error event": (stream(b"event: error\ndata: {\"message\":\"x\"}\n\n"), "error_event"),
    "a typed error": (stream(event({"type": "error", "error": {"message": "x"}})), "error_event"),
    "an error member": (stream(event({"error": {"message": "x", "code": 500}})), "error_event"),
    "an error after the role": (stream(chat_events()[0], event({"error": {"message": "x"}})), "error_event"),
    "a role and [DONE]": (stream(chat_events()[0], event("[DONE]")), "no_answer"),
    "a blank stream": (stream(*chat_events()), "blank"),
    "an error in place of an answer": (reply(200, {"error": {"message": "x"}}), "error_body"),
    "a page": (reply(200, b"<html></html>", content_type="text/html"), "no_answer"),
    "nothing": (reply(200, b""), "empty"),
    "an object without an answer": (reply(200, {}), "no_answer"),
    "an error after a comment": (stream(b": hi\n\n", event({"error": "x"})), "error_event"),
    **{f"status {status}": (reply(status), "status") for status in (300, 301, 307, 400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 502, 503, 529)},
}


@pytest.mark.parametrize("script, outcome", FAILURES.values(), ids=FAILURES.keys())
def test_the_next_upstream_answers(route, make_upstream, script, outcome):
    bad, good = make_upstream(script), make_upstream()
    router = route(impatient(bad) if outcome == "timeout" else bad, good)
    answer = router.ask()
    assert (answer.status, answer.header("x-route-upstream"), answer.header("x-route-attempts")) == (200, "second", "2")
    assert good.requests[0].body == bad.requests[0].body
    assert len(bad.requests) == 1
    record = router.record(answer)
    assert (record["outcome"], record["status"], record["upstream_name"], record["attempts"]) == ("ok", 200, "second", 2)
    first, second = router.attempts(record)
    assert (first["number"], first["upstream_name"], first["outcome"]) == (1, "first", outcome)
    assert first["error"]
    assert (second["number"], second["upstream_name"], second["outcome"], second["status"]) == (2, "second", "ok", 200)


def test_a_refused_connection(route, upstream):
    router = route(refused_url(), upstream)
    assert outcomes(router, router.ask()) == [("first", "connect"), ("second", "ok")]


def test_a_name_nobody_knows(route, upstream):
    router = route("http://no-such-host.invalid/v1", upstream)
    assert outcomes(router, router.ask()) == [("first", "connect"), ("second", "ok")]


def test_tls_with_somebody_who_speaks_none(route, upstream, make_upstream):
    plain = make_upstream(on_accept=lambda connection: (connection.read_more(), connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    router = route(f"https://127.0.0.1:{plain.port}/v1", upstream)
    assert outcomes(router, router.ask()) == [("first", "tls"), ("second", "ok")]


def test_a_few_1xx_are_dropped(route, make_upstream):
    good = head(103, [("Link", "</x>")]) * 16 + head(200, [*JSON_HEAD, ("Content-Length", 2)]) + b"{}"
    answer = route(make_upstream(raw(good, then="keep"))).ask("/v1/files")
    assert (answer.status, answer.body, answer.header("link")) == (200, b"{}", None)


def test_1xx_end_no_timeout(route, make_upstream, upstream):
    bad = make_upstream(raw(head(102), then="stall"))
    router = route(impatient(bad), upstream)
    assert outcomes(router, router.ask()) == [("first", "timeout"), ("second", "ok")]


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_every_2xx_is_a_success(route, make_upstream, status):
    answer = route(make_upstream(reply(status, CHAT_REPLY)), make_upstream()).ask()
    assert (answer.status, answer.header("x-route-upstream")) == (status, "first")


def test_six_upstreams_fail_in_six_ways(route, make_upstream):
    scripts = [reset, reply(500), stream(event({"error": "x"})), stream(), raw(b"HTTP/1.1 200"), reply()]
    router = route(*(make_upstream(script) for script in scripts))
    answer = router.ask(body=chat(stream=True))
    assert [outcome for _, outcome in outcomes(router, answer)] == ["cut", "status", "error_event", "empty", "cut", "ok"]
    assert json.loads(answer.body)["object"] == "chat.completion"


# --- 3: how long it waits

LONG = 30


@pytest.mark.parametrize("timeouts, body, table, alone", [
    ({"default": 0.4, "stream": LONG}, chat(), {}, False),
    ({"stream": 0.4, "default": LONG}, chat(stream=True), {}, False),
    ({"large_body": 0.4, "large_body_over": "1KiB", "default": LONG}, chat("x" * 2000), {}, False),
    ({"large_body": 0.4, "large_body_over": "1KiB", "stream": LONG}, chat("x" * 2000, stream=True), {}, False),
    ({"single": 0.4, "default": 0.1}, chat(), {}, True),
    ({"single": 0.1, "default": 0.4}, chat(), {}, True),
    ({"single": 0.4, "stream": 0.1}, chat(stream=True), {}, True),
    ({"default": LONG}, chat(), {"timeout": 0.4}, False),
    ({"single": LONG}, chat(), {"timeout": 0.4}, True),
    ({"stream": LONG}, chat(stream=True), {"timeout": 0.4}, False),
    ({"stream": LONG}, chat(stream=True), {"timeout": LONG, "stream_timeout": 0.4}, False),
])
def test_the_timeout_of_an_attempt(route, make_upstream, timeouts, body, table, alone):
    silent = {"endpoint": make_upstream(silence).url, **table}
    router = route(*([silent] if alone else [silent, make_upstream()]), timeouts=timeouts)
    answer = router.ask(body=body)
    first = router.attempts(router.record(answer))[0]
    assert first["outcome"] == "timeout"
    assert 0.35 * SECOND < first["elapsed_time"] < 5 * SECOND
    if alone:
        assert (answer.status, answer.error_code) == (502, "upstream_timeout")


def test_the_timeout_restarts_while_the_upstream_takes_the_request(route, make_upstream):
    size = 3_000_000

    def slow_reader(connection):
        connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # what is not read is soon not accepted
        received = 0
        while received < size and (piece := connection.peer.recv(65536)):
            received += len(piece)
            time.sleep(0.06)
        reply()(connection, Request("POST", "", [], b"", b""))

    router = route(make_upstream(on_accept=slow_reader), make_upstream(), timeouts={"default": 2, "large_body": 2})
    started = time.monotonic()
    answer = router.ask(body=b"x" * size)
    assert outcomes(router, answer) == [("first", "ok")]
    assert time.monotonic() - started > 2.2


def test_all_attempts_together_have_a_limit(route, make_upstream):
    router = route(make_upstream(silence), make_upstream(silence), make_upstream(), timeouts={"default": LONG}, failover={"total": 0.5})
    answer = router.ask()
    assert (answer.status, answer.error_code) == (502, "upstream_timeout")
    assert [name for name, _ in outcomes(router, answer)] == ["first"]
    assert router.record(answer)["elapsed_time"] < 5 * SECOND


# --- 4: when all fail

def test_the_last_response_is_relayed_as_it_was(route, make_upstream):
    body = b'{ "error" : {"message":"slow down"}}\n'
    limited = make_upstream(reply(429, body, headers=[("retry-after", "7"), ("x-ratelimit-limit", "1")]))
    router = route(make_upstream(reply(500)), limited, make_upstream(reset))
    answer = router.ask()
    assert (answer.status, answer.body) == (429, body)
    assert (answer.header("retry-after"), answer.header("x-ratelimit-limit")) == ("7", "1")
    assert (answer.header("x-route-upstream"), answer.header("x-route-attempts")) == ("second", "3")
    record = router.record(answer)
    assert (record["status"], record["outcome"], record["attempts"]) == (429, "upstream_error", 3)


@pytest.mark.parametrize("scripts, status, body", [
    ((reply(400), reply(401)), 400, "it is 400"),
    ((reply(404), reply(403)), 404, "it is 404"),
    ((reply(401), reply(403)), 502, "upstream_error"),
    ((reset, reply(503)), 503, "it is 503"),
    ((reply(301, b"moved", headers=[("Location", "http://127.0.0.1:9/")]), reset), 301, "moved"),
    ((raw(head(500, [*JSON_HEAD, ("Content-Length", 50)]) + b"half"), reset), 502, "upstream_error"),
    ((reply(500, b"x" * (2 << 20)), reset), 502, "upstream_error"),
    ((stream(event({"error": "x"})), stream()), 502, "upstream_error"),
])
def test_what_the_client_gets_when_all_fail(route, make_upstream, scripts, status, body):
    answer = route(*(make_upstream(script) for script in scripts)).ask()
    assert answer.status == status
    assert body in answer.body.decode()


def test_401_is_relayed_when_the_key_was_the_clients(route, make_upstream):
    answer = route({"endpoint": make_upstream(reply(401)).url, "sk": "asis"}).ask()
    assert answer.status == 401


def test_the_routers_502_lists_each_attempt(route, make_upstream):
    router = route(refused_url(), make_upstream(close), make_upstream(silence), timeouts={"default": 0.3, "single": 0.3})
    answer = router.ask()
    assert (answer.status, answer.error_code, answer.header("x-should-retry")) == (502, "upstream_timeout", "false")
    message = answer.json()["error"]["message"]
    for name in ("first", "second", "third"):
        assert name in message
    assert "127.0.0.1" not in message
    record = router.record(answer)
    assert (record["status"], record["outcome"], record["attempts"]) == (502, "timeout", 3)


def test_the_last_reason_makes_the_code(route, make_upstream):
    router = route(impatient(make_upstream(silence)), make_upstream(reset))
    answer = router.ask()
    assert (answer.status, answer.error_code) == (502, "upstream_error")
    assert router.record(answer)["outcome"] == "upstream_error"


# --- 9: pooled connections

def test_a_pooled_connection_that_died_is_replaced(route, make_upstream):
    def once(connection):
        """Answers one request, then closes without saying so."""
        request = connection.read_request()
        connection.upstream._take(request)(connection, request)
        connection.reset()

    upstream = make_upstream(on_accept=once)
    router = route(upstream, make_upstream())
    with router.client() as client:
        for _ in range(4):
            answer = client.ask()
            assert (answer.status, answer.header("x-route-upstream"), answer.header("x-route-attempts")) == (200, "first", "1")


def test_it_is_replaced_once_only(route, make_upstream):
    def dying(connection):
        request = connection.read_request()
        connection.upstream._take(request)
        if len(connection.upstream.requests) == 1:
            reply()(connection, request)
            connection.upstream._take(connection.read_request())
        connection.reset()

    upstream = make_upstream(on_accept=dying)
    router = route(upstream, make_upstream())
    with router.client() as client:
        assert client.ask().header("x-route-upstream") == "first"
        answer = client.ask()
    assert outcomes(router, answer) == [("first", "cut"), ("second", "ok")]
    assert len(upstream.requests) == 3


# --- 10: cooldown

def order(router, count=1, **kwargs) -> list[str]:
    """Names of the upstreams that were tried first, request by request."""
    return [outcomes(router, router.ask(**kwargs))[0][0] for _ in range(count)]


@pytest.mark.parametrize("script, counts", [
    (reset, True), (reply(500), True), (reply(401), True), (reply(403), True), (reply(408), True), (reply(429), True),
    (stream(event({"error": "x"})), True), (reply(302), True),
    (reply(400), False), (reply(404), False), (reply(422), False),
])
def test_failures_in_a_row_start_a_cooldown(route, make_upstream, script, counts):
    router = route(make_upstream(script), make_upstream(), failover={"cooldown_after": 2, "cooldown": 30})
    assert order(router, 3) == ["first", "first", "second" if counts else "first"]


def test_those_in_cooldown_are_still_tried_last(route, make_upstream):
    first, second = make_upstream(reset), make_upstream()
    router = route(first, second, failover={"cooldown_after": 1})
    assert order(router, 2) == ["first", "second"]
    second.answer(reply(500))
    first.answer(reply())
    assert outcomes(router, router.ask()) == [("second", "status"), ("first", "ok")]
    second.answer(reply())
    assert order(router) == ["first"]


def test_a_success_breaks_the_row(route, make_upstream):
    first = make_upstream(reset, reply(), reset, reply(), reset)
    router = route(first, make_upstream(), failover={"cooldown_after": 2})
    assert order(router, 5) == ["first"] * 5


def test_cooldown_0_is_never(route, make_upstream):
    router = route(make_upstream(reset), make_upstream(), failover={"cooldown": 0, "cooldown_after": 1})
    assert order(router, 4) == ["first"] * 4


def test_a_cooldown_ends(route, make_upstream):
    first = make_upstream(reset, reply())
    router = route(first, make_upstream(), failover={"cooldown": 18, "cooldown_after": 1})
    assert order(router, 2) == ["first", "second"]
    eventually(lambda: order(router) == ["first"])


@pytest.mark.parametrize("status, starts", [(429, True), (503, True), (500, False)])
def test_retry_after_starts_one_at_once(route, make_upstream, status, starts):
    router = route(make_upstream(reply(status, headers=[("Retry-After", "30")])), make_upstream())
    assert order(router, 2) == ["first", "second" if starts else "first"]


def test_asis_failures_of_the_clients_key_do_not_count(route, make_upstream):
    table = {"endpoint": make_upstream(reply(401)).url, "sk": "asis"}
    router = route(table, make_upstream(), failover={"cooldown_after": 1})
    assert order(router, 3) == ["first"] * 3


def test_what_is_not_websocket_is_served_as_http(route, upstream):
    router = route(upstream)
    answer = router.get("/v1/files", headers=[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMA")])
    assert answer.status == 200
    assert upstream.requests[0].header("upgrade") is None


def test_upstreams_of_equal_priority_are_shuffled_by_weight(route, make_upstream):
    a, b, c = (make_upstream() for _ in range(3))
    router = route({"endpoint": a.url, "weight": 3}, {"endpoint": b.url, "weight": 1}, {"endpoint": c.url, "weight": 0},
                   failover={"order": "random"})
    with router.client() as client:
        for _ in range(200):
            client.ask()
    assert len(a.requests) > len(b.requests) > 10
    assert c.requests == []


def test_a_session_goes_to_one_upstream_on_every_router(make_router, make_upstream):
    upstreams = [make_upstream() for _ in range(3)]
    routers = [make_router().configure(upstreams, failover={"order": "random", "sticky": ["header:session_id", "user"]}).start() for _ in range(2)]
    answering = [router.ask(headers=[("session_id", str(number))]).header("x-route-upstream") for router in routers for number in range(20)]
    assert answering[:20] == answering[20:]
    assert len(set(answering)) == 3
    assert [routers[1].ask(body=chat(user=str(number))).header("x-route-upstream") for number in range(20)] == answering[:20]


@pytest.mark.parametrize("order", ["least_busy", "fastest"])
def test_explain_says_what_the_order_goes_by(route, make_upstream, order):
    upstream = make_upstream()
    router = route(upstream, {"endpoint": upstream.url, "weight": 2}, failover={"order": order})
    router.ask()
    text = router.ok("explain", "--model", "m")
    assert f"failover.order is {order}: this is one draw" in text
    if order == "least_busy":
        assert "first: 0 requests under way, weight 1 (failover.order)" in text
    else:
        assert re.search(r"the first content of its whole replies comes after 0\.\d{3} s in the mean", text)
        assert "is not known: it counts as quick" in text
