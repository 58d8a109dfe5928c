"""The work of ``quicgw events``: one call after the other of WatchEvents, and a line for each event."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli.pushing import gateway_client
from quicgw_fast.cli.tables import say_document, shown
from quicgw_fast.codes import LifecycleKind
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.upstream import GatewayCallFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess

AGAIN = 1.0
"""Seconds between two tries to go on."""

_log = logging.getLogger("quicgw.cli")


async def watch(
    gateway: str, access: GatewayAccess, kinds: Sequence[str], openid: str, *, follow: bool, as_json: bool
) -> None:
    """Print what there is, and with ``follow`` what comes; StartupError when there is no gateway at the beginning."""
    wanted = [pb.EventKind.Value(f"EVENT_KIND_{kind}") for kind in kinds]
    request = pb.WatchEventsRequest(kinds=wanted, openid=openid, until_now=not follow)
    async with gateway_client(gateway, access) as client:
        while True:
            try:
                async for event in client.watch(request):
                    request.gateway, request.after = event.gateway, event.id
                    _say(event, as_json=as_json)
            except GatewayCallFailed as error:
                if not request.gateway:
                    raise
                _log.warning("events broke off", extra={"reason": str(error), "again_in": AGAIN})
            if not follow:
                return
            await asyncio.sleep(AGAIN)  # a gateway that starts anew is not to be asked all the time


def fields_of(event: pb.LifecycleEvent) -> dict[str, Any]:
    """An event as JSON has it: as webhooks have, with its gateway."""
    fields = {field.name: getattr(event, field.name) for field in event.DESCRIPTOR.fields}
    fields["kind"] = LifecycleKind(event.kind).name
    if event.kind != pb.EVENT_KIND_GAP:
        del fields["missed_from"]
    return fields


def told_of(event: pb.LifecycleEvent) -> str:
    """An event in a line."""
    if event.kind == pb.EVENT_KIND_GAP:
        return f"-- {missed_by(event)} --"
    at = datetime.fromtimestamp(event.at).astimezone().isoformat(sep=" ", timespec="milliseconds")
    kind = LifecycleKind(event.kind).name.lower().replace("_", "-")
    what = f"{kind} ({event.reason})" if event.reason else kind
    return f"{at}  {what:<24}  {shown(event.openid)}  {event.session_id}  {event.address}"


def missed_by(gap: pb.LifecycleEvent) -> str:
    """What a gap says."""
    count = gap.id + 1 - gap.missed_from
    events = f"{count} event{'' if count == 1 else 's'} of this gateway missed"
    if gap.reason == "OTHER_GATEWAY":
        return f"another gateway than before: what the other one did not tell is lost; {events}"
    return events


def _say(event: pb.LifecycleEvent, *, as_json: bool) -> None:
    if as_json:
        say_document(fields_of(event))
    else:
        print(told_of(event), flush=True)
