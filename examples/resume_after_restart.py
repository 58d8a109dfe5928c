"""A client that ends without losing its session: the next run goes on where it stopped, with nothing missed.

The first run writes a ticket. A later one, within the resume window (120 s), gets every notify that came in between.
Usage: python resume_after_restart.py HOST:PORT OPENID TICKET_FILE
"""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

import quicgw_fast


async def main(gateway: str, openid: str, ticket: quicgw_fast.Ticket | None) -> quicgw_fast.Ticket:
    """Begin, or go on from the ticket, and return the ticket for the next time."""
    client = await quicgw_fast.connect(gateway, openid=openid, insecure=True, resume=ticket)
    print("resumed" if client.resumed else "started", flush=True)
    reply = await client.call("echo", data=b"still here")
    print("reply", reply.code, reply.data.decode(), flush=True)
    while client.pending_notifies:
        notify = await client.next_notify()
        print("notify", notify.type, notify.content, flush=True)
    return await client.detach()  # ends the connection and not the session; close() would end both


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.splitlines()[-1])
    path = Path(sys.argv[3])
    old = quicgw_fast.Ticket(**json.loads(path.read_text())) if path.exists() else None
    new = asyncio.run(main(sys.argv[1], sys.argv[2], old))
    path.write_text(json.dumps(dataclasses.asdict(new)))
