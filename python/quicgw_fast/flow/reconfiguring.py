"""Other settings for the way of a message while it is in use: what each leg makes of them, and from when on.

Nobody is disconnected and nothing is begun anew. Times that are looked at now and then count for everybody from the
next look on; what a client was told at its START, and the window of a session, stay for those that are there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.session import DevicePolicy

if TYPE_CHECKING:
    from quicgw_fast.auth import Authenticator
    from quicgw_fast.config import Config
    from quicgw_fast.flow.assembly import Path


def reconfigure(path: Path, config: Config, authenticator: Authenticator) -> None:
    """Have all legs go by ``config``, which was checked: nothing here can fail."""
    times = config.session
    make_outbox, aloud = partial(path.make_outbox, times), config.log.level == "debug"
    bounds = make_outbox, times.resume_window, times.flight_recorder
    path.registry.reconfigure(*bounds, aloud=aloud, policy=DevicePolicy.of(times.devices))
    path.conversations.reconfigure(times)
    path.tokens.use(authenticator)
    path.attaching.reconfigure(times)
    path.control.reconfigure(times.window_bytes)
    path.requests.reconfigure(config.processor.task_timeout)
    path.services.pushes.reconfigure(times.bind_timeout, config.push)
    path.services.groups.reconfigure(config.push)
    path.housekeeping.reconfigure(times)
    path.hand_out.reconfigure(config.drain, config.processor.drain_timeout, times.slow_consumer_after)
