"""The work of ``quicgw push batch``: a file of pushes, sent in as few calls as it takes."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import typer

from quicgw_fast.cli.push_lines import FORM, BadPushError, read_push
from quicgw_fast.cli.pushing import fields_of, gateway_client, is_well, told_of
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import say_document
from quicgw_fast.cli.text import read_file
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess

MOST = 1024
"""Pushes of a call."""
MOST_BYTES = 1 << 20
"""Bytes of a call, about: one push alone may have more."""


def read(file: str) -> list[pb.UnicastPushRequest]:
    """Read a file of pushes; StartupError where it cannot be read, BadParameter for what in it is no push."""
    name = "standard input" if file == "-" else file
    content = read_file(file, "FILE").removeprefix(codecs.BOM_UTF8)
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not lines:
        raise typer.BadParameter(f"{name} has no pushes; write one in each line, for example {FORM}", param_hint="FILE")
    return [_parse(name, number, line) for number, line in lines]


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


def _parse(name: str, number: int, line: bytes) -> pb.UnicastPushRequest:
    try:
        return read_push(line.decode())
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 from byte {error.start + 1} on"
    except BadPushError as error:
        why = str(error)
    raise typer.BadParameter(f"{name}, line {number}: {why}", param_hint="FILE")


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
