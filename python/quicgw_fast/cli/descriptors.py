"""The limit of open files: each call to a service that waits, and each TCP connection of the gateway, is one."""

from __future__ import annotations

import logging

_log = logging.getLogger("quicgw.cli")


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one; where that fails, say so and go on with what there is.

    The soft limit is often 1 024, for the sake of programs that use select(); none of ours does.
    """
    try:
        import resource
    except ImportError:  # Windows, where there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # a kernel that bounds it further, or does not let us
        _log.warning("limit of open files not raised", extra={"limit": soft, "hard": hard, "reason": str(error)})
    else:
        _log.debug("limit of open files raised", extra={"before": soft, "limit": hard})
