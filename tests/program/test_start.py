"""The first minutes with it: starting with nothing, with mistakes, with old habits."""

import contextlib
import os
import pathlib
import pty
import re
import sqlite3
import stat
import subprocess

import pytest

from fakes.client import KEY
from fakes.postgres import held_port
from fakes.router import BINARY, eventually, key_hash, within_a_second

LISTEN = "127.0.0.1:0"


def test_an_api_key_in_the_environment_is_all_it_takes(router, upstream):
    environment = {"OPENAI_API_KEY": "sk-of-the-environment-1234", "OPENAI_BASE_URL": upstream.url}
    router.start("serve", "--addr", LISTEN, environment=environment)

    router.wait_for_line("OPENAI_API_KEY of the environment made one, openai, at " + re.escape(upstream.url))
    reply = router.ask(key=first_key(router))
    assert reply.status == 200
    assert upstream.requests[0].header("authorization") == "Bearer sk-of-the-environment-1234"
    assert upstream.requests[0].target == "/v1/chat/completions"


def test_the_upstream_of_the_environment_is_one_like_any_other(router, upstream, make_router, make_upstream):
    environment = {"OPENAI_API_KEY": "sk-of-the-environment-1234", "OPENAI_BASE_URL": upstream.url}
    router.start("--noauth", "--addr", LISTEN, environment=environment)
    assert router.ask().header("x-route-upstream") == "openai"

    # Another is put beside it, behind it and before it.
    second = make_upstream()
    router.ok("upstream", "add", "--name", "second", "--sk", "sk-second-0123456789", "--endpoint", second.url, "--priority", "1")
    within_a_second(lambda: "second" in router.metrics_of("upstream_up"))
    assert router.ask().header("x-route-upstream") == "openai"
    router.ok("upstream", "set", "openai", "--priority", "2")
    within_a_second(lambda: router.ask().header("x-route-upstream") == "second")

    # Once it is removed no start makes it again.
    router.ok("upstream", "remove", "openai")
    assert router.stop() == 0
    again = make_router().start("--noauth", "--addr", LISTEN, environment=environment)
    assert "openai" not in again.ok("upstream", "list", environment=environment)
    assert again.ask().header("x-route-upstream") == "second"


def test_an_upstream_of_the_file_is_enough(route, upstream, make_upstream):
    router = route(upstream, environment={"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": make_upstream().url})
    assert router.ask().header("x-route-upstream") == "first"
    assert not router.sql("SELECT * FROM openai_upstreams")


def test_without_a_database_the_environment_serves(router, upstream):
    router.configure(storage={"backend": "none"})
    router.start(environment={"OPENAI_API_KEY": "sk-of-the-environment-1234", "OPENAI_BASE_URL": upstream.url})
    assert router.ask().header("x-route-upstream") == "openai"


def test_a_base_url_that_is_none_makes_no_upstream(router):
    router.start("--noauth", "--addr", LISTEN, environment={"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "api.example.com"})
    router.wait_for_line("warning OPENAI_API_KEY and OPENAI_BASE_URL make no upstream: ")
    assert router.ask().error_code == "no_upstream"


def first_key(router) -> str:
    """The key the first start made: in the file that is said, and nowhere else."""
    path = pathlib.Path(router.wait_for_line(r"a client key was made, it is in (\S+)")[1])
    assert path == router.directory / "first-key"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    key = path.read_text().removesuffix("\n")
    assert [row["key_hash"] for row in router.sql("SELECT key_hash FROM client_keys")] == [key_hash(key)]
    return key


def test_the_first_start_keeps_its_key_out_of_the_log(router, upstream, make_router):
    environment = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": upstream.url}
    router.start("--addr", LISTEN, environment=environment)
    key = first_key(router)
    assert router.stop() == 0
    assert key.encode() not in router.output

    # A start later makes none, also when the file was taken away.
    os.remove(router.directory / "first-key")
    again = make_router().start("--addr", LISTEN, environment=environment)
    assert again.ask(key=key).status == 200
    assert len(again.sql("SELECT * FROM client_keys")) == 1
    assert not (again.directory / "first-key").exists()


def test_the_first_start_shows_its_key_to_a_terminal(router):
    controller, terminal = pty.openpty()
    process = subprocess.Popen([BINARY, "--addr", LISTEN], cwd=router.directory, env=router.environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    try:
        said = b""
        while b"Then point any OpenAI client at" not in said:
            said += os.read(controller, 65536)
        key = re.search(rb"It is shown only once:\s+(\S+)\r\n", said)[1].decode()
        assert [row["key_hash"] for row in router.sql("SELECT key_hash FROM client_keys")] == [key_hash(key)]
        assert not (router.directory / "first-key").exists()
    finally:
        process.terminate()
        try:
            while os.read(controller, 65536):
                pass
        except OSError:
            pass  # so a terminal's controller says that it has gone
        assert process.wait(60) == 0
        os.close(controller)


def test_a_first_key_finds_its_place_when_a_folder_is_in_its_way(router):
    (router.directory / "data").mkdir()
    router.ok("upstream", "add", "--sk", "sk-0123456789abcdef", "--database", "data/db.sqlite")
    (router.directory / "data" / "first-key").mkdir()
    done = router.start("--addr", LISTEN, "--database", "data/db.sqlite", ready=False)
    # A folder stands where the file should be: it lies beside it, under a name that is said.
    path = done.wait_for_line(r"a client key was made, it is in (\S+)")[1]
    assert pathlib.Path(path).is_file() and path.startswith(str(router.directory / "data" / "first-key."))


@pytest.mark.parametrize("address, warns", [("127.0.0.1:0", False), ("0.0.0.0:0", True)])
def test_serving_everybody_is_warned_of_where_others_can_come(router, address, warns):
    router.configure(server={"listen": address})
    router.start("--noauth", ready=False)
    router.wait_for_line("^Then point any OpenAI client at ")
    assert any("warning authentication is off" in line for line in router.lines) == warns


@pytest.mark.parametrize("records, line", [
    ({}, "records are kept for ever (records.retention)"),
    ({"retention": "30d"}, "records are kept for 30d (records.retention)"),
    ({"body_retention": "10d"}, "records are kept for ever (records.retention), their bodies for 10d (records.body_retention)"),
])
def test_a_start_says_how_long_records_are_kept(route, upstream, records, line):
    route(upstream, records=records).wait_for_line("info  " + re.escape(line) + "$")


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


def test_a_short_key_of_the_configuration_serves_with_a_warning_and_none_is_added(route, upstream):
    router = route(upstream, auth={"keys": [{"name": "short", "key": "abcde"}, {"name": "long", "key": "sixteen-letters!"}]})
    warned = [line for line in router.lines if "it can be guessed" in line]
    assert len(warned) == 1 and "the client key of short has fewer than 16 characters" in warned[0]
    assert router.ask(key="abcde").status == 200
    for key, code in (("fifteen-letters", 1), ("sixteen-letters?", 0)):
        done = router.run("key", "add", key, "--value", "-", stdin=key)
        assert (done.returncode, "expected 16 characters or more" in done.stderr) == (code, code == 1)


def test_the_public_default_key_is_warned_of(route, upstream):
    router = route(upstream, auth={"keys": ["woshimima"]})
    router.wait_for_line(r"(?i)warn.*public default")
    assert router.ask(key="woshimima").status == 200


def test_without_its_database_it_says_so_instead_of_asking_for_an_upstream(router, make_router):
    router.configure()
    router.start()
    assert router.stop() == 0
    with contextlib.closing(sqlite3.connect(router.directory / "db.sqlite", isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = DELETE")  # in which a writer locks readers out
        holder.execute("BEGIN EXCLUSIVE")
        again = make_router().start(ready=False)
        again.wait_for_line(r"^No upstream is known: the database cannot be used: .*locked", seconds=60)
        assert not any("No upstream yet" in line for line in again.lines)


def test_all_mistakes_of_a_file_are_listed(router):
    (router.directory / "openai-api-route.toml").write_text("[server]\nlisten = 8888\nthreads = 'two'\n[log]\nlevle = 'warn'\n")
    for command in (["config", "check"], ["serve"], ["upstream", "list"]):
        done = router.run(*command)
        lines = done.stderr.splitlines()
        assert (done.returncode, len(lines)) == (1, 3)
        assert all(re.match(rf"openai-api-route: .*openai-api-route.toml:{number}: ", line) for number, line in zip((2, 3, 5), lines))
        assert 'expected a string such as ":8888"' in lines[0] and "did you mean log.level?" in lines[2]


def full_pipe() -> tuple[int, int]:
    """Its two ends; nothing goes in any more until somebody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"." * 4096):
            pass
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"."):
            pass
    os.set_blocking(writing, True)
    return reading, writing


@pytest.mark.parametrize("fault", ["the file", "the address"])
def test_a_start_that_fails_ends_although_nobody_reads_why(router, upstream, fault):
    if fault == "the file":
        (router.directory / "openai-api-route.toml").write_text("[server\n")
    reading, writing = full_pipe()
    process = subprocess.Popen([BINARY, "--noauth", "--addr", f"127.0.0.1:{upstream.port}"], cwd=router.directory,
                               env=router.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing)
    try:
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def test_a_start_serves_although_nobody_reads_its_log(router, upstream):
    """All that a first start has to say is more than the pipe takes."""
    holder = held_port()
    port = holder.getsockname()[1]
    router.configure([upstream], auth={"keys": []}, log={"level": "trace"})
    reading, writing = full_pipe()
    process = subprocess.Popen([BINARY, "--addr", f"127.0.0.1:{port}"], cwd=router.directory, env=router.environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing)
    try:
        router.address = ("127.0.0.1", port)
        eventually(lambda: answers(router), 60)
        key = (router.directory / "first-key").read_text().removesuffix("\n")
        assert router.ask(key=key).status == 200
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        holder.close()
        os.close(reading)
        os.close(writing)


def answers(router) -> bool:
    try:
        return router.get("/readyz", key=None).status == 200
    except OSError:
        return False
