"""The first minutes with it: starting with nothing, with mistakes, with old habits."""

import os
import re
import stat

import pytest

from fakes.client import KEY
from fakes.router import key_hash

LISTEN = "127.0.0.1:0"


def test_an_api_key_in_the_environment_is_all_it_takes(router, upstream):
    environment = {"OPENAI_API_KEY": "sk-of-the-environment-1234", "OPENAI_BASE_URL": upstream.url}
    router.start("serve", "--addr", LISTEN, environment=environment)

    assert "OPENAI_API_KEY" in "\n".join(router.lines)
    reply = router.ask(key=first_key(router))
    assert reply.status == 200
    assert upstream.requests[0].header("authorization") == "Bearer sk-of-the-environment-1234"
    assert upstream.requests[0].target == "/v1/chat/completions"


def first_key(router) -> str:
    """The key the first start printed: the word on standard error whose hash is the one stored."""
    hashes = {row["key_hash"] for row in router.sql("SELECT key_hash FROM client_keys")}
    assert len(hashes) == 1
    found = {word for word in re.findall(r"[\w-]{16,}", router.stderr.decode()) if key_hash(word) in hashes}
    assert len(found) == 1, router.stderr.decode()
    return found.pop()


def test_the_first_start_prints_its_key_once(router, upstream, make_router):
    environment = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": upstream.url}
    router.start("--addr", LISTEN, environment=environment)
    key = first_key(router)
    assert router.output.count(key.encode()) == 1
    assert router.stop() == 0

    again = make_router().start("--addr", LISTEN, environment=environment)
    assert key.encode() not in again.output
    assert again.ask(key=key).status == 200
    assert len(again.sql("SELECT * FROM client_keys")) == 1


def test_noauth_asks_for_no_key(router, upstream):
    environment = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": upstream.url}
    router.start("-noauth", "-addr", LISTEN, environment=environment)
    assert router.ask(key=None).status == 200


def test_the_command_lines_of_version_0_3_0_keep_working(router, upstream):
    router.ok("-add", "-sk", "sk-old-habit-0123456789", "-endpoint", upstream.url, "-database", "old.sqlite")
    assert upstream.url in router.ok("--list", "-database=old.sqlite")
    router.start(f"-addr={LISTEN}", "-database", "old.sqlite", "--noauth")
    assert router.ask(key=None).status == 200
    assert upstream.requests[0].header("authorization") == "Bearer sk-old-habit-0123456789"


def test_the_files_it_makes_are_for_its_user_alone(route, upstream):
    router = route(upstream)
    router.ask()
    made = [file for file in router.directory.iterdir() if ".sqlite" in file.name]
    assert made
    for file in made:
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600, file.name


def test_an_address_in_use_is_named(router, upstream):
    router.start("--addr", f"127.0.0.1:{upstream.port}", "--noauth", ready=False)
    assert router.wait() == 1
    assert re.search(rf"{upstream.port}.*(in use|already)", router.stderr.decode(), re.IGNORECASE)


@pytest.mark.parametrize("text, expected", [
    ("[server]\nlissen = ':1'\n", ["openai-api-route.toml", "2", "lissen", "listen"]),
    ("[server]\nthreads = 'two'\n", ["openai-api-route.toml", "2", "threads"]),
    ("[records]\ndurability = 'never'\n", ["2", "durability", "batch", "commit"]),
    ("[timeouts]\ndefault = -1\n", ["2", "default"]),
    ("[server\n", ["openai-api-route.toml", "1"]),
    ("[records]\nretention = 'soon'\n", ["2", "retention"]),
])
def test_a_mistake_in_the_file_is_named_with_its_place(router, text, expected):
    (router.directory / "openai-api-route.toml").write_text(text)
    for command in (["config", "check"], ["serve"]):
        done = router.run(*command)
        assert done.returncode == 1
        for part in expected:
            assert part in done.stderr


@pytest.mark.parametrize("tables, expected", [
    ({"auth": {"keys": [{"name": "alice", "key": "env:NO_SUCH_VARIABLE"}]}}, ["auth.keys", "alice", "NO_SUCH_VARIABLE"]),
    ({"auth": {"keys": ["file:no-such-file"]}}, ["auth.keys", "no-such-file"]),
    ({"upstream": {"ca_file": "no-such-file.pem"}}, ["upstream.ca_file", "no-such-file.pem"]),
    ({"server": {"listen": "some-name:8888"}}, ["server.listen", "some-name:8888"]),
])
def test_check_refuses_what_serving_refuses(router, tables, expected):
    router.configure(**tables)
    said = [router.run(*command) for command in (["config", "check"], ["serve"])]
    assert [done.returncode for done in said] == [1, 1]
    assert said[0].stderr.splitlines()[-1] == said[1].stderr.splitlines()[-1]
    for part in ["openai-api-route.toml:", *expected]:
        assert part in said[0].stderr


def test_check_refuses_an_upstream_that_would_be_passed_over(router, upstream):
    router.configure([upstream, {"endpoint": upstream.url, "sk": "env:NO_SUCH_VARIABLE"}])
    done = router.run("config", "check")
    assert done.returncode == 1
    assert re.search(r"openai-api-route.toml:\d+: upstreams: second: sk: .*NO_SUCH_VARIABLE", done.stderr)
    assert router.run("config", "check", environment={"NO_SUCH_VARIABLE": "sk"}).returncode == 0
    router.start()
    assert router.ask().header("x-route-upstream") == "first"


def test_a_key_without_add_starts_no_server(router):
    for arguments in (["-sk", "sk-0123456789abcdef"], ["--sk=sk-0123456789abcdef", "-endpoint", "https://a.example"]):
        done = router.run(*arguments)
        assert done.returncode == 2
        assert "-add" in done.stderr and "0123456789" not in done.stderr


@pytest.mark.parametrize("arguments", [["explain", "--model", "m", "--body-bytes", "-1"], ["record", "list", "--limit", "-1"]])
def test_numbers_below_zero_are_wrong_usage(router, arguments):
    done = router.run(*arguments)
    assert done.returncode == 2
    assert "0 or more" in done.stderr


@pytest.mark.parametrize("arguments", [["serve", "--no-such-option"], ["no-such-command"], ["upstream", "add", "--priority", "high"]])
def test_wrong_usage_ends_with_2(router, arguments):
    done = router.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("--help\n")


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["upstream", "add", "--help"], ["key", "--help"]])
def test_help_goes_to_standard_output(router, arguments):
    assert "--config" in router.ok("--help")
    assert router.ok(*arguments)


def test_the_version(router):
    assert re.fullmatch(r"openai-api-route \d+\.\d+\.\d+ \(commit ([0-9a-f]{10}|unknown), (GCC|clang) [\d.]+\)\n", router.ok("--version"))
    assert router.ok("version") == router.ok("--version")


def test_without_an_upstream_it_serves_and_says_so(route):
    router = route()
    reply = router.ask()
    assert (reply.status, reply.error_code) == (503, "no_upstream")
    assert router.get("/readyz").status == 503


def test_backend_none_needs_a_key_in_the_file(router, upstream):
    router.configure([upstream], storage={"backend": "none"}, auth={"keys": []})
    router.start(ready=False)
    assert router.wait() == 1
    assert b"auth.keys" in router.stderr


def test_backend_none_serves_and_keeps_nothing(route, upstream):
    router = route(upstream, storage={"backend": "none"})
    assert router.ask(key=KEY).status == 200
    assert not list(router.directory.glob("*.sqlite*"))


def test_the_public_default_key_is_warned_of(route, upstream):
    router = route(upstream, auth={"keys": ["woshimima"]})
    router.wait_for_line(r"(?i)warn.*public default")
    assert router.ask(key="woshimima").status == 200
