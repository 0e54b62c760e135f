"""PostgreSQL away in every way it can be away: requests go on, and each is recorded once in the end."""

import errno
import re
import secrets
import shutil
import signal
import subprocess
import time

import pytest

from fakes.client import chat
from fakes.link import Link
from fakes.load import Load
from fakes.postgres import GUARDED_ROLE, PASSWORD, ROLE, Cluster, Occupant, held_port, server_directory, storage
from fakes.router import INSTRUMENTED, eventually
from fakes.upstream import reply

KEY = "a-key-in-the-database-0123456789"
GONE = "the database does not take records"
BACK = "the database takes records again"
FEED_GONE = "upstreams and client keys can not be read"
FEED_BACK = "upstreams and client keys can be read again"


# --- the ways it can be away

class Outage:
    """Of the cluster with a database; a router uses `url`."""

    feed_notices = False
    """Whether the router can not read upstreams and keys, either, and is told so at once."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.database = self.prepare()
        self.url = self.database.url

    def prepare(self):
        return self.cluster.database()

    def begin(self):
        raise NotImplementedError

    def end(self):
        raise NotImplementedError

    def close(self):
        pass


class Stopped(Outage):
    feed_notices = True

    def begin(self):
        self.cluster.stop()

    def end(self):
        self.cluster.start()


class Killed(Stopped):
    def begin(self):
        self.cluster.kill()


class Frozen(Outage):
    def begin(self):
        self.cluster.freeze()

    def end(self):
        self.cluster.thaw()


class Crowded(Outage):
    """Others have all its connections."""

    feed_notices = True
    crowd = ()

    def begin(self):
        self.cluster.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        self.database.disconnect()
        self.crowd = [Occupant(self.cluster.port, "crowd")]
        while self.crowd[-1].admitted:
            self.crowd.append(Occupant(self.cluster.port, "crowd"))
        self.cluster.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")

    def end(self):
        for each in self.crowd:
            each.close()

    close = end


class ReadOnly(Outage):
    """What a primary becomes when it is demoted; connections stay open."""

    def begin(self):
        self.cluster.set("default_transaction_read_only", "on")

    def end(self):
        self.cluster.set("default_transaction_read_only", "default")


class Locked(Outage):
    """Somebody else has `records` for himself, as ALTER TABLE or VACUUM FULL would."""

    holder = None

    def begin(self):
        self.holder = self.database.transaction("LOCK TABLE records")

    def end(self):
        self.holder.roll_back()

    def close(self):
        if self.holder:
            self.holder.roll_back()


class DiskFull(Outage):
    """That of the database; the server's own has room."""

    def prepare(self):
        self.disk = server_directory()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", self.disk], capture_output=True)
        if mounted.returncode != 0:
            self.disk.rmdir()
            pytest.skip("a small file system can not be mounted here")
        shutil.chown(self.disk, "postgres", "postgres")
        self.cluster.sql(f"CREATE TABLESPACE small LOCATION '{self.disk}'")
        return self.cluster.database("TABLESPACE small")

    def begin(self):
        with open(self.disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError) as full:
            while True:
                filler.write(bytes(4096))
        assert full.value.errno == errno.ENOSPC

    def end(self):
        (self.disk / "filler").unlink()

    def close(self):
        self.cluster.sql(f"DROP DATABASE {self.database.name} WITH (FORCE);\nDROP TABLESPACE small")
        subprocess.run(["umount", "--lazy", self.disk], check=True)
        self.disk.rmdir()


class Unreachable(Outage):
    """The network is gone, without a word to either side."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.link = Link(cluster.port)
        self.url = self.database.url_at(self.link.port)

    def begin(self):
        self.link.go_dead()

    def end(self):
        self.link.come_back()

    def close(self):
        self.link.close()


@pytest.fixture
def outage(fragile_cluster, request):
    made = request.param(fragile_cluster)
    yield made
    made.close()


def outages(*kinds):
    return pytest.mark.parametrize("outage", kinds, indirect=True, ids=lambda kind: kind.__name__.lower())


# --- a router in front of it

@pytest.fixture
def stocked(make_router, upstream):
    """stocked(url): a router that has its upstream and the client's key from the database."""
    def make(url, **tables):
        router = make_router().configure(storage=storage(url), **{"auth": {"keys": []}, **tables})
        router.ok("key", "add", "alice", "--value", "-", stdin=KEY)
        router.ok("upstream", "add", "--name", "stored", "--sk", "sk-1", "--endpoint", upstream.url)
        return router.start()

    return make


def ask(router):
    """A request whose record does not fit where others left room."""
    answer = router.ask(body=chat(secrets.token_hex(8000)), key=KEY)
    assert (answer.status, answer.header("x-route-upstream")) == (200, "stored")
    return answer


def lines_with(router, text: str) -> list[str]:
    return [line for line in router.lines if text in line]


def waiting(router) -> float:
    return router.metric("openai_api_route_outbox_records")


def emptied(router):
    eventually(lambda: waiting(router) == 0, 30)


@outages(Stopped, Killed, Frozen, Crowded, ReadOnly, Locked, DiskFull, Unreachable)
def test_requests_go_on_and_are_recorded_once(outage, stocked, make_upstream):
    router = stocked(outage.url)
    answers = [ask(router)]
    outage.database.wait_for(*answers)
    all_well = router.get("/readyz", key=None).body
    outage.begin()
    slowest = 0.0
    for _ in range(20):  # long enough for it to be tried again meanwhile
        started = time.monotonic()
        answers.append(ask(router))
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.1)
    ready = router.get("/readyz", key=None)
    assert (ready.status, waiting(router)) == (200, 20)
    assert f"{GONE}, 20 wait in the outbox" in ready.body.decode()
    assert slowest < (5 if INSTRUMENTED else 2)

    outage.end()
    router.wait_for_line(BACK, 30)
    emptied(router)
    outage.database.wait_for(*answers)
    assert router.metric("openai_api_route_records_written_total") == len(answers)
    assert router.metric("openai_api_route_records_dropped_total") == 0
    eventually(lambda: router.get("/readyz", key=None).body == all_well)

    outage.database.sql("INSERT INTO openai_upstreams (sk, endpoint, name, priority)"
                        f" VALUES ('sk-2', '{make_upstream().url}', 'after', -1)")
    eventually(lambda: router.ask(key=KEY).header("x-route-upstream") == "after", 30)
    gone, back = len(lines_with(router, GONE)), len(lines_with(router, BACK))
    # A slow machine's database may be given up for a moment once more: each time it is told once, too.
    assert gone == back >= 1 if INSTRUMENTED else (gone, back) == (1, 1)
    if outage.feed_notices or lines_with(router, FEED_GONE):
        router.wait_for_line(FEED_BACK)
        reasons = [line.partition(FEED_GONE)[2] for line in lines_with(router, FEED_GONE)]
        assert len(set(reasons)) == len(reasons) >= 1  # each is told once
        assert len(reasons) <= 10  # however many there are
        assert len(lines_with(router, FEED_BACK)) == 1


@pytest.mark.parametrize("outage, end, when", [(Stopped, signal.SIGKILL, "meanwhile"), (Frozen, signal.SIGTERM, "meanwhile"),
                                               (Stopped, signal.SIGKILL, "afterwards")], indirect=["outage"],
                         ids=["killed", "ended", "killed-before-it-is-back"])
def test_the_next_router_goes_on_where_one_ended(outage, stocked, make_router, end, when):
    """It starts from the upstreams and keys last known, and brings what waits to the database."""
    first = stocked(outage.url)
    answers = [ask(first)]
    outage.database.wait_for(*answers)
    outage.begin()
    answers += [ask(first) for _ in range(3)]
    assert waiting(first) == 3
    assert first.stop(end) == (0 if end == signal.SIGTERM else -end)
    if when == "afterwards":
        outage.end()
    second = make_router().start()
    if when == "meanwhile":
        assert lines_with(second, "the database is away, starting with the upstreams and keys last known: ")
        answers += [ask(second) for _ in range(3)]
        assert waiting(second) == 6
        assert second.get("/readyz", key=None).status == 200
        outage.end()
    emptied(second)
    outage.database.wait_for(*answers)
    assert len(lines_with(second, GONE)) <= (when == "meanwhile")


def test_a_router_with_all_it_needs_in_its_file_starts_in_an_outage(fragile_cluster, route, make_router, upstream):
    router = route(upstream, storage=fragile_cluster.database().storage)
    router.kill()
    fragile_cluster.stop()
    assert make_router().start().ask().status == 200


@pytest.mark.parametrize("command", [["serve", "--addr", "127.0.0.1:0"], ["upstream", "list"]], ids=["serve", "list"])
@pytest.mark.parametrize("mistake, reason", [
    ("away", "(?i)refused"), ("another password", "(?i)password"), ("another database", "no_such_database")],
    ids=["away", "password", "database"])
def test_with_nothing_known_it_says_why_it_does_not_start(router, database, command, mistake, reason):
    port, password, name = database.cluster.port, PASSWORD, database.name
    with held_port() as nobody:
        if mistake == "away":
            port = nobody.getsockname()[1]
        elif mistake == "another password":
            password += "-but-wrong"
        else:
            name = "no_such_database"
        done = router.run(*command, "--database", f"postgresql://{GUARDED_ROLE}:{password}@127.0.0.1:{port}/{name}")
    assert done.returncode == 1
    assert re.search(reason, done.stderr) and len(done.stderr.splitlines()) == 1, done.stderr
    assert PASSWORD not in done.stderr + done.stdout


# --- in the middle of it

@pytest.fixture
def link(cluster):
    made = Link(cluster.port)
    yield made
    made.close()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(route, upstream, database, link):
    router = route(upstream, storage=storage(database.url_at(link.port)))
    answers = [router.ask()]
    database.wait_for(*answers)
    link.lose_answer_to_commit()
    answers.append(router.ask())
    assert link.lost_answer.is_set()
    database.wait_for(*answers)
    router.wait_for_line(BACK)
    emptied(router)
    answers.append(router.ask())
    database.wait_for(*answers)
    assert len(database.ids()) == 3


def test_a_record_too_large_for_a_slow_connection_holds_up_no_other(route, upstream, database, link):
    router = route(upstream, storage=storage(database.url_at(link.port)), records={"max_request_body": "8MiB", "durability": "commit"})
    database.wait_for(router.ask())
    link.slow_down(400_000)
    large = [router.ask(body=chat(secrets.token_hex(500_000))) for _ in range(2)]
    small = [router.ask() for _ in range(3)]
    database.wait_for(*small)
    eventually(lambda: waiting(router) == 0, 60)
    database.wait_for(*large)
    assert router.metric("openai_api_route_records_rejected_total") == 0


def test_killed_under_load_it_loses_nothing(fragile_cluster, route, upstream):
    database = fragile_cluster.database()
    router = route(upstream, storage=database.storage, server={"threads": 2})
    load = Load(router)
    for moment in (fragile_cluster.kill, fragile_cluster.start, None):
        seen = len(load.seen)
        eventually(lambda seen=seen: len(load.seen) > seen + 100, 30)
        if moment:
            moment()
    router.wait_for_line(BACK, 30)
    load.stop()
    assert load.failed == []
    assert load.slowest < (5 if INSTRUMENTED else 2)
    emptied(router)
    database.wait_for(*load.seen)


def test_a_router_killed_under_load_loses_nothing_that_a_client_saw(route, make_router, make_upstream, database):
    router = route(make_upstream(reply()), storage=database.storage, server={"threads": 2})
    load = Load(router)
    eventually(lambda: len(load.seen) > 500, 30)
    load.stopping.set()
    router.kill()
    load.stop()
    emptied(make_router().start())
    database.wait_for(*load.seen)
