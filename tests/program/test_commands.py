"""The command line beside a running router, and rows written by hand."""

import json
import re

import pytest

from fakes.router import key_hash, within_a_second
from fakes.upstream import refused_url


def test_upstreams_added_and_changed_on_the_command_line_take_effect_within_a_second(route, make_upstream):
    first, second = make_upstream(), make_upstream()
    router = route()
    assert router.ask().status == 503
    router.ok("upstream", "add", "--name", "a", "--sk", "-", "--endpoint", first.url, stdin="sk-a-0123456789abcdef\n")
    within_a_second(lambda: router.ask().status == 200)
    assert first.requests[0].header("authorization") == "Bearer sk-a-0123456789abcdef"
    router.ok("upstream", "add", "--name", "b", "--sk", "sk-b-0123456789abcdef", "--endpoint", second.url, "--priority", "-1")
    within_a_second(lambda: router.ask().header("x-route-upstream") == "b")
    router.ok("upstream", "disable", "b")
    within_a_second(lambda: router.ask().header("x-route-upstream") == "a")
    router.ok("upstream", "set", "b", "--priority", "3")
    router.ok("upstream", "enable", "b")
    router.ok("upstream", "remove", "a")
    within_a_second(lambda: router.ask().header("x-route-upstream") == "b")
    assert router.record(router.ask())["upstream_id"] == 2


def test_a_row_inserted_by_hand_is_a_complete_upstream(route, upstream):
    router = route()
    router.sql("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk-by-hand-0123456789', ?)", upstream.url)
    within_a_second(lambda: router.ask().status == 200)
    assert router.ask().header("x-route-upstream") == "upstream-1"
    router.sql("UPDATE openai_upstreams SET deleted_at = '2026-01-01 00:00:00'")
    within_a_second(lambda: router.ask().status == 503)


@pytest.mark.parametrize("sk, endpoint", [("sk\nX-Evil: 1", None), ("sk", "ftp://x/v1"), ("sk", "not a url"), ("sk", "http://user:pass@x/v1")])
def test_a_row_that_cannot_be_used_is_skipped_with_a_warning(route, upstream, sk, endpoint):
    router = route(upstream)
    router.sql("INSERT INTO openai_upstreams (sk, endpoint, priority) VALUES (?, ?, -5)", sk, endpoint or upstream.url)
    router.wait_for_line(r"(?i)warn.*upstream-1")
    assert router.ask().header("x-route-upstream") == "first"


def test_a_row_whose_endpoint_ends_with_an_api_is_warned_of(route, upstream):
    router = route()
    router.sql("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk-by-hand-0123456789', ?)", f"{upstream.url}/chat/completions")
    router.wait_for_line(rf"(?i)warn.*upstream-1: endpoint .*: use {re.escape(upstream.url)}:")


def test_references_in_rows_resolve_only_where_it_is_allowed(route, upstream):
    router = route(secrets={"directory": "secrets", "env": ["ALLOWED"]}, environment={"ALLOWED": "sk-allowed-0123456789", "PATHLIKE": "sk-never"})
    (router.directory / "secrets").mkdir(exist_ok=True)
    (router.directory / "secrets/sk").write_text("sk-in-a-file-0123456789\n")
    (router.directory / "outside").write_text("sk-outside-0123456789\n")
    for sk in ("env:PATHLIKE", "file:/etc/hostname", "file:../outside", f"file:{router.directory}/outside", "file:secrets/../outside"):
        done = router.run("upstream", "add", "--sk", sk, "--endpoint", upstream.url)
        assert "secrets" in done.stdout + done.stderr, sk
    router.sql("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('env:ALLOWED', ?)", upstream.url)
    within_a_second(lambda: router.ask().status == 200)
    assert upstream.requests[-1].header("authorization") == "Bearer sk-allowed-0123456789"
    router.sql("UPDATE openai_upstreams SET sk = ? WHERE sk = 'env:ALLOWED'", f"file:{router.directory}/secrets/sk")
    within_a_second(lambda: router.ask().status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-in-a-file-0123456789")


def test_client_keys(route, upstream):
    router = route(upstream)
    made = router.ok("key", "add", "alice")
    key = next(word for word in re.findall(r"[\w-]{16,}", made) if len(word) > 20)
    within_a_second(lambda: router.ask(key=key).status == 200)
    router.ok("key", "add", "bob", "--value", "-", stdin="the-key-of-bob-is-this\n")
    within_a_second(lambda: router.ask(key="the-key-of-bob-is-this").status == 200)
    assert {row["key_name"] for row in router.records()} == {"alice", "bob"}
    rows = router.sql("SELECT name, key_hash FROM client_keys ORDER BY name")
    assert [tuple(row) for row in rows] == [("alice", key_hash(key)), ("bob", key_hash("the-key-of-bob-is-this"))]
    listed = router.ok("key", "list")
    assert "alice" in listed and key not in listed
    router.ok("key", "remove", "alice")
    within_a_second(lambda: router.ask(key=key).status == 403)


def test_upstreams_are_shown_with_masked_keys(router, upstream):
    sk = "sk-abcdefghijklmnop9xYz"
    router.configure()
    router.ok("upstream", "add", "--name", "a", "--sk", sk, "--endpoint", upstream.url, "--allow", "gpt-*", "/v1/files", "--rename", "x=y",
              "--timeout", "7")
    for arguments in (["list"], ["list", "--json"], ["show", "a"], ["show", "1", "--json"]):
        shown = router.ok("upstream", *arguments)
        assert sk not in shown and "sk-a…9xYz" in shown
    row = router.sql("SELECT * FROM openai_upstreams")[0]
    assert (row["sk"], row["timeout"], json.loads(row["allow"]), json.loads(row["rename"])) == (sk, 7, ["gpt-*", "/v1/files"], {"x": "y"})


def test_explain_says_who_would_be_tried_and_why_not(route, upstream):
    router = route({"endpoint": upstream.url, "allow": ["gpt-*"]}, {"endpoint": upstream.url, "allow": ["claude-*"]},
                   {"endpoint": upstream.url, "enabled": False})
    said = router.ok("explain", "--model", "gpt-4o", "--stream")
    assert said.index("first") < said.index("second")
    assert "5" in said or "120" in said
    assert upstream.requests == []


def test_a_row_with_unreadable_lists_is_managed_on_the_command_line(route, upstream):
    router = route()
    router.sql("INSERT INTO openai_upstreams (sk, endpoint, allow) VALUES ('sk-by-hand-0123456789', ?, 'gpt-4o')", upstream.url)
    router.wait_for_line(r"(?i)warn.*upstream-1.*allow: expected a JSON array")
    assert "allow: expected a JSON array" in router.ok("upstream", "list")
    assert router.ask().status == 503
    router.ok("upstream", "set", "1", "--name", "mended", "--allow", "gpt-4o")
    within_a_second(lambda: router.ask().status == 200)
    router.ok("upstream", "remove", "mended")


def test_records_carry_the_number_of_their_attempts(route, make_upstream):
    router = route(refused_url(), make_upstream())
    router.ask()
    assert json.loads(router.ok("record", "list", "--json"))[0]["attempts"] == 2
    assert json.loads(router.ok("record", "export"))["attempts"] == 2
    shown = json.loads(router.ok("record", "show", "1", "--json"))
    assert (shown["attempts"], [each["number"] for each in shown["tries"]]) == (2, [1, 2])
