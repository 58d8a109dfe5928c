"""The connection ids under which a connection gets its packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.transport.endpoint import Endpoint, Receiver


class IssuedIds:
    """The ids that lead to one receiver; kept with it, as a search through all of an endpoint's ids takes long."""

    __slots__ = ("_cids", "_endpoint", "_receiver")

    def __init__(self, endpoint: Endpoint, receiver: Receiver) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._cids: set[bytes] = set()

    def add(self, cid: bytes) -> None:
        """Lead packets with this id to the receiver."""
        self._cids.add(cid)
        self._endpoint.receivers[cid] = self._receiver

    def drop(self, cid: bytes) -> None:
        """Lead packets with this id nowhere any more."""
        self._cids.discard(cid)
        if self._endpoint.receivers.get(cid) is self._receiver:
            del self._endpoint.receivers[cid]

    def drop_all(self) -> None:
        """Lead nothing here any more."""
        for cid in list(self._cids):
            self.drop(cid)

    def hand_over(self) -> set[bytes]:
        """Give the ids to whoever takes over; they lead here until it has them."""
        cids, self._cids = self._cids, set()
        return cids
