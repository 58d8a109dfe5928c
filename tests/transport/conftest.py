from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport import development_certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A development certificate and its key."""
    return development_certificate(tmp_path_factory.mktemp("tls"))
