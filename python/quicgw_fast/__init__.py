"""A QUIC access gateway: sessions, strict order and resume in front of gRPC services.

The client SDK can be used from here: ``quicgw_fast.connect`` and what it returns and raises. It is imported when it is
first asked for, so that the command starts quickly.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quicgw_fast.client import *  # noqa: F403
else:  # a checker that saw this would let every misspelt name pass

    def __getattr__(name: str) -> Any:
        # Not for the package's own modules: `from quicgw_fast import backend` asks here first, and needs no client.
        if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}") is None:
            client = importlib.import_module("quicgw_fast.client")
            if name in client.__all__:
                return getattr(client, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
