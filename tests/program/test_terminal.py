"""What a person sees: on a terminal tables fit, bodies are cut and laid out, and long output has a pager; elsewhere it is plain and whole."""

import json
import os
import pty
import subprocess
import unicodedata

import pytest

from fakes.client import chat
from fakes.router import BINARY


def on_terminal(router, *arguments, columns=80, **variables) -> str:
    """What a command writes to a terminal; standard error apart."""
    ours, theirs = pty.openpty()
    environment = router.environment({"TERM": "xterm", "COLUMNS": str(columns), "PAGER": "cat", **variables})
    environment.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
    process = subprocess.Popen([BINARY, *arguments], cwd=router.directory, env=environment, stdin=subprocess.DEVNULL, stdout=theirs,
                               stderr=subprocess.PIPE)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the terminal's other end was closed
        pass
    os.close(ours)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, b"")
    return text.decode().replace("\r\n", "\n")


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


@pytest.fixture
def asked(route, upstream):
    """A router that has answered some requests, one of them large."""
    router = route(upstream)
    for number in range(3):
        router.ask(body=chat(f"question {number} " + "很长的问题" * (5000 if number == 2 else 1), model="gpt-4o-with-a-very-long-name-" + "x" * 60))
    return router


def test_a_table_fits_the_terminal(asked):
    for columns in (80, 100, 132):
        lines = on_terminal(asked, "record", "list", columns=columns, NO_COLOR="1").splitlines()
        assert len(lines) == 4 and "…" in lines[1]
        assert max(map(width, lines)) <= columns
    assert "x" * 60 in asked.ok("record", "list")
    assert "…" not in asked.ok("record", "list")


def test_colours_are_for_terminals_that_want_them(asked):
    assert "\x1b[32m200\x1b[0m" in on_terminal(asked, "record", "list")
    assert "\x1b" not in on_terminal(asked, "record", "list", NO_COLOR="1")
    assert "\x1b" not in on_terminal(asked, "record", "list", TERM="dumb")
    assert "\x1b" not in asked.ok("record", "list") + asked.ok("record", "show", "1")


def test_a_body_is_laid_out_and_cut(asked):
    shown = on_terminal(asked, "record", "show", "3", NO_COLOR="1")
    assert '\n  "messages": [\n' in shown and len(shown.encode()) < 12_000
    assert "--full shows all" in shown
    assert '\x1b[34m"messages"\x1b[0m: [' in on_terminal(asked, "record", "show", "3")
    assert len(asked.ok("record", "show", "3", "--full").encode()) > 60_000


def test_long_output_goes_through_the_pager(asked):
    for arguments in (["record", "list"], ["record", "show", "1"]):
        lines = on_terminal(asked, *arguments, NO_COLOR="1", PAGER="sed 's/^/> /'").splitlines()
        assert lines and all(line.startswith("> ") for line in lines)
    # Who has read enough leaves; that is no failure.
    assert on_terminal(asked, "record", "show", "3", "--full", NO_COLOR="1", PAGER="head -n 1").count("\n") == 1
    assert "> " not in asked.ok("record", "list", environment={"PAGER": "sed 's/^/> /'"})


def test_json_leaves_bodies_out_unless_they_are_asked_for(asked):
    listed = json.loads(asked.ok("record", "list", "--json"))
    assert len(listed) == 3 and not any({"body", "response"} & row.keys() for row in listed)
    assert all(row["key_name"] == "tester" and row["ip"] == "127.0.0.1" for row in listed)
    whole = json.loads(asked.ok("record", "list", "--json", "--bodies"))
    assert len(whole[0]["body"]) > 20_000 and whole[0]["response"]
