"""A gateway that runs on the ports of a configuration: whether it is that of the configuration, or another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli import options
from quicgw_fast.cli.asking import AdminPages, is_gateway
from quicgw_fast.config import split_address
from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.effective import effective_report
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from quicgw_fast.config import Config

ASKING = 1.0
"""Seconds that the admin pages have to answer."""
NAMED = 3
"""Keys that are named of those that differ."""


def running(config: Config) -> str | None:
    """Return why the gateway at ``server.admin`` is not that of the configuration; empty when it is, None for none.

    It runs with the same values, or it is another one: where its files lie tells nothing, as both may be moved.
    """
    address = config.server.admin
    if split_address(address)[1] == 0 or not is_gateway(address, ASKING):
        return None
    try:
        pages = AdminPages(address, options.token(config.control.admin_token_file), ASKING)
        theirs = pages.get("/config")["settings"]
    except StartupError:  # another token, or an older gateway
        return "it does not tell with which configuration"
    ours = effective_report(config)["settings"]
    differing = [key for key, row in ours.items() if not _same(key, row["value"], theirs.get(key, {}).get("value"))]
    more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
    return f"it runs with other values of {', '.join(differing[:NAMED])}{more}" if differing else ""


def _same(key: str, ours: Any, theirs: Any) -> bool:
    if not settings()[key].is_file or ours is None or theirs is None:
        return bool(ours == theirs)
    parts = Path(theirs).parts  # which may count from another folder than ours
    path = Path(ours).resolve()
    return path == Path(theirs) or path.parts[-len(parts) :] == parts
