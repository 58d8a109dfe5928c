"""What a gateway in the test's own loop is made of."""

from __future__ import annotations

from tests.support.fixtures import parts, quick_end_of_the_admin_pages

__all__ = ["parts", "quick_end_of_the_admin_pages"]
