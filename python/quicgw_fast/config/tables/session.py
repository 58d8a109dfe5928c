"""``[session]`` and ``[offline]``: how long sessions live, and what is kept for them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from quicgw_fast.config.tables.base import File, MadeFile, Section
from quicgw_fast.config.values import Count, Duration, Size, WordOrNumber, duration, number, size


class SessionConfig(Section):
    """``[session]``: how long sessions live and how much they keep (protocol §2, §5)."""

    live: ClassVar = frozenset(
        {
            "timeout",
            "heartbeat_interval",
            "resume_window",
            "window_messages",
            "window_bytes",
            "start_timeout",
            "frame_timeout",
            "frame_rate",
            "slow_consumer_after",
            "bind_timeout",
            "flight_recorder",
            "devices",
        }
    )

    timeout: Duration = 300.0
    """A connection without any message for so long is closed with IDLE."""
    heartbeat_interval: Annotated[float, duration("1ms", "1h")] = 30.0
    """What clients are told to keep; sent in whole seconds, at least 1. Unless it is set, a shorter ``timeout`` brings
    it down to a third of that."""
    resume_window: Annotated[float, duration("1ms", "7d")] = 120.0
    """How long a session without a connection can be resumed, and an ended one is remembered."""
    window_messages: Annotated[int, number(1, 1_000_000, "messages")] = 1024
    """Messages kept per session until acknowledged."""
    window_bytes: Annotated[int, size(1, 1 << 30)] = 1 << 20
    """Bytes kept per session until acknowledged."""
    memory: Size = 256 << 20
    """Bytes kept for all sessions together until acknowledged, bound and cached notifies included; each message counts
    with 96 on top of its own. Once more as much, at least 16 MiB, is for what connections have not delivered."""
    start_timeout: Duration = 5.0
    """START must arrive within this time after the handshake."""
    frame_timeout: Duration = 5.0
    """A message that began may be so long without another byte; one that takes longer must come at ``frame_rate``."""
    frame_rate: Size = 4 << 10
    """Bytes a second with which a message must come that takes longer than ``frame_timeout``."""
    slow_consumer_after: Duration = 10.0
    """A window over 80 % without an acknowledgement for so long closes the connection with SLOW_CONSUMER."""
    bind_timeout: Duration = 60.0
    """How long a notify waits for the request it is bound to."""
    flight_recorder: Annotated[int, number(0, 1000, "envelopes")] = 32
    """Envelopes of each session that are remembered, without what was in them, for ``/sessions/{id}``; 0: none. Of
    sessions that have ended it is kept for the last 1000, as long as ``resume_window``."""

    devices: Annotated[str | int, WordOrNumber(("newest", "refuse"), number(1, 64, "sessions"))] = "newest"
    """Sessions of one openid at once. ``newest``: one, and whoever comes takes over from it; ``refuse``: one, and
    whoever else comes while its client is online is refused; a number: so many devices, each with a session of its own,
    and one more takes the place of the oldest. Another value counts for the STARTs to come and sends nobody away."""

    @property
    def told_interval(self) -> int:
        """The heartbeat interval that clients are told, in seconds."""
        written = "heartbeat_interval" in self.model_fields_set
        interval = self.heartbeat_interval if written else min(self.heartbeat_interval, self.timeout / 3)
        return max(1, int(interval))


class OfflineConfig(Section):
    """``[offline]``: pushes to an openid that has no session."""

    store: Literal["off", "memory", "sqlite", "directory"] = "off"
    """``off`` answers TARGET_NOT_FOUND; the others keep the push until the openid logs in: ``memory`` and ``sqlite`` at
    this gateway, ``directory`` at any node of ``[cluster]``."""
    path: Annotated[File | None, MadeFile(), Field(examples=["offline.db"])] = None
    """Database file of ``sqlite``, made if it is not there."""
    max_messages: Count = 100
    """Messages that are kept for one openid."""
    max_bytes: Size = 256 << 10
    """Bytes that are kept for one openid."""
    max_total_bytes: Size = 64 << 20
    """Bytes of all together: messages and openids, and 128 for each message."""
    max_age: Annotated[float, duration("1ms", "3650d")] = 86_400.0
    """Older messages are dropped and counted."""
