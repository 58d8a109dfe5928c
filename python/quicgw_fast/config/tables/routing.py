"""``[routing]``: which service gets an action (protocol §3)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from quicgw_fast.config.tables.base import ReadIn, Section

_ZONE_WORDS = ("zone", "echo", "calculate", "time")
DEFAULT_EXACT = {
    **dict.fromkeys(("hello", "logout", "status", "heartbeat", "data_sync"), "hello"),
    **dict.fromkeys(_ZONE_WORDS, "zone"),
}
"""Lower-case action to service, as deployed (protocol §3)."""
DEFAULT_CONTAINING = dict.fromkeys(_ZONE_WORDS, "zone")
"""Part of an action to service, as deployed (protocol §3)."""
# Every table and list has an example, which is shown to who wrote something else.
ACTIONS = Field(examples=[{"echo": "hello"}])
Action = Annotated[str, StringConstraints(min_length=1, max_length=256, to_lower=True)]
RANGES = Field(examples=[[[1, 9999, "001"]]])


class RoutingConfig(Section):
    """``[routing]``: which service gets an action (protocol §3)."""

    live: ClassVar = frozenset({"exact", "containing", "replace_defaults", "default", "zone_ranges"})

    mode: Literal["service", "zone"] = "service"
    """``service``: by action. ``zone``: by openid, to the instance registered for its zone."""
    exact: Annotated[dict[str, str], ReadIn("service"), ACTIONS] = Field(default_factory=dict)
    """Lower-case action to service, added to those as deployed; looked at first."""
    containing: Annotated[dict[str, str], ReadIn("service"), ACTIONS] = Field(default_factory=dict)
    """Part of an action to service, looked at next, in this order, before those as deployed."""
    replace_defaults: Annotated[bool, ReadIn("service")] = False
    """``exact`` and ``containing`` are the whole table: nothing as deployed is kept."""
    default: Annotated[str, ReadIn("service")] = "business"
    """Service of every other action."""
    ordered: Annotated[tuple[Action, ...], Field(examples=[["move", "trade*"]])] = ()
    """Lower-case actions whose requests run one after the other in a session, the next when the one before has its
    reply; ``*`` in one stands for anything. Others are not affected."""
    zone_ranges: Annotated[tuple[tuple[int, int, str], ...], ReadIn("zone"), RANGES] = ()
    """Inclusive ranges of a numeric openid, ``[[1, 9999, "001"], …]``; without one, MD5 decides."""

    @property
    def actions(self) -> dict[str, str]:
        """The whole table of actions: own entries and, unless they are replaced, those as deployed."""
        return self.exact if self.replace_defaults else {**DEFAULT_EXACT, **self.exact}

    @property
    def parts(self) -> dict[str, str]:
        """The whole table of parts of actions, own entries first."""
        if self.replace_defaults:
            return self.containing
        return self.containing | {part: to for part, to in DEFAULT_CONTAINING.items() if part not in self.containing}
