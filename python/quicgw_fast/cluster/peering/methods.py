"""The methods of NodeService, as ``proto/node.proto`` describes them: made from it, so that nothing is said twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.message_factory import GetMessageClass

from quicgw_fast.proto import node_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

_SERVICE: Final = node_pb2.DESCRIPTOR.services_by_name["NodeService"]
NAME: Final = _SERVICE.full_name


class Method(NamedTuple):
    """One of them."""

    name: str
    request: type[Message]
    answer: type[Message]

    @property
    def path(self) -> str:
        """How HTTP/2 names it."""
        return f"/{NAME}/{self.name}"


METHODS: Final = {
    each.name: Method(each.name, GetMessageClass(each.input_type), GetMessageClass(each.output_type))
    for each in _SERVICE.methods
}
