"""``[upstream]``: which services there are, and how they are called."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from quicgw_fast.config.tables.base import ReadIn, Section
from quicgw_fast.config.values import Address, duration, number

# An example, which is shown to who wrote something else.
ADDRESSES = Field(examples=[["127.0.0.1:9001"]])
OF_SERVICES = ReadIn("service", "where instances register themselves")
"""Addresses can be written for the services alone."""


class UpstreamConfig(Section):
    """``[upstream]``: addresses of each service in service mode."""

    hello: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances that log users in and keep their state."""
    business: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances for everything that is routed nowhere else."""
    zone: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances of the zone service."""
    max_concurrency: Annotated[int, number(0, 1_000_000, "calls")] = 0
    """Calls under way at once per service; more are answered 503. 0 sets no limit."""
    client: Literal["grpcio", "native"] = "grpcio"
    """Who calls services: grpcio, or native, which is compiled and takes a fraction of the time."""
    forget_after: Annotated[float, duration("1s", "30d")] = 3600.0
    """A registered instance that cannot be connected to for so long is forgotten, until it registers again."""
