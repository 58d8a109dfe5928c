"""What a service is told beside a request: under which id it is in the logs, and which trace it belongs to.

A client's headers come from anybody. One that is not fit is left out here, and the request goes on: its service finds
the header as it was written in ``UpstreamRequest.headers``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quicgw_fast.log_ids import REQUEST_ID
from quicgw_fast.trace_context import TRACEPARENT, trace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.ports import Metadata

# What can stand in a log line or a search box as it is; UUIDs, ULIDs and most others are that.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/@=+~-]{1,128}")


def metadata_of(task_id: str, headers: Mapping[str, str]) -> Metadata:
    """The metadata of a request's call; ``task_id`` is its id where its client gave it none."""
    if REQUEST_ID in headers and _REQUEST_ID.fullmatch(headers[REQUEST_ID]):
        task_id = headers[REQUEST_ID]
    named = (REQUEST_ID, task_id)
    return (named, *trace_of(headers)) if TRACEPARENT in headers else (named,)
