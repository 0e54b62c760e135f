"""A real Prometheus that scrapes routers and evaluates rules, with a port and a directory of its own."""

import json
import pathlib
import signal
import subprocess
import urllib.parse
from http.client import HTTPConnection, HTTPException

from fakes.postgres import held_port
from fakes.router import eventually

RULES = pathlib.Path(__file__).resolve().parents[3] / "metrics/prometheus-rules.yml"


class Prometheus:
    def __init__(self, directory: pathlib.Path, address: tuple[str, int], rules: list[pathlib.Path], interval="1s"):
        """`address`: the router, the only target of the job that the rules speak of."""
        self.directory = directory
        self._port_holder = held_port()
        self.port = self._port_holder.getsockname()[1]
        self._config = directory / "prometheus.yml"
        self._settings = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "scrape_configs": [{"job_name": "openai-api-route", "metrics_path": "/v1/metrics",
                                "static_configs": [{"targets": [f"{address[0]}:{address[1]}"]}]}]}
        self._write(rules)
        self._log = open(directory / "prometheus.log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "prometheus", f"--config.file={self._config}", f"--storage.tsdb.path={directory / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        eventually(self._is_ready, 60)

    def _write(self, rules: list[pathlib.Path]):
        """JSON is YAML."""
        self._config.write_text(json.dumps({**self._settings, "rule_files": [str(path) for path in rules]}))

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self._get("/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    @property
    def log(self) -> str:
        return (self.directory / "prometheus.log").read_text()

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def api(self, path: str, **parameters):
        """What /api/v1/`path` gives; an error is one of the test."""
        query = urllib.parse.urlencode(parameters)
        status, body = self._get(f"/api/v1/{path}?{query}")
        answer = json.loads(body)
        assert (status, answer["status"]) == (200, "success"), f"{parameters}: {answer}"
        return answer["data"]

    def query(self, expression: str) -> list[float]:
        """The values of an instant vector."""
        data = self.api("query", query=expression)
        assert data["resultType"] == "vector", expression
        return [float(sample["value"][1]) for sample in data["result"]]

    def rules(self) -> list[dict]:
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]

    def load(self, rules: list[pathlib.Path]):
        """Other rules from now on."""
        self._write(rules)
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self._log.close()
        self._port_holder.close()
