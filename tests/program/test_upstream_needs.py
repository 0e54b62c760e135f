"""What an upstream has of its own (SPEC 5, point 16): given by the command line, the file and SQL, seen by the upstream."""

import json
import threading

from fakes.client import chat
from fakes.router import within_a_second
from fakes.upstream import CHAT_REPLY, Gate, chat_events, chunk, head, raw, reply, stream

PLAIN_KEY = "sk-of-the-upstream-0123456789"
OK = reply(body=CHAT_REPLY)


def tries(router, answer) -> list[tuple]:
    return [(row["upstream_name"], row["outcome"]) for row in router.attempts(router.record(answer))]


def test_azure_by_the_command_line(router, upstream):
    router.configure().start()
    router.ok("upstream", "add", "--name", "azure", "--sk", "-", "--key-header", "api-key", "--rename", "gpt-4o=my deployment", "--endpoint",
              f"http://127.0.0.1:{upstream.port}/openai/deployments/{{model}}?api-version=2024-10-21", "--header", "X-Team=red", "User-Agent=",
              "--set", "store=false", "--unset", "user", stdin=PLAIN_KEY)
    within_a_second(lambda: router.ask(body=chat()).status == 200)
    upstream.forget()
    answer = router.ask("/v1/chat/completions?api-version=2020-01-01&a=b", body=b'{"user":"u", "model":"gpt-4o","messages":[]}',
                        headers=[("User-Agent", "curl"), ("X-Team", "blue")])
    assert answer.status == 200
    asked = upstream.requests[0]
    assert asked.target == "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21&a=b"
    assert asked.header("api-key") == PLAIN_KEY and asked.header("authorization") is None
    assert asked.header_values("x-team") == ["red"] and asked.header("user-agent") is None
    assert asked.body == b'{"store":false,"model":"my deployment","messages":[]}'
    record = router.record(answer)
    assert json.loads(record["body"])["user"] == "u"
    assert record["upstream_endpoint"].endswith("?api-version=2024-10-21")
    explained = router.ok("explain", "--model", "gpt-4o")
    assert "azure: members of a JSON body are changed (its own set, unset)" in explained


def test_columns_by_sql_count_within_a_second_and_what_is_none_is_skipped_with_its_reason(router, make_upstream):
    first, second = make_upstream(OK), make_upstream(OK)
    router.configure().start()
    for each in (first, second):
        router.sql("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk-0123456789', ?)", each.url)
    within_a_second(lambda: router.ask().header("x-route-upstream") == "upstream-1")
    router.sql("""UPDATE openai_upstreams SET headers = '{"X-Team":"red","Accept":null}', "set" = '{"n": 1.50}' WHERE id = 1""")
    within_a_second(lambda: router.ask() and first.requests[-1].header("x-team") == "red")
    assert first.requests[-1].body.startswith(b'{"n":1.50,')
    router.sql("""UPDATE openai_upstreams SET "set" = '[]' WHERE id = 1""")
    within_a_second(lambda: router.ask().header("x-route-upstream") == "upstream-2")
    router.wait_for_line("upstream-1 cannot be used: set: expected a JSON object")


def test_retries_of_its_own(route, make_upstream):
    busy = make_upstream(reply(503, {"error": {"message": "busy"}}))
    router = route({"endpoint": busy.url, "retries": 2}, make_upstream(OK), failover={"retry_wait": 0})
    assert tries(router, router.ask()) == [("first", "status")] * 3 + [("second", "ok")]


def test_first_content_timeout_of_its_own(route, make_upstream):
    silent = make_upstream(raw(head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]) + chunk(b": wait\n\n"), then="stall"))
    router = route({"endpoint": silent.url, "first_content_timeout": 0.2}, make_upstream(stream(*chat_events("hi"))))
    assert tries(router, router.ask(body=chat(stream=True))) == [("first", "timeout"), ("second", "ok")]


def slow(gate):
    def script(connection, request):
        gate.wait()
        OK(connection, request)
    return script


def test_hedge_after_of_its_own(route, make_upstream):
    gate = Gate()
    router = route({"endpoint": make_upstream(slow(gate)).url, "hedge_after": 0.1}, make_upstream(OK))
    answer = router.ask()
    gate.open()
    assert sorted(tries(router, answer)) == [("first", "superseded"), ("second", "ok")]


def test_max_in_flight(route, make_upstream):
    gate = Gate()
    first = make_upstream(slow(gate))
    router = route({"endpoint": first.url, "max_in_flight": 1}, make_upstream(OK))
    asking = threading.Thread(target=router.ask)
    asking.start()
    first.wait_for_requests(1)
    assert router.ask().header("x-route-upstream") == "second"
    assert "first: with 1 requests under way it is tried after the others, as now" in router.ok("explain", "--model", "gpt-4o")
    gate.open()
    asking.join()
    within_a_second(lambda: router.ask().header("x-route-upstream") == "first")


def test_a_header_with_a_key_is_in_no_record(route, upstream):
    secret = "basic-0123456789abcdef"
    upstream.answer(reply(400, {"error": {"message": f"who is {secret}?"}}))
    router = route({"endpoint": upstream.url, "headers": {"X-Org-Token": f"Bearer {secret}"}})
    answer = router.ask()
    assert upstream.requests[0].header("x-org-token") == f"Bearer {secret}"
    assert secret not in answer.body.decode()
    record = router.record(answer)
    assert secret not in str(dict(record)) + str([dict(row) for row in router.attempts(record)])
    shown = router.ok("upstream", "show", "first") + router.ok("upstream", "export") + router.ok("config", "show")
    assert secret not in shown
