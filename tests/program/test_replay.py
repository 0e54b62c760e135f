"""`record replay`: a recorded request sent again, and both answers."""

import concurrent.futures
import gzip
import json

import pytest

from fakes.client import chat
from fakes.router import eventually
from fakes.upstream import chat_events, reply, reset, silence, stream


def replayed(router, record, *more, environment=None):
    return json.loads(router.ok("record", "replay", record["request_id"], "--json", *more, environment=environment))


def answer_of(text):
    return reply(body={"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                       "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}})


def test_a_request_is_sent_again_and_both_answers_are_shown(route, make_upstream):
    first, second = make_upstream(answer_of("then")), make_upstream(answer_of("now"))
    router = route({"endpoint": first.url}, {"endpoint": second.url, "rename": {"gpt-4o": "other"}, "set": {"store": False}})
    record = router.record(router.ask(body=chat(model="gpt-4o")))
    text = router.ok("record", "replay", str(record["id"]), "--upstream", "second")
    lines = {words[0]: words[1:] for line in text.splitlines() if len(words := line.split()) > 1}
    assert lines["upstream"] == ["first", "second"]
    assert lines["status"] == ["200", "200"] and lines["outcome"] == ["ok", "ok"] and lines["completion_tokens"] == ["5", "5"]
    assert text.index("\nrecorded:\nthen\n") < text.index("\nnow:\nnow\n") < text.index("answered by the running router")
    asked = second.requests[0]
    assert (asked.method, asked.target, asked.header("content-type")) == ("POST", "/v1/chat/completions", "application/json")
    assert json.loads(asked.body) == {**json.loads(record["body"]), "model": "other", "store": False}
    assert asked.header("authorization").startswith("Bearer sk-")
    assert [row["id"] for row in router.records()] == [record["id"]]


@pytest.mark.parametrize("serving", [True, False], ids=["by the router", "by the command"])
def test_a_stream_is_put_together_as_for_a_record(route, make_upstream, serving):
    upstream = make_upstream(stream(*chat_events("one ", "two")))
    router = route(upstream)
    record = router.record(router.ask(body=chat(stream=True)))
    if not serving:
        router.stop()
    both = replayed(router, record)
    assert both["answered_by"] == ("router" if serving else "command")
    assert (both["now"]["response"], both["now"]["outcome"], both["now"]["upstream"]) == (both["recorded"]["response"], "ok", "first")
    assert both["now"]["first_byte_ms"] <= both["now"]["elapsed_ms"]
    assert len(upstream.requests) == 2 and upstream.requests[1].body == upstream.requests[0].body


@pytest.mark.parametrize("script, outcome, words", [
    (reply(503, body={"error": {"message": "overloaded: try later"}}), "status", "overloaded: try later"),
    (reset, "cut", ""),
    (stream(*chat_events("half")[:1], then="close"), "cut", ""),
    (stream(b'data: {"error":{"message":"no more"}}\n\n'), "error_event", "no more"),
    (reply(body={"choices": None}), "no_answer", ""),
], ids=["status", "reset", "a cut stream", "an error in a stream", "no answer"])
def test_a_failure_is_told_as_serving_would(route, make_upstream, script, outcome, words):
    good, bad = make_upstream(), make_upstream(script)
    router = route({"endpoint": good.url}, {"endpoint": bad.url})
    record = router.record(router.ask(body=chat(stream=True)))
    done = router.run("record", "replay", record["request_id"], "--upstream", "second", "--json")
    now = json.loads(done.stdout)["now"]
    assert (done.returncode, now["outcome"]) == (1, outcome)
    assert now["error"] and words in now["error"]


def test_anthropics_path_is_asked_as_its_clients_do(route, make_upstream):
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
    upstream = make_upstream(reply(body=message))
    router = route(upstream)
    record = router.record(router.ask("/v1/messages", body=chat(model="claude"), headers=[("anthropic-version", "2023-06-01")]))
    assert replayed(router, record)["now"]["response"] == "hi"
    assert upstream.requests[1].header("x-api-key").startswith("sk-") and upstream.requests[1].header("anthropic-version") == "2023-06-01"


def test_multipart_is_sent_with_its_boundary(route, make_upstream):
    upstream = make_upstream(reply(body={"text": "said"}))
    router = route(upstream)
    body = b'--b-7\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b-7--\r\n'
    record = router.record(router.ask("/v1/audio/transcriptions", body=body, headers=[("Content-Type", "multipart/form-data; boundary=b-7")]))
    both = replayed(router, record)
    assert both["now"]["outcome"] == "ok" and both["now"]["response"] == both["recorded"]["response"]
    assert upstream.requests[1].header("content-type") == 'multipart/form-data; boundary="b-7"' and upstream.requests[1].body == body


def test_a_large_request_reaches_the_running_router(route, make_upstream):
    upstream = make_upstream()
    router = route(upstream)
    record = router.record(router.ask(body=chat(messages=[{"role": "user", "content": "é\n" * 50_000}])))
    assert replayed(router, record)["answered_by"] == "router"
    assert upstream.requests[1].body == upstream.requests[0].body


def test_what_cannot_be_sent_again_is_said(route, make_upstream):
    router = route({"endpoint": make_upstream().url, "sk": "asis"}, records={"max_request_body": "1KiB"})
    cut = router.record(router.ask(body=chat(messages=[{"role": "user", "content": "x" * 5000}])))
    whole = router.record(router.ask())
    for arguments, words in [((cut["request_id"],), "only the beginning is recorded"), (("999",), "there is no record 999"),
                             ((whole["request_id"],), "the client's own key"), ((whole["request_id"], "--upstream", "nobody"), "there is no upstream nobody")]:
        done = router.run("record", "replay", *arguments)
        assert done.returncode != 0 and words in done.stderr, done.stderr


def test_what_the_router_refused_or_did_not_read_whole_is_not_sent(route, make_upstream):
    upstream = make_upstream()
    router = route(upstream, {"endpoint": upstream.url, "deny": ["*"]}, records={"max_request_body": "1KiB"})
    compressed = gzip.compress(json.dumps({"model": "m", "messages": "x" * 5000}).encode())
    cases = [
        (router.ask(body=compressed, headers=[("Content-Encoding", "gzip"), ("Content-Type", "application/json")]), "only the beginning is recorded"),
        (router.ask("/chat/completions"), "it was not for an upstream"),
        (router.ask("/v1/../admin"), "it was not for an upstream"),
        (router.ask("/v1/files", method="TRACE", body=b""), "its method is not passed on"),
        (router.ask("/v1/files", body=b"\xff\xfe\x00", headers=[("Content-Type", "application/octet-stream")]), "it was application/octet-stream, 3 bytes"),
    ]
    sent = len(upstream.requests)
    for answer, words in cases:
        done = router.run("record", "replay", router.record(answer)["request_id"])
        assert done.returncode != 0 and words in done.stderr, (words, done.stderr)
    assert len(upstream.requests) == sent


def test_a_boundary_adds_no_line_to_the_head(route, make_upstream):
    upstream = make_upstream()
    router = route(upstream)
    record = router.record(router.ask(body=b"--a\nX-Evil: 1\r\n\r\n--a--", headers=[("Content-Type", "multipart/form-data; boundary=a")]))
    router.run("record", "replay", record["request_id"])
    assert upstream.requests[1].header("content-type") is None and upstream.requests[1].header("x-evil") is None


def test_a_replay_that_is_cut_off_is_not_repeated(route, make_upstream):
    upstream = make_upstream(reply(), silence)
    router = route(upstream)
    record = router.record(router.ask())
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        replaying = threads.submit(router.run, "record", "replay", record["request_id"])
        eventually(lambda: len(upstream.requests) == 2)
        router.stop()
        done = replaying.result(30)
    assert done.returncode != 0 and done.stderr, done.stdout
    assert len(upstream.requests) == 2


def test_a_disabled_upstream_can_be_tried_and_its_key_comes_from_the_routers_environment(route, make_upstream):
    good, off = make_upstream(), make_upstream(answer_of("from the one that is off"))
    router = route({"endpoint": good.url}, {"endpoint": off.url, "enabled": False})
    record = router.record(router.ask())
    assert replayed(router, record, "--upstream", "second")["now"]["response"] == "from the one that is off"


def test_no_key_is_shown(route, make_upstream):
    key = "sk-secret-of-the-second-upstream"
    good, quoting = make_upstream(), make_upstream(reply(401, body={"error": {"message": f"Incorrect API key provided: {key}"}}))
    router = route({"endpoint": good.url}, {"endpoint": quoting.url, "sk": key})
    record = router.record(router.ask())
    done = router.run("record", "replay", record["request_id"], "--upstream", "second")
    assert done.returncode == 1 and "Incorrect API key provided: …" in done.stdout and key not in done.stdout + done.stderr
