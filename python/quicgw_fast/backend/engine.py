"""What a maker of the engine offers: one module, the same names from each (the seam)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    # Both makers have the types of the reference; stubtest and the shared tests keep that true.
    from quicgw_fast.backend.python import (
        ByteBudget,
        ForwardedRequest,
        FrameDecoder,
        NotifyBuffers,
        Outbox,
        Rate,
        SequenceAllocator,
        TaskQueue,
        TokenBucket,
    )


class EncodeBody(Protocol):
    """How a message to the client is encoded, but for its number."""

    def __call__(
        self, push_type: int, code: int, message: str, data: bytes, headers: Mapping[str, str], limit: int = ..., /
    ) -> bytes:
        """Return fields 3, 4 and 5 of ServerPush; FrameTooLarge if it could be over ``limit`` bytes with its number."""


class Forward(Protocol):
    """How a BUSINESS message becomes what its service gets."""

    def __call__(
        self,
        session_id: str,
        openid: str,
        client_seq_id: int,
        payload: bytes,
        headers: Mapping[str, str],
        own: bytes,
        /,
    ) -> ForwardedRequest | None:
        """Return None for a payload that a protobuf library has to look at. ``own`` are encoded headers of ours."""


class PushToAll(Protocol):
    """How one notify is sent to many sessions at once."""

    def __call__(self, outboxes: list[Outbox], body: bytes, /) -> list[tuple[bytes, int] | None]:
        """Return of each outbox the frame and its number; None where ``push`` has to say what stands in the way."""


class Engine(Protocol):
    """The module of one maker, as ``backend.load`` returns it; ``backend`` itself is the chosen one."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Which maker it is."""

    @property
    def ByteBudget(self) -> type[ByteBudget]:  # noqa: N802 - a class of the module, as all that follow
        """The memory that outboxes share."""

    @property
    def ForwardedRequest(self) -> type[ForwardedRequest]:  # noqa: N802
        """What ``forward`` makes."""

    @property
    def FrameDecoder(self) -> type[FrameDecoder]:  # noqa: N802
        """Bytes of a stream to whole messages."""

    @property
    def NotifyBuffers(self) -> type[NotifyBuffers]:  # noqa: N802
        """Notifies that wait for the reply they are bound to: a part of an outbox, offered alone for other programs."""

    @property
    def Outbox(self) -> type[Outbox]:  # noqa: N802
        """All that one session is owed, numbered and retained. ``is_open`` is for programs that look into one."""

    @property
    def Rate(self) -> type[Rate]:  # noqa: N802
        """What buckets grant that were made of it."""

    @property
    def SequenceAllocator(self) -> type[SequenceAllocator]:  # noqa: N802
        """The numbers of one session: likewise a part of an outbox."""

    @property
    def TaskQueue(self) -> type[TaskQueue]:  # type: ignore[type-arg]  # noqa: N802
        """The bounded queue of accepted requests; generic in what it holds."""

    @property
    def TokenBucket(self) -> type[TokenBucket]:  # noqa: N802
        """A rate with a burst."""

    @property
    def encode_body(self) -> EncodeBody:
        """Encode a message but for its number."""

    @property
    def forward(self) -> Forward:
        """Make what a service gets of a message."""

    @property
    def push_to_all(self) -> PushToAll:
        """Send one notify to many sessions."""
