"""A request's one terminal reply on its way down (protocol §3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.codes import ErrorCode, PushType
from quicgw_fast.errors import RequestError
from quicgw_fast.flow.elsewhere import HandedReply
from quicgw_fast.ports import TerminalReply
from quicgw_fast.session import DOWN, EntryKind, Session, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.request_memory import RequestMemory
    from quicgw_fast.flow.stages import StageTimes
    from quicgw_fast.observe import Metrics
    from quicgw_fast.processor import AsyncTask
    from quicgw_fast.proto.service_pb2 import UpstreamResponse


class Replies:
    """Sends and counts terminal replies; what a request took in memory is given back with its reply."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        memory: RequestMemory,
        stages: StageTimes,
        sender: OrderedSender[Session],
        hand_on: Callable[[Session, HandedReply], None],
    ) -> None:
        """``hand_on`` gives a reply to the gateway to which its session went."""
        self._count_replies = metrics.counter("replies", "Responses that were sent")
        self._count_errors = metrics.counter("errors", "Errors that were sent for accepted requests")
        self._count_replies_dropped = metrics.counter("replies_dropped", "Replies of sessions that had overflowed")
        self._took = metrics.duration("request_time", "From the acceptance of a request until its reply is on its way")
        self._now = clock.now
        self._memory = memory
        self._stages = stages
        self._sender = sender
        self._hand_on = hand_on

    def answer(self, task: AsyncTask[Session], outcome: UpstreamResponse | RequestError) -> bool:
        """Send what the service of a task answered, or why it did not; True as ``to_task`` says."""
        if isinstance(outcome, RequestError):
            return self.to_task(task, TerminalReply.of_error(outcome))
        return self.to_task(task, TerminalReply.of_answer(outcome))

    def to_task(self, task: AsyncTask[Session], reply: TerminalReply) -> bool:
        """Send the one terminal reply of a task; True when it is the given one and was sent."""
        self._memory.give_back(task.session, task.cost)
        task.cost = 0
        now, before = self._now(), 0 if task.trace is None else task.session.outbox.last_seq
        self._took.observe(now - task.accepted_at)
        sent = self.send(task.session, task.request.client_seq_id, task.msg_id, reply, now - task.accepted_at)
        self._stages.to_reply -= 1
        if not self._stages.to_reply:
            self._stages.replied(now)
        if task.trace is not None:
            number = task.session.outbox.last_seq
            task.trace.replied(reply, max(0, number - before - 1), now, partial(_handed, task.session, number))
        return sent

    def turn_away(self, session: Session, messages: list[bytes], begin: int, error: bytes) -> int:
        """Accept and refuse requests with which the messages begin: how many. ``error`` is the reply's body."""
        count = self._sender.turn_away(session, messages, begin, error)
        self._count_errors.value += count
        if count and session.trail is not None:
            number, outcome = session.outbox.last_seq, f"{int(ErrorCode.OVERLOADED)}, {count} at once"
            entry = (
                self._now(),
                DOWN,
                EntryKind.ERROR,
                number,
                len(error),
                None,
                outcome,
                session.outbox.max_client_seq,
            )
            session.trail.append(entry)
        return count

    def send(self, session: Session, seq_id: int, msg_id: int, reply: TerminalReply, took: float | None = None) -> bool:
        """Send the reply to request ``seq_id``, with what is bound to it; True as ``to_task`` says.

        ``took`` are the seconds since the request was accepted, where that is some time ago.
        """
        if session.state is SessionState.CLOSED:  # counted with what was in flight when it ended, or moved
            if session.moved:
                self._hand_on(session, HandedReply(session.id, session.openid, seq_id, reply))
            return False
        try:
            sent = self._sender.reply(session, seq_id, msg_id, reply)
        except FrameTooLarge as error:  # who called the service refuses such answers; whatever comes here has its reply
            too_large = RequestError(ErrorCode.FAILED, "upstream answer too large", str(error))
            self._sender.reply(session, seq_id, msg_id, TerminalReply.of_error(too_large))
            self._count_errors.value += 1
            return False
        if not sent:
            self._count_replies_dropped.value += 1
        else:
            failed = reply.push_type is PushType.ERROR
            (self._count_errors if failed else self._count_replies).value += 1
            if session.trail is not None:
                kind, number = EntryKind.ERROR if failed else EntryKind.REPLY, session.outbox.last_seq
                session.trail.append((self._now(), DOWN, kind, number, len(reply.data), took, reply.code, seq_id))
        return sent


def _handed(session: Session, number: int) -> bool:
    """Whether a connection of the session has everything up to a number, or none will ever have it."""
    return session.handed >= number or session.state is SessionState.CLOSED
