"""Configurations of whole gateways, and the fixtures of a world around one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import config as configs
from tests.support.fixtures import certificate, make_world, parts, quick_end_of_the_admin_pages, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quicgw_fast.config import Config

__all__ = ["certificate", "make_world", "parts", "quick_end_of_the_admin_pages", "world"]

FREE = "127.0.0.1:0"


@pytest.fixture
def config(certificate: tuple[Path, Path]) -> Callable[..., Config]:
    """Read a configuration on free ports, with the given tables added."""

    def read(**sections: dict[str, Any]) -> Config:
        tables: dict[str, dict[str, Any]] = {
            "server": {"quic": FREE, "grpc": FREE, "admin": FREE},
            "tls": dict(zip(("cert", "key"), certificate, strict=True)),
        }
        for name, section in sections.items():
            tables[name] = {**tables.get(name, {}), **section}
        return configs.read(overrides=tables)

    return read
