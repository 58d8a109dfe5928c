"""What costs aioquic time, and is bounded here: a client that does it has its connection closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aioquic.buffer import encode_uint_var as var
from aioquic.quic.packet import QuicErrorCode

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from tests.transport.helpers import offender_and_witness, stream_frame

if TYPE_CHECKING:
    from pathlib import Path

    Identity = tuple[Path, Path]


@pytest.mark.parametrize(
    "frame",
    [
        b"\x16" + var(1),  # bidirectional: it has one and wants another
        b"\x17" + var(0),  # unidirectional
    ],
    ids=["bidirectional", "unidirectional"],
)
async def test_to_ask_for_another_stream_is_an_offence(identity: Identity, frame: bytes) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(frame)
        code, frame_type, reason = await offender.closed()
        assert (code, frame_type) == (CloseCode.PROTOCOL_ERROR, None)
        assert "stream" in reason
        assert await recorder.end() == (code, reason, False)


async def test_a_stream_beyond_what_may_be_opened_is_an_offence(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(stream_frame(400, 0, b""))
        code, frame_type, reason = await offender.closed()
        assert (code, frame_type) == (CloseCode.PROTOCOL_ERROR, None)
        assert await recorder.end() == (code, reason, False)


async def test_a_stream_full_of_holes_is_refused(identity: Identity) -> None:
    async with offender_and_witness(identity, TransportLimits(max_gaps=64)) as (_, offender, _recorder):
        offender.frames(b"".join(stream_frame(0, 100 + 2 * step, b"x") for step in range(66)))
        code, _, reason = await offender.closed()
        assert (code, reason) == (CloseCode.PROTOCOL_ERROR, "PROTOCOL_ERROR: too many gaps in the stream")


async def test_tls_data_full_of_holes(identity: Identity) -> None:
    async with offender_and_witness(identity, TransportLimits(max_crypto_gaps=32)) as (_, offender, _recorder):
        offender.frames(b"".join(b"\x06" + var(100 + 2 * step) + var(1) + b"x" for step in range(34)))
        assert (await offender.closed())[0] == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED
