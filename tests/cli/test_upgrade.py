from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.cli.process import assert_one_sentence, in_process

if TYPE_CHECKING:
    from tests.support.world import WorldMaker


async def test_a_gateway_inside_of_another_program_has_no_successor(make_world: WorldMaker) -> None:
    """``tests/upgrading`` has those that have one."""
    world = await make_world()
    admin = world.gateway.addresses.admin
    done = await asyncio.to_thread(in_process, "upgrade", "--wait", "--admin", admin)
    told = "refused: only quicgw serve on Linux can have a successor; restart that program\n"
    assert (done.returncode, done.stdout) == (1, told)
    done = await asyncio.to_thread(in_process, "upgrade", "--json", "--admin", admin)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "EMBEDDED")


def test_an_address_with_nobody() -> None:
    assert_one_sentence(in_process("upgrade", "--admin", "127.0.0.1:9"), "--admin")
