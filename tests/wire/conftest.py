"""The fixtures of a whole gateway."""

from __future__ import annotations

from tests.support.fixtures import certificate, make_world, parts, quick_end_of_the_admin_pages, world

__all__ = ["certificate", "make_world", "parts", "quick_end_of_the_admin_pages", "world"]
