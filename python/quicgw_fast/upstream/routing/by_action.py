"""``routing.mode = "service"``: a request goes to the service of its action (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from quicgw_fast.codes import RegisterCode
from quicgw_fast.errors import SettingError
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest
from quicgw_fast.upstream.routing.mode import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quicgw_fast.config import RoutingConfig, UpstreamConfig

LOGIN = "hello"
"""The action that logs in, and the service that answers it (protocol §2)."""
SERVICES = (LOGIN, "business", "zone")


class ServiceMode:
    """By action in lower case: by its whole name, else by the first part of it that is in a table, else the default."""

    services: ClassVar[tuple[str, ...]] = SERVICES
    login_service: ClassVar[str | None] = LOGIN
    login_name: ClassVar[str] = LOGIN

    def __init__(self, config: RoutingConfig) -> None:
        self._exact, self._containing, self._default = config.actions, config.parts, config.default
        if (login := self.service_for(LOGIN, "")) != LOGIN:
            if LOGIN in self._exact:
                key: tuple[str, ...] = ("routing", "exact", LOGIN)
                remedy = f'remove hello = "{login}" from [routing.exact]'
            else:  # the table as deployed has it
                key = ("routing", "replace_defaults")
                remedy = 'add hello = "hello" to [routing.exact], or leave out routing.replace_defaults'
            raise SettingError(
                key,
                f"the routing table sends the action hello to the service {login}, so that nobody could log in; "
                f"{remedy}",
            )

    def adopt(self, other: Self, /) -> None:
        """See ``RoutingMode``."""
        self._exact, self._containing, self._default = other._exact, other._containing, other._default

    @staticmethod
    def mistakes(config: RoutingConfig) -> Iterator[SettingError]:
        """See ``RoutingMode``."""
        yield from _of_actions("exact", config.exact)
        yield from _of_actions("containing", config.containing)
        yield from _of_service(("routing", "default"), config.default)

    @staticmethod
    def configured(upstream: UpstreamConfig) -> Mapping[str, Sequence[str]]:
        """See ``RoutingMode``."""
        return {LOGIN: upstream.hello, "business": upstream.business, "zone": upstream.zone}

    @staticmethod
    def logins_at_once(wanted: int, max_concurrency: int) -> int:
        """See ``RoutingMode``. All of them go to one service."""
        return min(wanted, max_concurrency or wanted)

    @staticmethod
    def registration(address: str, service: str) -> UpstreamRegisterRequest:
        """See ``RoutingMode``."""
        return UpstreamRegisterRequest(address=address, service_name=service)

    @staticmethod
    def registered_service(request: UpstreamRegisterRequest) -> str:
        """See ``RoutingMode``. Raises RegisterRefused with BAD_SERVICE."""
        return one_of(SERVICES, request.service_name.strip().lower(), "service_name", RegisterCode.BAD_SERVICE)

    def service_for(self, action: str, openid: str) -> str:  # noqa: ARG002 - any client's
        """See ``RoutingMode``."""
        action = action.lower()
        service = self._exact.get(action)
        if service is not None:
            return service
        for part, service in self._containing.items():
            if part in action:
                return service
        return self._default


def _of_actions(table: str, actions: Mapping[str, str]) -> Iterator[SettingError]:
    for action, service in actions.items():
        key = ("routing", table, action)
        if not action or action != action.lower():
            yield SettingError(
                key,
                f"routing.{table} has the action {action!r}; actions are compared in lower case, "
                "so write it in lower case and not empty",
            )
        yield from _of_service(key, service)


def _of_service(key: tuple[str, ...], service: str) -> Iterator[SettingError]:
    if service not in SERVICES:
        yield SettingError(key, f"{'.'.join(key)} names the service {service!r}; known are {', '.join(SERVICES)}")
