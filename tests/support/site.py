"""A deployed gateway: a configuration file with its certificate and keys, a real process, and clients that call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization

from tests.support import raw_client, toy_server, wire
from tests.support.gateway_process import GatewayProcess
from tests.support.world import PLENTY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from cryptography import x509

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient
    from tests.support.raw_upstream import RawUpstream

FREE = "127.0.0.1:0"


def toml(tables: dict[str, dict[str, Any]]) -> str:
    """Strings, numbers, booleans and lists are written in TOML as in JSON."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def replace(path: Path, data: bytes) -> None:
    """Put other content in the place of a file, as careful programs do: nobody ever sees half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)


class Site:
    """The files of one gateway. ``tables`` is what its configuration says; ``write`` puts that in the file."""

    def __init__(self, folder: Path, upstream: RawUpstream, /, **tables: dict[str, Any]) -> None:
        self.config, self.cert, self.key = folder / "gateway.toml", folder / "cert.pem", folder / "key.pem"
        services = {name: [upstream.address] for name in ("hello", "business", "zone")}
        self.tables: dict[str, dict[str, Any]] = {
            "server": {"quic": FREE, "grpc": FREE, "admin": FREE, "watch": "0s"},
            "tls": {"cert": str(self.cert), "key": str(self.key)},
            "upstream": services,
            "limits": {**PLENTY, "auth_failures_per_minute": 1000},
            "log": {"format": "json"},
        }
        for name, table in tables.items():
            self.tables[name] = {**self.tables.get(name, {}), **table}
        self.certificate = self.renew()
        self.write()

    def write(self) -> None:
        """Put the tables in the file."""
        replace(self.config, toml(self.tables).encode())

    def renew(self) -> x509.Certificate:
        """Put another certificate and its key in their files, one after the other; return the certificate."""
        self.certificate, key = toy_server.certificate()
        replace(self.cert, self.certificate.public_bytes(serialization.Encoding.PEM))
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        replace(self.key, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return self.certificate

    def serve(self, parts: Parts, *arguments: str) -> GatewayProcess:
        """The process, not started; makers are in the file."""
        for name, table in parts.tables.items():
            self.tables[name].update(table)
        self.write()
        return GatewayProcess("serve", "--config", str(self.config), *arguments, parts=parts)


async def ask(gateway: GatewayProcess, path: str, method: str = "GET") -> tuple[int, Any]:
    """Ask the admin pages; returns the status and the JSON."""

    def asked() -> tuple[int, Any]:
        request = urllib.request.Request(f"http://{gateway.ready.admin}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(asked)


async def reload(gateway: GatewayProcess) -> Any:
    """Have it reload, which must work; returns what changed."""
    status, answer = await ask(gateway, "/reload", "POST")
    assert status == 200, answer
    return answer


async def counted(gateway: GatewayProcess, name: str, kind: str = "counters") -> Any:
    """One number of /stats."""
    return (await ask(gateway, "/stats"))[1][kind][name]


async def logged(gateway: GatewayProcess, event: str, count: int = 1) -> list[dict[str, object]]:
    """Wait until the log has so many lines of an event, and return them."""

    def lines() -> list[dict[str, object]]:
        written = (json.loads(line) for line in gateway.errors.splitlines() if line.startswith("{"))
        return [line for line in written if line["event"] == event]

    await wire.until(lambda: len(lines()) >= count, what=f"{event} in the log")
    return lines()


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until what is asked over the network holds; ``what`` is for who reads the test."""
    del what
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def shown(gateway: GatewayProcess) -> x509.Certificate:
    """The certificate that a new client is shown."""
    async with await raw_client.connect(*gateway.ready.quic) as client:
        return client.peer_certificate


async def online(gateway: GatewayProcess, openid: str, token: str = "") -> RawClient:
    """A client that has logged in."""
    client = await raw_client.connect(*gateway.ready.quic)
    answer = await client.start(openid, token)
    assert answer.success, answer.error
    assert wire.business(await client.hello()).code == 200
    return client


class Callers:
    """Clients that call all the time; every reply is counted, and none may be missing, wrong or out of order."""

    def __init__(self, clients: list[RawClient]) -> None:
        self.clients = clients
        self.answered = 0
        self._stop = False

    async def call(self, client: RawClient) -> None:
        """Call, wait for the reply, and call again."""
        while not self._stop:
            data = f"{client.openid} {client.next_seq}".encode()
            reply = wire.business(await client.call("echo", data=data))
            assert (reply.code, reply.data) == (200, data)
            self.answered += 1

    async def more(self, count: int = 20) -> None:
        """Wait for so many more replies."""
        wanted = self.answered + count
        await wire.until(lambda: self.answered >= wanted, what="more replies")


@contextlib.asynccontextmanager
async def calling(
    gateway: GatewayProcess, count: int = 8, token_of: Callable[[str], str] = lambda _: ""
) -> AsyncIterator[Callers]:
    """Clients at work during the block, which nothing in it may disturb."""
    names = [f"caller-{number}" for number in range(count)]
    callers = Callers([await online(gateway, name, token_of(name)) for name in names])
    async with asyncio.TaskGroup() as group:
        for client in callers.clients:
            group.create_task(callers.call(client))
        yield callers
        callers._stop = True
    for client in callers.clients:
        assert client.closed is None, client.closed
        client.assert_gap_free()
        await client.close()
