"""``[cluster]``: one gateway out of many, which share a directory."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import Address, Form, duration, shown

_SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss", "unix", "sentinel")
_FORM: Final = "write for example valkey://127.0.0.1:6379 or sentinel://127.0.0.1:26379/service"
_DATABASE: Final = r"(/[0-9]{0,5})?"
"""The path of a server's URL: its database by number."""
_NAME: Final = r"[A-Za-z0-9_-]{1,64}"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        one_server = parts.scheme not in ("unix", "sentinel")
        usable = parts.scheme in _SCHEMES and (not one_server or (bool(parts.hostname) and parts.port != 0))
        usable = usable and (one_server or parts.path.strip("/") != "")
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{shown(url)} is no directory's URL; {_FORM}")
    if one_server and not re.fullmatch(_DATABASE, parts.path):
        why = "behind the address stands the number of the server's database, or nothing"
        raise ValueError(f"{shown(url)} is no directory's URL: {why}")
    return url


def _checked_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{shown(name)} is not a name; write up to 64 letters, digits, - and _")
    return name


DirectoryUrl = Annotated[str, AfterValidator(_checked_url), Form("URL", rf"^({'|'.join(_SCHEMES)})://[^ ]+$")]
PlainName = Annotated[str, AfterValidator(_checked_name), Form("name", rf"^{_NAME}$")]


class ClusterConfig(Section):
    """``[cluster]``: several gateways with one directory, Valkey or Redis, of who lives where; without ``url`` none."""

    url: Annotated[DirectoryUrl | None, Field(examples=["valkey://127.0.0.1:6379"])] = None
    """The directory, Valkey 8 or Redis 7 and newer: ``valkey://``, ``valkeys://`` (TLS), ``redis://``, ``rediss://``,
    ``unix://`` or ``sentinel://HOST:PORT,HOST:PORT/SERVICE``, with user and password before an ``@``. With ``/1``
    behind it that is the server's database 1, which knows nothing of what is in 0: the same for all gateways."""
    name: PlainName = "quicgw"
    """Of the cluster: gateways with the same one, in the same directory, are one. Its keys begin with it."""
    node_id: Annotated[PlainName | None, Field(examples=["gateway-1"])] = None
    """Of this gateway, and of no other; without it the machine's name."""
    listen: Address = "127.0.0.1:0"
    """Where this gateway listens for the others; port 0 takes any free one, which they learn from the directory. On an
    address that is not loopback ``secret_file`` or ``ca`` is needed."""
    advertise: Annotated[Address | None, Field(examples=["127.0.0.1:7000"])] = None
    """Where the others reach it, if that is not the address at which it listens; needed where that is a wildcard."""
    secret_file: Annotated[File | None, Field(examples=["cluster.secret"])] = None
    """A secret that all gateways of the cluster show each other; 16 characters at least."""
    ca: Annotated[File | None, Field(examples=["nodes-ca.pem"])] = None
    """Who signed the certificates of all gateways: with it they speak TLS, and each shows its own."""
    cert: Annotated[File | None, Field(examples=["node.pem"])] = None
    """This gateway's certificate, which names the host of ``advertise``."""
    key: Annotated[File | None, Field(examples=["node.key"])] = None
    """Its private key."""
    lease: Annotated[float, duration("200ms", "5m")] = 10.0
    """After so long without a sign of life a gateway counts as dead. It is given three in that time."""
    retain: Literal["memory", "replicated"] = "memory"
    """Where what clients are owed is kept: in the ``memory`` of their gateway, so that it dies with that; or
    ``replicated``, in the directory as well, before anybody is told of it: where one gateway is killed, another
    goes on. That costs each request two questions to the directory, and nothing goes on while it does not answer."""
    on_directory_loss: Literal["refuse", "accept"] = "refuse"
    """What a START gets whose openid is not here while the directory cannot be asked: ``refuse`` answers 503;
    ``accept`` lets it in, though it may live elsewhere: when the directory is back, the older of two sessions ends."""
