"""How long the certificate is good that clients are shown: said at the start, with every new one, and once a day.

What is wrong with its dates is never a refusal: this machine's clock may be the one that is wrong. The rest of the
chain counts as well, as a client refuses all of it when an intermediate has ended.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from quicgw_fast.observe import Unit

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.transport.certificates import Identity

SOON = timedelta(days=14)
"""What is left of a certificate when its renewal is called for."""
DAY = 86_400.0
"""Seconds between two reminders."""

_log = logging.getLogger("quicgw.transport")


class Validity:
    """Knows the certificate that new clients are shown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: tuple[Identity, Path] | None = None
        self._said_at = 0.0

    @property
    def expires(self) -> float:
        """The wall-clock second in which the first certificate of the chain ends; 0 before there is one."""
        return 0.0 if self._shown is None else _end(self._shown[0]).timestamp()

    def register(self, metrics: Metrics) -> None:
        """Have the end be read."""
        told = "When the first certificate of the chain that clients are shown ends, in seconds since 1970; 0: none yet"
        metrics.gauge("certificate_expires", told, lambda: self.expires, Unit.SECONDS)

    def present(self, identity: Identity, path: Path) -> None:
        """Note that this is shown from now on; ``path`` is where its certificates are."""
        is_new = self._shown is None or self._shown[0].certificate != identity.certificate
        self._shown = identity, path
        if is_new:
            self._say()

    def tend(self, now: float) -> None:
        """Say once a day what there is to say; ``now`` in monotonic seconds."""
        if self._shown is not None and now - self._said_at >= DAY:
            self._say()

    def _say(self) -> None:
        assert self._shown is not None
        self._said_at = self._clock.now()
        identity, path = self._shown
        now, end = datetime.fromtimestamp(self._clock.wall(), UTC), _end(identity)
        begin = max(one.not_valid_before_utc for one in (identity.certificate, *identity.chain))
        fields = {"file": str(path), "setting": "tls.cert"}
        if now > end:
            fields["reason"] = f"it expired at {end:%Y-%m-%d %H:%M} UTC"
            fields["remedy"] = "clients will refuse it: renew it, or set this clock"
            _log.warning("certificate not valid now", extra=fields)
        elif now < begin:
            fields["reason"] = f"it is valid from {begin:%Y-%m-%d %H:%M} UTC on"
            fields["remedy"] = "clients will refuse it until then: compare the clocks of both machines"
            _log.warning("certificate not valid now", extra=fields)
        elif end - now <= SOON:
            fields["reason"] = f"it ends at {end:%Y-%m-%d %H:%M} UTC, in {(end - now).days} days"
            fields["remedy"] = "renew it: the gateway takes the new files while it runs"
            _log.warning("certificate ends soon", extra=fields)


def _end(identity: Identity) -> datetime:
    return min(one.not_valid_after_utc for one in (identity.certificate, *identity.chain))
