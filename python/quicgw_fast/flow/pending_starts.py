"""STARTs that wait a moment, so that their answer can say exactly what was lost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.flow.conversation import Conversation

LONGEST_WAIT = 1.0
"""Seconds that a START waits for the offline store to take, or not, what an earlier session owed. What is found to be
lost later is told by the openid's next START."""

_log = logging.getLogger("quicgw.session")


@dataclass(slots=True, eq=False)
class _Held:
    conversation: Conversation
    go_on: Callable[[], None]
    give_way: Callable[[], None]
    timer: asyncio.TimerHandle


class PendingStarts:
    """At most one START of an openid waits: a newer one takes its place, as it would take over its session."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def hold(
        self,
        openid: str,
        conversation: Conversation,
        until: asyncio.Future[Any],
        go_on: Callable[[], None],
        give_way: Callable[[], None],
    ) -> None:
        """Call ``go_on`` once ``until`` is done or the longest wait is over, ``give_way`` if a newer START comes first.

        What the client sends meanwhile waits behind; when its connection ends, neither is called.
        """
        conversation.carrier.hold()
        timer = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._release, openid, conversation)
        self._held[openid] = _Held(conversation, go_on, give_way, timer)
        until.add_done_callback(lambda _: self._release(openid, conversation))

    def newer(self, openid: str) -> None:
        """Another START of this openid came and was authenticated: one that waits gives way."""
        held = self._held.pop(openid, None)
        if held is not None:
            held.timer.cancel()
            if held.conversation.open:
                held.give_way()

    def _release(self, openid: str, conversation: Conversation) -> None:
        held = self._held.get(openid)
        if held is None or held.conversation is not conversation:
            return
        del self._held[openid]
        held.timer.cancel()
        if not conversation.open:
            return
        try:
            held.go_on()
            conversation.carrier.let_go()
        except Exception:  # as for anything else that a client sends: its connection ends, and nobody else's
            _log.exception("START failed", extra={"openid": openid})
            conversation.close(CloseCode.INTERNAL, "internal error")
