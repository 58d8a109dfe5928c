"""What a service is told beside a request: under which id it is in the logs, and which trace it belongs to.

A client's headers come from anybody, and here some of them become headers of HTTP/2 that proxies, logs and tracing
libraries read. So each is taken only in the form that its standard has; what has not is left out, as W3C Trace Context
(2021, §3.2) asks for, and the request goes on: its service finds the header as it was written in
``UpstreamRequest.headers``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.ports import Metadata

REQUEST_ID: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# What can stand in a log line or a search box as it is; UUIDs, ULIDs and most others are that.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/@=+~-]{1,128}")
# Version, trace id, parent id, flags; a later version may go on after them (§4.3 there).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[\x21-\x7e]{1,200})?"
)
# A list of members of other systems; its length is what §3.3.1.1 there has everybody carry on.
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


def metadata_of(task_id: str, headers: Mapping[str, str]) -> Metadata:
    """The metadata of a request's call; ``task_id`` is its id where its client gave it none."""
    if not headers:
        return ((REQUEST_ID, task_id),)
    return ((REQUEST_ID, request_id_of(task_id, headers)), *trace_of(headers))


def request_id_of(task_id: str, headers: Mapping[str, str]) -> str:
    """The id that the client gave its request, if it is fit to be one, else ``task_id``."""
    asked = headers.get(REQUEST_ID, "")
    return asked if _REQUEST_ID.fullmatch(asked) else task_id


def trace_of(headers: Mapping[str, str]) -> Metadata:
    """The trace that the client's request belongs to, none where it names none that is valid."""
    parent = headers.get(TRACEPARENT, "")
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match["more"] and parent.startswith("00")):
        return ()
    state = headers.get(TRACESTATE, "")
    if not _TRACESTATE.fullmatch(state):
        return ((TRACEPARENT, parent),)
    return (TRACEPARENT, parent), (TRACESTATE, state)
