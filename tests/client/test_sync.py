"""The client without an event loop, against a real gateway: what waits, from which thread, and what interrupts it."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import quicgw_fast.client as sdk
import quicgw_fast.sync
from quicgw_fast.client import (
    CallTimeout,
    ConnectionClosed,
    ConnectionFailed,
    Draining,
    State,
    StateEvent,
    UpstreamError,
)
from quicgw_fast.client.known import Known
from tests.cli.process import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.client import Ticket

PUBLIC = sorted(name for name in {*vars(sdk.Client), *vars(Known)} if not name.startswith("_"))


@pytest.fixture
def client(dev_address: str) -> Iterator[quicgw_fast.sync.Client]:
    with quicgw_fast.sync.connect(dev_address, openid="alice", insecure=True) as client:
        yield client


@pytest.mark.parametrize("name", PUBLIC)
def test_it_has_all_that_the_other_has(name: str) -> None:
    theirs, ours = getattr(sdk.Client, name), getattr(quicgw_fast.sync.Client, name)
    if name != "start":  # which connect() has done
        assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    if not isinstance(theirs, property):
        assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
        assert not inspect.iscoroutinefunction(ours)


def test_it_has_nothing_that_the_other_has_not() -> None:
    assert {name for name in dir(quicgw_fast.sync.Client) if not name.startswith("_")} == set(PUBLIC)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not isinstance(getattr(sdk.Client, name), property)])
def test_every_method_says_what_it_raises(name: str) -> None:
    assert re.search(r"\braises?\b", (inspect.getdoc(getattr(sdk.Client, name)) or "").lower())


def test_every_name_says_what_it_is() -> None:
    for module in (sdk, quicgw_fast.sync):
        for name in module.__all__:
            made = getattr(module, name)
            assert inspect.getdoc(made), name
            for own, member in vars(made).items() if inspect.isclass(made) else ():
                if not own.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    assert inspect.getdoc(member), f"{name}.{own}"


def test_connect_takes_what_the_other_takes() -> None:
    assert inspect.signature(quicgw_fast.sync.connect).parameters == inspect.signature(quicgw_fast.connect).parameters
    with pytest.raises(ValueError, match="thread=False is for programs with an event loop"):
        quicgw_fast.sync.connect("127.0.0.1:1", openid="a", thread=False)


def test_calls_and_notifies(client: quicgw_fast.sync.Client) -> None:
    assert client.connected
    assert client.hello is not None
    reply = client.call("after", data=b"bound")
    notify = client.next_notify(timeout=5)
    assert (notify.data, notify.seq_id) == (b"bound", reply.seq_id + 1)
    sent = [client.submit("after", data=b"%d" % number) for number in range(30)]
    assert [one.result(10).data for one in sent] == [b"%d" % number for number in range(30)]
    notes = client.notifies()
    assert {next(notes).data for _ in range(30)} == {b"%d" % number for number in range(30)}
    assert client.pending_notifies == 0
    assert client.stats.calls == 32
    client.refresh_token("another")
    assert client.drain()
    with pytest.raises(Draining):
        client.call("echo")


def test_errors_are_the_same_and_know_the_line_that_called(client: quicgw_fast.sync.Client) -> None:
    with pytest.raises(UpstreamError) as failed:
        client.call("fail", params={"grpc": "1"})
    assert failed.traceback[0].path.samefile(__file__)
    with pytest.raises(CallTimeout):
        client.call("sleep", params={"ms": "3000"}, headers={"timeout-ms": "3000"}, timeout=0.05)
    with pytest.raises(TimeoutError, match=r"no notify came within 0\.01 s"):
        client.next_notify(timeout=0.01)
    with pytest.raises(TypeError, match="data must be bytes"):
        client.call("echo", data="text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout must be"):
        client.next_notify(timeout=-1)


def test_nothing_goes_through_a_closed_client(client: quicgw_fast.sync.Client) -> None:
    client.call("after", data=b"still there")
    deadline = time.monotonic() + 10
    while not client.pending_notifies and time.monotonic() < deadline:
        time.sleep(0.01)
    client.close()
    client.close()
    assert client.closed
    assert [notify.data for notify in client.notifies()] == [b"still there"], "what came can be read"
    for use in (lambda: client.call("echo"), lambda: client.submit("echo").result(1), client.next_notify):
        with pytest.raises(ConnectionClosed, match="closed by this client"):
            use()


def test_a_ticket_leads_on(dev_address: str) -> None:
    with quicgw_fast.sync.connect(dev_address, openid="alice", insecure=True) as client:
        session = client.session_id
        ticket: Ticket = client.detach()
    with quicgw_fast.sync.connect(dev_address, openid="alice", insecure=True, resume=ticket) as client:
        assert client.resumed
        assert client.session_id == session
        assert client.ticket is not None
        assert client.ticket.session_id == session


def test_no_gateway_is_told_as_ever() -> None:
    with pytest.raises(ConnectionFailed, match="nothing listens"):
        quicgw_fast.sync.connect("127.0.0.1:1", openid="a", insecure=True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quicgw callbacks")]


def test_several_threads_share_one(client: quicgw_fast.sync.Client) -> None:
    def some(number: int) -> list[bytes]:
        return [client.call("echo", data=b"%d.%d" % (number, count)).data for count in range(10)]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(some, range(8))) == [[b"%d.%d" % (n, c) for c in range(10)] for n in range(8)]

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(client.next_notify, 10) for _ in range(4)]
        for number in range(4):
            client.call("after", data=b"%d" % number)
        assert sorted(reader.result(10).data for reader in readers) == [b"0", b"1", b"2", b"3"]


def test_a_reader_that_gives_up_leaves_its_notify_to_another(client: quicgw_fast.sync.Client) -> None:
    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            early, patient = threads.submit(client.next_notify, 0.001), threads.submit(client.next_notify, 10)
            client.call("after", data=b"one")
            client.call("after", data=b"two")
            taken = [patient.result(10).data]
            try:
                taken.append(early.result(10).data)
            except TimeoutError:
                taken.append(client.next_notify(10).data)
            assert sorted(taken) == [b"one", b"two"]


def test_what_the_program_gave_is_called_in_a_thread_of_its_own_and_may_use_the_client(dev_address: str) -> None:
    told: list[State] = []
    threads: set[str] = set()
    replies: list[bytes] = []
    made: list[quicgw_fast.sync.Client] = []
    known, said = threading.Event(), threading.Event()

    def on_state(event: StateEvent) -> None:
        told.append(event.state)
        threads.add(threading.current_thread().name)
        if event.state is State.CONNECTED:
            known.wait(10)
            replies.append(made[0].call("echo", data=b"from inside").data)
            said.set()

    async def token() -> str:
        await asyncio.sleep(0)
        threads.add(threading.current_thread().name)
        return "token"

    with quicgw_fast.sync.connect(dev_address, openid="bob", insecure=True, token=token, on_state=on_state) as client:
        made.append(client)
        known.set()
        assert client.call("echo", data=b"x").data == b"x", "whatever the callback does"
        assert said.wait(20)
    assert told == [State.CONNECTING, State.CONNECTED, State.CLOSED]
    assert replies == [b"from inside"]
    assert threads == {"quicgw callbacks of bob"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quicgw callbacks")]


INTERRUPTED = """
import sys, threading, time, signal, os
import quicgw_fast.sync
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests in the background may have it ignored
with quicgw_fast.sync.connect(sys.argv[1], openid="alice", insecure=True) as client:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    try:
        {wait}
    except KeyboardInterrupt:
        assert time.monotonic() - begun < 5, time.monotonic() - begun
        print("interrupted", client.call("echo", data=b"and goes on").data.decode())
"""


@pytest.mark.parametrize(
    "wait",
    [
        'client.call("sleep", params={"ms": "9000"})',
        "client.next_notify()",
        "next(client.notifies())",
        'client.submit("sleep", params={"ms": "9000"}).result()',
    ],
)
def test_ctrl_c_interrupts_at_once(dev_address: str, wait: str) -> None:
    done = run(INTERRUPTED.replace("{wait}", wait), dev_address)
    assert done.stdout == "interrupted and goes on\n", done.stderr


FORKED = """
import os, sys
import quicgw_fast.sync
client = quicgw_fast.sync.connect(sys.argv[1], openid="parent", insecure=True)
child = os.fork()
if child == 0:
    for use in (lambda: client.call("echo"), client.next_notify, client.close):
        try:
            use()
        except RuntimeError as error:
            print(error)
    with quicgw_fast.sync.connect(sys.argv[1], openid="child", insecure=True) as own:
        print(own.call("echo", data=b"child").data.decode(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(client.call("echo", data=b"parent").data.decode())
client.close()
"""


def test_a_forked_process_makes_its_own(dev_address: str) -> None:
    done = run(FORKED, dev_address)
    refused = "this client belongs to the process that was forked; connect again in this one"
    assert done.stdout.splitlines() == [refused] * 3 + ["child", "parent"], done.stderr


FORKED_IN_A_LOOP = """
import asyncio, os, sys
import quicgw_fast

async def use(client):
    for use in (lambda: client.call("echo"), lambda: client.next_notify(5), client.close):
        try:
            await use()
        except RuntimeError as error:
            print(error)

async def main():
    client = await quicgw_fast.connect(sys.argv[1], openid="parent", insecure=True)
    child = os.fork()
    if child == 0:
        await use(client)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print((await client.call("echo", data=b"parent")).data.decode())
    await client.close()

asyncio.run(main())
"""


def test_a_forked_process_is_told_by_every_method(dev_address: str) -> None:
    done = run(FORKED_IN_A_LOOP, dev_address)
    refused = "this client belongs to the process that was forked; connect again in this one"
    assert done.stdout.splitlines() == [refused] * 3 + ["parent"], done.stderr


FORKED_IN_A_CALL = """
import asyncio, os, sys
import quicgw_fast

async def main():
    client = await quicgw_fast.connect(sys.argv[1], openid="parent", insecure=True)
    slow = client.submit("sleep", params={"ms": "20000"}, timeout=25)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    child = os.fork()
    if child == 0:  # what wait_for() does there, and the end of a loop
        for one in (slow, *others):
            one.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        print([one.cancelled() for one in others], flush=True)
        os._exit(0)  # the loop is the parent's, in the kernel, too
    assert os.waitpid(child, 0)[1] == 0
    slow.cancel()
    print((await client.call("echo", data=b"parent")).data.decode())
    await client.close()

asyncio.run(main())
"""


def test_what_a_forked_process_breaks_off_is_no_error_there(dev_address: str) -> None:
    done = run(FORKED_IN_A_CALL, dev_address)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True]\nparent\n", "")


def test_a_program_that_never_closes_ends(dev_address: str) -> None:
    done = run(
        "import sys, quicgw_fast.sync\n"
        "client = quicgw_fast.sync.connect(sys.argv[1], openid='alice', insecure=True, on_state=print)\n"
        "print(client.call('echo', data=b'x').data)",
        dev_address,
    )
    assert (done.returncode, done.stderr) == (0, "")


def run(code: str, address: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, address]
    return subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=50, check=False)
