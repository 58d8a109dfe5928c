"""Fixtures for pytest: ``pytest_plugins = ["quicgw_fast.testing.plugin"]`` in ``conftest.py``.

Nothing happens in projects that do not say so: the names are short, and a plugin that every pytest of the machine loads
would put them into all of them. All fixtures are new for each test, and plain functions: they serve tests with
pytest-asyncio, with anyio, and without an event loop.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from quicgw_fast.testing import FakeUpstream, LocalGateway, local_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import quicgw_fast
    import quicgw_fast.sync


class MakeClient(Protocol):
    """The fixture ``client``: makes a client of the gateway, to be entered or awaited."""

    def __call__(self, openid: str = "alice", **options: Any) -> quicgw_fast.Client:
        """Make one; ``options`` are those of `quicgw_fast.connect`."""


class ConnectClient(Protocol):
    """The fixture ``sync_client``: connects a client for tests without an event loop, and closes it after the test."""

    def __call__(self, openid: str = "alice", **options: Any) -> quicgw_fast.sync.Client:
        """Connect one; ``options`` are those of `quicgw_fast.sync.connect`."""


@pytest.fixture
def gateway_settings() -> Mapping[str, Mapping[str, object]]:
    """Tables of the gateway's configuration; override it to change them: ``{"session": {"timeout": 3}}``."""
    return {}


@pytest.fixture
def upstream() -> FakeUpstream:
    """The service behind the gateway: ``@upstream.action("echo")`` says what it answers."""
    return FakeUpstream()


@pytest.fixture
def gateway(upstream: FakeUpstream, gateway_settings: Mapping[str, Mapping[str, object]]) -> Iterator[LocalGateway]:
    """A gateway that runs, in front of ``upstream``: ``address`` and ``ca`` are what a client needs."""
    with local_gateway(upstream, gateway_settings) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: LocalGateway) -> MakeClient:
    """Makes clients: ``async with client("alice") as alice: …``."""

    def make(openid: str = "alice", **options: Any) -> quicgw_fast.Client:
        return gateway.client(openid, **options)

    return make


@pytest.fixture
def sync_client(gateway: LocalGateway) -> Iterator[ConnectClient]:
    """Connects clients for tests without an event loop: ``alice = sync_client("alice")``."""
    with ExitStack() as stack:

        def connect(openid: str = "alice", **options: Any) -> quicgw_fast.sync.Client:
            return stack.enter_context(gateway.sync_client(openid, **options))

        yield connect
