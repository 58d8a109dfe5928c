"""The compiled parts as settings, for whoever asked for all of them with one word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.compiled import PARTS, VARIABLE, is_wanted
from quicgw_fast.config.places import in_variable
from quicgw_fast.config.sources import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_variable(environment: Mapping[str, str]) -> Source:
    """Choose the compiled parts if the variable says so; other settings of the environment are stronger.

    Raises ConfigError as ``is_wanted`` does.
    """
    tables = {name: dict(table) for name, table in PARTS.items()} if is_wanted(environment) else {}
    return Source(in_variable(VARIABLE), tables)
