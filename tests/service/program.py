"""A service as a program of its own, for the tests of its life."""

import os
import sys
import time

from quicgw_fast.service import Request, Service, Welcome

service = Service("hello", gateway=sys.argv[1], renew_every=0.5, grace=float(os.environ.get("GRACE", "10")))


@service.hello
async def hello(request: Request) -> Welcome:
    await request.notify_after("welcome", content=request.openid)
    return Welcome(zone=1, gid="g1")


@service.action("echo")
async def echo(request: Request) -> bytes:
    return request.data


@service.action("sleep")
def sleep(request: Request) -> str:
    print("sleeping", flush=True)
    time.sleep(float(request.params["seconds"]))
    return "slept"


service.run(sys.argv[2])
