"""Makers of a seam, by name: each stage lists its own, and a maker is imported when it is asked for and not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def load(what: str, makers: Mapping[str, str], name: str) -> ModuleType:
    """Return the maker of that name from a list of dotted names.

    Raises ConfigError, which says ``what`` is chosen, for an unknown name, and StartupError for one that is not built.
    """
    if name not in makers:
        raise ConfigError(f"{what} is {name!r}, but must be one of: {', '.join(makers)}")
    try:
        return importlib.import_module(makers[name])
    except ImportError as error:
        remedy = "build it with `maturin develop --release`, or choose another one"
        raise StartupError(f"{what} {name} cannot be imported ({error}); {remedy}") from error
