"""Every instrument, moved by what it counts and by nothing else."""

import json
import os
import pathlib
import sqlite3
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest

from fakes.client import Broken, chat, request
from fakes.exposition import LABELS, Exposition, Moved, read
from fakes.router import eventually, impatient
from fakes.upstream import CHAT_REPLY, Gate, chat_events, chunk, event, head, numbered, raw, refused_url, reply, reset, silence, stream

CHAT = "/v1/chat/completions"
SHORT = 0.4  # seconds; nobody answers in it


def leave(router, upstream, body=None):
    """A client that goes away once the upstream has its request."""
    with router.client() as client:
        before = len(upstream.requests)
        client.send(request(body=body))
        upstream.wait_for_requests(before + 1)


def ask(router, **kwargs):
    """Whatever comes of it."""
    try:
        return router.ask(**kwargs)
    except Broken:
        return None


# --- requests

BREAKS_OFF = stream(numbered(1), then="close")
REQUESTS = {
    "ok": (reply(), {}, [(CHAT, "gpt-4o", "200", "ok")]),
    "ok, a stream": (stream(*chat_events("a")), {"body": chat(stream=True)}, [(CHAT, "gpt-4o", "200", "ok")]),
    "relayed error": (reply(500), {}, [(CHAT, "gpt-4o", "500", "upstream_error")]),
    "no response": (reset, {}, [(CHAT, "gpt-4o", "502", "upstream_error")]),
    "timeout": (silence, {}, [(CHAT, "gpt-4o", "502", "timeout")]),
    "truncated": (BREAKS_OFF, {"body": chat(stream=True)}, [(CHAT, "gpt-4o", "200", "truncated")]),
    "no model": (reply(), {"path": "/v1/files", "method": "GET"}, [("/v1/files", "", "200", "ok")]),
    "a path with an id": (reply(), {"path": "/v1/files/file-17/content", "method": "GET"}, [("/v1/files/:id/content", "", "200", "ok")]),
    "a path nobody knows": (reply(), {"path": "/v1/secret/place?q=1", "method": "GET"}, [("other", "", "200", "ok")]),
    "a model that never had a 2xx": (reply(404), {"body": chat(model="made-up")}, [(CHAT, "other", "404", "upstream_error")]),
    "a wrong key": (reply(), {"key": "wrong"}, [(CHAT, "", "403", "rejected")]),
    "a path it does not serve": (reply(), {"path": "/secret"}, [("other", "", "404", "rejected")]),
    "a model nobody serves": (reply(), {"body": chat(model="denied")}, [(CHAT, "other", "404", "rejected")]),
    "a path with dots": (reply(), {"path": "/v1/../etc"}, [("other", "", "400", "rejected")]),
    "its own pages": (reply(), {"path": "/healthz", "method": "GET"}, []),
}


@pytest.mark.parametrize("script, asked, moved", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_is_counted_once(route, make_upstream, script, asked, moved):
    upstream = make_upstream()
    router = route({"endpoint": upstream.url, "deny": ["denied"]}, timeouts=dict.fromkeys(("default", "stream", "single"), 2 if script is silence else 60))
    router.ask()  # makes the model's name known
    upstream.answer(script)
    since = Moved(router)
    ask(router, **asked)
    expected = {labels: 1 for labels in moved}
    eventually(lambda: since.by("requests_total") == expected)
    assert since.by("request_duration_seconds", "_count") == {labels[:1]: 1 for labels in moved}
    assert since.by("overhead_seconds", "_count") == ({(): 1} if moved else {})


def test_a_client_that_goes_away(route, make_upstream):
    upstream = make_upstream(reply(), silence)
    router = route(upstream)
    router.ask()
    since = Moved(router)
    leave(router, upstream)
    eventually(lambda: since.by("requests_total") == {(CHAT, "gpt-4o", "499", "client_closed"): 1})
    assert since.by("attempts_total") == {("first", "client_closed"): 1}
    assert since.by("failovers_total") == {}
    assert since.by("time_to_first_byte_seconds", "_count") == {}


def test_requests_in_flight(route, make_upstream):
    """The one that asks for the metrics is one of them."""
    gate = Gate()
    upstream = make_upstream(lambda connection, seen: gate.wait() or reply()(connection, seen))
    router = route(upstream)
    assert read(router).value("requests_in_flight") == 1
    clients = [router.client() for _ in range(3)]
    for client in clients:
        client.send(request())
    upstream.wait_for_requests(3)
    assert read(router).value("requests_in_flight") == 4
    gate.open()
    for client in clients:
        assert client.read_response().status == 200
        client.close()
    eventually(lambda: read(router).value("requests_in_flight") == 1)


# --- upstreams

ATTEMPTS = {
    "status": reply(503),
    "connect": None,
    "tls": None,
    "timeout": silence,
    "cut": raw(head(200, [("Content-Type", "application/json"), ("Content-Length", 100)]) + b'{"half":'),
    "empty": stream(),
    "error_event": stream(event({"error": {"message": "x"}})),
    "error_body": reply(200, {"error": {"message": "x"}}),
    "blank": stream(*chat_events()),
    "no_answer": reply(200, {}),
}


@pytest.mark.parametrize("outcome", ATTEMPTS)
def test_a_failed_attempt_and_its_failover(route, make_upstream, outcome):
    bad, good = make_upstream(ATTEMPTS[outcome] or reset), make_upstream()
    if outcome == "connect":
        bad = refused_url()
    elif outcome == "tls":
        plain = make_upstream(on_accept=lambda connection: (connection.read_more(), connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
        bad = f"https://127.0.0.1:{plain.port}/v1"
    router = route(impatient(bad, SHORT) if outcome == "timeout" else bad, good)
    since = Moved(router)
    assert router.ask().status == 200
    assert since.by("attempts_total") == {("first", outcome): 1, ("second", "ok"): 1}
    assert since.by("failovers_total") == {("first", outcome): 1}
    assert since.by("time_to_first_byte_seconds", "_count") == {("second", "false"): 1}


def test_the_last_failure_is_no_failover(route, make_upstream):
    router = route(make_upstream(reply(500)), make_upstream(reset), make_upstream(reply(502)))
    since = Moved(router)
    assert router.ask().status == 502
    assert since.by("attempts_total") == {("first", "status"): 1, ("second", "cut"): 1, ("third", "status"): 1}
    assert since.by("failovers_total") == {("first", "status"): 1, ("second", "cut"): 1}


def test_a_reply_that_breaks_off_is_a_failed_attempt_and_no_failover(route, make_upstream):
    router = route(make_upstream(BREAKS_OFF), make_upstream())
    since = Moved(router)
    ask(router, body=chat(stream=True))
    eventually(lambda: since.by("attempts_total") == {("first", "cut"): 1})
    assert since.by("failovers_total") == {}
    assert since.by("time_to_first_byte_seconds", "_count") == {("first", "true"): 1}


def test_time_to_the_first_byte(route, make_upstream):
    """From the request's beginning, whoever was tried before, to the first byte, whatever comes after it."""
    gate, pause = Gate(), 1.5

    def slow_stream(connection, seen):
        connection.send(head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]) + chunk(numbered(1)))
        gate.wait()
        connection.send(b"0\r\n\r\n")

    router = route(impatient(make_upstream(silence), SHORT), make_upstream(slow_stream))
    since = Moved(router)
    with router.client() as client:
        client.send(request(body=chat(stream=True)))
        client.read_head()
        time.sleep(pause)
        gate.open()
        assert client.read_chunk() and not client.read_chunk()
    assert since.by("time_to_first_byte_seconds", "_count") == {("second", "true"): 1}
    [seconds] = since.by("time_to_first_byte_seconds", "_sum").values()
    [duration] = since.by("request_duration_seconds", "_sum").values()
    # The router notes a byte once it is sent: the client may have read it by then, a little of the pause may be over.
    assert SHORT <= seconds < duration - pause / 2
    assert duration >= SHORT + pause


def test_overhead_is_no_waiting(route, make_upstream):
    """Neither for the client's body, nor for the upstream's head, nor for the rest of its reply."""
    pause = 1

    def slow(connection, seen):
        time.sleep(pause)
        answer = json.dumps(CHAT_REPLY).encode()
        connection.send(head(200, [("Content-Type", "application/json"), ("Content-Length", len(answer))]) + answer[:1])
        time.sleep(pause)
        connection.send(answer[1:])

    router = route(make_upstream(slow))
    since = Moved(router)
    asked = request()
    with router.client() as client:
        client.send(asked[:-5])
        time.sleep(pause)
        client.send(asked[-5:])
        assert client.read_response().status == 200
    [duration] = since.by("request_duration_seconds", "_sum").values()
    [overhead] = since.by("overhead_seconds", "_sum").values()
    assert duration > 2.5 * pause
    assert 0 < overhead < 0.9 * pause


def ups(router) -> dict:
    return {upstream: value for (upstream,), value in read(router).values("upstream_up").items()}


def test_an_upstream_is_down_in_cooldown_and_up_after_a_success(route, make_upstream):
    first, second = make_upstream(reply(500)), make_upstream(reply(500))
    router = route(first, second, failover={"cooldown_after": 2, "cooldown": 300})
    assert ups(router) == {"first": 1, "second": 1}
    second.answer(reply())
    router.ask()
    assert ups(router) == {"first": 1, "second": 1}
    router.ask()
    assert ups(router) == {"first": 0, "second": 1}
    first.answer(reply())
    second.answer(reply(500))
    assert router.ask().header("x-route-upstream") == "first"
    assert ups(router) == {"first": 1, "second": 1}


def test_an_upstream_is_up_again_when_its_cooldown_ends(route, make_upstream):
    router = route(make_upstream(reply(500)), make_upstream(), failover={"cooldown_after": 1, "cooldown": 18})
    router.ask()
    assert ups(router) == {"first": 0, "second": 1}
    eventually(lambda: ups(router) == {"first": 1, "second": 1})


def test_an_upstream_that_is_gone_is_not_up_any_more(route, upstream):
    router = route(upstream)
    router.ok("upstream", "add", "--name", "stored", "--sk", "sk-1", "--endpoint", upstream.url)
    eventually(lambda: ups(router) == {"first": 1, "stored": 1})
    router.ok("upstream", "remove", "stored")
    eventually(lambda: ups(router) == {"first": 1})


# --- tokens

RESPONSE = {"object": "response", "output": [], "usage": {"input_tokens": 11, "output_tokens": 13, "total_tokens": 24}}
MESSAGE = {"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 17, "output_tokens": 19}}
TOKENS = {
    "JSON": (CHAT, reply(), chat(), 3, 5),
    "a stream": (CHAT, stream(*chat_events("a")), chat(stream=True), 3, 5),
    "a stream that says nothing of them": (CHAT, stream(*chat_events("a", usage=False)), chat(stream=True), 0, 0),
    "a response": ("/v1/responses", reply(body=RESPONSE), chat(), 11, 13),
    "a message": ("/v1/messages", reply(body=MESSAGE), chat(), 17, 19),
    "embeddings": ("/v1/embeddings", reply(body={"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}), chat(), 7, 0),
    "an error": (CHAT, reply(500, {"error": {"message": "x"}}), chat(), 0, 0),
}


@pytest.mark.parametrize("path, script, body, prompt, completion", TOKENS.values(), ids=TOKENS.keys())
def test_tokens(route, make_upstream, path, script, body, prompt, completion):
    router = route(make_upstream(reset), make_upstream(script))
    since = Moved(router)
    for _ in range(2):
        router.ask(path, body=body)
    expected = {("second", "gpt-4o", "prompt"): 2 * prompt, ("second", "gpt-4o", "completion"): 2 * completion}
    assert since.by("tokens_total") == {labels: count for labels, count in expected.items() if count}


# --- records

@contextmanager
def locked(router):
    """Somebody else has the database for himself."""
    with closing(sqlite3.connect(router.database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


def test_records_written(route, upstream):
    router = route(upstream)
    since = Moved(router)
    for _ in range(3):
        router.ask()
    router.ask(key="wrong")  # has no record
    assert since.by("records_written_total") == {(): 3}
    assert since.by("record_write_seconds", "_count") == {(): 3}  # each before its reply ends
    assert 0 < since.by("record_write_seconds", "_sum")[()] < 3
    assert since.by("records_dropped_total") == {}
    eventually(lambda: read(router).value("record_queue_bytes") == read(router).value("outbox_records") == 0)


def test_records_rejected(route, upstream):
    """By the database, alone, with a reason of its own. The others are written."""
    router = route(upstream)
    since = Moved(router)
    with closing(sqlite3.connect(router.database)) as db:
        db.execute("CREATE TRIGGER unwanted BEFORE INSERT ON records WHEN NEW.model = 'unwanted'"
                   " BEGIN SELECT RAISE(ABORT, 'an operator forbids it'); END")
    for model in ("gpt-4o", "unwanted", "gpt-4o"):
        router.ask(body=chat(model=model))
    assert since.by("records_rejected_total") == {(): 1}
    assert since.by("records_written_total") == {(): 2}
    assert since.by("records_dropped_total") == {}
    assert '"unwanted"' in (router.directory / "rejected-records.jsonl").read_text()


def test_records_wait_in_the_outbox(route, upstream):
    router = route(upstream, records={"durability": "batch"})
    router.ask()
    eventually(lambda: read(router).value("records_written_total") == 1)
    with locked(router):
        for _ in range(5):
            router.ask()
        eventually(lambda: read(router).value("outbox_records") == 5)
        eventually(lambda: read(router).value("record_queue_bytes") == 0)
        assert read(router).value("records_written_total") == 1
    eventually(lambda: read(router).value("outbox_records") == 0, 20)
    now = read(router)
    assert (now.value("records_written_total"), now.value("records_dropped_total")) == (6, 0)


def test_records_wait_in_the_queue_and_are_dropped_when_it_is_full(route, upstream):
    """With nothing that takes them. A request whose record finds no room waits 5 s and is served all the same."""
    room = 100_000
    router = route(upstream, records={"durability": "batch", "queue": room}, storage={"outbox": "no/such/place/outbox.sqlite"})
    router.ask()
    eventually(lambda: read(router).value("records_written_total") == 1)
    with locked(router):
        router.ask(body=chat("x" * (room // 2)))
        assert room // 2 < read(router).value("record_queue_bytes") < room
        router.ask(body=chat("x" * room))
        full = read(router).value("record_queue_bytes")
        assert room < full
        unrecorded = [threading.Thread(target=router.ask) for _ in range(2)]
        for each in unrecorded:
            each.start()
        for each in unrecorded:
            each.join(20)
        eventually(lambda: read(router).value("records_dropped_total") == 2)
        assert read(router).value("record_queue_bytes") == full
    eventually(lambda: read(router).value("record_queue_bytes") == 0, 20)
    now = read(router)
    assert (now.value("records_written_total"), now.value("records_dropped_total")) == (3, 2)
    assert now.values("requests_total") == {(CHAT, "gpt-4o", "200", "ok"): 5}


# --- the program

def test_build_info(route, upstream):
    router = route(upstream)
    version = router.ok("--version").split()[1]
    assert read(router).values("build_info") == {(version,): 1}


def test_process(route, upstream):
    router = route(upstream)
    proc = pathlib.Path(f"/proc/{router.process.pid}")
    ticks = os.sysconf("SC_CLK_TCK")

    def seen():
        """The fields of stat from the third, the state, on (proc(5))."""
        return (proc / "stat").read_text().rpartition(")")[2].split()

    before, first, fields = seen(), read(router), seen()
    uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    assert first.process("start_time_seconds") == pytest.approx(time.time() - uptime + int(fields[19]) / ticks, abs=2)
    assert first.process("virtual_memory_bytes") == pytest.approx(int(fields[20]), rel=0.5)  # an arena of malloc more or less
    resident = [int(stat[21]) * os.sysconf("SC_PAGE_SIZE") for stat in (before, fields)]
    assert 0.8 * min(resident) < first.process("resident_memory_bytes") < 1.2 * max(resident)
    used = [(int(stat[11]) + int(stat[12])) / ticks for stat in (before, fields)]
    assert used[0] - 2 / ticks <= first.process("cpu_seconds_total") <= used[1] + 2 / ticks
    limit = next(line for line in (proc / "limits").read_text().splitlines() if line.startswith("Max open files"))
    assert f" {first.process('max_fds'):.0f} " in limit
    # What the program itself opens, closes and starts meanwhile is its own affair: both sides are read until nothing moved
    # between them.
    eventually(lambda: read(router).process("threads") == int(seen()[17]))
    with ExitStack() as open_clients:
        scraper = open_clients.enter_context(router.client())

        def open_fds():
            before = len(os.listdir(proc / "fd"))
            answer = scraper.ask("/v1/metrics", key=None, method="GET")
            after = len(os.listdir(proc / "fd"))
            told = Exposition(answer.body.decode()).process("open_fds")
            return before == told == after and told

        alone = eventually(open_fds)
        for _ in range(40):
            open_clients.enter_context(router.client()).ask("/healthz", method="GET")
        assert eventually(open_fds) > alone + 30


def test_histograms_add_up(route, make_upstream):
    router = route(make_upstream(reply(), reset), make_upstream(reply()))
    for number in range(20):
        router.ask(body=chat(stream=number % 2 == 0))
    now = read(router)
    for name in [name for name in LABELS if name.endswith("_seconds")]:
        assert now.buckets(name), name
        for labels, buckets in now.buckets(name).items():
            counts = [count for _, count in buckets]
            assert counts == sorted(counts)
            assert buckets[-1] == (float("inf"), now.value(name, *labels, suffix="_count"))
            mean = now.value(name, *labels, suffix="_sum") / counts[-1]
            # It lies where the buckets say: neither all in the first one nor all beyond the last.
            assert mean < buckets[-2][0]
