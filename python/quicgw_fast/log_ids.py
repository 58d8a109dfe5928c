"""By which ids a log line says what it is about: the same names everywhere, so that lines can be put together.

``session`` and ``openid`` stand in each line about one session. A line about one request has ``request``, too, under
which its service knows it, and ``trace`` where its client named one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.trace_context import TRACEPARENT

if TYPE_CHECKING:
    from quicgw_fast.ports import Metadata, ServiceRequest

REQUEST_ID: Final = "x-request-id"

_TRACE_ID: Final = slice(3, 35)
"""Where it is in a traceparent, whatever its version (W3C Trace Context §3.2.2)."""


def session_ids(session_id: str, openid: str) -> dict[str, str]:
    """The fields of a line about a session."""
    return {"session": session_id, "openid": openid}


def call_ids(metadata: Metadata) -> dict[str, str]:
    """The fields that follow from what a service is told beside a request."""
    told = dict(metadata)
    ids = {"request": told[REQUEST_ID]} if REQUEST_ID in told else {}
    if TRACEPARENT in told:
        ids["trace"] = told[TRACEPARENT][_TRACE_ID]
    return ids


def request_ids(request: ServiceRequest, metadata: Metadata) -> dict[str, str]:
    """The fields of a line about a request."""
    return {**session_ids(request.session_id, request.openid), **call_ids(metadata)}
