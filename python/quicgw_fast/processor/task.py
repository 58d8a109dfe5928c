"""One accepted request on its way to an upstream service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quicgw_fast._proto.service_pb2 import UpstreamRequest


@dataclass(slots=True, frozen=True, eq=False)
class AsyncTask:
    """What a worker needs to know; the session is held, so that it need not be looked up again."""

    session: Any
    """The session that gets the reply; the processor only hands it through."""
    msg_id: int
    service: str
    request: UpstreamRequest
    deadline: float
    """Monotonic seconds; counted from acceptance, independent of the connection (contract §3)."""
    is_login: bool = False

    @property
    def seq_id(self) -> int:
        """The client's number of the request, to which notifies bind."""
        return self.request.client_seq_id

    @property
    def task_id(self) -> str:
        """``sessionID-seqID``, unique in the gateway."""
        return f"{self.request.session_id}-{self.request.client_seq_id}"
