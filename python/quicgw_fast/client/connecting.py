"""How a client is made: what can be chosen, in one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicgw_fast import compiled
from quicgw_fast.client import checks
from quicgw_fast.client.client import Client
from quicgw_fast.client.options import (
    ClientOptions,
    LoginOptions,
    ReceivePolicy,
    Reconnect,
    TlsOptions,
    ca_path,
    parse_address,
    receive_policy,
)
from quicgw_fast.client.threaded import ThreadClient
from quicgw_fast.transport import makers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.client.checks import Octets
    from quicgw_fast.client.events import StateCallback
    from quicgw_fast.client.messages import Ticket
    from quicgw_fast.client.observer import ClientObserver
    from quicgw_fast.client.options import TokenSource


def connect(
    address: str,
    *,
    openid: str,
    token: TokenSource = "",
    ca: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    server_name: str | None = None,
    login: bool = True,
    hello_params: Mapping[str, str] | None = None,
    hello_data: Octets = b"",
    hello_headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    connect_timeout: float = 10.0,
    close_timeout: float = 2.0,
    heartbeat: float = 5.0,
    max_missed: int = 3,
    ack_every: int = 32,
    ack_delay: float = 0.05,
    queue_size: int = 1024,
    queue_policy: ReceivePolicy | str = ReceivePolicy.AUTO,
    reconnect: Reconnect | bool = True,
    resume: Ticket | None = None,
    on_state: StateCallback | None = None,
    observer: ClientObserver | None = None,
    transport: str | None = None,
    thread: bool = True,
) -> Client:
    """Make a client of the gateway at ``address`` (``host:port``); enter or await it to connect.

    ::

        async with quicgw_fast.connect("127.0.0.1:8443", openid="alice", insecure=True) as client:
            reply = await client.call("echo", data=b"hi")

    openid, token: who you are; a callable token (plain or async) is asked at each START and before a token
    expires. ca, insecure, server_name: how to check the gateway's certificate. login: say ``hello`` in each new
    session, with hello_params, hello_data and hello_headers. timeout: default of a call, seconds;
    connect_timeout: for the first connection, login included; close_timeout: for the gateway to confirm a close.
    heartbeat, max_missed: the link is dead after so many intervals of silence. ack_every, ack_delay: how
    acknowledgements are gathered. queue_size, queue_policy: notifies that may wait for you, and what happens
    to more (see ReceivePolicy). reconnect: how to come back; False for not at all. resume: the ticket that
    another client's detach() returned. on_state: called with each StateEvent. observer: told each message that goes
    over the wire (see ClientObserver). transport: who does QUIC, "aioquic" or "quinn", which is compiled; None for
    quinn where QUICGW_FAST=1 is set, and else aioquic. thread: the connection lives in a thread of its own, so that
    nothing that holds your event loop up stops heartbeats; False for your loop, which saves a part of a call's time
    and may then never be held up for longer than the gateway waits for a heartbeat.

    Raises TypeError or ValueError for a value that makes no sense, and StartupError for a quinn that was not built.
    Connecting raises ConnectionFailed, ConnectionClosed, or the ReplyError with which START or hello was refused.
    """
    host, port = parse_address(address)
    if isinstance(reconnect, bool):
        reconnect = Reconnect(enabled=reconnect)
    options = ClientOptions(
        host=host,
        port=port,
        openid=openid,
        token=token,
        tls=TlsOptions(ca=ca_path(ca), insecure=insecure, server_name=server_name),
        login=_login(login, hello_params, hello_data, hello_headers),
        timeout=timeout,
        connect_timeout=connect_timeout,
        close_timeout=close_timeout,
        heartbeat=heartbeat,
        max_missed=max_missed,
        ack_every=ack_every,
        ack_delay=ack_delay,
        queue_size=queue_size,
        queue_policy=receive_policy(queue_policy),
        reconnect=reconnect,
        resume=resume,
        on_state=on_state,
        observer=observer,
        transport=_default_transport() if transport is None else transport,
    )
    checks.flag("thread", thread)
    makers.load(options.transport)  # what is not there is told now, not when it dials
    return ThreadClient(options) if thread else Client(options)


def _login(
    enabled: bool, params: Mapping[str, str] | None, data: Octets, headers: Mapping[str, str] | None
) -> LoginOptions:
    # Before they are copied into dicts, which would take a list of pairs, too.
    checks.strings("hello_params", params)
    checks.strings("hello_headers", headers)
    octets = checks.octets("hello_data", data)
    return LoginOptions(enabled=enabled, params=dict(params or {}), data=octets, headers=dict(headers or {}))


def _default_transport() -> str:
    return compiled.PARTS["server"]["transport"] if compiled.is_wanted(os.environ) else makers.DEFAULT
