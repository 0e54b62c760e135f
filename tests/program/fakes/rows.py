"""Tests that are rows of a table, all with one router in front of one upstream."""

import pytest

from fakes.router import Router
from fakes.upstream import FakeUpstream


def table(rows: dict):
    """A test for each row, called by its key."""
    return pytest.mark.parametrize("row", rows.values(), ids=rows.keys())


def router_and_upstream(directory, **tables):
    """For a fixture of module scope: the rows are many, and none may leave anything to the next."""
    upstream = FakeUpstream()
    router = Router(directory).configure([upstream], **tables).start()
    yield router, upstream
    router.end()
    upstream.close()
