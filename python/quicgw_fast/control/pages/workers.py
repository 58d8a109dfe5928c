"""What a page says of the other workers of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def of_workers(admin_ports: Sequence[int]) -> dict[str, list[int]]:
    """Return what an answer says where there are several processes: by it a program finds the others."""
    return {"admin_ports": list(admin_ports)} if admin_ports else {}
