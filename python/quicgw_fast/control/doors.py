"""The ports for services and operators: opened at the start, left to another process, and opened again without it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.control.admin import AdminServer
    from quicgw_fast.control.grpc_server import ControlServer

LONGEST_CALL: Final = 60.0
"""Seconds for calls under way when another process takes over."""
LAST_CALLS: Final = 1.0
"""Seconds for those that are still under way when it has all sessions; some last as long as their callers like."""


class Doors:
    """Both servers of a gateway, or none."""

    def __init__(
        self, open_admin: Callable[[], Awaitable[AdminServer]], open_control: Callable[[], Awaitable[ControlServer]]
    ) -> None:
        """Each makes a running server; StartupError when its port cannot be had."""
        self._open_admin = open_admin
        self._open_control = open_control
        self._admin: AdminServer | None = None
        self._control: ControlServer | None = None

    async def open(self) -> None:
        """Open both; StartupError when one cannot be, and then ``stop`` closes the other."""
        await self.stop()
        self._admin = await self._open_admin()
        self._control = await self._open_control()

    def turn_away(self) -> None:
        """Leave operators who come from now on to another process, which listens on the same socket."""
        assert self._admin is not None
        self._admin.close_port()

    async def leave(self) -> None:
        """Close both, and let whoever is inside have its answer: another process has the ports already."""
        assert self._admin is not None
        assert self._control is not None
        await asyncio.gather(self._admin.stop(), self._control.leave(LONGEST_CALL))

    async def left(self) -> None:
        """Wait, behind ``leave``, for those who are still inside; not for long."""
        assert self._control is not None
        await self._control.leave(LAST_CALLS)

    async def stop(self) -> None:
        """Close both; idempotent."""
        if self._control is not None:
            await self._control.stop()
        if self._admin is not None:
            await self._admin.stop()

    async def set_serving(self, serving: bool) -> None:
        """See ``ControlServer``."""
        if self._control is not None:
            await self._control.set_serving(serving)

    def buffered(self) -> int:
        """See ``ControlServer``."""
        return 0 if self._control is None else self._control.buffered()

    @property
    def admin(self) -> tuple[str, int]:
        """Where the admin pages are; known once they are."""
        assert self._admin is not None
        return self._admin.address

    @property
    def control(self) -> tuple[str, int]:
        """Where services call; likewise."""
        assert self._control is not None
        return self._control.address
