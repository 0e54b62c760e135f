"""Further tries, final statuses, hedging and comments for a client that waits, by the program itself (SPEC 5, points 4, 6 and 7)."""

import time

import pytest

from fakes.client import Broken, chat, request
from fakes.upstream import END, SSE_HEAD, chat_events, chunk, reply, silence

PREFIX = "openai_api_route_"
HOUR = 3600


def tries(router, answer) -> list[tuple]:
    return [(attempt["number"], attempt["upstream_name"], attempt["outcome"]) for attempt in router.attempts(router.record(answer))]


def test_an_upstream_is_tried_again_and_then_the_list(route, make_upstream):
    first, second = make_upstream(reply(503), reply(503), reply(503), reply()), make_upstream(reply(500))
    router = route(first, second, failover={"retries": 1, "retry_wait": 0.01, "rounds": 2})
    answer = router.ask()
    assert answer.status == 200
    assert tries(router, answer) == [(1, "first", "status"), (2, "first", "status"), (3, "second", "status"), (4, "second", "status"),
                                     (5, "first", "status"), (6, "first", "ok")]
    assert router.metric(PREFIX + "retries_total", upstream="first") == 3
    assert router.metric(PREFIX + "retries_total", upstream="second") == 1
    assert router.metric(PREFIX + "failovers_total", upstream="first") == 1
    assert any(" retry upstream=first " in line for line in router.lines)


def test_a_wait_that_the_upstream_asks_for(route, make_upstream):
    first = make_upstream(reply(429, headers=[("Retry-After", "0.3")]), reply())
    router = route(first, make_upstream(), failover={"retries": 1})
    begin = time.monotonic()
    answer = router.ask()
    assert time.monotonic() - begin >= 0.3
    assert (answer.status, answer.header("x-route-upstream")) == (200, "first")


def test_a_final_status_is_the_clients(route, make_upstream):
    second = make_upstream()
    router = route(make_upstream(reply(413)), second, failover={"final_statuses": [413]})
    answer = router.ask()
    assert (answer.status, answer.header("x-route-attempts")) == (413, "1")
    assert second.connections == 0


def test_the_second_upstream_answers_for_a_first_that_takes_its_time(route, make_upstream):
    first = make_upstream(silence)
    router = route(first, make_upstream(), failover={"hedge_after": 0.1}, timeouts={"default": HOUR})
    answer = router.ask()
    assert (answer.status, answer.header("x-route-upstream")) == (200, "second")
    first.wait_for_leaving()
    assert tries(router, answer) == [(1, "first", "superseded"), (2, "second", "ok")]
    assert router.metric(PREFIX + "hedges_total", upstream="second", won="true") == 1
    assert router.metric(PREFIX + "failovers_total") == 0
    assert router.metric(PREFIX + "attempts_total", upstream="first", outcome="superseded") == 1


def test_a_client_that_waits_gets_comments_and_when_all_fail_an_error_event(route, make_upstream, webhook):
    router = route(make_upstream(silence), failover={"keep_alive": 0.1}, timeouts={"default": 0.5, "stream": 0.5, "single": 0.5}, notify=webhook.settings)
    pieces = []
    with router.client() as client:
        client.send(request(body=chat(stream=True)))
        assert client.read_head().status == 200
        with pytest.raises(Broken):
            while True:
                pieces.append(client.read_chunk())
    assert pieces[0] == b": keep-alive\n\n"
    assert b'"code":"upstream_timeout"' in pieces[-1]
    record = router.only_record()
    assert (record["status"], record["outcome"]) == (200, "timeout")
    webhook.wait_until_told(1)


def test_a_stream_that_falls_silent_has_comments(route, make_upstream):
    events = chat_events("a", "b")

    def script(connection, request):
        connection.send(SSE_HEAD + b"".join(chunk(piece) for piece in events[:2]))
        time.sleep(0.5)
        connection.send(b"".join(chunk(piece) for piece in events[2:]) + END)

    router = route(make_upstream(script), failover={"keep_alive": 0.1})
    answer = router.ask(body=chat(stream=True))
    assert b": keep-alive\n\n" in answer.body
    assert answer.body.replace(b": keep-alive\n\n", b"") == b"".join(events)
    assert router.record(answer)["response"] == "ab"
