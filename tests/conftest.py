"""What tests of several stages share: the engine, from both of its makers."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from quicgw_fast import backend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ENGINES = ("rust", "python")

# Hundreds of processes are started, and each would compile what it imports anew, which is half of what its start takes.
# What is compiled lies beside the packages, and not in the folder that is tested.
if sys.prefix != sys.base_prefix:
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix) / "compiled")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A busy machine makes no property false.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> ModuleType:
    """One maker of the engine; a test that asks for it runs on both. One that is not built is a failure, no skip."""
    return backend.load(request.param)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a test does to the root logger: commands that run in this process configure it."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
