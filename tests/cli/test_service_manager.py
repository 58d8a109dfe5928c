"""What systemd is told, by a real ``quicgw serve`` on a real socket, and what happens where it cannot be told."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli import service_manager
from quicgw_fast.cli.service_manager import ServiceManager
from quicgw_fast.config import Config
from quicgw_fast.errors import StartupError
from tests.cli.process import FREE_PORTS, Running, assert_one_sentence, quicgw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 20.0


class Manager:
    """The end of the socket that a service manager has."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.settimeout(PATIENCE)

    def next(self) -> dict[str, str]:
        """What is told next."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def next_but(self, name: str) -> dict[str, str]:
        """What is told next, signs of life, say, apart."""
        while name in (told := self.next()):
            pass
        return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    here = Manager(str(tmp_path / "notify") if request.param == "path" else f"@quicgw-test-{tmp_path}")
    yield here
    here.close()


def alive(admin: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{admin}/livez", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def test_a_gateway_tells_of_its_life(manager: Manager, certified: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f"{certified}[server]\nwatch = 0\n", encoding="utf-8")
    extra = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "300000"}
    with Running("serve", "--config", str(file), *FREE_PORTS, extra=extra) as gateway:
        told = manager.next_but("WATCHDOG")
        assert told["READY"] == "1"
        assert told["STATUS"] == gateway.first_line.strip()
        assert alive(told["STATUS"].rpartition("admin=")[2])
        for _ in range(3):
            assert manager.next() == {"WATCHDOG": "1"}

        file.write_text(f"{certified}[session]\ntimeout = '9s'\n", encoding="utf-8")
        before = time.monotonic_ns() // 1000
        gateway.signal(signal.SIGHUP)
        told = manager.next_but("WATCHDOG")
        assert told["RELOADING"] == "1"
        assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.next_but("WATCHDOG") == {"READY": "1", "STATUS": gateway.first_line.strip()}

        file.write_text("[sesion]\n", encoding="utf-8")
        gateway.signal(signal.SIGHUP)
        assert manager.next_but("WATCHDOG")["RELOADING"] == "1"
        told = manager.next_but("WATCHDOG")
        assert (told["READY"], told["STATUS"].endswith("the configuration was refused")) == ("1", True)

        gateway.signal(signal.SIGTERM)
        assert manager.next_but("WATCHDOG") == {"STOPPING": "1", "STATUS": "draining"}
        assert gateway.ended()[0] == 0


def test_nothing_is_said_to_be_ready_that_does_not_listen(manager: Manager, certified: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(f"{certified}[server]\nquic = '127.0.0.1:0'\ngrpc = '127.0.0.1:0'\n", encoding="utf-8")
        admin = f"127.0.0.1:{taken.getsockname()[1]}"
        done = quicgw("serve", "--config", str(file), "--admin", admin, extra={"NOTIFY_SOCKET": manager.address})
        assert_one_sentence(done, admin)
    manager._socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.next()


async def test_signs_of_life_come_from_the_loop(tmp_path: Path) -> None:
    here = Manager(str(tmp_path / "notify"))
    try:
        async with ServiceManager(here.address, patience=0.03).watching():
            for _ in range(3):
                assert await asyncio.to_thread(here.next) == {"WATCHDOG": "1"}
        async with ServiceManager(here.address).watching():
            pass
    finally:
        here.close()


async def test_where_nobody_is_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    nobody = ServiceManager.of({"WATCHDOG_USEC": "1"})
    nobody.ready("x")
    nobody.stopping()
    async with nobody.watching():
        assert len(asyncio.all_tasks()) == 1
    with nobody.told_of(lambda: nullcontext(Config()))() as config:
        assert config == Config()
    assert not caplog.records


def test_what_cannot_be_told_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager(str(tmp_path / "absent"))
    with caplog.at_level(logging.WARNING):
        manager.ready("x")
        manager.stopping()
    (said,) = caplog.records
    assert said.getMessage() == "service manager not told"
    assert vars(said)["line"] == "READY=1"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"NOTIFY_SOCKET": "vsock:2:1"}, "NOTIFY_SOCKET is 'vsock:2:1'"),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC is 'soon'"),
        *(
            ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec}, f"WATCHDOG_USEC is '{usec[:32]}'; .* from 10000 to ")
            for usec in ("0", "1", "9999", "-1", "9" * 15, "9" * 400, "9" * 5000)
        ),
    ],
)
def test_what_no_manager_means(environment: dict[str, str], told: str) -> None:
    with pytest.raises(StartupError, match=told):
        ServiceManager.of(environment)


async def test_the_watchdog_of_another_process_is_not_ours(tmp_path: Path) -> None:
    here = Manager(str(tmp_path / "notify"))
    try:
        watch = {"NOTIFY_SOCKET": here.address, "WATCHDOG_USEC": "10000", "WATCHDOG_PID": "1"}
        manager = ServiceManager.of(watch)
        async with manager.watching():
            await asyncio.sleep(0.05)
            manager.stopping()
        assert "STOPPING" in here.next()
    finally:
        here.close()


@pytest.mark.parametrize("patience", [None, 0.03])
async def test_what_a_full_socket_did_not_take_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float | None
) -> None:
    monkeypatch.setattr(service_manager, "AGAIN", 0.01)
    here = Manager(str(tmp_path / "notify"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
            filled = 0
            with pytest.raises(BlockingIOError):
                while True:
                    other.sendto(b"X=1", here.address)
                    filled += 1
        manager = ServiceManager(here.address, patience)
        async with manager.watching():
            manager.ready("fine")
            for _ in range(filled):
                assert here.next() == {"X": "1"}
            told = await asyncio.to_thread(here.next_but, "WATCHDOG")
            assert told == {"READY": "1", "STATUS": "fine"}
            await asyncio.sleep(0.05)
            manager.stopping()
        assert "STOPPING" in here.next_but("WATCHDOG"), "it is told once"
    finally:
        here.close()


def test_a_reload_that_fails_is_over_as_well(tmp_path: Path) -> None:
    here = Manager(str(tmp_path / "notify"))

    @contextmanager
    def read() -> Iterator[Config]:
        raise StartupError("no")
        yield Config()

    try:
        manager = ServiceManager(here.address)
        manager.ready("fine")
        with pytest.raises(StartupError), manager.told_of(read)():
            pass
        assert here.next()["STATUS"] == "fine"
        assert here.next()["RELOADING"] == "1"
        assert here.next() == {"READY": "1", "STATUS": "fine, the configuration was refused"}
    finally:
        here.close()


def test_of_two_processes_it_hears_the_one_that_is_its_main_one(manager: Manager) -> None:
    first, successor = ServiceManager(manager.address), ServiceManager(manager.address)
    first.ready("the first")
    assert manager.next() == {"READY": "1", "STATUS": "the first"}
    successor.wait_for_turn()
    successor.ready("the successor")
    first.give_way(4711)
    first.stopping()
    successor.take_turn()
    assert manager.next() == {"MAINPID": "4711"}, "before anything of the other"
    assert manager.next() == {"READY": "1", "STATUS": "the successor"}
    successor.stopping()
    assert manager.next() == {"STOPPING": "1", "STATUS": "draining"}
