"""Labels whose values clients choose: whatever they send, the number of series and the size of the page stay bounded."""

import itertools
import json
import shutil
import subprocess
import threading

import pytest

from fakes.client import chat, request
from fakes.exposition import read
from fakes.router import eventually
from fakes.upstream import CHAT_REPLY, reply

MANY = 10_000
LONGEST = 128
"""Bytes of a label's value."""
ROOM = 100
"""Names of models that become labels."""

# What breaks an exposition that writes them as they come.
FORMS = ['quo"te', "back\\slash\\", "new\nline", "carriage\rreturn", 'x"} 1\nforged{model="', "naïve-☃-\U0001f600", "tab\tand\x01control", "é" * 300, "",
         "long" * 100, " ", "# HELP forged", "other", "{}", "a,b=c"]

PATHS = ["/v1/files/{}", "/v1/threads/{}/runs/{}", "/v1/models/{}", "/v1/{}", "/v1/{}/{}/{}/{}", "/v1/chat/completions/{}", "/v1/%22{}%7D", "/v1/files/{}/content"]


def name(number: int) -> str:
    """The long ones differ in their beginnings: they are cut."""
    return f"{number}{FORMS[number % len(FORMS)]}"


def cut(text: str) -> str:
    return text.encode()[:LONGEST].decode(errors="ignore")


def is_served(model: str) -> bool:
    return int("".join(itertools.takewhile(str.isdigit, model))) % 3 > 0


@pytest.fixture
def picky(make_upstream):
    """An upstream that knows some models and not others. It looks for the number alone, to be quick."""
    good, bad = reply(), reply(404)

    def script(connection, seen):
        model = json.loads(seen.body)["model"] if seen.body else "1"
        (good if is_served(model) else bad)(connection, seen)

    return make_upstream(script)


def send_all(router, requests: list[bytes], connections=8):
    """Every reply is read; several connections, and a few requests ahead on each."""
    statuses = []

    def ask(mine):
        with router.client() as client:
            for at in range(0, len(mine), 10):
                batch = mine[at:at + 10]
                client.send(b"".join(batch))
                statuses.extend(client.read_response().status for _ in batch)

    threads = [threading.Thread(target=ask, args=(requests[first::connections],)) for first in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert len(statuses) == len(requests)
    return statuses


@pytest.fixture
def attacked(route, picky):
    """What is exposed after it. One thread at first, so that who comes first is known."""
    router = route(picky, storage={"backend": "none"}, server={"threads": 2}, records={"durability": "batch"}, failover={"cooldown": 0})
    numbers = iter(range(MANY))
    served = [number for number in itertools.islice(numbers, ROOM * 3 // 2) if is_served(name(number))]
    assert len(served) == ROOM
    assert set(send_all(router, [request(body=chat(model=name(number))) for number in range(served[-1] + 1)], connections=1)) == {200, 404}
    # Or later names might come before the last of these.
    eventually(lambda: sum(read(router).values("requests_total").values()) == served[-1] + 1)
    rest = [request(PATHS[number % len(PATHS)].replace("{}", f"p{number}"), body=chat(model=name(number))) for number in numbers]
    statuses = send_all(router, rest)
    assert statuses.count(200) == sum(is_served(name(number)) for number in range(ROOM * 3 // 2, MANY))
    return router, {cut(name(number)) for number in served}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_ten_thousand_models_and_paths(attacked):
    router, first = attacked
    tokens = CHAT_REPLY["usage"]["total_tokens"] * sum(is_served(name(number)) for number in range(MANY))
    eventually(lambda: sum(read(router).values("tokens_total").values()) == tokens)  # they are read out of replies later
    eventually(lambda: sum(read(router).values("requests_total").values()) == MANY)
    now = read(router)
    models = now.labels_of_all("model")
    assert models == first | {"other"}
    assert {model for _, model, _ in now.values("tokens_total")} == first | {"other"}
    assert max(len(model.encode()) for model in models) == LONGEST
    assert now.labels_of_all("endpoint") == {
        "/v1/chat/completions", "/v1/files/:id", "/v1/threads/:id/runs/:run", "/v1/models/:model", "/v1/chat/completions/:id", "/v1/files/:id/content", "other"}
    requests = now.values("requests_total")
    assert sum(requests.values()) == MANY
    # 100 names on one path, and all that came later.
    assert len([key for key in requests if key[0] == "/v1/chat/completions"]) == ROOM + 1
    assert {model for endpoint, model, _, _ in requests if endpoint != "/v1/chat/completions"} == {"other"}
    assert len(now.values("tokens_total")) == 2 * (ROOM + 1)

    assert len(now.text) < 200_000
    assert "forged{" not in "".join(sample for sample, _ in now.samples)
    done = subprocess.run(["promtool", "check", "metrics"], input=now.text.encode(), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_those_without_a_key_name_nothing(route, upstream):
    """Their requests are counted, but neither their models nor their paths become labels."""
    router = route(upstream)
    send_all(router, [request(f"/v1/p{number}", body=chat(model=f"m{number}"), key=None) for number in range(200)] +
             [request(f"/p{number}", key=None) for number in range(200)], connections=400)
    requests = read(router).values("requests_total")
    assert requests == {("other", "", "403", "rejected"): 200, ("other", "", "404", "rejected"): 200}
