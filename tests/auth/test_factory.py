from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from quicgw_fast.auth import AuthSettings, Grant, JwtAuth, NoAuth, make_authenticator
from quicgw_fast.errors import ConfigError

from .keyshop import NOW, secret_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_none_warns_loudly_and_once() -> None:
    with capture_logs() as logs:
        auth = make_authenticator(AuthSettings(mode="none"))
        for _ in range(3):
            assert auth.authenticate("anybody", "any token", NOW) == Grant("anybody", None)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "OFF" in logs[0]["event"]
    assert isinstance(auth, NoAuth)


def test_none_is_silent_in_development() -> None:
    with capture_logs() as logs:
        make_authenticator(AuthSettings(mode="none", dev=True))
    assert logs == []


def test_jwt_is_made_without_a_warning(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert isinstance(make_authenticator(secret_settings(tmp_path)), JwtAuth)
    assert logs == []


@pytest.mark.parametrize("mode", ["", "JWT", "basic"])
def test_an_unknown_mode_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.mode"):
        make_authenticator(AuthSettings(mode=mode))
