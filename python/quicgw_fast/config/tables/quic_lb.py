"""``[quic_lb]``: what connection ids tell a load balancer."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import Form, number, shown

LONGEST_ID: Final = 20
"""Bytes of a connection id (RFC 9000 §17.2), of which the first is the configuration's."""
LEAST_NONCE: Final = 4
"""Bytes (QUIC-LB, Configuration Agent Actions); so is the next."""
LEAST_SERVER_ID: Final = 1
_SERVER_ID: Final = r"([0-9a-fA-F]{2}){1,15}"


def _checked_server_id(text: str) -> str:
    if not re.fullmatch(_SERVER_ID, text):
        most = LONGEST_ID - 1 - LEAST_NONCE
        raise ValueError(f"{shown(text)} is no server id; write 1 to {most} bytes, each as two hexadecimal digits")
    return text.lower()


ServerId = Annotated[str, AfterValidator(_checked_server_id), Form("hexadecimal digits", f"^{_SERVER_ID}$")]


class QuicLbConfig(Section):
    """``[quic_lb]``: connection ids that lead a load balancer to this gateway (draft-ietf-quic-load-balancers).

    The balancer is told the same. With ``server.connection_ids = "random"`` none of it is used.
    """

    config_id: Annotated[int, number(0, 6, "")] = 0
    """Names these settings in each id: a balancer may know several at a time, of which gateways change from one to the
    other. 7 is what an id has that names no gateway."""
    server_id: Annotated[ServerId | None, Field(examples=["0a01"])] = None
    """Of this gateway, and of no other behind the balancer; bytes as hexadecimal digits, for all gateways as many."""
    nonce_length: Annotated[int, number(LEAST_NONCE, LONGEST_ID - 1 - LEAST_SERVER_ID, "bytes")] = 8
    """By which ids of one gateway differ. With it and ``server_id`` an id has at most 20 bytes, and its first is the
    configuration's; where the two have 16 a balancer is quickest."""
    key_file: Annotated[File | None, Field(examples=["quic-lb.key"])] = None
    """Key by which ids are encrypted, 32 hexadecimal digits, the same in all gateways and balancers. Without one
    anybody can read which gateway a client is at."""
