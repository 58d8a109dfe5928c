"""A client that logs in, has several calls under way at once, and prints notifies as they come.

Usage: python call_and_listen.py HOST:PORT OPENID [HOW_MANY_NOTIFIES]
"""

import asyncio
import sys

import quicgw_fast


async def main(gateway: str, openid: str, wanted: int) -> None:
    """Call three times, then listen until ``wanted`` notifies came."""
    # insecure: the certificate of `quicgw dev` is self-signed. Elsewhere leave it out, or name your authority with ca=.
    async with quicgw_fast.connect(gateway, openid=openid, insecure=True) as client:
        replies = await asyncio.gather(*(client.call("echo", data=f"call {n}".encode()) for n in range(3)))
        for reply in replies:
            print("reply", reply.code, reply.data.decode(), flush=True)
        for _ in range(wanted):
            notify = await client.next_notify()
            print("notify", notify.type, notify.title, notify.data.decode() or notify.content, flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__.splitlines()[-1])
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1))
