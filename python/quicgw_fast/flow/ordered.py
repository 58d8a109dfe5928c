"""Actions whose requests run one after the other in a session: each waits for the reply to the one before it.

Requests of a session are accepted in their order and begin in it, but several may run at once, so that their services
may see them, and answer them, in another one. For an action of ``routing.ordered`` the next request is handed to the
processor when the one before has its reply, whatever that is. Others are not affected, also of the same session; and
what waits here is answered at its own deadline like all that waits.
"""

from __future__ import annotations

import re
from collections import deque
from fnmatch import translate
from typing import TYPE_CHECKING

from quicgw_fast.errors import RequestError
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor import Deadlines, too_late

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.observe import Metrics
    from quicgw_fast.processor import AsyncTask
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.session import Session


class OrderedActions:
    """Holds the requests whose turn it is not yet. False when no action is listed: then nobody need ask."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        patterns: Sequence[str],
        replies: Replies,
        submit: Callable[[AsyncTask[Session]], None],
    ) -> None:
        """``patterns`` of actions in lower case, in which ``*`` stands for anything.

        ``submit`` hands a task to the processor; it raises RequestError where there is no place.
        """
        self._pattern = re.compile("|".join(map(translate, patterns)), re.DOTALL) if patterns else None
        self._replies = replies
        self._submit = submit
        self._deadlines: Deadlines[Session] = Deadlines(clock, self._late)
        self._behind: dict[Session, dict[str, deque[AsyncTask[Session]]]] = {}
        """By session and action what waits behind a request that has no reply yet."""
        metrics.gauge("ordered_waiting", "Requests that wait for one before them", lambda: len(self._deadlines))

    def __bool__(self) -> bool:
        return self._pattern is not None

    @property
    def waiting(self) -> int:
        """How many requests wait for one before them."""
        return len(self._deadlines)

    def concerns(self, task: AsyncTask[Session]) -> bool:
        """Whether the task's action is listed."""
        return self._pattern is not None and self._pattern.match(task.request.action.lower()) is not None

    def place(self, task: AsyncTask[Session]) -> None:
        """Submit the task, or have it wait for the one before it; RequestError where there is no place."""
        behind = self._behind.setdefault(task.session, {})
        waiting = behind.get(_action(task))
        if waiting is not None:
            waiting.append(task)
            self._deadlines.add(task)
            return
        try:
            self._submit(task)
        except RequestError:
            self._forget_if_empty(task.session)
            raise
        behind[_action(task)] = deque()

    @property
    def reply(self) -> Callable[[AsyncTask[Session], UpstreamResponse | RequestError], object]:
        """How a task is replied to; where nothing is listed, nothing is done besides."""
        return self.answer if self else self._replies.answer

    def answer(self, task: AsyncTask[Session], outcome: UpstreamResponse | RequestError) -> None:
        """Reply to a task, then go on with the one behind it."""
        try:
            self._replies.answer(task, outcome)
        finally:
            self._go_on(task.session, _action(task))

    def cancel(self, session: Session) -> None:
        """The session ended: nothing of it is owed anything."""
        for waiting in self._behind.pop(session, {}).values():
            while waiting:
                self._deadlines.discard(waiting.pop())

    def tasks(self, session: Session) -> list[AsyncTask[Session]]:
        """Those of a session that wait for one before them."""
        return [task for waiting in self._behind.get(session, {}).values() for task in waiting]

    def arrived(self, session: Session) -> None:
        """Have requests of a session that came from another gateway wait for those of their action that run there."""
        for request in session.elsewhere.values():
            if self._pattern is not None and self._pattern.match(request.action):
                self._behind.setdefault(session, {})[request.action] = deque()

    def answered_elsewhere(self, session: Session, action: str) -> None:
        """Go on with what waits for one of those, unless another one of them has no reply yet."""
        if self and not any(request.action == action for request in session.elsewhere.values()):
            self._go_on(session, action)

    def close(self) -> None:
        """Stop the timer: nothing waits any more."""
        self._deadlines.close()

    def _go_on(self, session: Session, action: str) -> None:
        behind = self._behind.get(session, {})
        waiting = behind.get(action)
        while waiting:
            task = waiting.popleft()
            self._deadlines.discard(task)
            try:
                self._submit(task)
            except RequestError as error:
                self._replies.to_task(task, TerminalReply.of_error(error))
            else:
                return
        behind.pop(action, None)
        self._forget_if_empty(session)

    def _forget_if_empty(self, session: Session) -> None:
        if not self._behind.get(session, True):
            del self._behind[session]

    def _late(self, task: AsyncTask[Session]) -> None:
        """Answer a task whose deadline passed while it waited."""
        self._behind[task.session][_action(task)].remove(task)
        self._replies.to_task(task, TerminalReply.of_error(too_late(task)))


def _action(task: AsyncTask[Session]) -> str:
    return task.request.action.lower()
