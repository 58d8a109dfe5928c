"""The fixtures of a whole gateway, and the size of the chaos: short in CI, long with ``--chaos-full``."""

from __future__ import annotations

import pytest

from tests.support.fixtures import certificate, make_world, parts, quick_end_of_the_admin_pages, world

__all__ = ["certificate", "make_world", "parts", "quick_end_of_the_admin_pages", "world"]

SHORT_SEEDS, SHORT_PUSHES = 1, 300
FULL_SEEDS, FULL_PUSHES = 20, 10_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Seen only when the folder is named on the command line: ``pytest tests/chaos --chaos-full``."""
    parser.addoption(
        "--chaos-full",
        action="store_true",
        help=f"{FULL_SEEDS} seeds and {FULL_PUSHES} pushes per cell instead of {SHORT_SEEDS} and {SHORT_PUSHES}",
    )


def is_full(config: pytest.Config) -> bool:
    """Whether the long matrix was asked for."""
    return bool(config.getoption("--chaos-full", default=False))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that takes a ``seed`` its seeds."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, 1 + (FULL_SEEDS if is_full(metafunc.config) else SHORT_SEEDS)))


@pytest.fixture
def pushes(request: pytest.FixtureRequest) -> int:
    """How many pushes one run sends."""
    return FULL_PUSHES if is_full(request.config) else SHORT_PUSHES
