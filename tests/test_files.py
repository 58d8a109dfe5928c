"""Files that more people can get at than should are told, and used all the same."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from quicgw_fast.files import MAX_FILE, read_small, warn_if_exposed


@pytest.mark.parametrize(
    ("mode", "secret", "told"),
    [
        (0o600, True, None),
        (0o660, True, None),
        (0o604, True, "read"),
        (0o602, True, "write"),
        (0o666, True, "read and write"),
        (0o644, False, None),
        (0o646, False, "write"),
    ],
)
def test_what_everybody_may_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, secret: bool, told: str | None
) -> None:
    path = tmp_path / "key"
    path.touch()
    path.chmod(mode)
    with caplog.at_level(logging.WARNING, "quicgw.config"):
        warn_if_exposed(path, "auth.key_file", secret=secret)
    assert [record.__dict__["everybody_may"] for record in caplog.records] == ([told] if told else [])
    assert all(record.__dict__["setting"] == "auth.key_file" for record in caplog.records)


@pytest.mark.parametrize("endless", ["/dev/zero", "/dev/full", "/dev/urandom", "/dev/tty"])
def test_a_device_is_refused_before_it_is_read(endless: str) -> None:
    with pytest.raises(OSError, match="it is a device"):
        read_small(Path(endless))


def test_a_file_that_is_too_large_is_some_other_file_and_an_empty_one_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(MAX_FILE + 1))
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_small(large)
    assert read_small(Path(os.devnull)) == b""


def test_a_named_pipe_is_refused_and_what_a_shell_has_opened_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="named pipe"):
        read_small(pipe)
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    try:
        assert read_small(Path(f"/dev/fd/{reader}")) == b"x"
    finally:
        os.close(reader)
