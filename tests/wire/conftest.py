"""The fixtures of a whole gateway."""

from __future__ import annotations

from tests.support.fixtures import backend, certificate, make_world, quick_end_of_the_admin_pages, world

__all__ = ["backend", "certificate", "make_world", "quick_end_of_the_admin_pages", "world"]
