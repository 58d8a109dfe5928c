"""Values as people write them: durations, sizes and addresses."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?", re.ASCII)
_BYTES = {"B": 1, None: 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_duration(value: object) -> object:
    """Turn ``"30s"``, ``"5m"``, ``"250ms"`` or a number into float seconds; ValueError says the forms."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is no duration; write for example 250ms, 30s, 5m or 2h")
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is no duration; write for example 250ms, 30s, 5m or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(value: object) -> object:
    """Turn ``"1MiB"``, ``"64KiB"`` or a number of bytes into an int; ValueError says the forms."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is no size; write for example 4096, 64KiB, 1MiB or 2GiB")
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is no size; write for example 4096, 64KiB, 1MiB or 2GiB")
    return int(match[1]) * _BYTES[match[2]]


def split_address(value: str) -> tuple[str, int]:
    """Split ``host:port`` (IPv6 in brackets) into its parts; ValueError when it is not of that form."""
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is no address; write HOST:PORT, for example 127.0.0.1:8443")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """Write an address as ``host:port``, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _checked_address(value: str) -> str:
    split_address(value)
    return value


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Address = Annotated[str, AfterValidator(_checked_address)]
Count = Annotated[int, Field(ge=1)]
