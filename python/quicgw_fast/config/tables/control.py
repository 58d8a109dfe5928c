"""``[control]``: who may use the ports for services and for operators."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import HostName

PORTS = Field(examples=[["grpc"]])
HOSTS = Field(examples=[["gateway.internal"]])


def _each_once(ports: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ports))


class ControlConfig(Section):
    """``[control]``: who may use ``server.grpc`` (services) and ``server.admin`` (operators)."""

    live: ClassVar = frozenset(
        {"grpc_token_file", "admin_token_file", "cert", "key", "client_ca", "admin_hosts", "open_to_network"}
    )

    grpc_token_file: File | None = None
    """Tokens that services show as ``authorization: Bearer …``, one a line: several while they are being changed."""
    admin_token_file: File | None = None
    """Likewise for operators."""
    cert: File | None = None
    """Certificate chain of the gRPC port, which then speaks TLS."""
    key: File | None = None
    """Private key of that certificate."""
    client_ca: File | None = None
    """Authorities of which services need a certificate (mutual TLS)."""
    admin_hosts: Annotated[tuple[HostName, ...], HOSTS] = ()
    """Names under which the admin pages may be asked for, beside localhost, addresses and the name in
    ``server.admin``."""
    open_to_network: Annotated[tuple[Literal["grpc", "admin"], ...], PORTS, AfterValidator(_each_once)] = ()
    """Ports that take everybody although they are not on loopback: for a network in which everybody is trusted."""

    def taken_from(self, before: Self) -> frozenset[str]:
        """See ``Section``. A port speaks TLS, and asks for certificates, or not, for as long as it is open."""
        stay = {"cert", "key", "client_ca"} if (self.cert is None) != (before.cert is None) else set()
        if (self.client_ca is None) != (before.client_ca is None):
            stay.add("client_ca")
        return self.live - stay
