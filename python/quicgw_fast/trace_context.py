"""W3C Trace Context (2021): which trace a message belongs to, as its two headers say.

What is not in the form that the standard has is left out, as its §3.2 asks for: headers come from anybody, and here
they become headers of HTTP/2 that proxies, logs and tracing libraries read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# Version, trace id, parent id, flags; a later version may go on after them (§4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[\x21-\x7e]{1,200})?"
)
# A list of members of other systems; its length is what §3.3.1.1 has everybody carry on.
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


def trace_of(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers of the trace that a message belongs to, none where it names none that is valid."""
    parent = headers.get(TRACEPARENT, "")
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match["more"] and parent.startswith("00")):
        return ()
    state = headers.get(TRACESTATE, "")
    if not _TRACESTATE.fullmatch(state):
        return ((TRACEPARENT, parent),)
    return (TRACEPARENT, parent), (TRACESTATE, state)
