from __future__ import annotations

from tests.support.fixtures import certificate, parts

__all__ = ["certificate", "parts"]
