"""A service behind the gateway: registers itself, answers `hello` and everything else, and welcomes who logs in.

Usage: python login_service.py GATEWAY_GRPC_ADDRESS [LISTEN_ADDRESS]
"""

import sys

from quicgw_fast.service import Request, Service, Welcome

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__.splitlines()[-1])
service = Service("hello", gateway=sys.argv[1])


@service.hello
async def hello(request: Request) -> Welcome:
    """Let everybody in; whether a token is good was the gateway's question."""
    await request.notify_after("welcome", title="Welcome", content=f"hello {request.openid}")
    return Welcome(zone=1, gid=f"g{request.openid}")


@service.default
async def echo(request: Request) -> bytes:
    """Answer what came."""
    return request.data


service.run(*sys.argv[2:])
