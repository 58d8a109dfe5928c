"""The configuration of connection ids for a balancer, with its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import Config
from quicgw_fast.errors import SettingError
from quicgw_fast.transport import read_scheme
from quicgw_fast.transport.quic_lb import QuicLb

if TYPE_CHECKING:
    from pathlib import Path

KEY = "8f95f09245765f80256934e50c66207f"


def configured(**written: Any) -> Config:
    return Config.model_validate({"server": {"connection_ids": "quic-lb"}, "quic_lb": {"server_id": "0a01", **written}})


def test_what_is_configured_is_what_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path := tmp_path / "quic-lb.key").write_text(f" {KEY.upper()}\n")
    path.chmod(0o600)
    assert read_scheme(Config()) is None
    assert read_scheme(configured()) == QuicLb(0, b"\x0a\x01", 8)
    assert read_scheme(configured(config_id=6, nonce_length=14, key_file=path)) == QuicLb(
        6, b"\x0a\x01", 14, bytes.fromhex(KEY)
    )
    assert not caplog.records


def test_a_key_that_others_may_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path := tmp_path / "quic-lb.key").write_text(KEY)
    path.chmod(0o644)
    assert read_scheme(configured(key_file=path)) is not None
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["setting"]) == ("secret file exposed", "quic_lb.key_file")


@pytest.mark.parametrize("content", [b"", KEY[:-2].encode(), KEY.encode() + b"00", b"no hexadecimal digits", bytes(16)])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "quic-lb.key").write_bytes(content)
    with pytest.raises(SettingError, match="has no key of 32 hexadecimal digits; make one with: openssl") as refused:
        read_scheme(configured(key_file=path))
    assert refused.value.key == ("quic_lb", "key_file")
    assert KEY[:8] not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"quic_lb\.key_file: cannot read .*absent\.key: No such file"):
        read_scheme(configured(key_file=tmp_path / "absent.key"))
