"""What a start finds out about the directory, each in a sentence: what, where, what to do."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import config as configs
from quicgw_fast.cli.doctor.directories import directory
from quicgw_fast.clock import SystemClock
from quicgw_fast.cluster.link import DirectoryUnusable
from quicgw_fast.cluster.node import ClusterNode
from quicgw_fast.cluster.peers import Alone
from quicgw_fast.config import ClusterConfig, Config
from quicgw_fast.observe import Metrics
from tests.support.directory_server import DirectoryServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


def node(url: str, lease: float = 10.0) -> ClusterNode:
    return ClusterNode(
        "node-1",
        ClusterConfig(url=url, lease=lease),
        SystemClock(),
        Metrics(),
        Alone(),
        about=dict,
        void=lambda claim: None,
        changed=lambda standing: None,
        dead_for=60.0,
    )


async def refusal(url: str, lease: float = 10.0) -> str:
    with pytest.raises(DirectoryUnusable) as told:
        await node(url, lease).start()
    return str(told.value)


@pytest.fixture
def locked_server() -> Iterator[DirectoryServer]:
    server = DirectoryServer(password="secret")
    server.start()
    yield server
    server.close()


def free_address() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


async def test_a_directory_that_is_not_there() -> None:
    address = free_address()
    told = await refusal(f"valkey://{address}")
    assert told.startswith(f"the directory valkey://{address} cannot be reached (")
    assert told.endswith("; start it, or change cluster.url")


async def test_a_database_that_is_not_there(empty_server: DirectoryServer) -> None:
    told = await refusal(f"{empty_server.url}/99")
    assert told.startswith(f"the directory {empty_server.url}/99 has no database of that number (DB index")
    assert told.endswith("; change the number in cluster.url, or leave it out")


@asynccontextmanager
async def somebody(says: bytes) -> AsyncIterator[str]:
    """A server of something else, which closes each connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(says)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_port_of_something_else() -> None:
    async with somebody(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        told = await refusal(f"valkey://{address}")
        assert told.startswith(f"what answers at valkey://{address} is neither Valkey nor Redis (")
        assert told.endswith("; change cluster.url")
        assert "start it with TLS and a certificate" in await refusal(f"valkeys://{address}")
    async with somebody(b"") as address:
        assert "see that Valkey or Redis listens there, without TLS" in await refusal(f"valkey://{address}")


async def test_a_server_without_tls(empty_server: DirectoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.cluster.link.START_WITHIN", 0.3)
    told = await refusal(f"valkeys://{empty_server.address}")
    assert "start it with TLS and a certificate that this machine trusts, or change cluster.url" in told


async def test_a_wrong_password_is_told_without_it(locked_server: DirectoryServer) -> None:
    told = await refusal(f"valkey://:wrong@{locked_server.address}")
    assert told.startswith(f"the directory valkey://***@{locked_server.address} refused us (")
    assert told.endswith("; look at the user and the password in cluster.url")
    assert "refused us" in await refusal(f"valkey://{locked_server.address}"), "and none at all"
    right = node(locked_server.url)
    await right.start()
    await right.stop()


async def test_by_a_socket_of_the_machine(empty_server: DirectoryServer) -> None:
    there = node(empty_server.socket_url)
    await there.start()
    await there.stop()


@asynccontextmanager
async def impostor(**about: str) -> AsyncIterator[str]:
    """Somebody who says of itself what the test wants."""
    told = {"redis_version": "7.2.4", "role": "master", "run_id": "r", **about}
    text = "".join(f"{name}:{value}\r\n" for name, value in told.items()).encode()

    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            for _ in range(data.count(b"*2\r\n$4\r\nINFO")):
                writer.write(b"$%d\r\n%s\r\n" % (len(text), text))
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await gone.wait()


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ({"redis_version": "6.2.14"}, "is redis 6.2.14, which is too old: Valkey 8 or Redis 7 is needed; upgrade it"),
        ({"server_name": "valkey", "valkey_version": "7.2.8"}, "is valkey 7.2.8, which is too old"),
        ({"cluster_enabled": "1"}, "cannot be spread; name a single server, or one with Sentinels"),
        ({"role": "slave"}, "is a replica); start it, or change cluster.url"),
    ],
)
async def test_a_directory_that_cannot_be_used(about: dict[str, str], found: str) -> None:
    async with impostor(**about) as url:
        assert found in await refusal(url)


async def test_a_lease_too_short_for_the_way(empty_server: DirectoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.cluster.node.ROUND_TRIPS", 1e6)
    told = await refusal(empty_server.url, 0.2)
    assert told.startswith("cluster.lease is 200ms, too short for this directory, where a renewal takes ")
    assert "; set it to " in told


def test_the_doctor_looks_at_it(empty_server: DirectoryServer) -> None:
    (found,) = directory(Config(cluster=ClusterConfig(url=empty_server.url)))
    assert (found.level, found.check) == ("ok", "directory")
    address = free_address()
    (missed,) = directory(Config(cluster=ClusterConfig(url=f"valkey://{address}")))
    assert (missed.level, missed.remedy) == ("problem", "start it, or change cluster.url")
    assert not list(directory(Config()))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:6379", "is no directory's URL"),
        ("http://127.0.0.1:6379", "is no directory's URL"),
        ("valkey://", "is no directory's URL"),
        ("valkey://127.0.0.1:6379/gateways", "the number of the server's database, or nothing"),
        ("valkey://127.0.0.1:6379/1/2", "the number of the server's database, or nothing"),
        ("sentinel://127.0.0.1:26379", "is no directory's URL"),
    ],
)
def test_a_url_that_is_none(tmp_path: Path, url: str, why: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[cluster]\nurl = "{url}"\n')
    with pytest.raises(configs.BadConfigError, match=why):
        configs.load(file)


def test_what_is_not_used_is_told() -> None:
    (told,) = configs.advice(Config(cluster=ClusterConfig(lease=5.0)))[-1:]
    assert told == "cluster.lease is not used: cluster.url is not set; set it to the directory's"
    assert not [
        told for told in configs.advice(Config(cluster=ClusterConfig(url="valkey://127.0.0.1:1"))) if "cluster" in told
    ]


def test_a_gateway_that_is_alone_imports_nothing_of_it() -> None:
    code = (
        "import sys, quicgw_fast.gateway, quicgw_fast.cli.app\n"
        "print([name for name in sys.modules if name.startswith(('valkey', 'quicgw_fast.cluster'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[]"
