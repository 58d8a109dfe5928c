"""For the tests of programs that use a gateway: a real one in this process, and the service behind it.

The gateway listens on real sockets of 127.0.0.1, on free ports, with a certificate of its own; the service answers as a
test tells it to and remembers what it was asked. Both run in a thread of their own, so they serve plain tests and those
with an event loop alike. With pytest, say in ``conftest.py``::

    pytest_plugins = ["quicgw_fast.testing.plugin"]

Needs ``pip install "quicgw-fast[server]"``, in the environment in which tests run; docs/howto/testing.md shows more.
"""

from quicgw_fast.errors import needs_extra

with needs_extra("server", "quicgw_fast.testing"):
    from quicgw_fast.testing.fake_upstream import FakeUpstream
    from quicgw_fast.testing.local_gateway import LocalGateway, local_gateway

__all__ = ["FakeUpstream", "LocalGateway", "local_gateway"]
