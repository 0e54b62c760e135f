from contextlib import ExitStack

import pytest

from fakes.certificates import Authority
from fakes.channels import FakeChannel, FakeWebhook
from fakes.postgres import Cluster, Database
from fakes.router import BINARY, Router
from fakes.upstream import FakeUpstream


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not built (ROUTER_BINARY names another)", 4)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("takes_long") is None)


@pytest.fixture
def make_upstream():
    """Upstreams that end with the test."""
    made = []

    def make(*scripts, **kwargs) -> FakeUpstream:
        made.append(FakeUpstream(*scripts, **kwargs))
        return made[-1]

    yield make
    for upstream in made:
        upstream.close()


@pytest.fixture
def upstream(make_upstream) -> FakeUpstream:
    return make_upstream()


@pytest.fixture
def make_channel():
    """make_channel(FakeFeishu, …): where messages go; they end with the test."""
    made = []

    def make(kind, *args, **kwargs) -> FakeChannel:
        made.append(kind(*args, **kwargs))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


@pytest.fixture
def webhook(make_channel) -> FakeWebhook:
    return make_channel(FakeWebhook)


@pytest.fixture
def make_router(tmp_path):
    """Routers that end with the test, all in one directory unless it names others."""
    made = []

    def make(directory=tmp_path) -> Router:
        directory.mkdir(exist_ok=True)
        made.append(Router(directory))
        return made[-1]

    yield make
    # All of them, whatever one has to complain of.
    with ExitStack() as ending:
        for router in made:
            ending.callback(router.end)


@pytest.fixture
def router(make_router) -> Router:
    return make_router()


@pytest.fixture
def route(router):
    """route(upstream…, table={…}…): the router, configured and serving."""

    def start(*upstreams, arguments=(), environment=None, **tables) -> Router:
        return router.configure(upstreams, **tables).start(*arguments, environment=environment)

    return start


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(scope="session")
def cluster():
    """PostgreSQL for all tests of this process, one after the other."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def fragile_cluster(cluster):
    """The same for a test that may do with it what it likes."""
    yield cluster
    cluster.mend()


@pytest.fixture
def database(cluster) -> Database:
    return cluster.database()
