from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from typer import BadParameter

from quicgw_fast.cli import text
from quicgw_fast.cli.preflight import require_upb

if TYPE_CHECKING:
    from pathlib import Path


def test_pairs_keep_everything_behind_the_first_equals_sign() -> None:
    assert text.pairs(["a=1", "b=", "c=x=y", "d=ü"], "--param") == {"a": "1", "b": "", "c": "x=y", "d": "ü"}


def test_content_is_text_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "message.bin"
    file.write_bytes(b"\x00\xff")
    assert text.content("grüße", "--data") == "grüße".encode()
    assert text.content("", "--data") == b""
    assert text.content(f"@{file}", "--data") == b"\x00\xff"
    assert text.content("@@home", "--data") == b"@home"


def test_content_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x00piped")))
    assert text.content("@-", "--data") == b"\x00piped"


@pytest.mark.parametrize(
    "make", [lambda value: text.content(value, "--data"), lambda value: text.pairs([f"a={value}"], "-p")]
)
def test_bytes_that_are_no_utf8_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(BadParameter, match="UTF-8"):
        make("\udcff")  # how an argument that is no UTF-8 reaches Python


def test_names_are_text_too() -> None:
    assert text.plain("grüße") == "grüße"
    assert text.plain(None) is None
    with pytest.raises(BadParameter, match="not valid UTF-8"):
        text.plain("\udcff")


@pytest.mark.parametrize(
    ("written", "seconds"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("1.5", 1.5), ("1h", 3600)]
)
def test_duration(written: str, seconds: float) -> None:
    assert text.duration(written) == seconds


def test_a_duration_that_nobody_lives_to_see() -> None:
    assert text.duration("3650d") == 3650 * 86_400
    with pytest.raises(BadParameter, match="3651d is longer than 3650d"):
        text.duration("3651d")


def test_only_a_wait_may_be_nothing() -> None:
    assert text.duration_or_none("0") == 0
    with pytest.raises(BadParameter, match="above 0"):
        text.duration("0s")


def test_addresses() -> None:
    assert text.listen_address(None) is None
    assert text.listen_address("[::1]:0") == "[::1]:0"
    assert text.peer_address("gateway.example:8443") == "gateway.example:8443"
    with pytest.raises(BadParameter, match="port 0"):
        text.peer_address("127.0.0.1:0")


def test_help_of_wraps_by_paragraph() -> None:
    def command() -> None:
        """First line.

        A paragraph
        on two lines.
        """

    assert text.help_of(command) == "First line.\n\nA paragraph on two lines."


def test_this_protobuf_runs_on_upb() -> None:
    require_upb()
