"""The processes before and behind this one, as each part of an upgrade sees them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Neighbours:
    """By the names under which they are reached; empty where there is none. There are never both."""

    before: str = ""
    """The predecessor, while it may still have sessions."""
    behind: str = ""
    """The successor, from when it serves."""

    @property
    def there(self) -> list[str]:
        """Those that there are."""
        return [name for name in (self.before, self.behind) if name]
