"""Files that more people can get at than should are told, and used all the same."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from quicgw_fast.files import read_small, warn_if_exposed


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


@pytest.mark.parametrize("endless", ["/dev/zero", "/dev/full", "/dev/urandom"])
def test_a_file_without_an_end_is_some_other_file(endless: str) -> None:
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_small(Path(endless))
