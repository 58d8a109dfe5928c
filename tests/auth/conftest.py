"""The gateway's check of tokens, with a secret for its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.auth import JwtAuth

from .keyshop import (
    secret_settings,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def auth(tmp_path: Path) -> JwtAuth:
    return JwtAuth(secret_settings(tmp_path))
