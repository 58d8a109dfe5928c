"""One accepted request on its way to an upstream service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.log_ids import request_ids
from quicgw_fast.ports import NO_METADATA

if TYPE_CHECKING:
    from quicgw_fast.ports import Metadata, ServiceRequest
    from quicgw_fast.trace_context import RequestTrace

S = TypeVar("S")
"""A session: here it is only told apart from others."""


@dataclass(slots=True, eq=False)
class AsyncTask(Generic[S]):
    """What a worker needs to know; the session is held, so that it need not be looked up again."""

    session: S
    """The session that gets the reply; tasks of one session take turns with those of others."""
    msg_id: int
    request: ServiceRequest
    accepted_at: float
    """Monotonic seconds, from where its deadline and how long it took count."""
    deadline: float
    """Monotonic seconds, independent of the connection (protocol §3)."""
    is_login: bool = False
    metadata: Metadata = NO_METADATA
    """What its service is told beside it."""
    trace: RequestTrace | None = None
    """There when it is traced."""
    cost: int = 0
    """Bytes that are counted for it until its reply."""
    watch: int = 0
    """Under which number ``Deadlines`` watches it."""

    @property
    def seq_id(self) -> int:
        """The client's number of the request, to which notifies bind."""
        return self.request.client_seq_id

    @property
    def ids(self) -> dict[str, str]:
        """By which a log line says that it is about this request."""
        return request_ids(self.request, self.metadata)

    @property
    def task_id(self) -> str:
        """``sessionID-seqID``, unique in the gateway."""
        return f"{self.request.session_id}-{self.request.client_seq_id}"
