from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli import bench as command
from quicgw_fast.cli.load.plan import LoadPlan
from quicgw_fast.cli.load.processor_time import ProcessorTime
from quicgw_fast.cli.load.run import Wanted, bench
from quicgw_fast.errors import StartupError
from tests.cli.process import PATIENCE, Gateway, assert_one_sentence, environment, in_process, stats, until
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.proto import service_pb2 as pb
    from tests.support.world import World, WorldMaker

SHORT = ("--warm-up", "100ms", "--duration", "400ms")
LONGER = ("--duration", "2s")
"""Where something has to come while it is measured, also on a machine that is busy with other things."""


def load(gateway: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("bench", gateway.quic, "--insecure", *SHORT, *arguments)


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["kind"] == "bench", done
    return found


def test_a_closed_loop(dev: Gateway) -> None:
    done = load(dev, "--sessions", "4", "--quiet", *LONGER)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "4 sessions, 1 in flight each, echo of 128 bytes, 2.0 s measured"
    for label in ("requests/s, replied", "latency p50 ms", "latency p99.9 ms", "latency max ms", "login p50 ms"):
        assert any(line.startswith(label) for line in lines), done.stdout
    assert "VIOLATIONS" not in done.stdout


def test_what_came_is_acknowledged_before_the_sessions_end(dev: Gateway) -> None:
    """Else a gateway would count it as lost, and whoever watches it would look for a fault."""
    before = stats(dev)["accounts"]["responses"]
    assert load(dev, "--sessions", "3", "--quiet").returncode == 0
    until(lambda: not stats(dev)["accounts"]["responses"]["open"])
    after = stats(dev)["accounts"]["responses"]
    assert after["accepted"] > before["accepted"]
    assert after["lost"] == before["lost"]


def test_json_has_all_that_the_table_has_and_more(dev: Gateway) -> None:
    # A service that takes its time keeps a fast machine below the limit of messages per second.
    slow = ("--action", "sleep", "--param", "ms=20")
    found = figures(load(dev, "--sessions", "3", "--in-flight", "2", *slow, "--json", "--quiet"))
    assert found["plan"]["sessions"] == 3
    assert found["plan"]["in_flight"] == 2
    latency = found["latency_ms"]
    assert found["requests"] == latency["count"] > 0
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert latency["distribution"][-1] == [1.0, pytest.approx(latency["max"], rel=0.01)]
    assert found["logins_ms"]["count"] == 3
    assert found["rate"] == found["replies"] / found["seconds"]
    assert (found["violations"], found["errors"], found["closed"], found["unanswered"]) == (0, {}, {}, 0)


def test_every_request_that_is_measured_is_in_exactly_one_of_the_figures(dev: Gateway) -> None:
    """Also where some are refused: one session of a gateway with ordinary limits asks for more than they allow."""
    found = figures(load(dev, "--sessions", "1", "--rate", "2000", "--json", "--quiet"))
    assert found["errors"]["429"] > 0
    assert found["refusals_ms"]["count"] == sum(found["errors"].values()) + sum(found["answers"].values())
    assert found["requests"] == found["latency_ms"]["count"] + found["refusals_ms"]["count"]
    assert found["total"]["sent"] == found["total"]["replies"]
    assert (found["unanswered"], found["closed"]) == (0, {})


def test_an_open_loop_offers_what_it_was_told_to(dev: Gateway) -> None:
    found = figures(load(dev, "--sessions", "5", "--rate", "100", "--json", "--quiet"))
    assert found["plan"]["rate"] == 100
    assert found["requests"] == pytest.approx(40, abs=3)
    assert found["latency_ms"]["count"] == found["requests"]
    assert found["lateness_ms"]["count"] == found["requests"]


async def test_latency_of_an_open_loop_counts_from_when_a_request_was_meant_to_leave(world: World) -> None:
    """The service stands still once: what was to be asked meanwhile waited, too, and is not left out."""
    seen = 0

    async def stall_once(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        nonlocal seen
        seen += 1
        if seen == 20:
            await asyncio.get_running_loop().run_in_executor(None, stop_self_for_a_moment)
        return answer(request, data=request.data)

    world.zone.on("echo", stall_once)
    # One client: all requests leave when everybody is there, so that all are measured.
    found = await measure(world, clients=[("one", "")], rate=100.0, duration=1.0)
    # 0.3 s of 1 s: without those that were to leave meanwhile, one request of 100 would be slow.
    assert found["requests"] == pytest.approx(100, abs=3)
    assert found["latency_ms"]["p90"] > 50


def stop_self_for_a_moment() -> None:
    """Hold up the test's event loop, and so gateway and service, for 0.3 s; the load generator has its own thread."""
    import ctypes

    ctypes.PyDLL(None).usleep(300_000)  # keeps the interpreter's lock


async def measure(world: World, **changes: Any) -> dict[str, Any]:
    """Run a plan against a gateway in this loop and return what was printed."""
    host, port = world.address
    usual: dict[str, Any] = {
        "host": host,
        "port": port,
        "server_name": host,
        "authorities": None,
        "clients": [(f"bench-{number}", "") for number in range(4)],
        "sockets": 1,
        "in_flight": 1,
        "rate": None,
        "actions": [("echo", 1)],
        "payloads": [(64, 1)],
        "params": [],
        "ramp": 0.0,
        "warm_up": 0.0,
        "duration": 0.3,
        "connect_timeout": 10.0,
        "reply_timeout": 10.0,
    }
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quicgw_fast.cli.load.run.say_json", lambda _, found: printed.append(json.dumps(found)))
        status = await bench(LoadPlan(**{**usual, **changes}), Wanted(True, True, None, None))
    found: dict[str, Any] = json.loads(printed[0])
    return {"status": status, **found}


def test_a_mix_with_bound_notifies(dev: Gateway) -> None:
    mix = ("--action", "before", "--action", "after", "--action", "echo=2", "--param", "count=2")
    sizes = ("--payload", "16=3", "--payload", "4KiB")
    found = figures(load(dev, "--sessions", "3", *mix, *sizes, *LONGER, "--json", "--quiet"))
    assert found["violations"] == 0, found["violation_texts"]
    assert found["notifies"] > 0
    assert found["plan"]["actions"] == [["before", 1], ["after", 1], ["echo", 2]]
    assert found["plan"]["payloads"] == [[16, 3], [4096, 1]]


def test_errors_are_told_by_code(dev: Gateway) -> None:
    found = figures(load(dev, "--sessions", "1", "--action", "fail", "--param", "code=418", "--json", "--quiet"))
    assert list(found["answers"]) == ["418"]
    assert found["refusals_ms"]["count"] == found["requests"] > 0
    assert found["latency_ms"] == {"count": 0}
    failed = load(dev, "--sessions", "1", "--action", "fail", "--param", "grpc=1", "--quiet")
    assert failed.returncode == 0
    assert "errors 500 of the gateway" in failed.stdout


async def test_a_session_that_sends_too_much_rests_as_it_is_told_to(make_world: WorldMaker) -> None:
    world = await make_world(limits={"messages_per_second": 20.0, "message_burst": 5})
    found = await measure(world, duration=0.5)
    assert found["status"] == 0
    assert 0 < found["errors"]["429"] < 100
    assert found["closed"] == {}


async def other_data(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
    return answer(request, data=request.data[:-1] + b"?")


async def test_an_echo_that_is_none_is_a_violation(world: World) -> None:
    world.zone.on("echo", other_data)
    found = await measure(world)
    assert found["status"] == 1
    assert found["violations"] == found["total"]["replies"] > 0
    assert "the answer to request 2 is not what was sent: 64 bytes left, 64 came back" in found["violation_texts"][0]
    assert found["violation_texts"][0].startswith("session bench-")


async def test_notifies_that_a_service_promises_and_does_not_push_are_a_violation(world: World) -> None:
    async def promise(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        return answer(request, data=request.data, headers={"pushed": "2"})

    world.business.on("before", promise)
    found = await measure(world, actions=[("before", 1)])
    assert found["status"] == 1
    assert "0 notifies came directly before the reply to request 2, 2 were pushed" in found["violation_texts"][0]


async def test_a_request_without_a_reply_is_a_violation(world: World) -> None:
    gate = world.zone.hold("echo")
    found = await measure(world, duration=0.1, reply_timeout=0.2)
    gate.open()
    assert (found["status"], found["unanswered"], found["violations"]) == (1, 4, 4)
    assert "request 2 has no reply" in found["violation_texts"][0]


async def test_sessions_that_are_closed_are_told(world: World) -> None:
    stopping: list[asyncio.Task[None]] = []

    async def end(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        stopping.append(asyncio.create_task(world.gateway.stop()))
        raise Rejected

    world.zone.on("echo", end)
    found = await measure(world, clients=[("one", "")], duration=5.0)
    await asyncio.gather(*stopping)
    assert found["status"] == 1
    assert found["closed"] == {"DRAINING": 1}


async def test_clients_that_only_stay_send_heartbeats(make_world: WorldMaker) -> None:
    world = await make_world(session={"timeout": "2s", "heartbeat_interval": "1s"})
    found = await measure(world, rate=0.0, duration=2.5)
    assert (found["status"], found["closed"], found["requests"]) == (0, {}, 0)


def test_the_processor_time_of_the_gateway_is_told(dev: Gateway) -> None:
    pid = str(dev.process.pid)
    done = load(dev, "--sessions", "4", "--duration", "1s", "--pid", pid, "--json", "--quiet")
    cpu = figures(done)["cpu"]
    assert cpu["gateway_us"] > 0
    assert cpu["generator_us"] > 0
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert_one_sentence(load(dev, "--pid", str(gone.pid)), "--pid", str(gone.pid))


def test_the_time_of_children_counts() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    nothing = ProcessorTime(os.getpid()).seconds()
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert ProcessorTime(os.getpid()).seconds() - nothing >= 0.15
        child.communicate(b"\n")


def test_a_saved_run_stands_beside_this_one(dev: Gateway, tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    saved.write_text(load(dev, "--sessions", "2", "--json", "--quiet").stdout)
    done = load(dev, "--sessions", "2", "--compare", str(saved), "--quiet")
    assert done.returncode == 0
    assert "this run         saved    ratio" in done.stdout
    (row,) = (line.split() for line in done.stdout.splitlines() if line.startswith("latency p50"))
    assert float(row[3]) / float(row[4]) == pytest.approx(float(row[5]), rel=0.05)
    both = figures(load(dev, "--sessions", "2", "--compare", str(saved), "--quiet", "--json"))
    assert both["ratios"]["latency_ms.p50"] > 0


def test_what_is_no_saved_run(dev: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    for text in ("junk", "[]", "{}"):
        file.write_text(text)
        assert_one_sentence(load(dev, "--compare", str(file)), "--compare", "quicgw bench --json")
    assert_one_sentence(load(dev, "--compare", str(tmp_path / "none")), "--compare", "No such file")


def test_progress_is_plain_where_no_terminal_is(dev: Gateway) -> None:
    done = load(dev, "--sessions", "2")
    phases = [line.split()[0] for line in done.stderr.splitlines()]
    assert phases[-1] == "over"
    assert "2/2 sessions" in done.stderr
    assert "\x1b" not in done.stderr


def test_ctrl_c_ends_it_with_what_there_is(dev: Gateway) -> None:
    arguments = ["bench", dev.quic, "-k", "--sessions", "2", "--warm-up", "0", "--duration", "60s"]
    with subprocess.Popen(
        [sys.executable, "-m", "quicgw_fast", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("measure"):
            pass
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "2 sessions, 1 in flight each" in said
    assert "latency p50 ms" in said
    assert "VIOLATIONS" not in said


def test_a_ramp_spreads_the_beginnings(dev: Gateway) -> None:
    found = figures(load(dev, "--sessions", "3", "--ramp", "300ms", "--json", "--quiet"))
    assert found["logins_ms"]["count"] == 3
    assert found["plan"]["ramp"] == 0.3


def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert_one_sentence(in_process("bench", address, "-kq"), "nothing listens", address, "ADDRESS names another one")


def test_no_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = in_process("bench", address, "-k", "-q", "--connect-timeout", "300ms", "--json")
    assert done.returncode == 3
    assert "no answer from" in json.loads(done.stdout)["message"]


def test_the_certificate_is_verified(dev: Gateway, tmp_path: Path) -> None:
    assert_one_sentence(in_process("bench", dev.quic, "-q"), "certificate", "--ca", "--insecure")
    ca = dev.log("certificate made")["file"]
    trusted = in_process("bench", dev.quic, "-q", *SHORT, "--ca", ca, "--sessions", "1")
    assert trusted.returncode == 0, trusted.stderr
    junk = tmp_path / "ca.pem"
    junk.write_text("junk")
    assert_one_sentence(in_process("bench", dev.quic, "-q", "--ca", str(junk)), "ca.pem", "--ca")


async def test_a_gateway_that_wants_tokens(make_world: WorldMaker, tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    key.write_text("s" * 64)
    key.chmod(0o600)
    world = await make_world(auth={"mode": "jwt", "algorithms": ["HS256"], "key_file": str(key)})
    with pytest.raises(StartupError, match="START or hello was refused: 401"):
        await measure(world)
    found = await measure(world, clients=command.clients("somebody", 2, key))
    assert (found["status"], found["logins_ms"]["count"]) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--action", "echo=0"), "weight"),
        (("--action", ""), "cannot be measured"),
        (("--action", "Hello"), "cannot be measured"),
        (("--payload", "2MiB"), "more than a message may hold"),
        (("--payload", "x"), "not a valid size"),
        (("--payload", "5=x"), "weight"),
        (("--ca", "x.pem"), "--insecure"),
        (("--rate", "nan"), "must be a number from 0"),
        (("--rate", "-1"), "must be a number from 0"),
        (("--rate", "5", "--in-flight", "1"), "--in-flight"),
        (("--openid", ""), "is empty"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], fragment: str) -> None:
    done = in_process("bench", "127.0.0.1:1", "-k", *arguments)
    assert done.returncode == 2
    assert fragment in done.stderr


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid(), 1], ids=["own", "parent", "first"])
def test_a_process_that_has_started_the_load_is_no_gateway(pid: int) -> None:
    assert_one_sentence(in_process("bench", "127.0.0.1:1", "-k", "--pid", str(pid)), f"process {pid} has started")


def test_a_build_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("quicgw_fast._core.LoadRun")
    assert_one_sentence(in_process("bench", "127.0.0.1:1", "-k"), "not in this build", "make setup")
