"""Whole gateways that export to a collector."""

from __future__ import annotations

from tests.support.fixtures import certificate, make_world, parts, quick_end_of_the_admin_pages

__all__ = ["certificate", "make_world", "parts", "quick_end_of_the_admin_pages"]
