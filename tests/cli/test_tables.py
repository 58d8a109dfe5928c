from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from quicgw_fast.cli.progress_bar import steps
from quicgw_fast.cli.tables import ago, amount, counted, lasting, live_line, shown, table, width
from tests.cli.process import environment


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    rows = [("a", 1, "x"), ("爱丽", None, "")]
    assert list(table(("NAME", "N", "LAST"), rows)) == ["NAME  N  LAST", "a     1  x", "爱丽  –  –"]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("爱", 2), ("e\u0301", 1), ("", 0)])
def test_how_many_columns_a_terminal_needs(text: str, columns: int) -> None:
    assert width(text) == columns


def test_a_cell_is_one_harmless_line() -> None:
    assert shown("a\nb\x1b[2J") == "a\\nb\\x1b[2J"
    assert shown(0) == "0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (59.4, "59s"), (60, "1m"), (61.9, "1m1s"), (7260, "2h1m"), (90000, "1d1h")],
)
def test_times_are_written_in_two_units_at_most(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_how_long_ago() -> None:
    assert ago(100.0, 160.0) == "1m"
    assert ago(200.0, 100.0) == "0.0s", "another clock may be ahead"
    assert ago(None) == "–"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0B"),
        (1023, "1023B"),
        (1536, "1.5KiB"),
        (20480, "20KiB"),
        (5 << 20, "5.0MiB"),
        (3 << 30, "3.0GiB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_fits(count: int | None, text: str) -> None:
    assert amount(count) == text


def test_what_goes_on_is_told_as_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with live_line() as show:
        for line in ("one", "one", "two"):
            show(line)
    with live_line(quiet=True) as show:
        show("three")
    assert capsys.readouterr().err == "one\ntwo\n"


WITH_STEPS = "with steps(2, quiet=False) as (show, step): show('looking'); step(); step()"


def test_steps_are_told_as_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        with steps(2, quiet=quiet) as (show, step):
            show("one")
            step()
            show("two")
    assert capsys.readouterr().err == "one\ntwo\n", "no bar, and with --json nothing at all"


@pytest.mark.parametrize("count", [0, 1, 2, 1.0])
def test_one_is_one(count: float) -> None:
    assert counted(count, "session") == f"{count:.0f} session" + ("" if count == 1 else "s")


@pytest.mark.parametrize(
    "what", ["with progress('looking'): pass", "with live_line() as show: show('looking')", WITH_STEPS]
)
def test_and_in_one_place_on_a_terminal(what: str) -> None:
    ours, theirs = pty.openpty()
    program = (
        f"import time\nfrom quicgw_fast.cli.tables import *\nfrom quicgw_fast.cli.progress_bar import steps\n{what}"
    )
    subprocess.run([sys.executable, "-c", program], stderr=theirs, env=environment({"TERM": "xterm"}), check=True)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the other side is closed, and everything is read
        pass
    os.close(ours)
    assert b"looking" in seen
    assert b"\x1b[2K" in seen, "it is taken away again"
    assert (b"100%" in seen) == (what == WITH_STEPS)


def test_colors_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from quicgw_fast.cli.tables import painted

    assert painted("x", "red") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert painted("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("x", "red") == "x"
