"""`upstream test`, `upstream export` and `upstream import` beside a running router."""

import json
import stat
import time

import pytest

from fakes.router import within_a_second
from fakes.upstream import chunk, close, head, raw, refused_url, reply, silence

SK = "sk-upstream-first-0123456789"
MODELS = {"object": "list", "data": [{"id": "gpt-4o", "object": "model"}]}


# --- upstream test

def test_an_upstream_is_asked_for_its_models_with_its_key(router, make_upstream):
    upstream = make_upstream(reply(body=MODELS))
    router.configure([upstream]).make_database()
    said = router.ok("upstream", "test", "first")
    assert "200" in said and " ms" in said
    asked = upstream.requests[0]
    assert (asked.method, asked.target) == ("GET", "/v1/models")
    assert asked.header("authorization") == f"Bearer {SK}"
    assert asked.header("host") == f"127.0.0.1:{upstream.port}"
    assert asked.body == b"" and asked.header("content-length") is None
    told = json.loads(router.ok("upstream", "test", "first", "--json"))
    assert told.pop("latency_ms") > 0
    assert told == {"upstream": "first", "endpoint": upstream.url, "ok": True, "status": 200, "outcome": "ok", "error": None, "json": True,
                    "answered_by": "command", "router": None}


def test_an_upstream_of_the_database_is_asked_by_number_or_name(router, make_upstream):
    upstream = make_upstream(reply(body=MODELS))
    router.configure([], secrets={"env": ["ALLOWED"]})
    router.ok("upstream", "add", "--name", "a", "--sk", "env:ALLOWED", "--endpoint", f"http://127.0.0.1:{upstream.port}/openai/v9/")
    for name in ("1", "a"):
        assert "200" in router.ok("upstream", "test", name, environment={"ALLOWED": "sk-allowed-0123456789"})
    assert [request.target for request in upstream.requests] == ["/openai/v9/models"] * 2
    assert upstream.requests[0].header("authorization") == "Bearer sk-allowed-0123456789"
    refused = router.run("upstream", "test", "a")
    assert refused.returncode == 1
    assert "ALLOWED" in refused.stderr
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("script, status, outcome, error", [
    (reply(401, {"error": {"message": f"Incorrect API key provided: {SK}.", "code": "invalid_api_key"}}), 401, "status",
     "status 401: Incorrect API key provided: …."),
    (reply(503, b"busy", content_type="text/plain"), 503, "status", "status 503: busy"),
    (reply(500, {"error": "not an object"}), 500, "status", "status 500: not an object"),
    (close, None, "cut", None),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Type: application/json\r\n\r\n{}"), 200, "cut", None),
    (raw(b"not http\r\n\r\n"), None, "cut", None),
    (silence, None, "timeout", "no response headers in time"),
    (raw(head(401, [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]) + chunk(b'{"error":"who?"}'), then="stall"), 401, "status",
     "status 401: who?"),
])
def test_what_failed_is_said(router, make_upstream, script, status, outcome, error):
    upstream = make_upstream(script)
    router.configure([{"endpoint": upstream.url, "timeout": 0.5 if script is silence else 30}]).make_database()
    started = time.monotonic()
    done = router.run("upstream", "test", "first", "--json")
    assert time.monotonic() - started < 10
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["ok"], told["status"], told["outcome"]) == (False, status, outcome)
    if error:
        assert told["error"] == error
    assert done.stderr == f"openai-api-route: upstream first failed: {told['error']}\n"
    text = router.run("upstream", "test", "first")
    assert text.returncode == 1
    assert outcome in text.stdout and told["error"] in text.stdout
    assert SK not in done.stdout + done.stderr + text.stdout + text.stderr


@pytest.mark.parametrize("endpoint, outcome", [(refused_url(), "connect"), ("http://no-such-name.invalid/v1", "connect")],
                         ids=["refused", "no such name"])
def test_an_upstream_that_is_not_there(router, endpoint, outcome):
    router.configure([endpoint]).make_database()
    done = router.run("upstream", "test", "first", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == outcome


def test_an_upstream_that_speaks_no_tls(router, upstream):
    router.configure([f"https://127.0.0.1:{upstream.port}/v1"], timeouts={"connect": 2}).make_database()
    done = router.run("upstream", "test", "first", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] in ("tls", "connect", "timeout")


def test_an_answer_that_does_not_end_is_one(router, make_upstream):
    begun = head(200, [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]) + chunk(b'{"data":[')
    router.configure([make_upstream(raw(begun, then="stall"))]).make_database()
    assert "200" in router.ok("upstream", "test", "first")


def test_an_answer_that_is_no_json_is_warned_of(router, make_upstream):
    router.configure([make_upstream(reply(body=b"<html>", content_type="text/html"))]).make_database()
    done = router.run("upstream", "test", "first")
    assert done.returncode == 0
    assert "not with JSON" in done.stderr


def test_an_upstream_that_does_not_exist(router):
    router.configure().make_database()
    done = router.run("upstream", "test", "nobody")
    assert done.returncode == 1
    assert "there is no upstream nobody" in done.stderr


# --- upstream export, upstream import

def test_upstreams_move_from_one_router_to_another(route, router, make_upstream, tmp_path):
    upstream = make_upstream()
    route()
    assert router.ask().status == 503
    file = tmp_path / "upstreams.toml"
    other = ["--database", str(tmp_path / "other.sqlite")]
    router.ok("upstream", "add", "--name", "a", "--sk", "sk-moved-0123456789", "--endpoint", upstream.url, "--rename", "x=y", *other)
    assert "sk-moved" not in router.ok("upstream", "export", *other)
    router.ok("upstream", "export", "--secrets", "--output", str(file), *other)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert router.ok("upstream", "import", str(file)) == "added upstream 1: a\n"
    within_a_second(lambda: router.ask().status == 200)
    assert upstream.requests[0].header("authorization") == "Bearer sk-moved-0123456789"
    assert router.ok("upstream", "import", "-", stdin=file.read_text()) == "unchanged upstream 1: a\n"


def test_an_import_with_an_error_changes_nothing(router, tmp_path):
    router.configure()
    router.ok("upstream", "add", "--name", "a", "--sk", "sk-a-0123456789abcdef")
    file = tmp_path / "upstreams.toml"
    file.write_text('[[upstreams]]\nname = "a"\npriority = 3\n[[upstreams]]\nname = "b"\nsk = "asis"\nwieght = 2\n')
    done = router.run("upstream", "import", str(file))
    assert done.returncode == 1
    assert done.stderr == f"openai-api-route: {file}:7: upstreams.wieght: unknown key; did you mean upstreams.weight?\n"
    assert [tuple(row) for row in router.sql("SELECT name, priority FROM openai_upstreams")] == [("a", 0)]
