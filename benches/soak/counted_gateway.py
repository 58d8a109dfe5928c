"""``quicgw`` whose ``/stats`` also has ``objects``: how many of each class live in its process."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import quicgw_fast.gateway
from quicgw_fast.cli import main


def living() -> dict[str, int]:
    """Return how many objects of each class the garbage collector knows, by the name of the class."""
    gc.collect()
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


class CountedGateway(quicgw_fast.gateway.Gateway):
    """Counts when somebody looks."""

    def stats(self) -> dict[str, Any]:
        """What any gateway shows, and the objects."""
        return {**super().stats(), "objects": living()}


if __name__ == "__main__":
    quicgw_fast.gateway.Gateway = CountedGateway  # type: ignore[misc]
    main()
