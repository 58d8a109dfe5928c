from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.process import Gateway
from tests.support.fixtures import certificate, make_world, world
from tests.support.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["certificate", "make_world", "world"]


@pytest.fixture
def parts() -> Parts:
    """The gateway of a world around a test: what commands do with one is the same with each."""
    return Parts()


@pytest.fixture(scope="package", autouse=True)
def interrupts_that_count() -> Iterator[None]:
    """Here and in processes that are started here: a shell has SIGINT ignored in what it starts with ``&``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="package")
def dev() -> Iterator[Gateway]:
    """One ``quicgw dev`` for all tests that only use it."""
    with Gateway("dev") as gateway:
        yield gateway


@pytest.fixture
def certified(tmp_path: Path) -> str:
    """The ``[tls]`` table of a configuration, with a certificate that exists."""
    from quicgw_fast.transport import development_certificate

    cert, key = development_certificate(tmp_path)
    return f'[tls]\ncert = "{cert}"\nkey = "{key}"\n'
