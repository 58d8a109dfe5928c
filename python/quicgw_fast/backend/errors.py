"""What the engine raises. Both makers raise these classes; none of them leaves the object half changed."""

from __future__ import annotations

from quicgw_fast.codes import BindCode


class EngineError(Exception):
    """Base of the engine's own errors. Wrong types are TypeError, numbers out of range OverflowError."""


class FrameTooLarge(EngineError):
    """A message is longer than its bound: ``length`` and ``limit`` in bytes.

    From FrameDecoder, ``messages`` are the whole messages that the same feed completed before the long one.
    """

    def __init__(self, length: int, limit: int, messages: list[bytes] | None = None) -> None:
        super().__init__(length, limit)
        self.length = length
        self.limit = limit
        self.messages: list[bytes] = [] if messages is None else messages

    def __str__(self) -> str:
        return f"a message of {self.length} bytes is over the limit of {self.limit}"


class WindowFull(EngineError):
    """The notify does not fit into what may stay unacknowledged; nothing changed."""

    def __str__(self) -> str:
        return "the window of unacknowledged messages is full"


class BudgetFull(EngineError):
    """The memory that all sessions share has no room for ``needed`` bytes more; nothing changed.

    Whoever can make room may try again.
    """

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed

    def __str__(self) -> str:
        return f"the memory that all sessions share has no room for {self.needed} bytes more"


class Overflowed(EngineError):
    """Something had to be left out, so the session can only go on by a reset (protocol §5)."""

    def __str__(self) -> str:
        return "the session overflowed and can only be reset"


class OutboxClosed(EngineError):
    """The session has ended."""

    def __str__(self) -> str:
        return "the outbox is closed"


class CacheFull(EngineError):
    """The notifies held until they can be sent are at their bound; nothing changed."""

    def __str__(self) -> str:
        return "the cache of notifies before login is full"


class FutureAck(EngineError):
    """An acknowledgement of ``seq``, a number that was never sent: ``highest`` is the last one that was."""

    def __init__(self, seq: int, highest: int) -> None:
        super().__init__(seq, highest)
        self.seq = seq
        self.highest = highest

    def __str__(self) -> str:
        return f"{self.seq} is acknowledged, but the last number sent is {self.highest}"


class NumbersUsedUp(EngineError, OverflowError):
    """There are no more 64-bit numbers, of the client or for it; only a fresh session has some."""

    def __str__(self) -> str:
        return "the sequence numbers are used up"


class NotInFlight(EngineError):
    """A reply to the request ``seq``, which was never accepted or has its reply already."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq

    def __str__(self) -> str:
        return f"request {self.seq} is not in flight"


class BindRefused(EngineError):
    """A notify cannot be bound; ``code`` is the error code of protocol §4 for its sender."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = BindCode(code)

    def __str__(self) -> str:
        return f"the notify cannot be bound: {self.code.sentence}"
