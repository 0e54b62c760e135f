"""Messages to people: what is told, to whom, when, and what never is."""

import json
import re
import signal
import time

import jsonschema
import pytest

from fakes.certificates import server_context
from fakes.channels import FakeFeishu, FakeMatrix, FakeMatrixApi, FakeWebhook
from fakes.client import KEY, chat, request
from fakes.postgres import storage
from fakes.router import ROOT, eventually
from fakes.upstream import chat_events, event, refused_url, reply, reset, silence, stream

SCHEMA = ROOT / "notify/webhook.schema.json"
FAILS = reply(500)
LATER = 3600  # a window that does not end within a test


def settings(*channels, window=LATER, **more) -> dict:
    table = {"window": window}
    for channel in channels:
        table |= channel.settings
    return table | more


@pytest.fixture
def told(route, make_upstream):
    """told(channel…, upstreams=[script…]): a router that tells them; its upstreams fail unless a test says otherwise."""

    def start(*channels, upstreams=(FAILS,), environment=None, window=LATER, notify=None, **tables):
        made = [make_upstream(script) if callable(script) else script for script in upstreams]
        return route(*made, environment=environment, notify=settings(*channels, window=window, **(notify or {})), **tables)

    return start


@pytest.fixture(scope="session")
def valid():
    """Fails unless a document is what the schema says."""
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate


def fail_once(router, **kwargs):
    """A failed request and its record."""
    response = router.ask(**kwargs)
    return response, router.record(response)


# --- what is told, and to whom

def test_a_failed_request_is_told_to_every_channel_at_once(told, make_channel, webhook, valid):
    feishu, matrix, api = make_channel(FakeFeishu), make_channel(FakeMatrix), make_channel(FakeMatrixApi)
    router = told(feishu, matrix, webhook, environment=api.environment)
    response, record = fail_once(router)
    text = "IP: 127.0.0.1 request gpt-4o error 500 with first: status 500: it is 500"
    for channel in (feishu, matrix, api, webhook):
        assert channel.wait_for_texts() == [text]
    document = webhook.messages[0]
    valid(document)
    assert (document["kind"], document["count"]) == ("failure", 1)
    assert document["failures"][0]["request_id"] == response.header("x-request-id")
    assert document["node"] == record["node"]
    assert matrix.messages[0]["formatted_body"].startswith("IP: 127.0.0.1 request <code>gpt-4o</code> error <strong>500</strong> with ")
    assert list(matrix.transactions) == [document["id"]]
    assert (api.messages[0]["message"], api.messages[0]["msgtype"]) == ("m.text", "m.text")


def test_feishu_is_named_by_the_environment_too(told, make_channel):
    feishu = make_channel(FakeFeishu)
    router = told(environment={"FEISHU_WEBHOOK": feishu.url})
    router.ask()
    assert feishu.wait_for_texts()


def test_a_bot_with_a_secret_gets_signed_messages(told, make_channel):
    feishu = make_channel(FakeFeishu, secret="bot-secret-0123456789")
    router = told(feishu)
    router.ask()
    assert len(feishu.wait_for_texts()) == 1


def test_a_wrong_secret_is_told_in_the_log_and_not_tried_again(told, make_channel, webhook):
    feishu = make_channel(FakeFeishu, secret="bot-secret-0123456789")
    router = told(feishu, webhook, notify={"feishu_secret": "another-secret-012345"})
    router.ask()
    router.wait_for_line("message to feishu given up after 1 try: code 19021: sign match fail")
    webhook.wait_for_texts()
    assert len(feishu.requests) == 1
    eventually(lambda: router.metric("openai_api_route_notifications_total", channel="feishu", result="failed") == 1)
    eventually(lambda: router.metric("openai_api_route_notifications_total", channel="webhook", result="ok") == 1)
    assert b"-secret-" not in router.output


def test_a_room_is_found_by_its_alias(told, make_channel):
    matrix = make_channel(FakeMatrix)
    router = told(matrix, notify={"matrix_room": matrix.alias})
    router.ask()
    assert matrix.wait_for_texts()


def test_an_encrypted_room_is_refused(told, make_channel):
    matrix = make_channel(FakeMatrix, encrypted=True)
    router = told(matrix)
    router.ask()
    router.wait_for_line("message to matrix given up after 1 try: .*encrypted")
    assert not matrix.messages


def test_a_wrong_token_is_not_repeated_in_the_log(told, make_channel):
    matrix = make_channel(FakeMatrix)
    matrix.answer_first(reply(404, {"errcode": "M_NOT_FOUND"}),
                        reply(401, {"errcode": "M_UNKNOWN_TOKEN", "error": f"Unknown token {matrix.token}"}))
    router = told(matrix)
    router.ask()
    router.wait_for_line("given up after 1 try: HTTP 401: M_UNKNOWN_TOKEN: Unknown token …")
    assert matrix.token.encode() not in router.output


def test_a_webhook_over_tls_is_verified(told, make_channel, authority):
    webhook = make_channel(FakeWebhook, tls=server_context(*authority.issue("hook", "127.0.0.1")))
    router = told(webhook, environment={"SSL_CERT_FILE": str(authority.file)})
    router.ask()
    assert webhook.wait_for_texts()


def test_a_webhook_that_cannot_be_verified_gets_nothing(told, make_channel, authority):
    webhook = make_channel(FakeWebhook, tls=server_context(*authority.issue("hook", "127.0.0.1")))
    router = told(webhook)
    router.ask()
    router.wait_for_line("message to webhook not sent: tls: its certificate is from an authority that is not trusted")
    assert not webhook.requests


def test_a_webhook_gets_the_body_that_is_configured(told, webhook):
    body = '[{"labels":{"model":"${subject}","status":"${status}"},"annotations":{"summary":"${text}"}}]'
    webhook.text_of = lambda message: message[0]["annotations"]["summary"]
    router = told(webhook, notify={"webhook_body": body})
    _, record = fail_once(router, body=chat(model='gpt "4"\\'))
    text = f"error 500 with first: {record['error']}"
    assert webhook.wait_for_texts()[0].endswith(text)
    assert webhook.messages[0][0]["labels"] == {"model": 'gpt "4"\\\\', "status": "500"}


# --- of which requests

def test_what_is_no_failure_is_not_told(told, make_upstream, webhook):
    upstream = make_upstream()
    router = told(webhook, upstreams=[upstream])
    assert router.ask().status == 200
    upstream.answer(reply(204, b""))
    assert router.ask().status == 204
    upstream.answer(reply(304, b""))
    assert router.get("/v1/files/1").status == 304
    assert router.ask(key="wrong-key-0123456789").status == 403
    assert router.ask(key=None).status == 403
    upstream.answer(silence)
    before = len(upstream.requests)
    with router.client() as client:
        client.send(request())
        upstream.wait_for_requests(before + 1)
    eventually(lambda: [row for row in router.records() if row["outcome"] == "client_closed"])
    upstream.answer(FAILS)
    router.ask(body=chat(model="the-first-to-fail"))
    assert "request the-first-to-fail error 500" in webhook.wait_for_texts()[0]
    router.stop()
    assert len(webhook.messages) == 1


def test_a_model_that_nobody_has_is_told(told, make_upstream, webhook):
    upstream = make_upstream()
    router = told(webhook, upstreams=[{"endpoint": upstream.url, "allow": ["o3"]}])
    response, record = fail_once(router)
    assert response.status == 404
    assert webhook.wait_for_texts() == [f"IP: 127.0.0.1 request gpt-4o error 404 with {record['error']}"]


def test_a_request_without_a_model_is_told_by_its_path(told, webhook):
    router = told(webhook)
    router.get("/v1/files?purpose=secret")
    assert webhook.wait_for_texts()[0].startswith("IP: 127.0.0.1 request /v1/files error 500 with ")


def test_no_upstream_that_answers_is_told_with_what_each_of_them_did(told, webhook):
    router = told(webhook, upstreams=[reset, {"endpoint": refused_url()}])
    response, record = fail_once(router)
    assert response.status == 502
    text = webhook.wait_for_texts()[0]
    assert text == f"IP: 127.0.0.1 request gpt-4o error 502 with {record['error']}"
    assert "first" in text and "second" in text and "connection refused" in text


def test_a_reply_that_was_kept_is_told_with_its_own_reason(told, webhook):
    """Not with what those did that were tried after it."""
    router = told(webhook, upstreams=[reply(429), {"endpoint": refused_url()}])
    response, record = fail_once(router)
    assert (response.status, record["upstream_name"], record["error"]) == (429, "first", "status 429: it is 429")
    assert webhook.wait_for_texts() == ["IP: 127.0.0.1 request gpt-4o error 429 with first: status 429: it is 429"]


def test_a_stream_that_breaks_off_is_told(told, webhook, valid):
    router = told(webhook, upstreams=[stream(*chat_events("one", "two")[:2], then="reset")])
    with router.client() as client:
        client.send(request(body=chat(stream=True)))
        assert client.read_head().status == 200
        client.read_until(b"upstream_truncated")
        text = webhook.wait_for_texts()[0]
    assert text.startswith("IP: 127.0.0.1 request gpt-4o error 200 with first: ")
    valid(webhook.messages[0])
    assert webhook.messages[0]["failures"][0]["upstream"] == "first"


@pytest.mark.takes_long
def test_an_upstream_that_answers_after_more_than_a_minute_is_told(told, make_upstream, webhook, valid):
    upstream = make_upstream(reply(429, headers=(("Retry-After", "300"),)))
    router = told(webhook, upstreams=[{"endpoint": upstream.url, "name": "tired"}])
    router.ask()
    assert webhook.wait_for_texts() == ["IP: 127.0.0.1 request gpt-4o error 429 with tired: status 429: it is 429"]
    time.sleep(61)  # nothing but time makes a cooldown last
    upstream.answer(reply())
    assert router.ask().status == 200
    assert re.fullmatch(r"upstream tired \(model gpt-4o\) answers again, after \d\d s in cooldown", webhook.wait_for_texts(2)[1])
    document = webhook.messages[1]
    valid(document)
    assert document["kind"] == "recovery"
    assert document["recovery"]["upstream"] == "tired"
    assert 61 <= document["recovery"]["seconds"] < 90


def test_what_clients_send_is_escaped_and_cut(told, make_channel, webhook):
    feishu, matrix = make_channel(FakeFeishu), make_channel(FakeMatrix)
    router = told(feishu, matrix, webhook)
    router.ask(body=chat(model='<at user_id="all">\n\u202e<b>' + "x" * 500))
    (text,) = webhook.wait_for_texts()
    subject = webhook.messages[0]["failures"][0]["subject"]
    assert subject.startswith('<at user_id="all">\\n\\u202e<b>xxx') and subject.endswith("x…")
    assert len(subject.encode()) <= 256 and "\n" not in text
    assert "<" not in feishu.wait_for_texts()[0]
    matrix.wait_for_texts()
    assert "<at" not in matrix.messages[0]["formatted_body"] and "<b>" not in matrix.messages[0]["formatted_body"]


# --- how often

def test_equal_failures_are_counted(told, webhook, valid):
    router = told(webhook, window=3)
    for _ in range(5):
        router.ask()
    webhook.wait_until_told(5)
    assert webhook.messages[0]["kind"] == "failure"
    assert all(re.search(r"error 500 with .* \(\d times? within 3 s\)$", text) for text in webhook.texts[1:])
    for message in webhook.messages:
        valid(message)


def test_ten_kinds_are_told_at_once_and_the_others_counted(told, webhook, valid):
    router = told(webhook)
    for number in range(13):
        router.ask(body=chat(model=f"model-{number}"))
    webhook.wait_for_texts(10)
    assert router.stop() == 0
    assert [message["kind"] for message in webhook.messages] == ["failure"] * 10 + ["failures"]
    digest = webhook.messages[-1]
    assert [failure["subject"] for failure in digest["failures"]] == ["model-10", "model-11", "model-12"]
    valid(digest)


def test_what_was_counted_is_told_before_the_program_ends(told, make_channel, webhook):
    feishu = make_channel(FakeFeishu)
    router = told(feishu, webhook)
    for _ in range(4):
        router.ask()
    assert router.stop() == 0
    for channel in (feishu, webhook):
        assert channel.texts[1] == channel.texts[0].replace("first: ", "") + " (3 times within 60 min)"
    assert webhook.told == 4


def test_a_silent_channel_does_not_keep_the_program_from_ending(told, make_channel, webhook):
    feishu = make_channel(FakeFeishu)
    feishu.answer(silence)
    router = told(feishu, webhook, server={"drain": 1})
    router.ask()
    feishu.wait_for_requests()
    assert router.stop() == 0
    assert len(webhook.messages) == 1


# --- channels in trouble

def test_a_message_is_tried_again_until_it_arrives(told, webhook):
    webhook.answer_first(reply(500), reset, reply(429, headers=[("Retry-After", "0")]))
    router = told(webhook)
    router.ask()
    webhook.wait_for_texts(1, seconds=60)
    assert len(webhook.requests) == 4
    assert len({sent.json()["id"] for sent in webhook.requests}) == 1
    assert router.stop() == 0
    assert len(webhook.messages) == 1


def test_a_message_that_a_homeserver_has_already_is_not_there_twice(told, make_channel):
    matrix = make_channel(FakeMatrix)
    # The first question is whether the room is encrypted. A connection that is used again and dies is replaced at once.
    matrix.answer_first(matrix.take, matrix.take_and_reset, FakeMatrix.limit_exceeded(50))
    router = told(matrix)
    router.ask()
    matrix.wait_for(lambda: sum(sent.method == "PUT" for sent in matrix.requests) == 3, 60)
    assert router.stop() == 0
    assert len(matrix.messages) == 1


def test_a_bot_that_is_asked_too_often_is_asked_later(told, make_channel):
    feishu = make_channel(FakeFeishu)
    feishu.answer_first(reply(200, FakeFeishu.TOO_MANY))
    router = told(feishu)
    router.ask()
    assert feishu.wait_for_texts(1, seconds=60)
    assert len(feishu.requests) == 2


def test_requests_do_not_wait_for_channels(told, make_channel, webhook):
    feishu = make_channel(FakeFeishu)
    feishu.answer(silence)
    webhook.answer(silence)
    router = told(feishu, webhook)
    router.ask()
    feishu.wait_for_requests()
    webhook.wait_for_requests()
    for number in range(50):
        assert router.ask(body=chat(model=f"model-{number}")).status == 500
    assert (len(feishu.requests), len(webhook.requests)) == (1, 1), "no answer and no timeout yet"
    router.kill()


# --- secrets

def test_no_message_and_no_line_has_a_key(told, make_upstream, make_channel, webhook):
    sk = "sk-upstream-first-0123456789"
    said = {"error": {"message": f"Incorrect API key provided: {sk}; you sent {KEY}", "code": sk}}
    feishu, matrix = make_channel(FakeFeishu), make_channel(FakeMatrix)
    upstream = make_upstream(reply(401, said))
    router = told(feishu, matrix, webhook, upstreams=[upstream])
    router.ask()
    upstream.answer(stream(event(said)))
    router.ask(body=chat(stream=True, model="streams"))
    upstream.answer(reply(400, said))
    router.ask(body=chat(model="bad"), headers=[("x-client", KEY)])
    upstream.answer(reply(500, said))
    router.ask(path=f"/v1/files/{KEY}", body=chat(model=f"named {KEY}"))
    for channel in (feishu, matrix, webhook):
        channel.wait_for_texts(4)
        # A homeserver's and a bot's own secrets are where they belong; these are in nothing that was sent.
        for sent in channel.requests:
            assert sk.encode() not in sent.head + sent.body
            assert KEY.encode() not in sent.head + sent.body
    assert sk.encode() not in router.output and KEY.encode() not in router.output


def test_where_messages_go_is_in_no_line(told, webhook):
    quoted = webhook.path.replace("/", "\\/")
    webhook.answer_first(reply(503, {"error": f"no {webhook.path} here"}), reply(404, f'{{"error":"no {quoted}"}}'.encode()))
    router = told(webhook)
    router.ask()
    router.wait_for_line("message to webhook given up after 2 tries: HTTP 404", seconds=60)
    router.wait_for_line("message to webhook not sent: HTTP 503")
    assert b"c2VjcmV0" not in router.output
    assert "c2VjcmV0" not in router.ok("config", "show")


@pytest.mark.parametrize("key, value", [
    ("webhook", "ftp://SECRET/hook"), ("feishu_webhook", "SECRET"), ("matrix_homeserver", "http://SECRET/#x"),
    ("matrix_room", "SECRET"), ("webhook_body", "{SECRET")])
def test_what_is_configured_wrongly_is_not_quoted(router, key, value):
    router.configure(notify={"webhook": "http://127.0.0.1:1/", "matrix_homeserver": "http://127.0.0.1:1", "matrix_room": "!a:b",
                             "matrix_token": "t0ken-0123456789", key: value})
    checked = router.run("config", "check")
    assert checked.returncode != 0
    assert f"notify.{key}" in checked.stderr and "SECRET" not in checked.stderr


# --- the command line, and changes under way

def test_notify_test_sends_one_message_to_each_channel(router, make_channel, webhook, valid):
    feishu, matrix = make_channel(FakeFeishu, secret="bot-secret-0123456789"), make_channel(FakeMatrix)
    router.configure(notify=settings(feishu, matrix, webhook))
    said = router.ok("notify", "test")
    for name in ("feishu", "matrix", "webhook"):
        assert re.search(rf"(?m)^{name}\b", said)
    for channel in (feishu, matrix, webhook):
        assert len(channel.texts) == 1 and "test message" in channel.texts[0]
    valid(webhook.messages[0])
    assert webhook.messages[0]["kind"] == "test"
    assert "c2VjcmV0" not in said and "-secret-" not in said


def test_notify_test_says_which_channel_did_not_take_it(router, make_channel, webhook):
    feishu, matrix = make_channel(FakeFeishu), make_channel(FakeMatrix)
    feishu.answer(reply(200, FakeFeishu.SIGN_MATCH_FAIL))
    router.configure(notify=settings(feishu, matrix, webhook, matrix_token="wrong-token-0123456789"))
    done = router.run("notify", "test")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "19021" in said and "M_UNKNOWN_TOKEN" in said
    assert len(webhook.messages) == 1
    assert "wrong-token" not in said


def test_notify_test_without_channels_says_so(router):
    router.configure()
    done = router.run("notify", "test")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_sighup_changes_the_channels(told, make_channel, webhook):
    router = told(webhook)
    router.ask()
    webhook.wait_for_texts()
    other = make_channel(FakeFeishu)
    upstream = make_channel(FakeWebhook)  # answers 404 to what is no hook
    for channels, model in (([other], "to-the-other"), ([], "to-nobody"), ([webhook], "to-the-first")):
        before = len(router.lines)
        router.configure([f"http://127.0.0.1:{upstream.port}/v1"], notify=settings(*channels))
        router.signal(signal.SIGHUP)
        router.wait_for_line("configuration was read again", after=before)
        router.ask(body=chat(model=model))
        router.wait_for_line(f"model={model}", after=before)  # it has been told of, too
        for channel in channels:
            channel.wait_until_it_has(f"request {model} error 404")
    assert "request to-the-other error 404" in other.wait_for_texts()[0]
    assert "request to-the-first error 404" in webhook.wait_for_texts(2)[1]
    assert router.stop() == 0
    assert (len(webhook.messages), len(other.messages)) == (2, 1)


# --- several routers

@pytest.fixture
def two_routers(make_router, tmp_path, make_upstream, webhook, database):
    """On one database, telling one webhook."""
    upstream = make_upstream(FAILS)

    def start(window):
        return [make_router(tmp_path / name).configure([upstream], storage=storage(database.url), notify=settings(webhook, window=window))
                .start() for name in ("one", "two")]

    return start


def test_of_routers_on_one_database_one_tells(two_routers, webhook, valid):
    one, two = two_routers(window=5)
    one.ask()
    webhook.wait_for_texts()
    for _ in range(2):
        two.ask()
        one.ask()
    webhook.wait_until_told(5, seconds=60)
    assert [message["kind"] for message in webhook.messages].count("failure") == 1
    for message in webhook.messages:
        valid(message)


def test_a_router_that_ends_tells_what_others_have_counted_once(two_routers, webhook):
    one, two = two_routers(window=LATER)
    one.ask()
    webhook.wait_for_texts()
    for _ in range(3):
        two.ask()
    assert two.stop() == 0
    webhook.wait_until_told(4, seconds=60)
    assert one.stop() == 0
    webhook.wait_until_told(4)


def test_a_router_whose_database_is_away_tells_for_itself(make_router, tmp_path, make_upstream, webhook, fragile_cluster):
    database = fragile_cluster.database()
    router = make_router(tmp_path / "one").configure([make_upstream(FAILS)], storage=storage(database.url), notify=settings(webhook)).start()
    router.ask()
    webhook.wait_for_texts()
    fragile_cluster.stop()
    router.ask(body=chat(model="while-away"))
    assert "request while-away error 500" in webhook.wait_for_texts(2, seconds=60)[1]
