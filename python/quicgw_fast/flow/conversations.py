"""All connections that are being served: makes the conversation of each, and is told of their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.carrier import CARRIERS
from quicgw_fast.flow.conversation import Conversation
from quicgw_fast.observe import Unit
from quicgw_fast.ports import SlowSender

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import SessionConfig
    from quicgw_fast.flow.conversation import Legs
    from quicgw_fast.flow.journal import Journal
    from quicgw_fast.observe import Metrics
    from quicgw_fast.ports import Carrier, Crowd, Inflow, Link, MessageReceiver


class Conversations:
    """Which connections there are."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        engine: Engine,
        legs: Legs,
        journal: Journal,
        times: SessionConfig,
        crowd: Crowd,
        inflow: Inflow,
    ) -> None:
        self._clock = clock
        self._count_connections = metrics.counter("connections", "Connections that were established")
        self.open: set[Conversation] = set()
        self.watched: set[Conversation] = set()
        """Those of them that wait for something in time: for START, or for the rest of a message."""
        self._legs = legs
        self._make_decoder = engine.FrameDecoder
        self._journal = journal
        self._crowd = crowd
        self._inflow = inflow
        metrics.total("received", "Bytes of messages from clients", lambda: inflow.bytes, Unit.BYTES)
        self.reconfigure(times)
        self._tell_ended = self._ended  # bound once: each connection keeps it

    def reconfigure(self, times: SessionConfig) -> None:
        """Judge the messages of connections that come from now on by other times."""
        self._slow = SlowSender(times.frame_timeout, times.frame_rate)

    def begin(self, link: Link) -> Carrier:
        """Make the handler of a connection: the carrier that its ALPN stands for, and what is above it."""

        def make_carrier(receiver: MessageReceiver) -> Carrier:
            make = CARRIERS[link.alpn]
            return make(receiver, self._make_decoder, self._clock.now, self._slow, self._crowd, self._inflow)

        conversation = Conversation(link, make_carrier, self._legs, self.watched, self._tell_ended)
        self.open.add(conversation)
        self.watched.add(conversation)
        self._count_connections.value += 1
        return conversation.carrier

    def _ended(self, conversation: Conversation, code: int, reason: str, by_peer: bool) -> None:
        self.open.discard(conversation)
        self.watched.discard(conversation)
        peer, now = conversation.link.peer, self._clock.now()
        self._journal.ended(peer, conversation.session, code, reason, by_peer=by_peer, now=now)
