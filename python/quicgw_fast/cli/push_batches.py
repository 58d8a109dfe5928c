"""The work of ``quicgw push batch``: a file of pushes, sent in as few calls as it takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from google.protobuf.json_format import Parse, ParseError

from quicgw_fast.cli.pushing import fields_of, gateway_client, is_well, told_of
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import say_document
from quicgw_fast.errors import StartupError
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess

MOST = 1024
"""Pushes of a call."""
MOST_BYTES = 1 << 20
"""Bytes of a call, about: one push alone may have more."""


def read(file: str) -> list[pb.UnicastPushRequest]:
    """Read a file of pushes; StartupError where it cannot be read, BadParameter for a line that is no push."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{file} cannot be read: {error}") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [_parse(file, number, line) for number, line in lines]


async def push(
    gateway: str, access: GatewayAccess, timeout: float, requests: list[pb.UnicastPushRequest], *, as_json: bool
) -> int:
    """Send them, print what each came to, return the exit status; StartupError when there is no gateway."""
    answers: list[pb.UnicastPushResponse] = []
    async with gateway_client(gateway, access) as client:
        for batch in _batches(requests):
            longest = max(request.wait_ack_ms for request in batch) / 1000
            answer = await client.push_batch(pb.BatchPushRequest(pushes=batch), timeout + longest)
            answers += answer.responses
            if not as_json:
                print(*map(told_of, answer.responses), sep="\n", flush=True)
    if as_json:
        say_document({"responses": [fields_of(answer) for answer in answers]})
    return Status.DONE if all(map(is_well, answers)) else Status.NO


def _parse(file: str, number: int, line: str) -> pb.UnicastPushRequest:
    try:
        return Parse(line, pb.UnicastPushRequest())
    except ParseError as error:
        raise typer.BadParameter(f"{file}, line {number}: {error}", param_hint="FILE") from error


def _batches(requests: list[pb.UnicastPushRequest]) -> Iterator[list[pb.UnicastPushRequest]]:
    batch: list[pb.UnicastPushRequest] = []
    size = 0
    for request in requests:
        length = request.ByteSize()
        if batch and (len(batch) == MOST or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += length
    if batch:
        yield batch
