"""A client in a program without an event loop: calls wait, and notifies are iterated over.

Usage: python without_a_loop.py HOST:PORT OPENID [HOW_MANY_NOTIFIES]
"""

import itertools
import sys

import quicgw_fast.sync


def main(gateway: str, openid: str, wanted: int) -> None:
    """Call three times, all under way at once, then listen until ``wanted`` notifies came."""
    # insecure: the certificate of `quicgw dev` is self-signed. Elsewhere leave it out, or name your authority with ca=.
    with quicgw_fast.sync.connect(gateway, openid=openid, insecure=True) as client:
        for future in [client.submit("echo", data=f"call {n}".encode()) for n in range(3)]:
            reply = future.result()
            print("reply", reply.code, reply.data.decode(), flush=True)
        for notify in itertools.islice(client.notifies(), wanted):
            print("notify", notify.type, notify.title, notify.data.decode() or notify.content, flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__.splitlines()[-1])
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
