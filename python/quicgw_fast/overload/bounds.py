"""What the bounds of all rules are set from, at the start and whenever they change."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from quicgw_fast.config import LimitsConfig, OverloadConfig, SessionConfig


class Bounds(NamedTuple):
    """The tables of the configuration that rules read, and single keys of others."""

    limits: LimitsConfig = LimitsConfig()
    overload: OverloadConfig = OverloadConfig()
    max_concurrency: int = 0
    """``upstream.max_concurrency``: calls of one service, any number for 0."""
    window: int = SessionConfig().window_messages
    """``session.window_messages``: what a session may be owed."""

    def value(self, key: str) -> Any:
        """The value of a key of the configuration, by its whole name."""
        if key in _ELSEWHERE:
            return getattr(self, _ELSEWHERE[key])
        table, _, name = key.partition(".")
        return getattr(getattr(self, table), name)


_ELSEWHERE: Final = {"upstream.max_concurrency": "max_concurrency", "session.window_messages": "window"}
"""Keys whose tables are not here."""
