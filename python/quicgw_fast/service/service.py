"""A service, as its author writes it."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from quicgw_fast.service.access import GatewayDoor, OwnDoor, checked_address
from quicgw_fast.service.errors import ServiceMistake
from quicgw_fast.service.gateway_link import GatewayLink
from quicgw_fast.service.gateways import Gateways
from quicgw_fast.service.groups import GroupCaller, MemberOfGroup, PresentSession
from quicgw_fast.service.handlers import DEFAULT, Handlers, check_action
from quicgw_fast.service.logs import log_to_standard_error
from quicgw_fast.service.program import run_program
from quicgw_fast.service.pushing import Broadcasted, NotifySender, OutgoingNotify, Pushed
from quicgw_fast.service.registration import KeptRegistration, registrations
from quicgw_fast.service.running import RunningService, ServicePort
from quicgw_fast.service.servicer import Servicer
from quicgw_fast.service.threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    Result = TypeVar("Result")
    Function = TypeVar("Function", bound=Callable[..., Any])

_log = logging.getLogger("quicgw.service")

HELLO = "hello"
"""The action that logs in, and the service that answers it."""
ALL_SERVICES = (HELLO, "business", "zone")
"""What a gateway knows by name in ``routing.mode = "service"``."""
PUSH_TIMEOUT = 5.0
"""Seconds that a gateway has to answer a push."""


class Service:
    """Handlers, and the gateways that they are registered with.

    ``names`` are the services of the gateway that it serves: ``"hello"``, ``"business"``, ``"zone"``; none: all that
    its handlers can answer. ``zones`` (``"001"`` …) stand in their place where ``routing.mode`` of the gateway is
    ``"zone"``. ``gateway`` is the address of its gRPC port, or several. ``token_file``, ``ca``, ``cert`` and ``key``
    are what the gateway may ask for (``control.*``). ``advertise`` is where gateways reach the service, if not where it
    listens. Handlers that are a plain ``def`` run in so many ``threads``. ``renew_every`` (seconds) is how often the
    service registers again; its lease is four times that. A stop waits ``grace`` seconds for what is under way.
    """

    def __init__(
        self,
        *names: str,
        gateway: str | Sequence[str] = (),
        zones: Sequence[str] = (),
        token_file: str | Path | None = None,
        ca: str | Path | None = None,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        advertise: str | None = None,
        threads: int = 32,
        renew_every: float = 5.0,
        grace: float = 10.0,
    ) -> None:
        self._names = _checked_names(names)
        self._zones = _checked_zones(zones, names)
        self._gateways = tuple(
            checked_address(each, "the gateway")
            for each in (gateway if isinstance(gateway, (list, tuple)) else [gateway])
        )
        self._door = GatewayDoor(*_paths(token_file, ca, cert, key))
        self._advertise = None if advertise is None else checked_address(advertise, "advertise")
        self._threads = threads
        self._renew_every = renew_every
        self._grace = grace
        self._handlers = Handlers()
        self._pusher: NotifySender | None = None
        """While it runs; so are the next three."""
        self._groups: GroupCaller | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: RunningService | None = None

    @property
    def actions(self) -> list[str]:
        """The actions that have a handler of their own, in lower case."""
        return self._handlers.actions

    @property
    def now_running(self) -> RunningService | None:
        """What ``running`` gave, while it lasts."""
        return self._running

    def action(self, *names: str) -> Callable[[Function], Function]:
        """Have the decorated function answer these actions; upper and lower case are the same."""
        if not names:
            raise ServiceMistake('@service.action() needs a name: @service.action("echo")')
        checked = [check_action(name) for name in names]

        def enter(function: Function) -> Function:
            for name in checked:
                self._handlers.add(name, function)
            return function

        return enter

    @overload
    def hello(self, function: Function) -> Function: ...
    @overload
    def hello(self) -> Callable[[Function], Function]: ...
    def hello(self, function: Function | None = None) -> Function | Callable[[Function], Function]:
        """Have the decorated function answer ``hello``: whoever gets a 200 from it is logged in."""
        enter: Callable[[Function], Function] = self.action(HELLO)
        return enter if function is None else enter(function)

    def default(self, function: Function) -> Function:
        """Have the decorated function answer all actions that no other one does."""
        self._handlers.add(DEFAULT, function)
        return function

    async def push(
        self,
        kind: str,
        data: object = b"",
        *,
        openid: str | None = None,
        session: str | None = None,
        gid: str | None = None,
        title: str = "",
        content: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Pushed:
        """Notify one client, by ``openid``, ``session`` or ``gid``; raises NotifyRefused and GatewayUnreachable."""
        given = {"openid": openid, "session": session, "gid": gid}
        named = [(what, target) for what, target in given.items() if target is not None]
        if len(named) != 1:
            raise ServiceMistake("a push has one target: openid=…, session=… or gid=…; broadcast() is for everybody")
        return await self._running_pusher().push(OutgoingNotify(kind, data, title, content, metadata), *named[0])

    async def broadcast(
        self,
        kind: str,
        data: object = b"",
        *,
        title: str = "",
        content: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Broadcasted:
        """Notify everybody who is logged in, at all gateways; raises GatewayUnreachable."""
        return await self._running_pusher().broadcast(OutgoingNotify(kind, data, title, content, metadata))

    async def join_group(
        self, group: str, *, openid: str | None = None, session: str | None = None, ttl: float = 0.0
    ) -> int:
        """Have all sessions of an ``openid``, or one ``session``, be in a group; how many.

        For ``ttl`` seconds, or as long as they live; joining again gives them another time. Raises GroupRefused and
        GatewayUnreachable.
        """
        return await self._running_groups().join(group, *_member(openid, session), ttl)

    async def leave_group(self, group: str, *, openid: str | None = None, session: str | None = None) -> int:
        """Take them out of it; how many were in it. Raises GroupRefused and GatewayUnreachable."""
        return await self._running_groups().leave(group, *_member(openid, session))

    async def push_to_group(
        self,
        group: str,
        kind: str,
        data: object = b"",
        *,
        title: str = "",
        content: str = "",
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> Broadcasted:
        """Notify all who are in a group, at all gateways; a group that nobody is in is no mistake.

        With an ``idempotency_key`` that was used before for this group nothing is sent. Raises NotifyRefused and
        GatewayUnreachable.
        """
        message = OutgoingNotify(kind, data, title, content, metadata)
        return await self._running_groups().push(group, message, idempotency_key)

    def group_members(self, group: str) -> AsyncIterator[MemberOfGroup]:
        """Yield the sessions that are in a group (``async for``); raises GroupRefused and GatewayUnreachable."""
        return self._running_groups().members(group)

    async def sessions_of(self, openid: str) -> list[PresentSession]:
        """Tell which sessions an openid has, and whether its client is there; raises GatewayUnreachable."""
        return await self._running_groups().sessions_of(openid)

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine in another thread than that of the service: ``service.wait(service.push(…))``."""
        loop = self._loop
        if loop is None:
            work.close()
            raise ServiceMistake(_NOT_RUNNING)
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    @asynccontextmanager
    async def running(
        self,
        listen: str = "127.0.0.1:0",
        *,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        client_ca: str | Path | None = None,
    ) -> AsyncIterator[RunningService]:
        """Serve while the context lasts, in the program's own event loop.

        It listens at once and registers beside that, so that a gateway which is not there holds nobody up
        (``RunningService.registered`` waits for it). With ``cert`` and ``key`` it is called over TLS, and with
        ``client_ca`` by whoever has a certificate of it. Raises ServiceNotStarted and ServiceMistake.
        """
        roles = self._roles()
        credentials = OwnDoor(*_paths(cert, key, client_ca)).credentials()
        self._door.check()
        if self._pusher is not None:
            raise ServiceMistake("the service runs already; for a second one make a second Service")
        links = [GatewayLink(address, self._door) for address in self._gateways]
        gateways = Gateways(links, self._door)
        pusher, groups = NotifySender(gateways, PUSH_TIMEOUT), GroupCaller(gateways, PUSH_TIMEOUT)
        threads = Threads(self._threads)
        name = ", ".join((*roles, *self._zones))
        listener = ServicePort(Servicer(name, self._handlers, pusher, groups, threads))
        try:
            await listener.start(listen, credentials)
        except BaseException:
            await threads.close()
            raise
        wanted = registrations(self._advertise or listener.address, roles, self._zones, self._renew_every)
        keeping = [KeptRegistration(link, wanted, self._renew_every) for link in links]
        running = RunningService(listener, keeping, gateways, threads, self._grace)
        if not links:
            remedy = 'write Service(gateway="127.0.0.1:8092"), or name the address in upstream.* of the gateway'
            _log.warning("registered with no gateway", extra={"address": listener.address, "remedy": remedy})
        self._pusher, self._groups = pusher, groups
        self._loop, self._running = asyncio.get_running_loop(), running
        try:
            for each in keeping:
                each.start()
            yield running
        finally:
            try:
                await running.stop()
            finally:
                self._pusher = self._groups = self._loop = self._running = None

    def run(
        self,
        listen: str = "127.0.0.1:0",
        *,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        client_ca: str | Path | None = None,
    ) -> None:
        """Serve until SIGTERM or Ctrl-C: then leave the gateway, answer what is under way, and return.

        Prints ``ready HOST:PORT`` once every gateway has taken the service in. What goes on is told on standard error,
        unless the program has set up logging itself. A second signal ends the process at once; one that cannot start
        ends it with status 3 and a sentence. The arguments are those of ``running``.
        """
        log_to_standard_error()
        run_program(self.running(listen, cert=cert, key=key, client_ca=client_ca))

    def _running_groups(self) -> GroupCaller:
        if self._groups is None:
            raise ServiceMistake(_NOT_RUNNING)
        return self._groups

    def _running_pusher(self) -> NotifySender:
        if self._pusher is None:
            raise ServiceMistake(_NOT_RUNNING)
        return self._pusher

    def _roles(self) -> tuple[str, ...]:
        """Return the services to register for; ServiceMistake where they and the handlers do not go together."""
        if not len(self._handlers):
            raise ServiceMistake('the service has no handler; write one with @service.action("echo")')
        says_hello = self._handlers.find(HELLO) is not None
        if self._zones:
            return ()
        if not self._names:
            return ALL_SERVICES if says_hello else ALL_SERVICES[1:]
        if HELLO in self._names and not says_hello:
            raise ServiceMistake(
                "it registers for hello and has no handler for it, so nobody could log in: @service.hello"
            )
        if HELLO not in self._names and HELLO in self._handlers.actions:
            raise ServiceMistake(
                f"its handler for hello would never be called: the gateway asks the service hello, and this is "
                f'{", ".join(self._names)}; write Service("hello", …)'
            )
        return self._names


_NOT_RUNNING = "the service does not run: push within run() or `async with service.running(…)`"


def _member(openid: str | None, session: str | None) -> tuple[str, str]:
    if openid is not None and session is None:
        return "openid", openid
    if session is not None and openid is None:
        return "session", session
    raise ServiceMistake("a group has sessions as members: give openid=… or session=…")


def _paths(*named: str | Path | None) -> list[Path | None]:
    return [None if path is None else Path(path) for path in named]


def _checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in ALL_SERVICES:
            told = f"{name!r} is no service of a gateway; they are {', '.join(ALL_SERVICES)}"
            raise ServiceMistake(f"{told}{_meant(name)}")
    return tuple(dict.fromkeys(names))


def _meant(name: object) -> str:
    """What was meant instead of the name of a service, where it can be seen."""
    if isinstance(name, str) and re.fullmatch(r"\d{3}", name):
        return f"; for a zone write Service(zones=[{name!r}])"
    if isinstance(name, str) and ":" in name:
        return f"; for the address of a gateway write gateway={name!r}"
    return ""


def _checked_zones(zones: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    if zones and names:
        raise ServiceMistake("a gateway has services or zones, by its routing.mode: give names or zones=…, not both")
    for zone in [zones] if isinstance(zones, str) else zones:
        if not isinstance(zone, str) or not re.fullmatch(r"\d{3}", zone):
            raise ServiceMistake(f'{zone!r} is no zone; write three digits: zones=["001"]')
    return (zones,) if isinstance(zones, str) else tuple(dict.fromkeys(zones))
