"""What is shown of a load, without one."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.load import processor_time
from quicgw_fast.cli.load.processor_time import ProcessorTime
from quicgw_fast.cli.load.progress import EVERY, OnTerminal, progress
from quicgw_fast.cli.load.report import ratios, table
from quicgw_fast.errors import StartupError
from tests.cli.process import assert_one_sentence, in_process

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast._core import LoadSnapshot

PLAN = {"sessions": 2, "rate": 5000.0, "in_flight": 1, "actions": [["echo", 2], ["time", 1]], "payloads": [[128, 1]]}


def run(**changes: Any) -> dict[str, Any]:
    """A saved run in which all went well."""
    usual = {
        "plan": PLAN,
        "interrupted": False,
        "seconds": 2.0,
        "rate": 4999.0,
        "latency_ms": {"count": 9998, "p50": 2.0},
        "errors": {},
        "answers": {},
        "closed": {},
        "withheld": 0,
        "retries": 0,
        "unanswered": 0,
        "violations": 0,
        "violation_texts": [],
    }
    return {**usual, **changes}


def test_a_table_says_what_was_done_and_leaves_out_what_is_unknown() -> None:
    headline, *rows = table(run(), None)
    assert headline == "2 sessions, 5000 requests/s in all, echo x 2, time x 1 of 128 bytes, 2.0 s measured"
    assert [row.split() for row in rows] == [["requests/s,", "replied", "4,999"], ["latency", "p50", "ms", "2.000"]]


def test_what_there_should_be_none_of_is_told_where_it_is() -> None:
    bad = run(
        errors={"429": 5},
        answers={"418": 1},
        closed={"IDLE": 1, "LOST": 2},
        retries=3,
        unanswered=4,
        violations=30,
        violation_texts=["session a: request 9 has no reply"],
    )
    told = "\n".join(table(bad, None))
    for words in (
        "errors 429 of the gateway",
        "answers 418 of services",
        "sessions closed, LOST: 2",
        "connections refused and tried again: 3",
        "requests without a reply in time: 4",
        "429: a session sends more than [limits] of the gateway allow",
        "VIOLATIONS: 30\n  session a: request 9 has no reply",
    ):
        assert words in told
    assert "without a reply when it was ended: 4" in "\n".join(table({**bad, "interrupted": True}, None))


def test_ratios_are_of_what_both_runs_have() -> None:
    saved = run(rate=2499.5, latency_ms={"count": 1, "p50": 4.0, "p99": 9.0}, cpu={"gateway_us": 30.0})
    assert ratios(run(), saved) == {"rate": 2.0, "latency_ms.p50": 0.5}
    rows = table(run(), saved)
    assert rows[1].startswith("saved: 2 sessions")
    assert "latency p99 ms                         -         9.000" in rows
    assert any(row.startswith("gateway CPU us/request") for row in rows)


SMALL: Any = SimpleNamespace(clients=[("a", ""), ("b", "")], warm_up=2.0, duration=4.0)


def snapshot(**changes: Any) -> LoadSnapshot:
    usual = {"phase": "measure", "online": 2, "replies": 0, "errors": {}, "answers": {}, "violations": 0}
    found: Any = SimpleNamespace(**{**usual, "latency": SimpleNamespace(count=0, p50=1.5, p99=2.5), **changes})
    return found


def test_lines_come_with_each_phase_and_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(SMALL, quiet=False) as shown:
        shown.show(snapshot(), 10.0)
        shown.show(snapshot(replies=50), 10.5)
        shown.show(snapshot(replies=100), 10.0 + EVERY)
        shown.show(snapshot(phase="drain", errors={503: 1}, answers={418: 2}, violations=3), 10.1 + EVERY)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["measure", "measure", "drain"]
    assert lines[-1].endswith("3 errors  3 VIOLATIONS")


def test_a_terminal_has_a_bar_of_clients_and_then_of_the_time_of_a_phase(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress(SMALL, quiet=False) as shown:
        assert isinstance(shown, OnTerminal)
        shown.show(snapshot(phase="ramp", online=1), 9.0)
        assert done(shown) == (1, 2)
        shown.show(snapshot(latency=SimpleNamespace(count=1, p50=1.5, p99=2.5)), 10.0)
        shown.show(snapshot(latency=SimpleNamespace(count=1, p50=1.5, p99=2.5)), 13.0)
        assert done(shown) == (3.0, 4.0)
        shown._bar.refresh()  # it does by itself ten times a second
        shown.show(snapshot(phase="drain"), 14.0)
        assert done(shown) == (0.0, None), "nobody knows how long that takes"
    said = capsys.readouterr().err
    assert "p50 1.50 ms  p99 2.50 ms" in said


def done(shown: OnTerminal) -> tuple[float, float | None]:
    (task,) = shown._bar.tasks
    return task.completed, task.total


def test_processor_time_needs_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processor_time, "_PROC", tmp_path)
    with pytest.raises(StartupError, match="--pid needs /proc"):
        ProcessorTime(os.getpid())


def test_a_process_that_has_ended_keeps_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Laid out as /proc is: what a process has used, and which it has started."""
    for pid, ticks, children in ((5, 100, "6 7"), (6, 50, "")):
        (tmp_path / f"{pid}/task/1").mkdir(parents=True)
        (tmp_path / f"{pid}/stat").write_text(f"{pid} (a (b) c) S" + " 0" * 10 + f" {ticks} {ticks}" + " 0" * 20)
        (tmp_path / f"{pid}/task/1/children").write_text(children)
    (tmp_path / "5/task/2").mkdir()
    (tmp_path / "5/task/2/children").symlink_to(tmp_path / "gone")
    (tmp_path / "self").symlink_to(tmp_path / "5")
    monkeypatch.setattr(processor_time, "_PROC", tmp_path)
    tick = 1 / os.sysconf("SC_CLK_TCK")
    gateway = ProcessorTime(5)
    assert gateway.seconds() == pytest.approx(300 * tick)
    (tmp_path / "6/stat").unlink()
    assert gateway.seconds() == pytest.approx(300 * tick)


def test_a_host_that_is_unknown() -> None:
    assert_one_sentence(in_process("bench", "nobody.invalid:8443", "-kq"), "nobody.invalid", "unknown")
