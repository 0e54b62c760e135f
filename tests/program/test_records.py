"""What is kept of each request (SPEC 6)."""

import gzip
import json
import re
import subprocess
import zlib

import pytest

from fakes.client import chat
from fakes.router import BINARY, eventually
from fakes.upstream import CHAT_REPLY, chat_events, event, reply, stream


def named_event(name: str, **data) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


COMPLETION = {"object": "text_completion", "choices": [{"index": 0, "text": "hello", "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}
RESPONSES = {"object": "response", "status": "completed",
             "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}],
             "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}}
ANTHROPIC = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
             "usage": {"input_tokens": 3, "output_tokens": 5}}

WHOLE = {
    "chat": ("/v1/chat/completions", CHAT_REPLY, "stop"),
    "completion": ("/v1/completions", COMPLETION, "stop"),
    "responses": ("/v1/responses", RESPONSES, None),
    "anthropic": ("/v1/messages", ANTHROPIC, "end_turn"),
}
STREAMS = {
    "chat": ("/v1/chat/completions", chat_events("hel", "lo"), "stop"),
    "completion": ("/v1/completions", [
        event({"object": "text_completion", "choices": [{"index": 0, "text": "hel"}]}),
        event({"object": "text_completion", "choices": [{"index": 0, "text": "lo", "finish_reason": "stop"}],
               "usage": COMPLETION["usage"]}), event("[DONE]")], "stop"),
    "responses": ("/v1/responses", [
        named_event("response.created", response={"status": "in_progress"}),
        named_event("response.output_text.delta", output_index=0, content_index=0, delta="hel"),
        named_event("response.output_text.delta", output_index=0, content_index=0, delta="lo"),
        named_event("response.completed", response=RESPONSES)], None),
    "anthropic": ("/v1/messages", [
        named_event("message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}}),
        named_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named_event("ping"),
        named_event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hel"}),
        named_event("content_block_delta", index=0, delta={"type": "text_delta", "text": "lo"}),
        named_event("content_block_stop", index=0),
        named_event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}),
        named_event("message_stop")], "end_turn"),
}


def check_reply(record, finish_reason):
    assert record["response"] == "hello"
    assert (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"]) == (3, 5, 8)
    if finish_reason:
        assert record["finish_reason"] == finish_reason


@pytest.mark.parametrize("path, body, finish_reason", WHOLE.values(), ids=WHOLE.keys())
def test_what_a_reply_said_and_cost(route, make_upstream, path, body, finish_reason):
    router = route(make_upstream(reply(body=body)))
    record = router.record(router.ask(path))
    check_reply(record, finish_reason)
    assert record["stream"] == 0


@pytest.mark.parametrize("path, events, finish_reason", STREAMS.values(), ids=STREAMS.keys())
def test_what_a_stream_said_and_cost(route, make_upstream, path, events, finish_reason):
    router = route(make_upstream(stream(*events)))
    record = router.record(router.ask(path, body=chat(stream=True)))
    check_reply(record, finish_reason)
    assert record["stream"] == 1
    assert record["response_bytes"] == sum(map(len, events))


@pytest.mark.parametrize("coding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_what_a_compressed_reply_said_and_cost(route, make_upstream, coding, compress):
    bodies = [compress(b"".join(chat_events("hel", "lo"))), compress(json.dumps(CHAT_REPLY).encode())]
    headers = [("Content-Encoding", coding)]
    router = route(make_upstream(stream(bodies[0], headers=headers), reply(body=bodies[1], headers=headers)))
    for body in bodies:
        answer = router.ask(body=chat(stream=True))
        assert (answer.body, answer.header("content-encoding")) == (body, coding)
        record = router.record(answer)
        check_reply(record, "stop")
        assert record["response_bytes"] == len(body)


def test_a_coding_that_is_not_read(route, make_upstream):
    router = route(make_upstream(reply(body=b"\x8b\x02\x80", headers=[("Content-Encoding", "compress")])))
    answer = router.ask()
    assert (answer.body, answer.header("content-encoding")) == (b"\x8b\x02\x80", "compress")
    assert router.record(answer)["response"] == "[compress, 3 bytes]"


def test_tool_calls_are_json_lines(route, make_upstream):
    def delta(**function):
        return event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]})

    router = route(make_upstream(stream(delta(name="get", arguments=""), delta(arguments='{"a"'), delta(arguments=":1}"), event("[DONE]"))))
    record = router.record(router.ask(body=chat(stream=True)))
    assert json.loads(record["response"]) == {"name": "get", "arguments": '{"a":1}'}


def test_other_json_is_kept_as_it_is(route, make_upstream):
    body = b'{"object":"list","data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":4,"total_tokens":4}}'
    router = route(make_upstream(reply(body=body)))
    record = router.record(router.ask("/v1/embeddings"))
    assert record["response"] == body.decode()
    assert record["prompt_tokens"] == 4


def test_every_column(route, upstream):
    router = route(upstream)
    answer = router.ask("/v1/chat/completions?secret=query", headers=[("User-Agent", "tests/1"), ("x-request-id", "mine")])
    record = router.record(answer)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["created_at"])
    assert record["node"]
    expected = {
        "client_request_id": "mine", "ip": "127.0.0.1", "key_name": "tester", "user_agent": "tests/1", "method": "POST",
        "path": "/v1/chat/completions", "model": "gpt-4o", "stream": 0, "body": json.dumps(chat()), "body_bytes": len(json.dumps(chat())),
        "status": 200, "outcome": "ok", "upstream_name": "first", "upstream_endpoint": upstream.url, "attempts": 1, "response": "hello",
        "response_bytes": len(answer.body), "finish_reason": "stop"}
    assert {name: record[name] for name in expected} == expected
    assert 0 < record["response_time"] <= record["elapsed_time"] < 20_000_000_000
    attempt = router.attempts(record)[0]
    assert (attempt["number"], attempt["status"], attempt["outcome"]) == (1, 200, "ok")
    assert 0 < attempt["first_byte_time"] <= attempt["elapsed_time"]
    assert attempt["started_at"] >= record["created_at"]
    assert router.sql("PRAGMA integrity_check")[0][0] == "ok"


def test_the_address_behind_a_trusted_proxy(route, upstream):
    forwarded = [("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 127.0.0.2")]
    router = route(upstream, server={"trusted_proxies": ["127.0.0.0/8"]})
    assert router.record(router.ask(headers=forwarded))["ip"] == "1.2.3.4"
    assert router.record(router.ask())["ip"] == "127.0.0.1"


def test_nobody_else_is_believed(route, upstream):
    router = route(upstream)
    assert router.record(router.ask(headers=[("X-Forwarded-For", "1.2.3.4")]))["ip"] == "127.0.0.1"


def test_long_texts_are_cut_and_marked(route, make_upstream):
    long = {**CHAT_REPLY, "choices": [{"index": 0, "message": {"content": "é" * 5000}, "finish_reason": "stop"}]}
    router = route(make_upstream(reply(body=long)), records={"max_request_body": "1KiB", "max_response": "1KiB"})
    body = json.dumps(chat("é" * 5000), ensure_ascii=False).encode()
    record = router.record(router.ask(body=body))
    for column, whole in (("body", len(body)), ("response", None)):
        text = record[column]
        assert "cut" in text[-60:] and len(text.encode()) < 1200
        assert "�" not in text
    assert record["body_bytes"] == len(body)
    assert record["total_tokens"] == 8


def test_bodies_can_be_left_out(route, upstream):
    router = route(upstream, records={"request_body": False, "response": False})
    record = router.record(router.ask())
    assert not record["body"] and not record["response"]
    assert record["total_tokens"] == 8 and record["body_bytes"]


def test_texts_with_nul_and_broken_utf_8(route, make_upstream):
    body = b'{"choices":[{"index":0,"message":{"content":"a\\u0000b"}}]}'
    router = route(make_upstream(reply(body=body)))
    record = router.record(router.ask(headers=[("User-Agent", "caf\xe9")]))
    assert record["response"] == "a�b"
    assert record["user_agent"] == "caf�"


def test_a_binary_request_is_described(route, upstream):
    router = route(upstream)
    record = router.record(router.ask("/v1/files", body=b"\xff\xd8\x00", headers=[("Content-Type", "image/jpeg")]))
    assert record["body"] == "[image/jpeg, 3 bytes]"


def test_what_was_refused_is_recorded_once_authenticated(route, upstream):
    router = route({"endpoint": upstream.url, "allow": ["x"]})
    router.ask(key="wrong")
    record = router.record(router.ask())
    assert (record["status"], record["outcome"], record["attempts"]) == (404, "rejected", 0)
    assert len(router.records()) == 1


# --- reading them again

def test_the_record_commands(route, make_upstream):
    upstream = make_upstream(reply(), reply(500), reply())
    router = route(upstream)
    good, bad = router.ask(), router.ask(body=chat("needle", model="gpt-4o-mini"))
    listed = router.ok("record", "list")
    assert "gpt-4o-mini" in listed
    for arguments, ids in {("--status", "500"): [bad], ("--model", "gpt-4o"): [good], ("--grep", "needle"): [bad], ("--outcome", "ok"): [good],
                           ("--upstream", "first"): [good, bad], ("--key", "tester"): [good, bad], ("--key", "nobody"): [],
                           ("--until", "2020-01-01"): []}.items():
        lines = router.ok("record", "export", *arguments).splitlines()
        assert sorted(json.loads(line)["request_id"] for line in lines) == sorted(answer.header("x-request-id") for answer in ids), arguments
    shown = router.ok("record", "show", bad.header("x-request-id"))
    assert "needle" in shown and "500" in shown
    assert router.ok("record", "stats")
    assert router.run("record", "show", "no-such-id").returncode == 1


def test_an_export_that_nobody_reads_lets_the_log_of_the_database_end(route, upstream):
    """Its rows are read page by page, and no transaction is open while one is written."""
    router = route(upstream)
    for _ in range(40):
        assert router.ask(body=chat(x="x" * 50_000)).status == 200
    with subprocess.Popen([BINARY, "record", "export"], cwd=router.directory, env=router.environment(), stdout=subprocess.PIPE) as export:
        first = export.stdout.read(1)
        assert router.ask(body=chat()).status == 200
        eventually(lambda: router.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0]["busy"] == 0)
        assert (router.directory / "db.sqlite-wal").stat().st_size == 0
        lines = (first + export.stdout.read()).splitlines()
        assert export.wait(20) == 0
    assert len({json.loads(line)["request_id"] for line in lines}) == len(lines) >= 40


def test_old_records_are_pruned(route, upstream):
    router = route(upstream)
    old, new = router.ask(), router.ask()
    # A UUIDv7 holds the time, too.
    for table in ("records", "attempts"):
        router.sql(f"UPDATE {table} SET request_id = '016f5e66-e800-7000-8000-000000000000' WHERE request_id = ?", old.header("x-request-id"))
    router.sql("UPDATE records SET created_at = '2020-01-01T00:00:00.000Z' WHERE request_id LIKE '016f%'")
    router.ok("record", "prune", "--until", "2021-01-01")
    assert [row["request_id"] for row in router.records()] == [new.header("x-request-id")]
    assert len(router.sql("SELECT * FROM attempts")) == 1
