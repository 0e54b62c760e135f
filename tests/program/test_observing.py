"""What an operator sees: health, metrics, the log; and what nobody may see there."""

import base64
import json
import re
import shutil
import signal
import socket
import subprocess

import pytest

from fakes.client import KEY, Broken, chat, request
from fakes.postgres import held_port
from fakes.proxy import FakeProxy
from fakes.router import eventually
from fakes.upstream import chat_events, close, event, numbered, raw, refused_url, reply, reset, silence, stream
from fakes.websocket import handshake

METRICS = """requests_total request_duration_seconds time_to_first_byte_seconds overhead_seconds attempts_total failovers_total upstream_up
    requests_in_flight tokens_total records_written_total records_dropped_total records_rejected_total record_queue_bytes outbox_records record_write_seconds
    log_lines_dropped_total build_info""".split()


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

def lines_about(router, answer) -> list[str]:
    """All about a request once its own, the last one, is there."""
    wanted = answer.header("x-request-id")
    router.wait_for_line(f"{wanted} .* outcome=|\"request\",\"request_id\":\"{wanted}\"")
    return [line for line in router.lines if wanted in line]


def log_lines(router, answer) -> list[str]:
    """Those that are not about a failover."""
    return [line for line in lines_about(router, answer) if "failover" not in line]


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


TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = [("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("tracestate", "rojo=00f067aa0ba902b7")]


@pytest.mark.parametrize("backend", ["sqlite", "none"])
def test_each_failover_has_a_line(route, make_upstream, backend):
    first, second, third = make_upstream(reply(429)), make_upstream(reset), make_upstream(reply())
    router = route(first, second, third, storage={"backend": backend})
    answer = router.ask(headers=TRACEPARENT)
    assert answer.header("x-route-upstream") == "third"
    *failovers, own = lines_about(router, answer)
    assert len(failovers) == 2
    number = answer.header("x-request-id")
    assert re.search(rf" warning {number} failover from=first to=second model=gpt-4o reason=\"HTTP 429 Too Many Requests: it is 429\" "
                     rf"attempt=1 ms=[0-9.]+ trace={TRACE}$", failovers[0])
    assert re.search(rf" warning {number} failover from=second to=third .*attempt=2 ms=[0-9.]+ trace={TRACE}$", failovers[1])
    assert f" trace={TRACE}" in own
    for upstream in (first, second, third):
        (seen,) = upstream.requests
        assert [seen.header_values(name) for name, _ in TRACEPARENT] == [[value] for _, value in TRACEPARENT]


def test_json_lines_of_a_failover(route, make_upstream):
    router = route(make_upstream(reply(503)), make_upstream(reply()), log={"format": "json"})
    answer = router.ask(headers=TRACEPARENT)
    failover, own = (json.loads(line) for line in lines_about(router, answer))
    assert (own["msg"], own["trace_id"]) == ("request", TRACE)
    assert failover.pop("elapsed_ms") > 0 and failover.pop("time") >= own["time"]
    assert failover == {"level": "warning", "msg": "failover", "request_id": answer.header("x-request-id"), "trace_id": TRACE,
                        "model": "gpt-4o", "upstream": "first", "next": "second", "attempt": 1, "outcome": "status", "status": 503,
                        "reason": "HTTP 503 Service Unavailable: it is 503"}


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_of_level_warning_are_failovers_and_cooldowns_alone(router, make_upstream):
    first, second = make_upstream(reply(500), reply()), make_upstream(reply(), reply(404))
    with held_port() as holder:
        port = holder.getsockname()[1]
        router.configure([first, second], server={"listen": f"127.0.0.1:{port}"}, log={"level": "warning"}, failover={"cooldown_after": 1})
        router.start(ready=False)  # it does not say that it listens
        router.address = ("127.0.0.1", port)
        eventually(lambda: listens(port))
        assert [router.ask().header("x-route-upstream") for _ in range(2)] == ["second", "first"]
        assert router.stop() == 0
    # They come from two threads: of two that belong together either may be the first.
    failovers = [line for line in router.lines if "tried last" not in line]
    assert len(router.lines) == len(failovers) + 1
    assert [re.search(r"from=\w+ to=\w+", line)[0] for line in failovers] == ["from=first to=second", "from=second to=first"]


def test_cooldowns_and_recoveries_are_told_once(route, make_upstream):
    first = make_upstream(reply(429, headers=[("Retry-After", "45")]), reply(200))
    second = make_upstream(reply(200), reply(404))
    router = route(first, second)
    answers = [router.ask().header("x-route-upstream") for _ in range(4)]
    assert answers == ["second", "first", "first", "first"]
    router.wait_for_line(r" warning upstream first \(model gpt-4o\) answered HTTP 429 Too Many Requests with a Retry-After; it is tried last for 45 s$")
    router.wait_for_line(r" info  upstream first \(model gpt-4o\) answers again after \d+ s in cooldown$")
    assert router.stop() == 0
    assert [sum(text in line for line in router.lines) for text in ("tried last", "answers again")] == [1, 1]


def test_json_lines_of_cooldowns_and_recoveries(route, make_upstream):
    router = route(make_upstream(reply(500), reply(500), reply(200)), log={"format": "json"}, failover={"cooldown_after": 2, "cooldown": 30})
    assert [router.ask().status for _ in range(3)] == [500, 500, 200]
    assert router.stop() == 0
    lines = [json.loads(line) for line in router.lines]
    (cooldown,) = (line for line in lines if line["msg"] == "cooldown")
    (recovered,) = (line for line in lines if line["msg"] == "recovered")
    assert cooldown.pop("time") <= recovered.pop("time")
    assert cooldown == {"level": "warning", "msg": "cooldown", "upstream": "first", "model": None, "cause": "failures", "failures": 2,
                        "outcome": "status", "status": 500, "reason": "HTTP 500 Internal Server Error: it is 500", "seconds": 5}
    assert recovered.pop("away_seconds") >= 0
    assert recovered == {"level": "info", "msg": "recovered", "upstream": "first", "model": None}


# --- the journal

@pytest.mark.parametrize("format", ["text", "json"])
def test_lines_for_the_journal_have_priorities(router, make_upstream, format):
    router.configure([make_upstream(reply(500), reply()), make_upstream()], log={"format": format}, failover={"cooldown_after": 1})
    router.start(journal=True)
    answer = router.ask()
    lines_about(router, answer)
    assert router.stop() == 0
    for line in router.lines:
        assert re.match(r"<6>info  \S|<4>warning \S" if format == "text" else r"<[46]>\{\"time\":", line), line
        if format == "json":
            assert json.loads(line[3:])["level"] == {"4": "warning", "6": "info"}[line[1]]
    assert [line[:3] for line in router.lines if answer.header("x-request-id") in line] == ["<4>", "<6>"]


def test_what_a_first_start_says_to_people_stays_as_it_is_in_the_journal(router):
    router.configure([], auth={"keys": []})
    router.start(journal=True)
    router.wait_for_line("^Then point any OpenAI client at ")
    assert router.stop() == 0
    text = "\n".join(router.lines)
    assert re.search(r"<6>info  this is the first start: a client key was made, it is in ", text)
    assert re.search(r"\nNo upstream yet\. Add one from another terminal; .*\n\n    printf ", text)


def test_lines_for_others_have_none(route, upstream):
    router = route(upstream, environment={"JOURNAL_STREAM": "8:1234567"})
    router.ask()
    assert router.stop() == 0
    for line in router.lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z info ", line), line


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
                   stream(numbered(1), then="close")):
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


HIDDEN = {
    "client key": KEY,
    "another client key": "another-client-key-0123456789",
    "key that lets nobody in": "wrong-key-0123456789-abcdef",
    "key in a query": "query-key-0123456789-abcdef",
    "key of a protocol": "protocol-key-0123456789-abcdef",
    "basic credentials": "QWxhZGRpbjpvcGVuLXNlc2FtZQ==",
    "cookie": "cookie-secret-0123456789",
    "upstream key": SK,
    "key of the environment": "sk-of-the-environment-0123456789",
    "password of the proxy": "proxy-pa55word-0123456789",
    "credentials of the proxy": base64.b64encode(b"proxy-user:proxy-pa55word-0123456789").decode(),
}


@pytest.mark.parametrize("level", ["debug", "trace"])
@pytest.mark.parametrize("format", ["text", "json"])
def test_no_secret_is_in_the_log_whoever_quotes_it(route, make_upstream, level, format):
    """Upstreams and proxies that repeat all they were sent, keys in every place a client may put one."""
    known = " ".join(HIDDEN[name] for name in ("client key", "another client key"))

    def quoting(make, *args, **kwargs):
        """`make` makes a script out of a text: what the upstream was sent, less the query, which is for it alone."""
        def script(connection, asked):
            text = " ".join([known, *(value for _, value in asked.headers), asked.body.decode()])
            make(text, *args, **kwargs)(connection, asked)

        return script

    def error(text, status, *headers):
        return reply(status, {"error": {"message": text}}, headers=headers)

    def event_error(text, before):
        return stream(event({"error": {"message": "m" * before + " " + text}}))

    scripts = [quoting(error, 401), quoting(error, 429, ("Retry-After", "1")), quoting(error, 503), quoting(error, 302, ("Location", f"/{SK}")),
               quoting(lambda text: reply(429, headers=[("Retry-After", text)])),
               quoting(lambda text: raw(f"HTTP/1.1 200 {text}\r\nContent-Length: 9\r\n\r\n".encode())),
               quoting(lambda text: raw(text.encode())),
               quoting(lambda text: raw(f"HTTP/1.1 200 OK\r\nbad {text}: x\r\n\r\n".encode())),
               quoting(lambda text: stream(event({"x": text}), event({"error": text}), then="close")),
               *(quoting(event_error, before) for before in (0, 60, 120, 140, 150, 160, 170, 180, 190))]
    first, second = make_upstream(), make_upstream()
    proxied = f"{known} {SK} {HIDDEN['password of the proxy']} {HIDDEN['credentials of the proxy']}"
    proxy = FakeProxy(answer=f"HTTP/1.1 407 {proxied}\r\nX: {proxied}\r\nContent-Length: 0\r\n\r\n".encode())
    through = proxy.url.replace("http://", "http://proxy-user:proxy-pa55word-0123456789@")
    router = route({"endpoint": first.url, "sk": SK}, {"endpoint": second.url, "sk": "env:UPSTREAM_KEY"},
                   {"endpoint": "http://upstream.test/v1", "sk": SK, "proxy": through}, {"endpoint": "https://upstream.test/v1", "sk": SK, "proxy": through},
                   {"endpoint": second.url + "/", "sk": "asis"},
                   auth={"keys": [{"name": "tester", "key": KEY}, {"name": "other", "key": HIDDEN["another client key"]}]},
                   failover={"cooldown_after": 1, "cooldown": 0.001}, log={"level": level, "format": format},
                   environment={"UPSTREAM_KEY": HIDDEN["key of the environment"]})
    places = [("x-api-key", HIDDEN["another client key"]), ("api-key", HIDDEN["key in a query"]), ("Cookie", HIDDEN["cookie"]),
              ("Proxy-Authorization", f"Basic {HIDDEN['basic credentials']}"), ("User-Agent", KEY), ("X-Request-Id", KEY),
              ("traceparent", f"00-{KEY}-b7ad6b7169203331-01"), ("X-Forwarded-For", KEY)]
    query = f"?api_key={HIDDEN['key in a query']}&key={KEY}"
    for script in scripts:
        for body in (chat(user=known), chat(stream=True, model=KEY)):
            first.answer(script)
            second.answer(script)
            ask_whatever_comes(router, request(f"/v1/chat/completions{query}", body=body, headers=places))
    first.answer(reply())
    second.answer(reply())
    for data in (request(headers=[("x-api-key", HIDDEN["key that lets nobody in"])], key=None),
                 request(headers=[("x-api-key", HIDDEN["another client key"])], key=HIDDEN["key that lets nobody in"]),
                 request(headers=[("Authorization", f"Basic {HIDDEN['basic credentials']}")], key=None),
                 request(f"/v1/{KEY}/{HIDDEN['another client key']}{query}", headers=places), request(f"/{KEY}{query}", headers=places),
                 request(f"/v1/../{KEY}{query}"), request(method=KEY), request(headers=[(f"Bad {KEY}", KEY)]), request(body=b"{" + known.encode()),
                 handshake(("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{HIDDEN['key of a protocol']}"), key=None),
                 f"{known}\r\n\r\n".encode()):
        ask_whatever_comes(router, data)
    answer = router.ask()
    assert answer.status == 200
    lines_about(router, answer)
    assert router.stop() == 0
    proxy.close()
    said = router.output.decode()
    for wanted in ("failover", "tried last" if format == "text" else '"cooldown"', "answers again" if format == "text" else '"recovered"'):
        assert wanted in said
    for name, secret in HIDDEN.items():
        # Nor a part of it.
        for part in (secret, secret[:12], secret[-12:]):
            at = said.find(part)
            assert at < 0, f"{name}: {said[max(0, at - 300):at + 60]}"


def ask_whatever_comes(router, data: bytes):
    with router.client() as client:
        client.send(data)
        try:
            client.read_response()
        except Broken:
            pass


def fill_log(router, most=200):
    """Asks for what is not there until the router has no room for more lines about it."""
    batch = 200
    for _ in range(most):
        with router.client() as client:
            client.send(request(f"/{'p' * 300}", method="GET", key=None) * batch)
            for _ in range(batch):
                assert client.read_response("GET").status == 404
        if router.metric("openai_api_route_log_lines_dropped_total") > 0:
            return
    raise AssertionError("no line was dropped")


def test_a_log_that_nobody_reads_holds_up_nothing(route, upstream):
    """Standard error is a pipe that is full and not read, as under a supervisor that hangs."""
    router = route(upstream)
    with router.log_unread():
        fill_log(router)
        answer = router.ask()  # its end waits for its record
        assert answer.status == 200
        assert router.record(answer)["status"] == 200
        assert router.get("/readyz", key=None).status == 200
        router.signal(signal.SIGHUP)  # the main thread says something, too
        router.signal(signal.SIGTERM)
        assert router.process.wait(60) == 0


def test_lines_that_were_dropped_are_counted_where_they_are_missing(route, upstream):
    router = route(upstream)
    with router.log_unread():
        fill_log(router)
    router.wait_for_line(r"warning [1-9]\d* lines? of the log (was|were) dropped", 60)
    answer = router.ask()
    router.wait_for_line(answer.header("x-request-id"), 60)


@pytest.mark.parametrize("sent_by", [None, KEY], ids=["a stranger", "another client"])
def test_a_key_of_the_file_in_a_path_is_shown_to_nobody(route, make_upstream, sent_by):
    other = "sk-config-0123456789abcdefghij"
    router = route(make_upstream(reply(404)), auth={"keys": [{"name": "tester", "key": KEY}, {"name": "other", "key": other}]})
    answer = router.ask(f"/v1/{other}", method="GET", key=sent_by)
    assert answer.status == (403 if sent_by is None else 404)
    router.wait_for_line(answer.header("x-request-id"))
    assert not [line for line in router.lines if other in line]
    assert not [record for record in router.records() if other in str(tuple(record))]
