"""A QUIC access gateway: sessions, strict order and resume in front of gRPC services.

The client SDK can be used from here: ``quicgw_fast.connect`` and what it returns and raises. It is imported when it is
first asked for, so that the command starts quickly; ``__version__`` is looked up then, too.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quicgw_fast.client import *  # noqa: F403

    __version__: str
else:  # a checker that saw this would let every misspelt name pass

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("quicgw-fast")
        # Not for the package's own modules: `from quicgw_fast import backend` asks here first, and needs no client.
        if name == "__all__" or not (name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}")):
            client = importlib.import_module("quicgw_fast.client")
            if name == "__all__":
                return [*client.__all__, "__version__"]
            if name in client.__all__:
                return getattr(client, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Return what an interactive shell completes: also the names that nobody has asked for yet."""
        return sorted({*globals(), *__getattr__("__all__")})
