"""Connection ids for a balancer, from one process to the next, and from one configuration of theirs to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import wire
from tests.support.quic_lb import Reader
from tests.upgrading.pair import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

SERVER_ID = "0a01"


def first_bytes(client: RawClient, reader: Reader | None) -> set[int]:
    """With what the ids of the client's connection begin; each can be read by ``reader``, if there is one."""
    quic = client._quic
    cids = {quic._peer_cid.cid, *(each.cid for each in quic._peer_cid_available)}
    if reader is not None:
        assert {reader.server_id(cid) for cid in cids} == {bytes.fromhex(SERVER_ID)}
    return {cid[0] for cid in cids}


async def test_ids_change_with_the_process(parts: Parts, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Each successor gets what is its own, whatever ids the process before it has given."""
    (key := tmp_path / "quic-lb.key").write_text("8f95f09245765f80256934e50c66207f\n")
    key.chmod(0o600)
    secret = bytes.fromhex(key.read_text())
    steps = (
        ({"server_id": SERVER_ID, "key_file": str(key)}, Reader(0, 2, 8, secret)),
        ({"server_id": SERVER_ID, "nonce_length": 14, "key_file": str(key), "config_id": 6}, Reader(6, 2, 14, secret)),
        ({"server_id": SERVER_ID, "nonce_length": 4, "config_id": 6}, Reader(6, 2, 4)),
        (None, None),
    )
    async with Pair(parts, certificate) as pair:
        client = await pair.online("alice")
        marks = [{byte % 32 for byte in first_bytes(client, None)}]
        for number, (table, reader) in enumerate(steps):
            pair.tables = {} if table is None else {"server": {"connection_ids": "quic-lb"}, "quic_lb": table}
            await pair.upgrade()
            client = await pair.back(client)
            marks.append({byte % 32 for byte in first_bytes(client, reader)})
            await client.rebind()
            assert wire.business(await client.call("echo")).code == 200
            await pair.ended(number)
    assert marks == [{mark} for mark in range(len(steps) + 1)]
