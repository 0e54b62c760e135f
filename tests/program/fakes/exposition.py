"""What /v1/metrics says, read strictly: a line that is not as Prometheus' text format has it fails the test."""

import re

PREFIX = "openai_api_route_"

# The labels of each instrument, in the order in which tests name their values (SPEC 7).
LABELS = {
    "requests_total": ("endpoint", "model", "code", "outcome"),
    "request_duration_seconds": ("endpoint",),
    "time_to_first_byte_seconds": ("upstream", "stream"),
    "overhead_seconds": (),
    "attempts_total": ("upstream", "outcome"),
    "failovers_total": ("upstream", "reason"),
    "retries_total": ("upstream",),
    "hedges_total": ("upstream", "won"),
    "upstream_up": ("upstream",),
    "requests_in_flight": (),
    "tokens_total": ("upstream", "model", "type"),
    "records_written_total": (),
    "records_dropped_total": (),
    "log_lines_dropped_total": (),
    "records_rejected_total": (),
    "record_queue_bytes": (),
    "outbox_records": (),
    "database_bytes": (),
    "disk_free_bytes": (),
    "disk_bytes": (),
    "record_write_seconds": (),
    "notifications_total": ("channel", "result"),
    "build_info": ("version",),
}

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:{{(.*)}})? (\S+)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def _labels(text: str) -> dict[str, str]:
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match and match[1] not in found, f"no label: {text[at:]!r}"
        found[match[1]] = re.sub(r"\\.", lambda escape: ESCAPES[escape[0]], match[2])
        at = match.end()
    return found


class Exposition:
    """One reading of it."""

    def __init__(self, text: str):
        self.text = text
        self.samples: dict[tuple[str, frozenset], float] = {}
        for line in text.split("\n"):
            if not line or line.startswith("#"):
                continue
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            key = match[1], frozenset(_labels(match[2] or "").items())
            assert key not in self.samples, f"twice: {line!r}"
            self.samples[key] = float(match[3])

    def values(self, name: str, suffix="") -> dict[tuple[str, ...], float]:
        """By the values of the instrument's labels, of which it has exactly those it should have."""
        found = {}
        for (sample, labels), value in self.samples.items():
            if sample == PREFIX + name + suffix:
                labels = dict(labels)
                assert labels.keys() == set(LABELS[name]), f"labels of {name}: {labels}"
                found[tuple(labels[label] for label in LABELS[name])] = value
        return found

    def value(self, name: str, *labels: str, suffix="") -> float:
        return self.values(name, suffix).get(labels, 0.0)

    def process(self, name: str) -> float:
        return self.samples[f"process_{name}", frozenset()]

    def buckets(self, name: str) -> dict[tuple[str, ...], list[tuple[float, float]]]:
        """Bounds and cumulated counts of a histogram, by its labels' values."""
        found = {}
        for (sample, labels), value in self.samples.items():
            if sample == f"{PREFIX}{name}_bucket":
                labels = dict(labels)
                bound = float(labels.pop("le"))
                found.setdefault(tuple(labels[label] for label in LABELS[name]), []).append((bound, value))
        return {labels: sorted(buckets) for labels, buckets in found.items()}

    def labels_of_all(self, label: str) -> set[str]:
        """Every value that `label` has anywhere."""
        return {value for _, labels in self.samples for name, value in labels if name == label}


def read(router) -> Exposition:
    answer = router.get("/v1/metrics", key=None)
    assert answer.status == 200
    return Exposition(answer.body.decode())


class Moved:
    """What has moved since it was made."""

    def __init__(self, router):
        self.router = router
        self.before = read(router)

    def by(self, name: str, suffix="") -> dict[tuple[str, ...], float]:
        """How far each series of an instrument has, those left out that have not."""
        before, after = self.before.values(name, suffix), read(self.router).values(name, suffix)
        assert before.keys() <= after.keys(), f"gone: {before.keys() - after.keys()}"
        moved = {labels: value - before.get(labels, 0.0) for labels, value in after.items()}
        return {labels: by for labels, by in moved.items() if by}
