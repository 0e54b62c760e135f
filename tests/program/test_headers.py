"""What passes in the headers, either way."""

import re

import pytest

from fakes.client import KEY
from fakes.upstream import reply

UUID_V7 = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

KEPT = [("OpenAI-Organization", "org-1"), ("OpenAI-Beta", "assistants=v2"), ("User-Agent", "OpenAI/JS 4.0"), ("X-Stainless-Lang", "js"),
        ("Idempotency-Key", "i-1"), ("x-request-id", "of-the-client"), ("Accept", "application/json"), ("anthropic-version", "2023-06-01")]
DROPPED = [("x-api-key", "k1"), ("api-key", "k2"), ("Proxy-Authorization", "Basic k3"), ("Cookie", "k4"), ("X-Forwarded-For", "9.9.9.9"),
           ("X-Forwarded-Host", "h"), ("Forwarded", "for=9.9.9.9"), ("X-Real-IP", "9.9.9.9"), ("CF-Connecting-IP", "9.9.9.9"),
           ("CF-Ray", "r"), ("True-Client-IP", "9.9.9.9"), ("TE", "trailers"), ("Proxy-Connection", "keep-alive"),
           ("Keep-Alive", "timeout=5"), ("X-Hop", "by hop"), ("Trailer", "X-T"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]


def test_headers_to_the_upstream(route, upstream):
    router = route(upstream)
    answer = router.ask(headers=[*KEPT, *DROPPED, ("Connection", "keep-alive, X-Hop, Upgrade, HTTP2-Settings"), ("Accept-Encoding", "gzip, br")])
    assert answer.status == 200
    seen = upstream.requests[0]
    for name, value in KEPT:
        assert seen.header_values(name) == [value], name
    for name, _ in DROPPED:
        assert seen.header(name) is None, name
    assert seen.header("accept-encoding") in (None, "identity")
    assert seen.header_values("host") == [f"127.0.0.1:{upstream.port}"]
    assert seen.header_values("authorization") == ["Bearer sk-upstream-first-0123456789"]
    assert len(seen.header_values("content-length")) == 1


def test_repeated_headers_stay_repeated(route, upstream):
    route(upstream).ask(headers=[("X-A", "1"), ("X-B", "2"), ("X-A", "3")])
    assert upstream.requests[0].header_values("x-a") == ["1", "3"]


def test_headers_to_the_client(route, make_upstream):
    kept = [("x-ratelimit-remaining-requests", "9"), ("retry-after", "3"), ("openai-processing-ms", "5"), ("X-Custom", "a, b")]
    dropped = [("Set-Cookie", "s=1"), ("Strict-Transport-Security", "max-age=1"), ("Alt-Svc", 'h3=":443"'), ("NEL", "{}"),
               ("Report-To", "{}"), ("Keep-Alive", "timeout=5"), ("X-Hop", "1"), ("Connection", "keep-alive, X-Hop"),
               ("Proxy-Authenticate", "Basic")]
    theirs = [("Access-Control-Allow-Origin", "https://theirs"), ("x-request-id", "of-the-upstream")]
    router = route(make_upstream(reply(headers=kept + dropped + theirs)))
    answer = router.ask()
    for name, value in kept:
        assert answer.header_values(name) == [value], name
    for name, _ in dropped:
        if name != "Connection":
            assert answer.header(name) is None, name
    assert answer.header_values("access-control-allow-origin") == ["*"]
    assert answer.header_values("x-upstream-request-id") == ["of-the-upstream"]
    assert re.match(UUID_V7, answer.header("x-request-id"))
    assert answer.header("x-route-upstream") == "first"
    assert answer.header("x-route-attempts") == "1"
    exposed = answer.header("access-control-expose-headers").lower()
    for name in ("x-request-id", "retry-after", "x-route-", "x-ratelimit-"):
        assert name in exposed


def test_headers_of_a_failed_attempt_do_not_leak(route, make_upstream):
    failing = make_upstream(reply(500, headers=[("X-Of-The-First", "1"), ("x-ratelimit-limit", "0")]))
    answer = route(failing, make_upstream()).ask()
    assert answer.status == 200
    assert answer.header("x-of-the-first") is None
    assert answer.header("x-ratelimit-limit") is None
    assert answer.header("x-route-upstream") == "second"
    assert answer.header("x-route-attempts") == "2"


def test_the_clients_request_id_is_recorded(route, upstream):
    router = route(upstream)
    answer = router.ask(headers=[("x-request-id", "mine-42")])
    assert router.record(answer)["client_request_id"] == "mine-42"


# --- CORS

def test_preflight_needs_no_key(route, upstream):
    router = route(upstream)
    answer = router.ask("/v1/chat/completions", method="OPTIONS", key=None, headers=[
        ("Origin", "https://a"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-stainless-os, authorization")])
    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-methods") == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    assert answer.header("access-control-allow-headers") == "x-stainless-os, authorization"
    assert answer.header("access-control-max-age") == "86400"
    assert upstream.requests == []


def test_preflight_without_wishes(route, upstream):
    answer = route(upstream).ask("/v1/anything", method="OPTIONS", key=None)
    assert answer.header("access-control-allow-headers") == "Origin, Authorization, Content-Type"


def test_errors_of_the_router_can_be_read_by_a_browser(route, upstream):
    answer = route(upstream).ask(key="wrong")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("content-type").startswith("application/json")


def test_metrics_have_no_cors(route, upstream):
    assert route(upstream).get("/v1/metrics", key=None).header("access-control-allow-origin") is None


# --- authentication

@pytest.mark.parametrize("headers, message", [
    ([], "authorization header should start with 'Bearer'"),
    ([("Authorization", "Basic abc")], "authorization header should start with 'Bearer'"),
    ([("Authorization", KEY)], "authorization header should start with 'Bearer'"),
    ([("Authorization", "Bearer wrong")], "wrong authorization header"),
    ([("Authorization", "Bearer ")], None),
    ([("Authorization", f"Bearer {KEY}x")], "wrong authorization header"),
    ([("x-api-key", "wrong")], "wrong authorization header"),
    ([("api-key", "wrong")], "wrong authorization header"),
])
def test_refused(route, upstream, headers, message):
    router = route(upstream)
    answer = router.ask(key=None, headers=headers)
    assert (answer.status, answer.error_code) == (403, "invalid_api_key")
    error = answer.json()["error"]
    assert error["param"] is None and error["type"]
    assert message is None or error["message"] == message
    assert upstream.requests == []
    assert router.ask().status == 200
    assert len(router.records()) == 1


@pytest.mark.parametrize("headers", [
    [("Authorization", f"bearer {KEY}")],
    [("x-api-key", KEY)],
    [("x-api-key", "wrong"), ("Authorization", f"Bearer {KEY}")],
    [("x-api-key", KEY), ("Authorization", "Bearer wrong")],
    [("api-key", KEY)],
    [("api-key", KEY), ("x-api-key", "wrong")],
])
def test_accepted(route, upstream, headers):
    router = route(upstream)
    answer = router.ask(key=None, headers=headers)
    assert answer.status == 200
    assert KEY not in upstream.requests[0].head.decode()
    assert router.record(answer)["key_name"] == "tester"


def test_x_api_key_is_answered_with_the_upstreams_x_api_key(route, upstream):
    route(upstream).ask("/v1/messages", key=None, headers=[("x-api-key", KEY)])
    assert upstream.requests[0].header("x-api-key") == "sk-upstream-first-0123456789"
    assert upstream.requests[0].header("authorization") is None


def test_asis_passes_the_clients_own_authorization(route, upstream):
    router = route({"endpoint": upstream.url, "sk": "asis"})
    assert router.ask().status == 200
    assert upstream.requests[0].header("authorization") == f"Bearer {KEY}"


def test_auth_disabled(route, upstream):
    router = route(upstream, auth={"enabled": False})
    assert router.ask(key=None).status == 200
    assert router.ask(key="whatever").status == 200
    assert upstream.requests[1].header("authorization") == "Bearer sk-upstream-first-0123456789"
