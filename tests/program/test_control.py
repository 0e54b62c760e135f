"""What a running router answers commands on its machine, and whose environment counts."""

import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from fakes.client import request
from fakes.router import BINARY, KEY, eventually
from fakes.upstream import refused_url, reply, silence

SK = "sk-of-the-router-0123456789"
MODELS = {"object": "list", "data": []}
OF_ROUTER = {"UPSTREAM_KEY": SK}
BY_ENVIRONMENT = {"sk": "env:UPSTREAM_KEY"}


def control(router):
    return router.directory / "outbox.socket"


def status(router) -> dict:
    return json.loads(router.ok("status", "--json"))


def states(router) -> dict:
    return {upstream["name"]: upstream["state"] for upstream in status(router)["upstreams"]}


def test_the_router_answers_with_its_own_environment(route, make_upstream):
    upstream = make_upstream(reply(body=MODELS))
    router = route({"endpoint": upstream.url, **BY_ENVIRONMENT}, environment=OF_ROUTER)
    told = json.loads(router.ok("upstream", "test", "first", "--json"))
    assert (told["ok"], told["answered_by"], told["router"]["process"]) == (True, "router", router.process.pid)
    assert upstream.requests[0].header("authorization") == f"Bearer {SK}"
    assert f"answered by the running router (process {router.process.pid}, since 2" in router.ok("upstream", "test", "first")
    told = json.loads(router.ok("explain", "--model", "m", "--json"))
    assert ([step["upstream"] for step in told["order"]], told["answered_by"]) == (["first"], "router")
    assert "enabled" in router.ok("upstream", "list") and "unusable" not in router.ok("upstream", "list")
    everything = "".join(router.ok(*command) for command in (["status"], ["status", "--json"], ["upstream", "list", "--json"], ["explain", "--model", "m"]))
    assert SK not in everything and KEY not in everything


def test_a_secret_that_only_the_shell_has_is_not_the_routers(route, upstream):
    router = route({"endpoint": upstream.url, **BY_ENVIRONMENT})
    done = router.run("upstream", "test", "first", environment=OF_ROUTER)
    assert done.returncode == 1 and "UPSTREAM_KEY is not set" in done.stderr
    assert "unusable: sk: environment variable UPSTREAM_KEY is not set" in router.ok("explain", "--model", "m", environment=OF_ROUTER)
    listed = json.loads(router.ok("upstream", "list", "--json", environment=OF_ROUTER))[0]
    assert (listed["state"], listed["state_by"]) == ("unusable: sk: environment variable UPSTREAM_KEY is not set", "router")
    assert states(router) == {"first": "unusable"}
    assert upstream.requests == []


def test_without_a_router_commands_answer_with_the_shells_environment_and_say_so(router, make_upstream):
    upstream = make_upstream(reply(body=MODELS))
    router.configure([{"endpoint": upstream.url, **BY_ENVIRONMENT}]).make_database()
    for command in (["upstream", "test", "first"], ["explain", "--model", "m"], ["upstream", "list"]):
        said = router.ok(*command, environment=OF_ROUTER)
        assert f"no router answers here (there is no socket {control(router)}): answered with this shell's environment" in said
    assert "unusable: sk: environment variable UPSTREAM_KEY is not set" in router.ok("upstream", "list")
    done = router.run("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"openai-api-route: no router answers here (there is no socket {control(router)})\n"


def test_the_proxies_of_the_router_count_not_the_shells(route, upstream):
    upstream.answer(reply(body=MODELS))
    # Not on this machine: to such no proxy of the environment applies.
    router = route("http://upstream.invalid/v1", environment={"http_proxy": f"http://127.0.0.1:{upstream.port}"})
    told = json.loads(router.ok("upstream", "test", "first", "--json", environment={"http_proxy": "http://127.0.0.1:9"}))
    assert (told["ok"], told["answered_by"]) == (True, "router")
    assert upstream.requests[0].target == "http://upstream.invalid/v1/models"


def test_a_warning_about_a_secret_is_of_the_router(route, upstream):
    router = route(secrets={"env": ["UPSTREAM_KEY", "OTHER_KEY"]}, environment=OF_ROUTER)
    added = router.run("upstream", "add", "--name", "a", "--sk", "env:UPSTREAM_KEY", "--endpoint", upstream.url)
    assert (added.returncode, added.stderr) == (0, "")
    added = router.run("upstream", "add", "--name", "b", "--sk", "env:OTHER_KEY", "--endpoint", upstream.url, environment={"OTHER_KEY": "sk-in-the-shell"})
    assert "OTHER_KEY is not set (says the running router)" in added.stderr


def test_a_test_message_says_that_it_is_of_the_shell(route, webhook):
    router = route(notify={"webhook": webhook.url})
    mark = f"sent with this shell's environment and proxies: those of the running router (process {router.process.pid}) may be others"
    assert mark in router.ok("notify", "test")
    router.stop()
    assert "environment" not in router.ok("notify", "test")


def test_a_change_is_tested_as_it_was_made(route, make_upstream):
    first, second = make_upstream(reply(body=MODELS)), make_upstream(reply(body=MODELS))
    router = route()
    router.ok("upstream", "add", "--name", "a", "--sk", "sk-a-0123456789abcdef", "--endpoint", first.url)
    assert json.loads(router.ok("upstream", "test", "a", "--json"))["endpoint"] == first.url
    router.ok("upstream", "set", "a", "--endpoint", second.url)
    assert json.loads(router.ok("upstream", "test", "a", "--json"))["endpoint"] == second.url
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_status_says_how_the_router_is_doing(route, make_upstream):
    slow = make_upstream(silence)
    router = route(refused_url(), slow, {"endpoint": slow.url, "enabled": False}, failover={"cooldown_after": 1, "cooldown": 600},
                   upstream={"idle_connections": 1}, timeouts={"default": 60})
    with router.client() as client:
        client.send(request())
        now = eventually(lambda: (told := status(router))["requests_in_flight"] == 1 and told["upstreams"][0]["reason"] and told)
        assert now["connections"] == 1
        assert (now["ready"], now["readiness"], now["draining"]) == (True, "ready", False)
        assert (now["record_queue_bytes"], now["outbox_records"]) == (0, 0)
        assert [upstream["state"] for upstream in now["upstreams"]] == ["cooldown", "up", "disabled"]
        assert "connection refused" in now["upstreams"][0]["reason"]
        assert now["router"]["listen"] == f"127.0.0.1:{router.address[1]}"
        text = router.ok("status")
        assert "connection refused" in text and "requests in flight  1\n" in text and str(router.process.pid) in text
    explained = json.loads(router.ok("explain", "--model", "m", "--json"))
    assert [step["upstream"] for step in explained["order"]] == ["second", "first"]
    assert 0 < explained["order"][1]["cooldown_left"] <= 600
    assert router.ok("status", "--healthy") == "ready\n"


def test_a_router_that_cannot_serve_is_not_healthy(route):
    router = route()
    done = router.run("status", "--healthy")
    assert (done.returncode, done.stdout) == (1, "no upstream is configured and enabled\n")
    router.stop()
    done = router.run("status", "--healthy")
    assert done.returncode == 1 and "no router answers here" in done.stderr


def test_status_is_watched_on_lines_where_there_is_no_terminal(route, upstream):
    router = route(upstream)
    watching = subprocess.Popen([BINARY, "status", "--watch"], cwd=router.directory, env=router.environment(), stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(2):
            assert "ready: 0 requests in flight, 0 bytes and 0 records wait; first=up\n" in watching.stdout.readline()
        router.stop()
        assert eventually(lambda: "no router answers here" in watching.stdout.readline())
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(30)
        watching.stdout.close()


def test_the_socket_is_the_owners_alone_and_goes_with_the_router(route, upstream):
    router = route(upstream)
    mode = control(router).lstat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    assert router.stop() == 0
    assert not control(router).exists()


def test_the_socket_of_a_killed_router_is_replaced(route, upstream):
    router = route(upstream)
    router.kill()
    assert control(router).is_socket()
    done = router.run("status")
    assert done.returncode == 1 and "nobody answers there" in done.stderr
    said = len(router.lines)
    router.start(ready=False)
    router.wait_for_line("listening on", after=said)
    assert status(router)["router"]["process"] == router.process.pid


def test_of_two_routers_the_second_takes_the_name_when_the_first_drains(make_router, make_upstream):
    held = make_upstream(silence)
    first = make_router().configure([held]).start()
    second = make_router().start()
    second.wait_for_line(rf"warning.*do not reach this router: .*outbox.socket is that of another router, process {first.process.pid}")
    assert status(first)["router"]["process"] == first.process.pid
    with first.client() as client:
        client.send(request())
        eventually(lambda: held.requests)
        first.signal(signal.SIGTERM)
        second.wait_for_line(r"commands on this machine are answered at .*outbox.socket")
        assert status(second)["router"]["process"] == second.process.pid
    assert first.wait() == 0
    assert status(second)["router"]["process"] == second.process.pid


def test_a_draining_router_says_so(route, make_upstream):
    held = make_upstream(silence)
    router = route(held)
    with router.client() as client:
        client.send(request())
        eventually(lambda: held.requests)
        router.signal(signal.SIGTERM)
        now = eventually(lambda: (told := status(router))["draining"] and told)
        assert (now["ready"], now["readiness"], now["requests_in_flight"]) == (False, "draining", 1)
    assert router.wait() == 0


def test_a_router_of_another_database_is_not_asked(route, upstream):
    router = route(upstream)
    router.ok("upstream", "add", "--sk", "asis", "--database", "other.sqlite")
    said = router.ok("explain", "--model", "m", "--database", "other.sqlite")
    assert f"the router that runs here uses another database ({router.database}): answered with this shell's environment" in said


def test_a_router_without_a_database_is_asked(route, make_upstream):
    upstream = make_upstream(reply(body=MODELS))
    router = route({"endpoint": upstream.url, **BY_ENVIRONMENT}, storage={"backend": "none"}, environment=OF_ROUTER)
    assert json.loads(router.ok("upstream", "test", "first", "--json"))["answered_by"] == "router"
    assert status(router)["router"]["database"] == "none"


def test_a_file_in_place_of_the_socket_stays_and_the_router_serves(router, upstream):
    control(router).write_text("mine")
    router.configure([upstream]).start()
    router.wait_for_line(r"warning.*outbox.socket is there and no socket")
    assert router.ask().status == 200
    assert router.stop() == 0
    assert control(router).read_text() == "mine"


def test_a_test_of_a_silent_upstream_holds_up_neither_requests_nor_the_end(route, make_upstream):
    quiet, quick = make_upstream(silence), make_upstream()
    router = route(quick, {"endpoint": quiet.url, "timeout": 600})
    testing = subprocess.Popen([BINARY, "upstream", "test", "second"], cwd=router.directory, env=router.environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: quiet.requests)
        assert router.ask().header("x-route-upstream") == "first"
        assert status(router)["ready"]
        assert router.stop() == 0
    finally:
        testing.kill()
        testing.wait(30)


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET /status HTTP/1.1\r\n", b"\x00" * 100_000, b""],
                         ids=["nonsense", "half a head", "zeros", "nothing"])
def test_whatever_is_sent_to_the_socket_the_router_goes_on(route, upstream, sent):
    router = route(upstream)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.path.relpath(control(router)))
        try:
            client.sendall(sent)
        except BrokenPipeError:
            pass  # it was answered before all was sent
        assert status(router)["ready"]
    assert router.ask().status == 200
