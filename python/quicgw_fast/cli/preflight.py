"""What must hold before a gateway may start, whatever its configuration says."""

from __future__ import annotations

from quicgw_fast.errors import StartupError

NEEDED = "upb"


def require_upb() -> None:
    """Raise StartupError unless protobuf runs on upb: the other parsers have other limits for nested messages."""
    from google.protobuf.internal import api_implementation

    kind = api_implementation.Type()
    if kind != NEEDED:
        raise StartupError(
            f"protobuf runs on its {kind!r} implementation, but the gateway needs {NEEDED!r}: unset "
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or install a protobuf wheel that has it"
        )
