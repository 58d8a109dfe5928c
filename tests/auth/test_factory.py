from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.auth import Grant, JwtAuth, NoAuth, make_authenticator
from quicgw_fast.config import AuthConfig
from quicgw_fast.errors import ConfigError

from .keyshop import NOW, secret_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_none_believes_everybody() -> None:
    auth = make_authenticator(AuthConfig.model_construct(mode="none"))
    for _ in range(3):
        assert auth.authenticate("anybody", "any token", NOW) == Grant("anybody", None)
    assert isinstance(auth, NoAuth)


def test_jwt_is_made_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = secret_settings(tmp_path)
    assert settings.key_file is not None
    settings.key_file.chmod(0o600)
    assert isinstance(make_authenticator(settings), JwtAuth)
    assert caplog.records == []


@pytest.mark.parametrize("mode", ["", "JWT", "basic"])
def test_an_unknown_mode_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.mode"):
        make_authenticator(AuthConfig.model_construct(mode=mode))
