"""All connections that are being served: makes the conversation of each, and is told of their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.carrier import CARRIERS
from quicgw_fast.flow.conversation import Conversation
from quicgw_fast.ports import SlowSender

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
    from quicgw_fast.ports import Carrier, Link, MessageReceiver
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
        times: SessionConfig,
        gates: Gates,
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
        self.open: set[Conversation] = set()
        self.watched: set[Conversation] = set()
        """Those of them that wait for something in time: for START, or for the rest of a message."""
        self._make_decoder = engine.FrameDecoder
        self._journal = journal
        self._slow = SlowSender(times.frame_timeout, times.frame_rate)

    def begin(self, link: Link) -> Carrier:
        """Make the handler of a connection: the carrier that its ALPN stands for, and what is above it."""

        def make_carrier(receiver: MessageReceiver) -> Carrier:
            return CARRIERS[link.alpn](receiver, self._make_decoder, self.clock.now, self._slow)

        conversation = Conversation(link, make_carrier, self)
        self.open.add(conversation)
        self.watched.add(conversation)
        self._count_connections.value += 1
        return conversation.carrier

    def ended(self, conversation: Conversation, code: int, reason: str, *, by_peer: bool) -> None:
        """Forget a connection that is gone."""
        self.open.discard(conversation)
        self.watched.discard(conversation)
        self._journal.ended(conversation, code, reason, by_peer=by_peer, now=self.clock.now())
