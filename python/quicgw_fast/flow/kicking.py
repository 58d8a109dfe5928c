"""A session that an operator ends (protocol §6, ``KICKED``): its client is not to come back as it is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import CloseCode
from quicgw_fast.session import Event

if TYPE_CHECKING:
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry

NO_REASON: Final = "an operator ended the session"

_log = logging.getLogger("quicgw.session")


class Kicks:
    """Ends sessions for good: nothing of them can be resumed, and what their clients had not acknowledged is lost.

    What no connection took goes to the offline store, if there is one, as with any end but STOP: the next login of the
    openid gets it.
    """

    def __init__(self, metrics: Metrics, registry: Registry, closing: Closing) -> None:
        self._count_kicked = metrics.counter("sessions_kicked", "Sessions that an operator ended")
        self._registry = registry
        self._closing = closing

    def kick(self, *, openid: str = "", session_id: str = "", reason: str = "") -> int:
        """End all live sessions with that openid, or the one with that id; return how many there were.

        ``reason`` is told to the client: printable, and short enough for one packet.
        """
        session = self._registry.by_id(session_id)
        found = self._registry.devices.of(openid) if not session_id else () if session is None else (session,)
        for one in found:
            self._closing.end(one, Event.KICKED, CloseCode.KICKED, reason or NO_REASON)
            self._count_kicked.value += 1
            _log.warning("session kicked", extra={**one.ids, "reason": reason})
        return len(found)
