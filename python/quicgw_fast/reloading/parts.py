"""The parts of a gateway that take other settings while it runs, and what each has to check and to read first."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.auth import make_authenticator
from quicgw_fast.control import read_access
from quicgw_fast.events import read_hooks
from quicgw_fast.flow.reconfiguring import reconfigure
from quicgw_fast.observe import set_level
from quicgw_fast.transport import TransportLimits, load_identity

if TYPE_CHECKING:
    from quicgw_fast.config import Config
    from quicgw_fast.control import ControlAccess
    from quicgw_fast.events import Webhooks
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.overload import Gates
    from quicgw_fast.reloading.reloader import Prepare, Take
    from quicgw_fast.transport import Listener, Validity
    from quicgw_fast.upstream import Upstream


def gateway_parts(
    path: Path,
    gates: Gates,
    upstream: Upstream,
    listener: Listener,
    access: ControlAccess,
    webhooks: Webhooks,
    validity: Validity,
    key_in_memory: bytes | None,
) -> list[Prepare]:
    """Return what each part does, in the order in which they take their settings.

    ``key_in_memory`` is the private key of a certificate whose key is in no file.
    """
    return [
        partial(_prepare_rules, gates),
        partial(_prepare_legs, path),
        partial(_prepare_services, upstream),
        partial(_prepare_listener, listener, validity, key_in_memory),
        partial(_prepare_access, access),
        partial(_prepare_webhooks, webhooks),
        _prepare_log,
    ]


async def _prepare_rules(gates: Gates, config: Config) -> Take:
    gates.book.check(config.overload.observe)
    return partial(
        gates.reconfigure,
        config.limits,
        config.overload,
        max_concurrency=config.upstream.max_concurrency,
        window=config.session.window_messages,
    )


async def _prepare_legs(path: Path, config: Config) -> Take:
    authenticator = await asyncio.to_thread(make_authenticator, config.auth)
    return partial(reconfigure, path, config, authenticator)


async def _prepare_services(upstream: Upstream, config: Config) -> Take:
    return await upstream.prepare(config.upstream, config.routing)


async def _prepare_listener(
    listener: Listener, validity: Validity, key_in_memory: bytes | None, config: Config
) -> Take:
    certificate, key = config.tls.pair(key_in_memory)
    # In a thread: to check an RSA key takes up to a tenth of a second.
    identity = await asyncio.to_thread(load_identity, certificate, key)
    show = listener.prepare(identity, TransportLimits.of(config.session, short_path=config.server.short_path))

    def take() -> None:
        show()
        validity.present(identity, certificate)

    return take


async def _prepare_access(access: ControlAccess, config: Config) -> Take:
    return access.prepare(await asyncio.to_thread(read_access, config.control))


async def _prepare_webhooks(webhooks: Webhooks, config: Config) -> Take:
    return webhooks.prepare(await asyncio.to_thread(read_hooks, config.webhook))


async def _prepare_log(config: Config) -> Take:
    return partial(set_level, config.log)
