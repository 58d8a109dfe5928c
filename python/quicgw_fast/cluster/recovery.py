"""Sessions whose node died are brought back from what it had written (``replicas``)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from quicgw_fast.cluster.entries import OUTDATED
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.proto.session_pb2 import SessionReplica, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe import Metrics

_log = logging.getLogger("quicgw.cluster")


class Retaining(NamedTuple):
    """How sessions are kept in the directory."""

    revive: Callable[[SessionReplica], bytes]
    """Makes a session of a replica, as it arrives from another node; ValueError where that cannot be."""
    keep: float
    """Seconds for which a replica stays that is not refreshed."""


class Recovery:
    """Reads replicas, and says of each whether a session can go on from it."""

    def __init__(self, metrics: Metrics, revive: Callable[[SessionReplica], bytes], era: Callable[[], str]) -> None:
        """``revive`` as in ``Retaining``; ``era`` gives that of the data that is read, empty where nobody knows it."""
        self._revive = revive
        self._era = era
        self._count = metrics.counters(
            "sessions_recovered",
            "Sessions whose node died, by whether they could go on from what it had written",
            "outcome",
            ("recovered", "lost"),
        )

    def revived(self, data: bytes, openid: str, node: str) -> bytes | None:
        """Return the session of an openid that ``node`` had; None where it is lost.

        Raises DirectoryUnavailable where it has to be read once more.
        """
        era = self._era()
        if not era:
            raise DirectoryUnavailable(OUTDATED)
        try:
            replica = SessionReplica.FromString(data)
            why = _fault(replica, era)
            state = b"" if why else self._revive(replica)
        except (DecodeError, ValueError) as error:
            why, state = str(error), b""
        fields = {"openid": openid, "node": node}
        if why:
            self._count["lost"].value += 1
            _log.warning("session lost", extra={**fields, "reason": why})
            return None
        self._count["recovered"].value += 1
        _log.info("session recovered", extra={**fields, "size": len(data), "records": 1 + len(replica.later)})
        return SessionState(came_from=node).SerializeToString() + state


def _fault(replica: SessionReplica, era: str) -> str:
    """Why a replica is not good; empty where it is."""
    if not replica.HasField("whole"):
        return "nothing is written of it"
    if replica.era != era:
        return "what is written of it is older than the directory's data"
    return ""
