from __future__ import annotations

import asyncio
import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from quicgw_fast.client import ConnectionFailed
from quicgw_fast.demo.tour import run
from quicgw_fast.demo.tour import scenes as day
from quicgw_fast.demo.tour.show import Show
from tests.cli.process import quicgw

if TYPE_CHECKING:
    from quicgw_fast.demo.tour.stage import Stage


@pytest.mark.parametrize(("engine", "fast"), [("rust", "0"), ("rust", "1"), ("python", "0")])
def test_the_demonstration_in_a_pipe(engine: str, fast: str) -> None:
    done = quicgw("demo", extra={"QUICGW_BACKEND": engine, "QUICGW_FAST": fast})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    transport, client = ("quinn", "native") if fast == "1" else ("aioquic", "grpcio")
    assert f"engine {engine}, transport {transport}, upstream client {client}" in done.stdout
    assert "VIOLATED" not in done.stdout
    assert "1000 requests to three services" in done.stdout
    for wanted in (
        r"clients +24",
        r"errors +1 x 500, \d x 503, 1 x 504",
        r"latency p99 +\d+\.\d ms",
        r"requests a second +\d+",
    ):
        assert re.search(rf"^  {wanted}$", done.stdout, re.MULTILINE), wanted
    assert re.search(r"\nall \d+ checks held\n\Z", done.stdout)


def plain() -> tuple[Show, io.StringIO]:
    text = io.StringIO()
    return Show(Console(file=text, force_terminal=False, soft_wrap=True, highlight=False)), text


async def test_a_violated_check_is_printed_and_makes_the_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forge(stage: Stage, show: Show) -> None:
        """Take one reply off the tape, as if it had never come."""
        tape = stage.players[0].tape
        del tape.received[-1]

    scenes = (("Login", day.login), ("Forgery", forge), ("Stop", day.stop), ("The audit", run.audit))
    monkeypatch.setattr(run, "SCENES", scenes)
    show, text = plain()
    assert await run.run_demo(run.Scale(clients=2, requests=4), show) == 1
    assert "  VIOLATED: every request has exactly one reply\n    player-01: request 1 has no reply\n" in text.getvalue()
    assert "1 of " in text.getvalue()


async def test_a_scene_that_breaks_off_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(stage: Stage, show: Show) -> None:
        raise ConnectionFailed("nobody there")

    async def late(stage: Stage, show: Show) -> None:
        raise TimeoutError("never came")

    async def crowd(stage: Stage, show: Show) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(broken(stage, show))
            tasks.create_task(late(stage, show))

    monkeypatch.setattr(run, "SCENES", (("Broken", broken), ("Late", late), ("Crowd", crowd)))
    show, text = plain()
    assert await run.run_demo(run.Scale(clients=2, requests=4), show) == 1
    assert "    ConnectionFailed: nobody there\n" in text.getvalue()
    assert "    TimeoutError: never came\n" in text.getvalue()
    crowd_said = text.getvalue().partition("Crowd\n")[2]
    assert "to its end\n    ConnectionFailed: nobody there\n    TimeoutError: never came\n" in crowd_said
