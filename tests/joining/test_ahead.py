"""What a node cannot start with it finds out before the others hear of it."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import Config
from quicgw_fast.errors import ConfigError, StartupError
from quicgw_fast.gateway import Gateway

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.directory_server import DirectoryServer

FREE = "127.0.0.1:0"


async def not_started(caplog: pytest.LogCaptureFixture, **tables: dict[str, Any]) -> str:
    """Why a gateway did not start, which joined nothing."""
    caplog.set_level(logging.INFO, "quicgw")
    gateway = Gateway(Config.model_validate(tables), dev=True)
    with pytest.raises(StartupError) as error:
        await gateway.start()
    assert "cluster joined" not in caplog.messages
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "kind"), [("quic", socket.SOCK_DGRAM), ("grpc", socket.SOCK_STREAM), ("admin", socket.SOCK_STREAM)]
)
async def test_a_port_that_is_taken(
    caplog: pytest.LogCaptureFixture,
    certificate: tuple[Path, Path],
    empty_server: DirectoryServer,
    key: str,
    kind: socket.SocketKind,
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = {"quic": FREE, "grpc": FREE, "admin": FREE, key: address}
        tls = dict(zip(("cert", "key"), certificate, strict=True))
        told = await not_started(caplog, server=server, tls=tls, cluster={"url": empty_server.url})
    assert address in told
    assert f"server.{key}" in told


async def test_a_certificate_that_is_not_there(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, empty_server: DirectoryServer
) -> None:
    server = {"quic": FREE, "grpc": FREE, "admin": FREE}
    tls = {"cert": tmp_path / "absent.pem", "key": tmp_path / "absent.key"}
    assert "absent.pem" in await not_started(caplog, server=server, tls=tls, cluster={"url": empty_server.url})
    assert "tls.cert and tls.key are not set" in await not_started(
        caplog, server=server, cluster={"url": empty_server.url}
    )


async def test_a_reset_key_that_cannot_be_had(
    caplog: pytest.LogCaptureFixture, certificate: tuple[Path, Path], tmp_path: Path, empty_server: DirectoryServer
) -> None:
    server = {"quic": FREE, "grpc": FREE, "admin": FREE, "reset_key_file": tmp_path / "no-folder" / "reset.key"}
    (tmp_path / "no-folder").touch()
    tls = dict(zip(("cert", "key"), certificate, strict=True))
    told = await not_started(caplog, server=server, tls=tls, cluster={"url": empty_server.url})
    assert "server.reset_key_file" in told


def test_a_configuration_that_was_not_loaded_is_judged_all_the_same(empty_server: DirectoryServer) -> None:
    config = Config.model_validate({"cluster": {"url": empty_server.url}, "session": {"devices": 2}})
    with pytest.raises(ConfigError, match=r"cluster\.url, session\.devices: several devices"):
        Gateway(config, dev=True)
