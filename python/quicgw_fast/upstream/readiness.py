"""Whether anybody can log in: /readyz says no, and the log warns, while no instance could answer a hello."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.routing import RoutingMode

_log = logging.getLogger("quicgw.upstream")

_NAMED = 3
"""Instances that the reason names; the rest is counted."""


class Readiness:
    """Looks at the instances that may answer a hello, of which one must be in service."""

    def __init__(self, mode: RoutingMode, directory: Directory, *, hello: bool = True) -> None:
        """Without ``hello``, no service is asked for a login, and none is needed."""
        self._hello = hello
        self._mode = mode
        self._directory = directory
        self._was_ready: bool | None = None

    def reason(self) -> str | None:
        """Return why no login can be answered, None when one can."""
        instances = self._instances()
        if not self._hello or any(instance.serving for instance in instances):
            return None
        what = self._mode.login_name
        if not instances:
            return f"no instance of {what} is configured or registered"
        named = [f"{each.address}: {each.trouble or 'not connected yet'}" for each in instances[:_NAMED]]
        more = f" and {len(instances) - _NAMED} more" if len(instances) > _NAMED else ""
        return f"no instance of {what} is in service ({'; '.join(named)}{more})"

    def look(self) -> None:
        """Log when it changes. At the start nothing is said before every first attempt to connect has ended."""
        reason = self.reason()
        ready = reason is None
        if ready is self._was_ready:
            return
        if self._was_ready is None and not ready and not all(i.tried for i in self._instances()):
            return
        if not ready:
            _log.warning("not ready", extra={"reason": reason})
        elif self._was_ready is False:
            _log.info("ready again")
        self._was_ready = ready

    def _instances(self) -> tuple[Instance, ...]:
        return self._directory.instances(self._mode.login_service)
