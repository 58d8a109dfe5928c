"""``[upstream]``: which services there are, and how they are called."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from quicgw_fast.config.allowed import checked_allowed
from quicgw_fast.config.tables.base import File, ReadIn, Section
from quicgw_fast.config.values import Address, HostName, duration, number

# An example, which is shown to who wrote something else.
ADDRESSES = Field(examples=[["127.0.0.1:9001"]])
ALLOW = Field(examples=[["10.0.0.0/8", "*.internal:9001"]])
OF_SERVICES = ReadIn("service", "where instances register themselves")
"""Addresses can be written for the services alone."""


class UpstreamConfig(Section):
    """``[upstream]``: addresses of each service in service mode."""

    live: ClassVar = frozenset(
        {
            *("hello", "business", "zone", "max_concurrency", "forget_after", "resolve_every", "allow"),
            *("adaptive_concurrency", "least_concurrency"),
            *("ejection", "ejection_time", "longest_ejection", "silent_after"),
            *("ca", "cert", "key", "server_name"),
        }
    )

    hello: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances that log users in and keep their state, each a number or a name with its port. Calls go to those that
    are well."""
    business: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances for everything that is routed nowhere else."""
    zone: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances of the zone service."""
    max_concurrency: Annotated[int, number(0, 1_000_000, "calls")] = 0
    """Calls under way at once per service; more are answered 503. 0 sets no limit."""
    client: Literal["grpcio", "native"] = "grpcio"
    """Who calls services: grpcio, or native, which is compiled and takes a fraction of the time."""
    ca: Annotated[File | None, Field(examples=["services-ca.pem"])] = None
    """Authorities of the services' certificates. With it every service is called over TLS, also one that registered
    itself, and none without."""
    cert: Annotated[File | None, Field(examples=["gateway.pem"])] = None
    """Certificate chain that the gateway shows to services which ask for one (mutual TLS)."""
    key: Annotated[File | None, Field(examples=["gateway.key"])] = None
    """Private key of that certificate."""
    server_name: Annotated[HostName | None, Field(examples=["services.internal"])] = None
    """The name that every service's certificate carries; without it that is the host of its address."""
    allow: Annotated[tuple[str, ...], AfterValidator(checked_allowed), ALLOW] = ("0.0.0.0/0", "::/0")
    """Where services may register: networks, addresses and hosts (``10.0.0.0/8``, ``*.internal:9001``), each with a
    port or for all of them; unless it is set, everywhere. Link-local, multicast and metadata addresses are refused in
    any case."""
    forget_after: Annotated[float, duration("1s", "30d")] = 3600.0
    """A registered instance that cannot be connected to for so long is forgotten, until it registers again."""
    resolve_every: Annotated[float, duration("100ms", "1d")] = 30.0
    """A name among these addresses is all its IPv4 and IPv6 addresses, each an instance; they are looked up at this
    interval."""
    adaptive_concurrency: bool = True
    """Whether each instance gets no more calls at once than it answers well, as the time they take tells."""
    least_concurrency: Annotated[int, number(1, 10_000, "calls")] = 10
    """Calls of an instance that adapting never forbids."""
    ejection: bool = True
    """Whether an instance that fails or is slow beside the others, or answers nothing, is out for a while."""
    ejection_time: Annotated[float, duration("100ms", "1h")] = 5.0
    """How long an instance is out the first time; twice as long the second time, and so on."""
    longest_ejection: Annotated[float, duration("100ms", "1d")] = 120.0
    """How long an instance is out at most; who behaves for so long starts anew."""
    silent_after: Annotated[float, duration("250ms", "1h")] = 0.5
    """An instance that has calls under way and answers none for so long comes after the others, and is asked whether it
    lives; three such questions without an answer, of 500 ms each, and it is out."""

    def taken_from(self, before: Self) -> frozenset[str]:
        """See ``Section``. Whether TLS is spoken is for a restart: nobody is called in the open who was not before."""
        switched = (self.ca is None) != (before.ca is None)
        return self.live - ({"ca", "cert", "key", "server_name"} if switched else set())
