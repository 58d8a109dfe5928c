from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from quicgw_fast.cli import Interrupts
from quicgw_fast.cli.event_loop import Signals, announce, at_work, run
from quicgw_fast.cli.statuses import Interrupted


async def name_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(name_of_the_loop()).startswith("uvloop")
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as if it were not installed
    assert run(name_of_the_loop()).startswith("asyncio")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noticed_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    async def work() -> None:
        with Signals() as signals:
            os.kill(os.getpid(), number)
            await signals.wait()

    run(work())
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_work_is_broken_off_by_a_signal_and_otherwise_not() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def work() -> None:
        with Signals() as signals:
            assert await signals.unless(asyncio.sleep(0, "done")) == "done"
            with pytest.raises(ZeroDivisionError):
                await signals.unless(divide())
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            await signals.unless(endless())

    with pytest.raises(Interrupted):
        run(work())
    assert ended == ["endless"]


def test_a_signal_that_comes_when_the_work_is_over_ends_what_would_follow_it() -> None:
    async def work() -> str:
        signal.raise_signal(signal.SIGTERM)
        return "done"

    with pytest.raises(Interrupted) as interrupted:
        run(work())
    assert interrupted.value.number == signal.SIGTERM


async def divide() -> float:
    return 1 / 0


def test_an_interrupt_is_remembered_where_it_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a signal handler raises in a destructor is lost: the end of an event loop has many of them."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: lost.append(unraisable.exc_type))

    class Ending:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with Interrupts() as interrupts:
        Ending()
        assert interrupts.came
    assert lost == [KeyboardInterrupt]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_somebody_has_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interrupts.came
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_in_a_loop_comes_again_when_somebody_looks() -> None:
    """Before ``Signals`` are there, and while a loop is closed, nothing may be raised out of it."""

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        with Signals() as signals:
            await asyncio.wait_for(signals.wait(), 10.0)

    with Interrupts() as interrupts:
        asyncio.run(work())
    assert not interrupts.came, "it was looked at"


def test_an_interrupt_at_the_end_of_a_loop_is_remembered() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with Interrupts() as interrupts:
        asyncio.run(work())
    assert interrupts.came


def test_an_interrupt_of_a_loop_that_asyncio_does_not_know_of_is_remembered() -> None:
    """It has none set while a loop begins and ends, and nothing may be raised out of that either."""
    loop = asyncio.new_event_loop()
    try:
        with Interrupts() as interrupts:
            with at_work(loop):
                os.kill(os.getpid(), signal.SIGINT)
                assert interrupts.came
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        loop.close()


def test_a_signal_that_comes_twice_at_once_is_one() -> None:
    async def work() -> str:
        with Signals(at_once=lambda: pytest.fail("the process would end here")) as signals:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            await signals.wait()
        return "the first one is looked at"

    assert run(work()) == "the first one is looked at"


async def test_what_is_announced_goes_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    await announce("ready")  # not through an Output: as in a program that uses the gateway as a library
    assert capsys.readouterr().out == "ready\n"
