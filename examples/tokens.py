"""Tokens: the half of an account server that makes them, and a client that gets a new one before the old one ends.

Any JSON Web Token will do whose `sub` is the openid and whose signature the gateway can verify. The gateway needs
auth.mode = "jwt" and auth.key_file, here the same secret; `quicgw gentoken --new-key FOLDER` makes one.
Usage: python tokens.py HOST:PORT OPENID SECRET_FILE
"""

import asyncio
import sys
import time
from pathlib import Path

import jwt

import quicgw_fast

LIFETIME = 3
"""Seconds; so short only to see a renewal soon."""


def make_token(openid: str, secret: bytes) -> str:
    """Make a token for who has proved to be ``openid``, by a password or whatever your account server asks for."""
    now = int(time.time())
    return jwt.encode({"sub": openid, "iat": now, "exp": now + LIFETIME}, secret, "HS256")


async def main(gateway: str, openid: str, secret: bytes) -> None:
    """Stay for longer than one token lives."""

    renewed = asyncio.Event()
    made = 0

    def token() -> str:
        nonlocal made
        made += 1
        print("token", made, flush=True)
        if made == 2:
            renewed.set()
        return make_token(openid, secret)

    # A callable: the client asks it for each connection, and again before the token ends.
    async with quicgw_fast.connect(gateway, openid=openid, token=token, insecure=True) as client:
        await renewed.wait()
        await asyncio.sleep(LIFETIME)
        reply = await client.call("echo", data=b"longer than a token lives")
        print("reply", reply.code, reply.data.decode(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.splitlines()[-1])
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes().strip()))
