"""What ``--json`` prints, of all commands alike: objects with a version, with everything that people are shown."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.app import command_line
from quicgw_fast.cli.promised import WIDEST, PromisedCommand
from quicgw_fast.client import connect
from tests.cli.process import quicgw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.process import Gateway

LINES = {
    "audit": "--admin {admin} --output {folder}/audit-{how}.tar.gz",
    "bench": "{quic} -k --sessions 1 --duration 100ms --warm-up 0",
    "call": "echo --data hello -k --server {quic} --openid json",
    "check": "--admin {admin} --over 10ms",
    "checkconfig": "{folder}/gateway.toml",
    "cluster status": "",  # of its own in joining/test_status.py: it takes a cluster
    "config": "--config {folder}/gateway.toml",
    "doctor": "--config {folder}/gateway.toml",
    "drain": "",  # of its own in test_drain.py: nothing is left of a gateway behind it
    "events": "--gateway {grpc} --openid watched --kind attached",
    "gencert": "--out {folder}/certs-{how}",
    "group join": "g --member openid:watched --gateway {grpc}",
    "group leave": "g --member openid:watched --gateway {grpc}",
    "group list": "--admin {admin}",
    "group members": "g --gateway {grpc}",
    "group push": "g --content hello --gateway {grpc}",
    "kick": "openid:nobody --admin {admin}",
    "push batch": "{folder}/pushes --gateway {grpc}",
    "push broadcast": "--content hello --gateway {grpc}",
    "push unicast": "--to openid:nobody --content hello --gateway {grpc}",
    "reload": "--admin {admin}",
    "repl": "",  # of its own in test_repl.py: it talks
    "session": "openid:watched --admin {admin}",
    "sessions": "--admin {admin}",
    "top": "{admin} --once",
    "upgrade": "",  # of its own in test_upgrade.py and tests/upgrading: it is about two processes
    "version": "",
}
"""How each is called; those that are tested elsewhere are not."""
SHOWN: dict[str, tuple[str, ...]] = {
    "doctor": ("checks.found", "checks.remedy"),
    "sessions": ("sessions.id", "sessions.openid", "sessions.address"),
    "session": ("id", "openid", "events.kind", "events.outcome"),
    "audit": ("members.name", "missing.why"),
    "version": ("release", "engine", "transport", "upstream_client", "python"),
}
"""What people are shown, by where it is in the object."""


def commands() -> Iterator[tuple[str, Any]]:
    """All commands with their names, those of groups as well."""
    for one in command_line().commands.values():
        assert isinstance(one, PromisedCommand)
        kept = one.keep(WIDEST)
        for name, inner in getattr(kept, "commands", {"": kept}).items():
            yield f"{one.name} {name}".strip(), inner


def test_every_command_with_the_option_is_looked_at() -> None:
    with_option = {name for name, command in commands() if any("--json" in param.opts for param in command.params)}
    assert with_option == set(LINES)


def line(name: str, gateway: Gateway, folder: Path, how: str) -> list[str]:
    (folder / "gateway.toml").write_text('server.admin = "127.0.0.1:0"\n[log]\nlevel = "error"\n')
    (folder / "pushes").write_text('{"target_type": "openid", "target_id": "nobody"}\n')
    addresses = {"admin": gateway.admin, "grpc": gateway.grpc, "quic": gateway.quic}
    return [*name.split(), *shlex.split(LINES[name].format(folder=folder, how=how, **addresses))]


def found(document: Any, path: str) -> Iterator[str]:
    """The values at a place like ``sessions.id``, of each element of a list."""
    key, _, rest = path.partition(".")
    for one in document if isinstance(document, list) else [document]:
        if rest:
            yield from found(one[key], rest)
        elif one[key] not in {"", None}:
            yield str(one[key])


@pytest.mark.parametrize(
    "name", sorted(name for name in LINES if name not in {"cluster status", "drain", "repl", "upgrade"})
)
async def test_objects_have_a_version_and_all_that_is_shown(dev: Gateway, tmp_path: Path, name: str) -> None:
    async with connect(dev.quic, openid="watched", insecure=True) as client:
        await client.call("echo")
        told = quicgw(*line(name, dev, tmp_path, "json"), "--json")
        objects = [json.loads(text) for text in told.stdout.splitlines()]
        assert objects, told.stderr
        assert all(one["version"] == 1 for one in objects)
        shown = quicgw(*line(name, dev, tmp_path, "text")) if name in SHOWN else None
    for path in SHOWN.get(name, ()):
        assert shown is not None
        values = list(found(objects[0], path))
        assert values or path == "missing.why", path
        assert not [value for value in values if value not in shown.stdout], shown.stdout
