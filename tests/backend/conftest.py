"""Every test that asks for ``engine`` runs on both makers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from quicgw_fast import backend

if TYPE_CHECKING:
    from types import ModuleType

MAKERS = ("rust", "python")

# A busy machine is no reason to fail: nothing here is about how long one example takes.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(params=MAKERS)
def engine(request: pytest.FixtureRequest) -> ModuleType:
    return backend.load(request.param)
