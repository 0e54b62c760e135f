"""The list of models, and one model's page (SPEC 5, point 15)."""

import json

import pytest

from fakes.router import eventually
from fakes.upstream import refused_url, reply


def listing(*names):
    return reply(body={"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def names(answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [model["id"] for model in json.loads(answer.body)["data"]]


def test_models_of_all_upstreams_are_one_list(route, make_upstream):
    first, second, third = make_upstream(listing("gpt-4o", "gpt-4o-mini")), make_upstream(listing("gpt-4o", "claude")), make_upstream(reply(404))
    router = route({"endpoint": first.url, "rename": {"fast": "gpt-4o-mini"}}, {"endpoint": second.url, "allow": ["claude*"]},
                   {"endpoint": third.url, "allow": ["deployed", "other-*"]}, refused_url())
    answer = router.get("/v1/models")
    assert names(answer) == ["gpt-4o", "fast", "gpt-4o-mini", "claude", "deployed"]
    record = router.record(answer)
    assert (record["outcome"], record["upstream_name"], record["attempts"]) == ("ok", "", 4)
    assert json.loads(record["response"]) == json.loads(answer.body)
    assert [row["outcome"] for row in router.attempts(record)] == ["ok", "ok", "status", "connect"]
    assert router.metrics_of("failovers_total") == ""


def test_a_changed_upstream_changes_the_list_at_once(route, make_upstream):
    router = route(make_upstream(listing("a")))
    router.ok("upstream", "add", "--name", "other", "--sk", "sk-other-0123456789", "--endpoint", make_upstream(listing("b")).url)
    eventually(lambda: names(router.get("/v1/models")) == ["a", "b"])
    router.ok("upstream", "set", "other", "--deny", "b", "--allow", "c")
    eventually(lambda: names(router.get("/v1/models")) == ["a"])


@pytest.mark.parametrize("list_of, expected", [("union", ["a", "b"]), ("first", ["a"])])
def test_the_setting_decides_whose_list_it_is(route, make_upstream, list_of, expected):
    router = route(make_upstream(listing("a")), make_upstream(listing("b")), models={"list": list_of})
    assert names(router.get("/v1/models")) == expected


def test_one_models_page_is_asked_of_who_has_it(route, make_upstream):
    first, second = make_upstream(), make_upstream(reply(body={"id": "claude-1"}))
    router = route({"endpoint": first.url, "allow": ["gpt-*"]}, {"endpoint": second.url, "rename": {"good": "claude-1"}})
    assert json.loads(router.get("/v1/models/good").body)["id"] == "claude-1"
    assert (first.requests, [asked.target for asked in second.requests]) == ([], ["/v1/models/claude-1"])
