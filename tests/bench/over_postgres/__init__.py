"""What is measured of a router alone is measured here in the same way: `run` is tests/bench/run, as a module."""

import importlib.machinery
import importlib.util
import pathlib
import sys

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent.parent
sys.path.insert(0, str(ROOT / "tests/program"))

_loader = importlib.machinery.SourceFileLoader("bench_run", str(BENCH / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", _loader))
_loader.exec_module(run)
