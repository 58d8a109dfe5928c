"""What the bounds of all rules are set from, at the start and whenever they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.config import LimitsConfig, OverloadConfig, SessionConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


class Bounds(NamedTuple):
    """The tables of the configuration that rules read, and single keys of others."""

    limits: LimitsConfig = LimitsConfig()
    overload: OverloadConfig = OverloadConfig()
    max_concurrency: int = 0
    """``upstream.max_concurrency``: calls of one service, any number for 0."""
    window: int = SessionConfig().window_messages
    """``session.window_messages``: what a session may be owed."""

    def values(self, keys: tuple[str, ...]) -> Mapping[str, float]:
        """The values of configuration keys, by their names."""
        tables: Mapping[str, Mapping[str, float] | BaseModel] = {
            "limits": self.limits,
            "overload": self.overload,
            "upstream": {"max_concurrency": self.max_concurrency},
            "session": {"window_messages": self.window},
        }
        found = {}
        for key in keys:
            table, _, name = key.partition(".")
            there = tables[table]
            found[key] = there[name] if isinstance(there, dict) else getattr(there, name)
        return found
