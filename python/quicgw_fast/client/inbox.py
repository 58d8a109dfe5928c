"""Messages of the gateway on their way to the application, and their acknowledgement."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

from quicgw_fast.client import wire
from quicgw_fast.client.errors import ReceiveQueueFull
from quicgw_fast.client.queue import Put, ReceiveQueue
from quicgw_fast.proto.client_pb2 import PUSH_BUSINESS_DATA, PUSH_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.client.calls import Calls, ClientCall
    from quicgw_fast.client.link import ClientLink
    from quicgw_fast.client.messages import ClientStats
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.session import ClientSession
    from quicgw_fast.proto.client_pb2 import ServerPush

_log = logging.getLogger("quicgw.client")

UNREAD_TIMEOUT = 2.0
"""Seconds that notifies may wait beyond the queue for a program's first look (ReceivePolicy ``auto``); well below the
10 seconds after which a gateway takes the client for a slow consumer."""
UNREAD_MESSAGES = 512
"""So many end that time at once: half of a gateway's usual window."""
UNREAD_BYTES = 512 << 10
"""So do so many bytes."""


class Inbox:
    """Hands each message over once and in order, and acknowledges what the application has (protocol §5).

    ``unread`` is called when nobody reads the notifies, and from then on the oldest are dropped.
    """

    def __init__(
        self,
        options: ClientOptions,
        session: ClientSession[ClientCall],
        calls: Calls,
        stats: ClientStats,
        unread: Callable[[], None],
    ) -> None:
        self._session = session
        self._calls = calls
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._link: ClientLink | None = None
        self._ack_timer: asyncio.TimerHandle | None = None
        self._openid = options.openid
        self._unread = unread
        self._unread_timer: asyncio.TimerHandle | None = None
        self._kept_bytes = 0
        self._told_slow = False
        self._after_reset = False
        """There was a reset, and no notify since."""
        self.queue = ReceiveQueue(options.queue_size, options.queue_policy, self._has_room)

    def attach(self, link: ClientLink) -> None:
        """Acknowledge over ``link`` from now on."""
        self._link = link

    def detach(self) -> None:
        """There is no connection to acknowledge over; the next START does it."""
        self._link = None
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def reset(self) -> None:
        """A new session began: the next notify says so to whoever reads."""
        self._after_reset = True

    def take(self, link: ClientLink, push: ServerPush, now: float, size: int) -> None:
        """Take a reply, an error or a notify of ``size`` bytes, unless its number was seen before.

        ProtocolFailure for what does not parse or leaves a gap; then nothing has changed. ReceiveQueueFull when
        the application cannot take a notify, which is then not acknowledged.
        """
        if 0 < push.seq_id <= self._session.seen:
            self._stats.duplicates += 1
        elif push.type == PUSH_BUSINESS_DATA:
            if push.msg_id:
                reply = wire.parse_reply(push)
                self._count(push.seq_id, now, size)
                self._calls.answer(push.msg_id, reply)
            else:
                self._notified(push, now, size)
        elif push.type == PUSH_ERROR:
            self._failed(link, push, now, size)
        else:  # of a later version: its number counts, and nobody here knows what it means
            self._count(push.seq_id, now, size)
            self._stats.unknown_messages += 1

    def _count(self, seq: int, now: float, size: int) -> None:
        if seq:
            self._session.receive(seq, now, size)

    def _notified(self, push: ServerPush, now: float, size: int) -> None:
        notify = wire.parse_notify(push)
        self._count(notify.seq_id, now, size)
        offline_id = notify.headers.get(wire.OFFLINE_HEADER)
        if offline_id is not None and not self._session.first_time(offline_id):
            self._stats.offline_duplicates += 1
            return
        notify.after_reset, self._after_reset = self._after_reset, False
        try:
            put = self.queue.put(notify, self._session.generation)
        except ReceiveQueueFull:
            self._keep_back(notify.seq_id)
            raise
        self._stats.notifies += 1
        if put is Put.KEPT_BACK:
            self._keep_back(notify.seq_id)
            self._look_for_a_reader(size)
        elif put is Put.DROPPED_OLDEST:
            self._stats.dropped_notifies += 1

    def _look_for_a_reader(self, size: int) -> None:
        """Under the policy ``auto``, give a program that has not read yet some time, and then drop for it."""
        if not self.queue.may_drop:
            return
        self._kept_bytes += size
        if self.queue.beyond >= UNREAD_MESSAGES or self._kept_bytes >= UNREAD_BYTES:
            self._drop_unread()
        elif self._unread_timer is None:
            self._unread_timer = self._loop.call_later(UNREAD_TIMEOUT, self._drop_unread)

    def _drop_unread(self) -> None:
        self._stop_unread_timer()
        if self.queue.may_drop:
            self._stats.dropped_notifies += self.queue.drop_unread()
            remedy = "read them with notifies(), or choose a queue_policy"
            _log.warning(
                "nobody reads the notifies, the oldest are dropped", extra={"openid": self._openid, "remedy": remedy}
            )
            self._unread()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def found_slow(self) -> None:
        """The gateway closed the connection as SLOW_CONSUMER: say so once if it is for notifies that nobody reads."""
        unread = len(self.queue)
        if unread and not self._told_slow:
            self._told_slow = True
            _log.warning("closed as a slow consumer", extra={"openid": self._openid, "unread": unread})

    def close(self) -> None:
        """The client ended; readers get what is left."""
        self._stop_unread_timer()
        self.queue.close()

    def _keep_back(self, seq: int) -> None:
        if seq:
            self._session.keep_back(seq)

    def _failed(self, link: ClientLink, push: ServerPush, now: float, size: int) -> None:
        error = wire.parse_error(push)
        self._count(push.seq_id, now, size)
        if push.msg_id == 0:  # about no request: the close that follows decides
            self._stats.last_error = str(error)
        elif not link.heartbeats.refused(push.msg_id, error):
            self._calls.answer(push.msg_id, error)

    def _has_room(self, generation: int, seq: int) -> None:
        """The application took one; in its thread, which may be another, and goes on where the session is."""
        if threading.get_ident() == self._thread or self.queue.closed:
            self._handed_over(generation, seq)
        else:
            self._loop.call_soon_threadsafe(self._handed_over, generation, seq)

    def _handed_over(self, generation: int, seq: int) -> None:
        self._session.hand_over(generation, seq, self._loop.time())
        self.acknowledge()

    def acknowledge(self) -> None:
        """Acknowledge if it is time, or see to it that it happens in time."""
        if self._link is None:
            return
        due = self._session.ack_due(self._loop.time())
        if due is None:
            return
        if due <= 0:
            self.acknowledge_now()
        elif self._ack_timer is None:
            self._ack_timer = self._loop.call_later(due, self._ack_timer_fired)

    def acknowledge_now(self) -> None:
        """Acknowledge at once whatever the application has."""
        if self._link is None:
            return
        seq = self._session.take_ack()
        if seq is not None:
            self._link.send(wire.ack_frame(seq))
            self._stats.acks += 1

    def _ack_timer_fired(self) -> None:
        self._ack_timer = None
        self.acknowledge()
