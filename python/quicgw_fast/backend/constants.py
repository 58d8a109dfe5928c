"""Numbers on which both makers of the engine agree, and their users with them (``rust/core`` has them, too)."""

from __future__ import annotations

from typing import Final

HEAD_MAX: Final = 22
"""Bytes of the longest head of a message and its length prefix, rounded up: 1 + 5 bytes of msg_id, 1 + 10 of seq_id,
4 of length."""

MESSAGE_COST: Final = 96
"""Bytes that a message counts in a ``ByteBudget`` on top of its own.

A frame of 40 bytes takes 44 to 77 more in Rust and 60 in Python: the allocator's, its place in a queue that grows by
doubling, and its kind. A notify that is bound alone takes some 190 more.
"""

ROUNDING: Final = 1e-6
"""Seconds. A caller that waits exactly as long as it was told must be served, although the sum of the times
is rounded."""
