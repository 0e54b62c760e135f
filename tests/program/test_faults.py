"""Sixteen faults of upstreams that a gateway is judged by, with the configuration that README has for agents and batch jobs: the client of a stream gets a
whole answer, and the record says what it cost."""

import json
import pathlib
import re
import tomllib

import pytest

from fakes.client import chat
from fakes.upstream import SSE_HEAD, chat_events, chunk, event, raw, reply, reset, silence, stream

README = pathlib.Path(__file__).parents[2] / "core" / "README.md"
QUICKER = 10  # the seconds of README, divided

ANSWER = ("the whole", " answer")
PREFILLED = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "1, 2,"}]


def for_agents() -> dict:
    """What README says under this heading, in a hurry."""
    text = README.read_text()
    block = re.search(r"^### For agents and batch jobs$.*?^```toml\n(.*?)^```$", text, re.M | re.S)
    tables = tomllib.loads(block[1])
    seconds = {"timeouts": set(tables["timeouts"]), "failover": {"retry_wait", "keep_alive"}}
    return {name: {key: value / QUICKER if key in seconds[name] else value for key, value in table.items()} for name, table in tables.items()}


def whole():
    return stream(*chat_events(*ANSWER))


def begun(*words) -> bytes:
    """The events of an answer up to there, as chunks."""
    return SSE_HEAD + b"".join(chunk(piece) for piece in chat_events(*words)[:1 + len(words)])


def error(status, code, headers=()):
    return reply(status, {"error": {"message": f"it is {code}", "type": "invalid_request_error", "code": code}}, headers)


def said(answer) -> str:
    """The text of a whole stream; fails where it is none."""
    events = [line.removeprefix("data: ") for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    assert events and not any('"error"' in data for data in events), events
    chunks = [json.loads(data) for data in events if data != "[DONE]"]
    assert any(choice["finish_reason"] for piece in chunks for choice in piece["choices"]), "it has no end"
    return "".join(choice["delta"].get("content", "") for piece in chunks for choice in piece["choices"])


FAULTS = {
    "429 with Retry-After": ([error(429, "rate_limit_exceeded", [("Retry-After", "20")])], "second"),
    "429 with a short one": ([error(429, "rate_limit_exceeded", [("retry-after-ms", "20")]), whole()], "first"),
    "429 without": ([error(429, "rate_limit_exceeded"), whole()], "first"),
    "500 once": ([reply(500), whole()], "first"),
    "503": ([reply(503)], "second"),
    "reset": ([reset], "second"),
    "silence": ([silence], "second"),
    "a slow first token": ([raw(begun(), then="stall")], "second"),
    "cut": ([raw(begun("half of"), then="close")], "second"),
    "stall": ([raw(begun("half of"), then="stall")], "second"),
    "a malformed chunk": ([stream(*chat_events("half of")[:2], b"data: {\"choices\":[{\"index\":0,\"delta\":{\"cont\n\n", *chat_events()[1:])], "second"),
    "malformed framing": ([raw(begun("half of") + b"nonsense\r\n", then="stall")], "second"),
    "no [DONE]": ([stream(*chat_events(*ANSWER)[:-1])], "first"),
    "context length": ([error(400, "context_length_exceeded")], "second"),
    "content filter": ([error(400, "content_filter")], "second"),
    "content filter of the reply": ([stream(*chat_events("half of")[:2], event({"error": {"code": "content_filter", "message": "it is filtered"}}))], "second"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_first_upstream_is_not_the_clients(route, make_upstream, fault):
    scripts, answering = FAULTS[fault]
    router = route(make_upstream(*scripts), make_upstream(whole()), **for_agents())
    answer = router.ask(body=chat(stream=True))
    assert answer.status == 200
    assert said(answer) == "".join(ANSWER)
    record = router.record(answer)
    assert (record["outcome"], record["upstream_name"], record["response"]) == ("ok", answering, "".join(ANSWER))


def test_a_fallback_gets_the_whole_request_and_none_of_a_broken_answer(route, make_upstream):
    """One that would refuse a prefilled answer is never asked for one."""
    def refuses_prefill(connection, request):
        prefilled = request.json()["messages"][-1]["role"] == "assistant"
        (error(400, "prefill_not_supported") if prefilled else whole())(connection, request)

    first, second = make_upstream(raw(begun("half of"), then="close")), make_upstream(refuses_prefill)
    router = route(first, second, **for_agents())
    assert said(router.ask(body=chat(stream=True))) == "".join(ANSWER)
    assert second.requests[0].body == first.requests[0].body


def test_of_a_prefilled_request_that_the_fallback_refuses_the_client_hears_why(route, make_upstream):
    router = route(make_upstream(reply(404)), make_upstream(error(400, "prefill_not_supported")), **for_agents())
    answer = router.ask(body={"model": "gpt-4o", "messages": PREFILLED})
    assert (answer.status, answer.error_code) == (400, "prefill_not_supported")


def test_a_first_upstream_that_flaps(route, make_upstream):
    scripts = [script for _ in range(6) for script in (whole(), reply(502), raw(begun("half of"), then="reset"), whole())]
    router = route(make_upstream(*scripts), make_upstream(whole()), **for_agents())
    for _ in range(20):
        assert said(router.ask(body=chat(stream=True))) == "".join(ANSWER)


def test_what_broken_answers_reported_is_not_counted_with_the_answers(route, make_upstream):
    usage = event({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}})
    broken = stream(*chat_events("half of")[:2], usage, then="close")
    router = route(make_upstream(broken), make_upstream(whole()), **for_agents())
    answer = router.ask(body=chat(stream=True))
    record = router.record(answer)
    assert (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"]) == (3, 5, 8)
    assert record["attempts"] == len(router.attempts(record)) >= 2
    assert router.metric("openai_api_route_tokens_total", type="completion") == 5
