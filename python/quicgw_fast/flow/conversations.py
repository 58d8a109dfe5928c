"""All connections that are being served: makes the conversation of each, and is told of their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.flow.conversation import MAX_BODY, MAX_BODY_BEFORE_START, Conversation

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import SessionConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.control_messages import ControlMessages
    from quicgw_fast.flow.journal import Journal
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.flow.start import StartHandler
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gates
    from quicgw_fast.ports import Link
    from quicgw_fast.session import Session


class Conversations:
    """Where the messages of every connection go; which connections there are."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        engine: Engine,
        sender: OrderedSender[Session],
        starts: StartHandler,
        requests: Requests,
        control: ControlMessages,
        journal: Journal,
        gates: Gates,
        times: SessionConfig,
    ) -> None:
        self.clock = clock
        self.count_protocol_errors = metrics.counter(
            "protocol_errors", "Connections that were closed for breaking the protocol"
        )
        self.count_requests_refused = metrics.counter("requests_refused", "Messages that were not accepted")
        self.count_floods_closed = metrics.counter(
            "floods_closed", "Connections that were closed for too many messages"
        )
        self._count_connections = metrics.counter("connections", "Connections that were established")
        self.sender = sender
        self.starts = starts
        self.requests = requests
        self.control = control
        self.gates = gates
        self.times = times
        self.open: set[Conversation] = set()
        self.watched: set[Conversation] = set()
        """Those of them that wait for something in time: for START, or for the rest of a message."""
        self._make_decoder = engine.FrameDecoder
        self._journal = journal

    def begin(self, link: Link) -> Conversation:
        """Make the handler of a connection."""
        decoder = self._make_decoder(MAX_BODY, MAX_BODY_BEFORE_START)
        conversation = Conversation(link, decoder, self)
        self.open.add(conversation)
        self.watched.add(conversation)
        self._count_connections.value += 1
        return conversation

    def ended(self, conversation: Conversation, code: int, reason: str, *, by_peer: bool) -> None:
        """Forget a connection that is gone."""
        self.open.discard(conversation)
        self.watched.discard(conversation)
        self._journal.ended(conversation, code, reason, by_peer=by_peer, now=self.clock.now())
