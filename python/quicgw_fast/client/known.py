"""What can be asked of a client at any time, whichever face it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.client.messages import ClientStats, Reply, Ticket
    from quicgw_fast.client.runner import Runner


F = TypeVar("F", bound="Callable[..., object]")


def like(method: Callable[..., object]) -> Callable[[F], F]:
    """Give a method that stands for another one that one's docstring: what it promises is written once."""

    def document(own: F) -> F:
        own.__doc__ = method.__doc__
        return own

    return document


class Known:
    """The properties of every client. They can be read from any thread."""

    _runner: Runner | None = None
    """What keeps the client connected, from start() on."""

    @property
    def connected(self) -> bool:
        """Calls go out at once."""
        return self._runner is not None and self._runner.ready

    @property
    def closed(self) -> bool:
        """The client has ended and does not come back."""
        return self._runner is not None and self._runner.over

    @property
    def session_id(self) -> str:
        """The gateway's id of the session, "" before the first START."""
        return self._live().session.session_id

    @property
    def epoch(self) -> str:
        """The name of the session's history of numbers."""
        return self._live().session.epoch

    @property
    def resumed(self) -> bool:
        """The last connection continued the session that was there before."""
        return self._live().resumed

    @property
    def hello(self) -> Reply | None:
        """The answer to the last successful login."""
        return self._live().login.reply

    @property
    def ticket(self) -> Ticket | None:
        """What another client would need to resume this session; None before the first START."""
        return self._live().session.ticket()

    @property
    def pending_notifies(self) -> int:
        """Notifies that were received and not read yet."""
        return len(self._live().inbox.queue)

    @property
    def stats(self) -> ClientStats:
        """Counts since the start."""
        return self._live().stats

    def _live(self) -> Runner:
        if self._runner is None:
            raise RuntimeError("the client is not connected yet: use `async with connect(…)` or `await connect(…)`")
        return self._runner

    def _raise_failure(self) -> None:
        runner = self._live()
        if runner.failure is not None:
            raise runner.closing_error()
