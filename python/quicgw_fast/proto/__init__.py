"""The messages and the gRPC stubs of the protocol, for whoever writes a service or a client of their own (protocol §1).

    from quicgw_fast.proto import service_pb2, service_pb2_grpc

- ``service_pb2``, ``service_pb2_grpc``: what services and the gateway say to each other. A service implements
  ``UpstreamServiceServicer`` and pushes with ``GatewayServiceStub``.
- ``client_pb2``: what a client and the gateway say to each other on the stream.

The modules are generated, and typed by stubs. Their messages are in a descriptor pool of their own, so that modules
which a program made itself from the same ``.proto`` files can be imported beside them. The files lie in the folder
``SOURCES``.
"""

from pathlib import Path
from typing import Final

from quicgw_fast._proto import client_pb2, service_pb2, service_pb2_grpc

SOURCES: Final = Path(service_pb2.__file__).parent
"""The folder with ``client.proto`` and ``service.proto``, for making stubs in another language."""

__all__ = ["SOURCES", "client_pb2", "service_pb2", "service_pb2_grpc"]
