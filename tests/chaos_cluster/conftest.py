"""The fixtures of a town."""

from __future__ import annotations

from tests.support.fixtures import certificate

__all__ = ["certificate"]
