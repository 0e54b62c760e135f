"""Upstreams behind an outbound proxy."""

import base64

import pytest

from fakes.certificates import server_context
from fakes.client import chat
from fakes.proxy import FakeProxy, Tinyproxy
from fakes.upstream import chat_events, refused_url, reply, stream
from fakes.websocket import ACCEPTED, handshake

USER = "proxy-user:proxy-pa55word"
CREDENTIALS = base64.b64encode(USER.encode()).decode()


@pytest.fixture
def make_proxy(tmp_path):
    """make_proxy(Tinyproxy or FakeProxy, …): proxies that end with the test."""
    made = []

    def make(kind, *args, **kwargs):
        made.append(kind(tmp_path, *args, **kwargs) if kind is Tinyproxy else kind(*args, **kwargs))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def tls_upstream(authority, make_upstream):
    """tls_upstream(script…, name=…): an upstream on HTTPS, its certificate for that name."""

    def make(*scripts, name="127.0.0.1"):
        return make_upstream(*scripts, tls=server_context(*authority.issue("upstream", name)))

    return make


def outcomes(router, response):
    return [(each["outcome"], each["status"], each["error"]) for each in router.attempts(router.record(response))]


def test_plain_http_goes_through_a_real_proxy(route, make_proxy, upstream):
    proxy = make_proxy(Tinyproxy)
    router = route(upstream, upstream={"proxy": proxy.url()})
    assert router.ask("/v1/chat/completions?a=b").status == 200
    seen = upstream.requests[0]
    assert seen.target == "/v1/chat/completions?a=b"
    assert seen.header("via") and seen.header("authorization") == "Bearer sk-upstream-first-0123456789"
    assert proxy.requests() == [f"POST http://127.0.0.1:{upstream.port}/v1/chat/completions?a=b HTTP/1.1"]


def test_https_goes_through_a_real_proxy_by_connect(route, make_proxy, authority, tls_upstream):
    proxy, upstream = make_proxy(Tinyproxy), tls_upstream()
    router = route(upstream, upstream={"proxy": proxy.url(), "ca_file": str(authority.file)})
    assert [router.ask().status for _ in range(3)] == [200, 200, 200]
    assert proxy.requests() == [f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1"], "the connection is used again"
    assert upstream.requests[0].target == "/v1/chat/completions"
    assert upstream.requests[0].header("proxy-authorization") is None


@pytest.mark.parametrize("over_tls", [False, True])
def test_user_and_password(route, make_proxy, make_upstream, authority, tls_upstream, over_tls):
    proxy = make_proxy(Tinyproxy, USER)
    upstream = tls_upstream() if over_tls else make_upstream()
    router = route(upstream, upstream={"proxy": proxy.url(USER), "ca_file": str(authority.file)})
    assert router.ask().status == 200
    assert upstream.requests[0].header("proxy-authorization") is None
    assert len(proxy.requests()) == 1


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_proxy_that_wants_other_credentials_fails_over(route, make_proxy, make_upstream, authority, tls_upstream, over_tls):
    proxy = make_proxy(Tinyproxy, USER)
    behind = tls_upstream() if over_tls else make_upstream()
    second = make_upstream()
    router = route({"endpoint": behind.url, "proxy": proxy.url("proxy-user:wrong-pa55word")}, second,
                   upstream={"ca_file": str(authority.file)})
    answer = router.ask()
    assert answer.header("x-route-upstream") == "second"
    # Tinyproxy says 407 or 401 for a wrong password, depending on its version.
    (outcome, _, error), _ = outcomes(router, answer)
    # Its page says why, too, where it is relayed as the upstream's own.
    assert (outcome, error.partition(": <")[0]) in [("connect", "proxy: status 407"), ("connect", "proxy: status 401"), ("status", "status 401")]
    assert behind.connections == 0
    everything = router.output + str([tuple(row) for row in router.records()]).encode() + answer.body
    assert b"pa55word" not in everything and CREDENTIALS.encode() not in everything


def test_a_websocket_to_a_plain_upstream_goes_by_connect(route, make_proxy, make_upstream):
    def script(connection, _):
        connection.send(ACCEPTED)
        connection.send(connection.read_exactly(5))

    proxy, upstream = make_proxy(Tinyproxy), make_upstream(script, reply())
    router = route(upstream, upstream={"proxy": proxy.url()})
    with router.client() as client:
        client.send(handshake())
        assert client.read_head().status == 101
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
    assert router.ask().status == 200
    assert [line.split()[0] for line in proxy.requests()] == ["CONNECT", "POST"]
    assert upstream.requests[0].target == "/v1/realtime?model=gpt-realtime"


def test_a_proxy_named_by_reference_and_shown_masked(router, make_proxy, upstream):
    proxy = make_proxy(Tinyproxy, "tok3n:x")
    secret = {"THE_PROXY": proxy.url("tok3n:x")}
    router.configure([{"endpoint": upstream.url, "proxy": "env:THE_PROXY"}, {"endpoint": upstream.url, "proxy": "http://tok3n@h:1"}],
                     upstream={"proxy": "env:THE_PROXY"}).make_database()
    shown = router.ok("config", "show") + router.ok("upstream", "show", "first") + router.ok("upstream", "show", "second")
    assert "env:THE_PROXY" in shown and "tok3n" not in shown and "http://…@h:1" in shown
    router.start(environment=secret)
    assert router.ask().status == 200
    assert len(proxy.requests()) == 1
    assert "tok3n" not in router.output.decode()
    assert "THE_PROXY" in router.run("config", "check").stderr, "which is not set here"


def test_a_stream_through_a_proxy(route, make_proxy, authority, tls_upstream):
    proxy, upstream = make_proxy(Tinyproxy), tls_upstream(stream(*chat_events("one ", "two")))
    router = route(upstream, upstream={"proxy": proxy.url(), "ca_file": str(authority.file)})
    answer = router.ask(body=chat(stream=True))
    assert answer.body == b"".join(chat_events("one ", "two"))
    assert router.record(answer)["response"] == "one two"


def test_the_proxy_of_an_upstream_wins(route, make_proxy, make_upstream):
    general, own = make_proxy(FakeProxy, answer=b"HTTP/1.1 500 general\r\n\r\n"), make_proxy(Tinyproxy)
    upstream = make_upstream()
    router = route({"endpoint": upstream.url, "proxy": own.url()}, upstream={"proxy": general.url})
    assert router.ask().status == 200
    assert len(own.requests()) == 1 and not general.heads


def test_direct_uses_none(route, make_proxy, make_upstream):
    general, upstream = make_proxy(FakeProxy, answer=b""), make_upstream()
    router = route({"endpoint": upstream.url, "proxy": "direct"}, upstream={"proxy": general.url})
    assert router.ask().status == 200
    assert not general.heads


# --- what the environment says


def of_environment(proxy, **more):
    return {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, **more}


def test_the_environment_names_a_proxy_for_https(route, make_proxy, authority, tls_upstream):
    upstream = tls_upstream(name="api.upstream.test")
    proxy = make_proxy(FakeProxy, upstream.port)
    router = route({"endpoint": "https://api.upstream.test/v1"}, upstream={"ca_file": str(authority.file)},
                   environment=of_environment(proxy))
    assert router.ask().status == 200
    assert proxy.heads[0] == b"CONNECT api.upstream.test:443 HTTP/1.1\r\nHost: api.upstream.test:443\r\n\r\n"


def test_the_environment_names_a_proxy_for_http(route, make_proxy, upstream):
    proxy = make_proxy(FakeProxy, upstream.port)
    address = proxy.url.removeprefix("http://")
    router = route({"endpoint": "http://api.upstream.test:81/v1"}, environment={"http_proxy": f"{USER}@{address}"})
    assert router.ask().status == 200
    first_line, *fields = proxy.heads[0].decode().split("\r\n")
    assert first_line == "POST http://api.upstream.test:81/v1/chat/completions HTTP/1.1"
    assert "Host: api.upstream.test:81" in fields
    assert f"Proxy-Authorization: Basic {CREDENTIALS}" in fields


def test_this_machine_is_reached_without_the_environments_proxy(route, make_proxy, upstream):
    proxy = make_proxy(FakeProxy, answer=b"")
    router = route(upstream, environment=of_environment(proxy))
    assert router.ask().status == 200
    assert not proxy.heads


def test_no_proxy_exempts(route, make_proxy, make_upstream):
    proxy, second = make_proxy(FakeProxy, answer=b""), make_upstream()
    # Nobody listens at 192.0.2.1 (RFC 5737); what counts is that the proxy is not asked.
    router = route({"endpoint": "http://192.0.2.1/v1", "timeout": 1}, second, timeouts={"connect": 1},
                   environment=of_environment(proxy, NO_PROXY="example.com, 192.0.2.0/24"))
    assert router.ask().header("x-route-upstream") == "second"
    assert not proxy.heads


def test_the_configured_proxy_wins_over_the_environments(route, make_proxy, upstream):
    general, configured = make_proxy(FakeProxy, answer=b""), make_proxy(FakeProxy, upstream.port)
    router = route({"endpoint": "http://api.upstream.test/v1"}, upstream={"proxy": configured.url},
                   environment=of_environment(general))
    assert router.ask().status == 200
    assert not general.heads and len(configured.heads) == 1


def test_a_variable_that_names_no_proxy_is_said_without_quoting_it(router, upstream):
    router.configure([upstream])
    checked = router.run("config", "check", environment={"HTTPS_PROXY": "socks5://u:pa55word@h:1080"})
    assert checked.returncode == 1
    assert "HTTPS_PROXY" in checked.stderr and "direct" in checked.stderr
    assert "pa55word" not in checked.stderr
    router.configure([upstream], upstream={"proxy": "direct"})
    assert router.run("config", "check", environment={"HTTPS_PROXY": "socks5://h:1080"}).returncode == 0
    assert router.start(environment={"HTTPS_PROXY": "socks5://h:1080"}).ask().status == 200


# --- proxies that do not do their work

BROKEN = {
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!", "proxy: status 502"),
    "407": (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "proxy: status 407"),
    "garbage": (b"what is it?\r\n\r\n", "proxy: bad reply: "),
    "more than a head": (b"HTTP/1.1 200 OK\r\n\r\nhello", "proxy: bad reply: more than a head"),
    "endless head": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "proxy: bad reply: its head is too long"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_proxy_that_answers_connect_otherwise_fails_over(route, make_proxy, make_upstream, case):
    answer, error = BROKEN[case]
    proxy, second = make_proxy(FakeProxy, answer=answer), make_upstream()
    router = route({"endpoint": "https://api.upstream.test/v1", "proxy": proxy.url}, second)
    response = router.ask()
    (outcome, status, said), (second_outcome, *_) = outcomes(router, response)
    assert (outcome, status, second_outcome) == ("connect", None, "ok")
    assert said.startswith(error)


def test_a_proxy_that_is_down_fails_over(route, make_upstream):
    second = make_upstream()
    router = route({"endpoint": "https://api.upstream.test/v1", "proxy": refused_url().removesuffix("/v1")}, second)
    assert outcomes(router, router.ask())[0] == ("connect", None, "proxy: connection refused")


def test_a_silent_proxy_is_given_up_within_connect(route, make_proxy, make_upstream):
    proxy, second = make_proxy(FakeProxy, answer=b""), make_upstream()
    router = route({"endpoint": "https://api.upstream.test/v1", "proxy": proxy.url}, second, timeouts={"connect": 1})
    assert outcomes(router, router.ask())[0] == ("timeout", None, "proxy: no answer in time")


def test_407_of_a_proxy_for_plain_http_is_no_answer_to_the_client(route, make_proxy):
    proxy = make_proxy(FakeProxy, answer=BROKEN["407"][0])
    router = route({"endpoint": "http://api.upstream.test/v1", "proxy": proxy.url})
    answer = router.ask()
    assert (answer.status, answer.error_code) == (502, "upstream_error")
    assert outcomes(router, answer) == [("connect", None, "proxy: status 407")]


def test_a_proxy_that_quotes_its_credentials_tells_nobody(route, make_proxy):
    quoting = f'data: {{"error":{{"message":"you sent Basic {CREDENTIALS}, which is {USER}"}}}}\n\n'.encode()
    stream_head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(quoting)
    first, second = make_proxy(FakeProxy, answer=stream_head + quoting), make_proxy(FakeProxy, answer=stream_head + quoting)
    router = route(*({"endpoint": "http://api.upstream.test/v1", "proxy": proxy.url.replace("//", f"//{USER}@")} for proxy in (first, second)))
    answer = router.ask(body=chat(stream=True))
    assert answer.header("x-route-attempts") == "2" and b"you sent" in answer.body
    record = router.record(answer)
    everything = answer.body + router.output + str([tuple(record), *map(tuple, router.attempts(record))]).encode()
    assert b"pa55word" not in everything and CREDENTIALS.encode() not in everything


def test_upstream_test_asks_through_the_proxy(router, make_proxy, upstream):
    proxy = make_proxy(Tinyproxy)
    upstream.answer(reply(body={"data": []}))
    router.configure([{"endpoint": upstream.url, "proxy": proxy.url()}]).make_database()
    assert "200" in router.ok("upstream", "test", "first")
    assert proxy.requests() == [f"GET http://127.0.0.1:{upstream.port}/v1/models HTTP/1.1"]
