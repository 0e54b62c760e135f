"""The dashboard and the alert rules, with a real Prometheus that scrapes a real router."""

import json
import math
import re
import shutil
import time

import pytest

from fakes.client import Broken, chat, request
from fakes.exposition import LABELS, PREFIX
from fakes.prometheus import RULES, Prometheus
from fakes.router import eventually
from fakes.upstream import chat_events, numbered, reply, silence, stream

DASHBOARD = RULES.with_name("grafana-dashboard.json")
TESTS_OF_RULES = RULES.with_name("prometheus-rules.test.yml")

# What Grafana puts in place of its variables when all is chosen.
VARIABLES = {"$__rate_interval": "20s", "$__range": "1h", "$job": "openai-api-route", "$instance": ".*", "$upstream": ".*"}

needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")


@pytest.fixture(scope="module")
def dashboard() -> dict:
    return json.loads(DASHBOARD.read_text())


def panels(dashboard) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard) -> dict[str, str]:
    """Every query that it makes, by where it is made."""
    found = {}
    for panel in panels(dashboard):
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


def has_data(prometheus, expression: str) -> bool:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    values = prometheus.query(expression)
    return bool(values) and not any(math.isnan(value) for value in values)


# --- the dashboard

def test_the_dashboard_can_be_imported(dashboard):
    """As Grafana 9 and 10 want it: a dashboard without an id, its data source a variable that is asked for."""
    assert dashboard["id"] is None and dashboard["uid"] and dashboard["title"] and dashboard["tags"]
    assert 36 <= dashboard["schemaVersion"] <= 39
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables.keys() == {"datasource", "job", "instance", "upstream"}
    assert variables["datasource"]["type"] == "datasource"
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(dashboard):
        assert panel["datasource"] == source, panel["title"]
        assert all(target["datasource"] == source for target in panel["targets"]), panel["title"]
    assert all(variable["datasource"] == source for name, variable in variables.items() if name != "datasource")


def test_every_panel_says_what_it_shows(dashboard):
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(titles) == len(set(titles))
    for panel in panels(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        if panel["type"] in ("timeseries", "state-timeline"):
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_panels_fill_the_width_and_do_not_overlap(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert taken == {(x, y) for x in range(24) for y in range(max(y for _, y in taken) + 1)}


def test_every_instrument_is_shown_and_nothing_else(dashboard):
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) in LABELS else name
             for expression in queries(dashboard).values() for name in re.findall(rf"{PREFIX}(\w+)", expression)}
    assert shown == set(LABELS)


# --- the rules

def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text())


@pytest.mark.parametrize("alert", sorted(set(alerts())))
def test_an_alert_is_tested_where_it_fires_and_where_it_does_not(alert):
    """promtool, which does the testing, does not ask for that."""
    cases = re.findall(rf'- expr: ALERTS{{alertname="{alert}".*\n +eval_time: .*\n +exp_samples:(.*)', TESTS_OF_RULES.read_text())
    assert {case.strip() for case in cases} == {"", "[]"}


def test_the_readme_explains_every_alert():
    readme = (RULES.parent / "README.md").read_text()
    assert [alert for alert in alerts() if f"`{alert}`" not in readme] == []


def test_the_readme_explains_every_instrument():
    readme = (RULES.parent / "README.md").read_text()
    written = [name + (f"{{{','.join(labels)}}}" if labels else "") for name, labels in LABELS.items()]
    assert [name for name in written if f"`{name}`" not in readme] == []


# --- both, in front of a router

class Traffic:
    """Upstreams of every kind and clients that make all of them show. A round of it is seconds long at most."""

    def __init__(self, make_upstream, route, webhook):
        self.flaky, self.good, self.odd = make_upstream(reply(500)), make_upstream(), make_upstream()
        self.router = route(
            {"endpoint": self.flaky.url, "name": "flaky", "deny": ["odd"], "priority": -1}, {"endpoint": self.good.url, "name": "good", "deny": ["odd"]},
            {"endpoint": self.odd.url, "name": "odd", "allow": ["odd"]},
            failover={"cooldown": 12, "cooldown_after": 2, "retries": 1, "retry_wait": 0, "hedge_after": 0.05}, timeouts={"default": 0.2, "stream": 0.2, "single": 0.2}, notify=webhook.settings)

    def round(self):
        self.flaky.answer(silence)  # the next one is asked beside it
        assert self.router.ask().status == 200
        self.flaky.answer(reply(500))
        for scripts, body in ((reply(), chat()), (stream(*chat_events("a")), chat(stream=True))):
            self.good.answer(scripts)
            for _ in range(3):
                assert self.router.ask(body=body).status == 200
        for script in (reply(), reply(429), silence, stream(numbered(1), then="close")):
            self.odd.answer(script)
            try:
                self.router.ask(body=chat(model="odd", stream=script is not silence))
            except Broken:
                pass
        self.router.ask(key="wrong")
        self.odd.answer(silence)
        with self.router.client() as client:
            before = len(self.odd.requests)
            client.send(request(body=chat(model="odd")))
            self.odd.wait_for_requests(before + 1)


@pytest.fixture
def traffic(make_upstream, route, webhook) -> Traffic:
    return Traffic(make_upstream, route, webhook)


@pytest.fixture
def prometheus(tmp_path, traffic):
    made = Prometheus(tmp_path, traffic.router.address, [RULES])
    yield made
    made.close()


def drive(traffic, missing, seconds=60):
    """Rounds until `missing()` names nothing; what it still names at the end is the failure's text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        traffic.round()
        left = missing()
        if not left:
            return
    raise AssertionError(f"no data for {left}")


@needs_prometheus
def test_every_query_of_the_dashboard_has_data(prometheus, traffic, dashboard):
    wanted = queries(dashboard)

    def missing():
        for where in [where for where, expression in wanted.items() if has_data(prometheus, expression)]:
            del wanted[where]
        return wanted

    drive(traffic, missing)

    chosen = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            for name, value in VARIABLES.items():
                selector = selector.replace(name, value)
            chosen[variable["name"]] = prometheus.api(f"label/{label}/values", **{"match[]": selector})
    host, port = traffic.router.address
    assert chosen == {"job": ["openai-api-route"], "instance": [f"{host}:{port}"], "upstream": ["flaky", "good", "odd"]}


def same_words_at_once(rules: list[dict]) -> dict:
    """Rules that say what `rules` say, of whatever there is, without waiting: what they say can then be read."""
    return {"groups": [{"name": "words", "rules": [
        {"alert": rule["name"], "expr": "sum by (job, instance, upstream) (openai_api_route_upstream_up)",
         "labels": {**rule["labels"], "number": str(number)}, "annotations": rule["annotations"]} for number, rule in enumerate(rules)]}]}


@needs_prometheus
def test_every_rule_is_healthy_and_says_something(prometheus, traffic, tmp_path):
    def unhealthy():
        return [(rule["name"], rule.get("lastError")) for rule in prometheus.rules() if rule["health"] != "ok"]

    assert len(prometheus.rules()) == len(re.findall(r"- (alert|record): ", RULES.read_text()))
    eventually(lambda: not unhealthy(), 20)  # "unknown" until each was evaluated
    # All that they ask for exists: what is recorded has data, and so has each metric.
    asked = {name for rule in prometheus.rules() for name in re.findall(r"(?<![\w:\"])(?:openai_api_route_\w+|process_\w+|up)\b", rule["query"])}
    assert asked > {"up", "process_open_fds"}
    asked |= {rule["query"] for rule in prometheus.rules() if rule["type"] == "recording"}
    drive(traffic, lambda: [query for query in asked if not has_data(prometheus, query)])
    assert unhealthy() == []

    words = tmp_path / "words.yml"
    rules = [rule for rule in prometheus.rules() if rule["type"] == "alerting"]
    words.write_text(json.dumps(same_words_at_once(rules)))
    prometheus.load([words])
    said = {}

    def all_said():
        said.update({alert["labels"]["number"]: alert for alert in prometheus.api("alerts")["alerts"] if "number" in alert["labels"]})
        return len(said) == len(rules)

    eventually(all_said, 20)
    for alert in said.values():
        assert alert["labels"]["severity"] in ("warning", "critical")
        for name in ("summary", "description"):
            text = alert["annotations"][name]
            assert text and not re.search(r"<error|<no value>|\{\{|%!", text), text
