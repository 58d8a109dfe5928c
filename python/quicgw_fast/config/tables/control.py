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

    grpc_token_file: Annotated[File | None, Field(examples=["services.tokens"])] = None
    """Tokens that services show as ``authorization: Bearer …``, one a line: several while they are being changed.
    Needed, unless ``client_ca`` is set, where ``server.grpc`` is not on loopback."""
    admin_token_file: Annotated[File | None, Field(examples=["operators.tokens"])] = None
    """Tokens that operators show in the same way; needed where ``server.admin`` is not on loopback."""
    cert: Annotated[File | None, Field(examples=["grpc.pem"])] = None
    """Certificate chain of the gRPC port, which then speaks TLS."""
    key: Annotated[File | None, Field(examples=["grpc.key"])] = None
    """Private key of that certificate."""
    client_ca: Annotated[File | None, Field(examples=["services-ca.pem"])] = None
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
