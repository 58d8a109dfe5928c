from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport import development_certificate, makers

from .helpers import MAKER, SHORT_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Seen only when the folder is named on the command line, as ``make fuzz`` does."""
    parser.addoption("--fuzz-seconds", type=float, default=1.5, help="how long each fuzzer sends")
    parser.addoption("--fuzz-seed", type=int, default=20260101, help="what the packets of the fuzzers follow from")


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A development certificate and its key."""
    return development_certificate(tmp_path_factory.mktemp("tls"))


WHOLE_WAY = "aioquic, no short path"
CORE = ("test_closing", "test_misbehaviour", "test_stateless_reset", "test_stream")
"""Modules that run once more without the short path."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of the seam with each maker."""
    if "maker" in metafunc.fixturenames:
        more = [WHOLE_WAY] if metafunc.module.__name__.rpartition(".")[2] in CORE else []
        metafunc.parametrize("maker", [*sorted(makers.MAKERS), *more], indirect=True)


@pytest.fixture
def maker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The maker that ``listening`` and ``dial`` use."""
    name = "aioquic" if request.param == WHOLE_WAY else request.param
    tokens = MAKER.set(name), SHORT_PATH.set(request.param != WHOLE_WAY)
    yield name
    MAKER.reset(tokens[0])
    SHORT_PATH.reset(tokens[1])
