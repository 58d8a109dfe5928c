"""What a routing mode is: the names of its services, and what finds one of them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from quicgw_fast.upstream.errors import RegisterRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from quicgw_fast.codes import RegisterCode
    from quicgw_fast.config import RoutingConfig, UpstreamConfig
    from quicgw_fast.errors import SettingError
    from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest


class RoutingMode(Protocol):
    """One value of ``routing.mode`` and all that depends on it. Nothing else compares the mode."""

    services: ClassVar[tuple[str, ...]]
    """The names of its services: of all to which a request may go."""
    login_service: ClassVar[str | None]
    """The one service that answers every hello; None where a hello goes to any of them."""
    login_name: ClassVar[str]
    """What answers a hello, as /readyz and the log call it: no instance of …"""

    def __init__(self, config: RoutingConfig) -> None:
        """Take a configuration that was checked. Raises ConfigError where nobody could log in by it."""

    def adopt(self, other: Self, /) -> None:
        """Route from now on as ``other`` does, which was made of another configuration."""

    @staticmethod
    def mistakes(config: RoutingConfig) -> Iterable[SettingError]:
        """The mode's own settings that cannot be used, each as the error that says why."""

    @staticmethod
    def configured(upstream: UpstreamConfig) -> Mapping[str, Sequence[str]]:
        """The addresses of each service that the configuration may name; instances of others register themselves."""

    @staticmethod
    def logins_at_once(wanted: int, max_concurrency: int) -> int:
        """Of the ``wanted`` number of hellos, how many have a use where a service takes ``max_concurrency`` calls or,
        with 0, any number."""

    @staticmethod
    def registration(address: str, service: str) -> UpstreamRegisterRequest:
        """What an instance at ``address`` sends to register for the service."""

    @staticmethod
    def registered_service(request: UpstreamRegisterRequest) -> str:
        """The service that a registration names. Raises RegisterRefused when it is none of them."""

    def service_for(self, action: str, openid: str) -> str:
        """The service of a request."""


def one_of(services: Collection[str], name: str, field: str, error_code: RegisterCode) -> str:
    """Return the ``name`` that a registration has in its ``field``; RegisterRefused when it is none of the services."""
    if name not in services:
        raise RegisterRefused(error_code, f"{field} {name[:64]!r} is not known; known are {', '.join(services)}")
    return name
