"""What one reload does, and in which order, with parts that only say what they are asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import Config, located
from quicgw_fast.errors import SettingError, StartupError
from quicgw_fast.observe import Metrics
from quicgw_fast.reloading import Origin, Reloader, ReloadRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class House:
    """A reloader of a file, and two parts that take its settings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = Metrics()
        self.stopping = False
        self.said: list[str] = []
        self.trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        with located(path) as config:
            origin = Origin(lambda: located(path), path)
            self.reloader = Reloader(
                config, origin, lambda: [self.first, self.second], lambda: self.stopping, SystemClock(), self.metrics
            )

    async def first(self, config: Config) -> Any:
        self.said.append("first prepares")
        if self.gate is not None:
            await self.gate.wait()
        return lambda: self.said.append(f"first takes {config.session.timeout:g}")

    async def second(self, config: Config) -> Any:
        self.said.append("second prepares")
        if self.trouble is not None:
            raise self.trouble
        return lambda: self.said.append(f"second takes {config.session.timeout:g}")

    def write(self, text: str) -> None:
        self.path.write_text(f'server.watch = "20ms"\n{text}')

    def count(self, result: str) -> float:
        return self.metrics.count("config_reloads", result)


@pytest.fixture
def house(tmp_path: Path) -> House:
    path = tmp_path / "gateway.toml"
    path.write_text('server.watch = "20ms"\n')
    return House(path)


@contextlib.contextmanager
def running(task: asyncio.Task[None]) -> Iterator[None]:
    try:
        yield
    finally:
        task.cancel()


async def test_all_prepare_before_anybody_takes(house: House) -> None:
    house.write("session.timeout = 60")
    reloaded = await house.reloader.reload("test")
    assert house.said == ["first prepares", "second prepares", "first takes 60", "second takes 60"]
    (change,) = reloaded.changed
    assert (change.key, change.before, change.after) == ("session.timeout", "5m", "1m")
    assert house.reloader.config.session.timeout == 60
    assert (house.count("applied"), house.count("refused")) == (1, 0)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (StartupError("no such key"), "no such key"),
        (SettingError(("session", "timeout"), "session.timeout is odd"), "session.timeout is odd (in "),
        (OSError("the disk is gone"), "the disk is gone"),
        (ZeroDivisionError("a bug"), "a bug"),
    ],
)
async def test_one_that_cannot_prepare_keeps_all_from_taking(
    house: House, caplog: pytest.LogCaptureFixture, trouble: Exception, told: str
) -> None:
    before = house.reloader.config
    house.write("session.timeout = 60")
    house.trouble = trouble
    with pytest.raises(ReloadRefused) as refused:
        await house.reloader.reload("test")
    assert told in str(refused.value)
    assert house.said == ["first prepares", "second prepares"]
    assert house.reloader.config is before
    assert house.metrics.count("config_reload_ok") == 0
    (line,) = [record for record in caplog.records if record.getMessage() == "configuration refused"]
    assert told in vars(line)["explanation"]
    assert (line.exc_info is not None) == isinstance(trouble, ZeroDivisionError), "a bug has its traceback"
    house.trouble = None
    await house.reloader.reload("test")
    assert house.metrics.count("config_reload_ok") == 1


async def test_a_file_that_cannot_be_used_asks_nobody(house: House) -> None:
    for text, told in (("session.timeout = 'soon'", "session.timeout"), ("[[", "not valid TOML"), ("x = 1", "x")):
        house.write(text)
        with pytest.raises(ReloadRefused, match=told):
            await house.reloader.reload("test")
    house.path.unlink()
    with pytest.raises(ReloadRefused, match="cannot read the configuration"):
        await house.reloader.reload("test")
    assert house.said == []
    assert house.count("refused") == 4


async def test_what_is_no_regular_file_is_not_waited_for(house: House) -> None:
    """A pipe without a writer would have the reader wait for ever, and with it whoever waits for the reader."""
    house.path.unlink()
    os.mkfifo(house.path)
    with pytest.raises(ReloadRefused, match="is no regular file"):
        await house.reloader.reload("test")
    watching = asyncio.create_task(house.reloader.run())
    with running(watching):
        await asyncio.sleep(0)
        house.path.unlink()
        house.write("session.timeout = '7s'")
        await until(lambda: "first takes 7" in house.said)


async def test_what_needs_a_restart_is_left_as_it_is_and_named_each_time(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.write("session = { timeout = 60, memory = '512MiB' }")
    with caplog.at_level(logging.INFO, "quicgw.reload"):
        first, second = [await house.reloader.reload("test") for _ in range(2)]
    assert [change.key for change in first.changed] == ["session.timeout"]
    assert [change.key for change in first.waiting] == ["session.memory"]
    assert (second.changed, second.waiting) == ((), first.waiting)
    assert house.reloader.config.session.memory == 256 << 20
    lines = [vars(record) for record in caplog.records if record.getMessage() == "setting needs a restart"]
    assert [(line["stays"], line["written"]) for line in lines] == [("256MiB", "512MiB")] * 2


async def test_the_mixture_of_what_is_new_and_what_stays_must_make_sense(house: House) -> None:
    """The window alone is taken; it fits into the memory that is written, and not into the one that stays."""
    house.write("session = { window_bytes = '512MiB', memory = '1GiB' }")
    with pytest.raises(ReloadRefused, match=r"session\.memory \(the default\) and session\.window_bytes \(in .*:2\)"):
        await house.reloader.reload("test")
    assert house.said == []


async def test_a_file_that_a_key_names_is_told_by_its_key(house: House, tmp_path: Path) -> None:
    key = tmp_path / "secret"
    key.write_text("one")
    house.write("auth.key_file = 'secret'")
    assert (await house.reloader.reload("test")).files == ()
    key.write_text("two")
    assert (await house.reloader.reload("test")).files == ("auth.key_file",)
    assert (await house.reloader.reload("test")).files == ()


async def test_who_asks_while_one_runs_gets_the_next(house: House) -> None:
    house.gate = asyncio.Event()
    first = asyncio.create_task(house.reloader.reload("first"))
    await until(lambda: bool(house.said))
    second = asyncio.create_task(house.reloader.reload("second"))
    house.write("session.timeout = 60")
    house.gate.set()
    assert (await first).changed == ()
    assert [change.key for change in (await second).changed] == ["session.timeout"]
    assert house.said[:4] == ["first prepares", "second prepares", "first takes 300", "second takes 300"]


async def test_a_gateway_that_stops_takes_nothing_and_says_so(house: House) -> None:
    house.gate = asyncio.Event()
    house.write("session.timeout = 60")
    reloading = asyncio.create_task(house.reloader.reload("test"))
    await until(lambda: bool(house.said))
    house.stopping = True
    house.gate.set()
    with pytest.raises(ReloadRefused, match="began to stop"):
        await reloading
    with pytest.raises(ReloadRefused, match="the gateway stops"):
        await house.reloader.reload("test")
    assert house.said == ["first prepares", "second prepares"]


async def test_who_asks_is_served_by_the_one_that_runs_and_many_are_one(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "quicgw.reload"), running(asyncio.create_task(house.reloader.run())):
        for _ in range(9):
            house.reloader.ask("SIGHUP")
        await until(lambda: house.count("applied") == 1)
    (line,) = [record for record in caplog.records if record.getMessage() == "configuration reloaded"]
    assert vars(line)["cause"] == "SIGHUP"


async def test_it_goes_on_after_a_refusal_and_reads_a_broken_file_once(house: House) -> None:
    with running(asyncio.create_task(house.reloader.run())):
        house.write("session.timeout = 'soon'")
        await until(lambda: house.count("refused") == 1)
        await asyncio.sleep(0.2)  # ten looks
        assert house.count("refused") == 1
        house.write("session.timeout = 60")
        await until(lambda: house.count("applied") == 1)
        assert house.reloader.config.session.timeout == 60


async def test_without_a_time_nobody_looks(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("server.watch = 0\n")
    house = House(path)
    with running(asyncio.create_task(house.reloader.run())):
        path.write_text("server.watch = 0\nsession.timeout = 60\n")
        await asyncio.sleep(0.05)  # twice the time between two looks, if there were any
        assert house.said == []
        house.reloader.ask("SIGHUP")
        await until(lambda: house.count("applied") == 1)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)
