from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from quicgw_fast.cli.other_signals import NAMES, OtherSignals

if TYPE_CHECKING:
    import pytest


async def settled() -> None:
    """Let the loop have its turns."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_came_before_is_told_then_and_many_are_one() -> None:
    told: list[str] = []
    with OtherSignals() as others:
        for _ in range(5):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGUSR1)
        with others.following(hang_up=lambda: told.append("hang up"), user_1=lambda: told.append("user 1")):
            assert told == ["hang up", "user 1"]
            signal.raise_signal(signal.SIGHUP)
            await settled()
        assert told == ["hang up", "user 1", "hang up"]


async def test_what_nobody_wants_is_said_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with OtherSignals() as others, others.following(user_1=lambda: None), caplog.at_level(logging.WARNING):
        for number in (signal.SIGUSR2, signal.SIGRTMIN + 1, signal.SIGPIPE, signal.SIGHUP):
            signal.raise_signal(number)
        await settled()
    said = [vars(record)["signal"] for record in caplog.records if record.getMessage() == "signal ignored"]
    assert sorted(said) == ["SIGHUP", "SIGRTMIN+1", "SIGUSR2"], "of a reader that went away its writer is told"


def test_all_is_as_before_when_it_is_over() -> None:
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = [signal.getsignal(number) for number in numbers]
    with OtherSignals():
        assert before != [signal.getsignal(number) for number in numbers]
    assert before == [signal.getsignal(number) for number in numbers]
