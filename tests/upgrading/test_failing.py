"""What becomes of an upgrade when one of the two processes cannot start, or dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from tests.cli.process import in_process
from tests.support import wire
from tests.support.gateway_process import is_alive
from tests.support.parts import Parts
from tests.upgrading.generations import WITHIN, Generations

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient

FAST = Parts("rust", "quinn", "native")
PACED = "[drain]\npace = 1\n"
"""Clients go one after the other, so slowly that there is time for something to happen."""


async def works(client: RawClient) -> bool:
    return wire.business(await client.call("echo", within=WITHIN)).code == 200


def folders() -> set[Path]:
    """What upgrades of this user have left."""
    return set(Path(os.environ.get("TMPDIR", "/tmp")).glob("quicgw-*"))


async def test_a_configuration_that_is_wrong_leaves_the_old_process_serving(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with Generations(Parts(), tmp_path, certificate) as gateway:
        client = await gateway.online("alice")
        text = gateway.config.read_text()
        for wrong, told in (
            (text + "\n[session]\ntimeout = 0\n", "session.timeout"),
            (
                text.replace('quic = "127.0.0.1:0"', 'quic = "127.0.0.1:1"'),
                'server.quic = "127.0.0.1:1" needs a restart',
            ),
            (text.replace(str(certificate[1]), str(tmp_path / "absent.pem")), "absent.pem"),
        ):
            gateway.config.write_text(wrong)
            done = await asyncio.to_thread(in_process, "upgrade", "--admin", gateway.process.ready.admin)
            assert (done.returncode, told in done.stdout) == (1, True), done
            assert await works(client)
        gateway.config.write_text(text)
        assert client.closed is None
        assert (await gateway.ask("GET", "/upgrade"))[1]["pid"] == gateway.process.pid
        command = "upgrade", "--admin", gateway.process.ready.admin, "--wait", "--json"
        done = await asyncio.to_thread(in_process, *command)
        told = json.loads(done.stdout)
        gateway.pids.append(told["pid"])
        assert (done.returncode, told["sessions"], told["ended_after"] > 0) == (0, 1, True)
        await gateway.ended(gateway.process.pid)
        assert await works(await gateway.back(client))
    assert not [folder for folder in folders() if (folder / f"process-{gateway.process.pid}").exists()]


async def test_the_old_process_goes_on_when_its_successor_dies(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with Generations(FAST, tmp_path, certificate, PACED) as gateway:
        stays = [await gateway.online(f"c{number}") for number in range(3)]
        held = gateway.service.hold("echo")
        for client in stays:
            client.business("echo", data=b"held")
        await gateway.service.wait_requests(3, "echo")
        await gateway.upgrade()
        await gateway.until(lambda: any(client.closed for client in stays), "the first to be sent on")
        gone = next(client for client in stays if client.closed)
        at_successor = await gateway.back(gone)
        os.kill(gateway.pids.pop(), signal.SIGKILL)
        await gateway.logged("successor ended early")

        # Whoever is still at the old process has noticed nothing; whoever had gone is told that its session is lost.
        await gateway.until(lambda: gateway.process.status is None, "the old process")
        held.open()
        for client in stays:
            if client is not gone:
                assert wire.business(await client.reply(client.next_msg - 1)).data == b"held"
                assert await works(client)
        started = at_successor.started
        assert started is not None
        again = await gateway.online("fresh")
        assert await works(again)
        lost = await gateway.online(gone.openid, session_id=started.connection_id, epoch=started.epoch)
        assert lost.started is not None
        assert not lost.started.resumed
        assert lost.started.reset_reason

        # And so it can be tried again.
        await gateway.upgraded()
        assert await works(await gateway.back(again))


async def test_a_successor_goes_on_alone_when_the_old_process_is_killed(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with Generations(Parts(), tmp_path, certificate, PACED) as gateway:
        clients = [await gateway.online(f"c{number}") for number in range(3)]
        held = gateway.service.hold("echo")
        for client in clients:
            client.business("echo", data=b"held")
        await gateway.service.wait_requests(3, "echo")
        await gateway.upgrade()
        await gateway.until(lambda: any(client.closed for client in clients), "the first to be sent on")
        gone = next(client for client in clients if client.closed)
        saved = await gateway.back(gone)
        gateway.process.signal(signal.SIGKILL)
        await gateway.logged("predecessor ended early")
        held.open()

        # What had arrived goes on; of its request nobody knows whether it ran.
        unknown = await saved.reply(gone.next_msg - 1)
        assert wire.error(unknown).error_code == 500
        assert await works(saved)
        for client in clients:
            if client is not gone:
                assert client.started is not None
                named = {"session_id": client.started.connection_id, "epoch": client.started.epoch}
                again = await gateway.online(client.openid, **named)
                assert again.started is not None
                assert again.started.reset_reason
                assert await works(again)
        await gateway.upgraded()
        assert await works(await gateway.back(saved))


async def test_a_signal_to_the_old_process_ends_an_upgrade_early(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """It gives what it has at once, and the successor goes on."""
    async with Generations(Parts(), tmp_path, certificate, PACED) as gateway:
        clients = [await gateway.online(f"c{number}") for number in range(3)]
        await gateway.upgrade()
        gateway.process.terminate()
        for client in clients:
            assert await works(await gateway.back(client))
            assert client.closed is not None
            assert client.closed.code == CloseCode.DRAINING
        await gateway.ended(gateway.pids[0])


async def test_a_stop_of_the_successor_ends_both(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with Generations(Parts(), tmp_path, certificate, PACED) as gateway:
        for number in range(3):
            await gateway.online(f"c{number}")
        await gateway.upgrade()
        assert (await gateway.ask("POST", "/drain"))[0] == 200
        for pid in gateway.pids:
            await gateway.ended(pid)
        assert not gateway.log("successor ended early")


async def test_a_stop_while_the_successor_starts_leaves_nobody_behind(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with Generations(Parts(), tmp_path, certificate) as gateway:
        gateway.process.signal(signal.SIGUSR2)
        await gateway.until(lambda: bool(children(gateway.process.pid)), "a successor")
        (successor,) = children(gateway.process.pid)
        gateway.process.terminate()
        await gateway.ended(gateway.process.pid)
        assert not is_alive(successor)


def children(pid: int) -> list[int]:
    """Those of all its threads."""
    found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for each in found for child in each]
