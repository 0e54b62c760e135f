"""What an operator sees: health, metrics, the log; and what nobody may see there."""

import json
import re
import shutil
import subprocess

import pytest

from fakes.client import KEY, Broken, chat, request
from fakes.router import eventually
from fakes.upstream import chat_events, close, event, refused_url, reply, reset, silence, stream

METRICS = """requests_total request_duration_seconds time_to_first_byte_seconds overhead_seconds attempts_total failovers_total upstream_up
    requests_in_flight tokens_total records_written_total records_dropped_total record_queue_bytes outbox_records record_write_seconds
    build_info""".split()


def test_health(route, upstream):
    router = route(upstream)
    for path in ("/healthz", "/readyz"):
        assert router.get(path, key=None).status == 200


def test_ready_names_what_is_missing(route):
    answer = route().get("/readyz", key=None)
    assert answer.status == 503
    assert "upstream" in answer.body.decode()


def test_metrics(route, make_upstream):
    router = route(make_upstream(reply(500), reply()), make_upstream(stream(*chat_events("a"))))
    router.ask(body=chat(stream=True))
    router.ask()
    text = router.get("/v1/metrics", key=None)
    assert text.header("content-type").startswith("text/plain")
    for name in METRICS:
        assert f"openai_api_route_{name}" in text.body.decode(), name
    assert "process_cpu_seconds_total" in text.body.decode()
    prefix = "openai_api_route_"
    assert router.metric(prefix + "requests_total", code="200", outcome="ok", model="gpt-4o") == 2
    assert router.metric(prefix + "attempts_total", upstream="first", outcome="status") == 1
    assert router.metric(prefix + "failovers_total", upstream="first") == 1
    assert router.metric(prefix + "tokens_total", model="gpt-4o") >= 16
    assert router.metric(prefix + "records_written_total") == 2
    assert router.metric(prefix + "requests_in_flight") <= 1  # the one that asks


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(route, make_upstream):
    router = route(make_upstream(reset), make_upstream())
    router.ask()
    router.ask("/v1/unknown/path", method="GET")
    text = router.get("/v1/metrics", key=None).body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_labels_are_bounded(route, make_upstream):
    router = route(make_upstream(reply(404), reply()))
    router.ask(body=chat(model="never-had-a-2xx"))
    with router.client() as client:
        for number in range(130):
            client.ask(f"/v1/made/up/{number}", body=chat(model=f"model-{number}"))
    text = router.get("/v1/metrics", key=None).body.decode()
    assert "made/up" not in text
    assert 'endpoint="other"' in text and 'model="other"' in text
    assert "never-had-a-2xx" not in text
    assert len(set(re.findall(r'model="(model-\d+)"', text))) == 100


def test_metrics_can_ask_for_a_key(route, upstream):
    router = route(upstream, metrics={"auth": True, "path": "/metrics"})
    assert router.get("/metrics", key=None).status == 403
    assert router.get("/metrics").status == 200


# --- the access log

def log_lines(router, answer) -> list[str]:
    wanted = answer.header("x-request-id")
    eventually(lambda: any(wanted in line for line in router.lines))
    return [line for line in router.lines if wanted in line]


def test_one_line_per_request(route, make_upstream):
    router = route(make_upstream(reset), make_upstream(reply(), reply(404)))
    for status in (200, 404):
        answer = router.ask(body=chat(model="gpt-4o\u001b[31m"))
        assert answer.status == status
        lines = log_lines(router, answer)
        assert len(lines) == 1
        for part in (str(status), "POST", "/v1/chat/completions", "gpt-4o"):
            assert part in lines[0]
        assert "\x1b" not in lines[0]


def test_one_json_line_per_request(route, upstream):
    router = route(upstream, log={"format": "json"})
    answer = router.ask(body=chat(model='a"b\n'))
    lines = log_lines(router, answer)
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert answer.header("x-request-id") in line.values()
    assert 200 in line.values()
    for each in router.lines:
        json.loads(each)


def test_a_log_line_cannot_be_forged(route, upstream):
    router = route(upstream)
    answer = router.ask(headers=[("User-Agent", "x" * 3000)], body=chat(model="a\nforged line" + "y" * 3000))
    line = log_lines(router, answer)[0]
    assert len(line) < 2000
    assert not any(each.startswith("forged") for each in router.lines)


# --- secrets

SK = "sk-the-upstreams-own-secret-0123456789"


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_key_is_seen_anywhere(route, make_upstream, format):
    """Provokes every error there is, then searches all that was written, said or answered for the two keys."""
    def echo(status):
        """An upstream that repeats the key it was given in its error."""
        return reply(status, {"error": {"message": f"wrong key {SK}"}})

    upstream = make_upstream(reply())
    tables = [{"endpoint": url, "sk": SK} for url in (upstream.url, refused_url())]
    router = route(*tables, log={"level": "debug", "format": format}, timeouts={"default": 0.3, "single": 0.3, "stream": 0.3, "idle": 0.3},
                   server={"max_body": "100KiB"}, failover={"cooldown_after": 0})
    answers = b""
    for script in (reply(), reset, close, silence, reply(500), reply(429), echo(401), stream(), stream(event({"error": "x"})),
                   stream(event({"n": 1}), then="close")):
        upstream.answer(script)
        for body in (chat(), chat(stream=True)):
            try:
                answer = router.ask(f"/v1/chat/completions?key={KEY}", body=body)
                answers += answer.body + repr(answer.headers).encode()
            except Broken as broken:
                answers += broken.received
    upstream.answer(reply())
    for data in (request(path="/v1/../x"), request(body=b"x" * 200_000), request(path="/nowhere"), request(headers=[("Bad Name", "x")]),
                 request(headers=[("x-api-key", KEY)]), request(key=KEY + "x")):
        with router.client() as client:
            client.send(data)
            answer = client.read_response()
            answers += answer.body + repr(answer.headers).encode()
    answers += router.get("/v1/metrics", key=None).body + router.get("/readyz", key=None).body
    router.ok("upstream", "add", "--name", "stored", "--sk", "-", "--endpoint", upstream.url, stdin=SK + "\n")
    for command in (["upstream", "list"], ["upstream", "list", "--json"], ["upstream", "show", "stored"], ["key", "list"], ["record", "list"], ["record", "export"], ["record", "stats"],
                    ["config", "show"], ["config", "check"], ["explain", "--model", "gpt-4o"]):
        done = router.run(*command)
        answers += (done.stdout + done.stderr).encode()
    router.ok("upstream", "remove", "stored")
    assert router.stop() == 0

    rows = repr([[tuple(row) for row in router.sql(f"SELECT * FROM {table}")] for table in ("records", "attempts", "client_keys")]).encode()
    for place, data in {"replies and commands": answers, "the log": router.output, "records": rows}.items():
        for secret in (SK, KEY):
            at = data.find(secret.encode())
            assert at < 0, f"{place}: {data[max(0, at - 200):at + 60]!r}"
