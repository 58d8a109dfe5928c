from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport import development_certificate, makers

from .helpers import MAKER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A development certificate and its key."""
    return development_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=sorted(makers.MAKERS))
def maker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The maker that ``listening`` and ``dial`` use; every test of the seam runs with each of them."""
    token = MAKER.set(request.param)
    yield request.param
    MAKER.reset(token)
