"""Upstream calls by the compiled HTTP/2 client, which the event loop drives: without gRPC's library and its threads."""

from typing import Final

from quicgw_fast.errors import StartupError

try:
    from quicgw_fast.upstream.native.channel import NativeChannel
except ImportError as error:
    raise StartupError(
        f"the native upstream client cannot be imported ({error}); build it with `maturin develop --release`, "
        "or use grpcio"
    ) from error

NAME: Final = "native"
open_channel = NativeChannel

__all__ = ["NAME", "open_channel"]
