"""What every maker of the placement promises."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.placement import HERE, Place, makers
from tests.cluster.town import Town
from tests.placement.slow import NextTurn
from tests.support.directory_server import DirectoryServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from quicgw_fast.placement import Answer, Placement

IN_TIME = 5.0
OPENIDS = ["alice", "ålice", "a" * 256, "a:b{c} d\n"]


@pytest.fixture(scope="module")
def directory_server() -> Iterator[DirectoryServer]:
    server = DirectoryServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=[*makers.MAKERS, "directory", "next turn"])
async def placement(request: pytest.FixtureRequest) -> AsyncIterator[Placement]:
    """The placement of a gateway that is alone, by each maker; and by one of the tests whose answers are futures.

    That of a directory is part of a node, which has to be started.
    """
    if request.param == "directory":
        server: DirectoryServer = request.getfixturevalue("directory_server")
        server.flush()
        town = Town(server.url, lease=10.0)
        yield (await town.join("alone")).node.placement
        await town.close()
    else:
        yield NextTurn() if request.param == "next turn" else makers.load(request.param).make_placement()


async def told(answer: Answer) -> Place:
    """The answer, whether it is there at once or later."""
    if isinstance(answer, Place):
        return answer
    async with asyncio.timeout(IN_TIME):
        return await answer


@pytest.mark.parametrize("openid", OPENIDS)
async def test_an_openid_that_is_claimed_lives_here(placement: Placement, openid: str) -> None:
    assert await told(placement.claim(openid, "")) == HERE
    assert await told(placement.find("openid", openid)) == HERE


@pytest.mark.parametrize("openid", OPENIDS)
async def test_what_is_for_an_openid_that_lives_nowhere_may_be_kept_here(placement: Placement, openid: str) -> None:
    assert await told(placement.find("openid", openid)) == HERE
    assert await told(placement.find("openid", openid)) == HERE


async def test_an_openid_may_be_claimed_again_and_while_it_is_being_claimed(placement: Placement) -> None:
    answers = [placement.claim("alice", "") for _ in range(3)]
    assert [await told(answer) for answer in answers] == [HERE] * 3
    assert await told(placement.claim("alice", "")) == HERE


async def test_each_question_has_an_answer_of_its_own(placement: Placement) -> None:
    first, second, other = (
        placement.find("openid", "alice"),
        placement.find("openid", "alice"),
        placement.claim("bob", ""),
    )
    if not isinstance(first, Place):
        first.cancel()  # as a push does whose sender gave up
    assert await told(second) == HERE
    assert await told(other) == HERE


async def test_what_is_told_of_sessions_changes_no_answer(placement: Placement) -> None:
    placement.released("nobody", "s0")
    placement.settled("nobody", "s0", "e", "")
    assert await told(placement.claim("alice", "s1")) == HERE
    placement.settled("alice", "s1", "e", "")
    placement.settled("alice", "s1", "e", "friends")
    assert await told(placement.claim("alice", "s1")) == HERE
    for target in (("openid", "alice"), ("session", "s1"), ("gid", "friends"), ("gid", "nobody")):
        assert await told(placement.find(*target)) == HERE
    placement.settled("alice", "s2", "e", "")
    placement.released("alice", "s2")
    assert await told(placement.find("openid", "alice")) == HERE


async def test_many_are_answered_at_once(placement: Placement) -> None:
    answers = [placement.claim(f"user-{number}", "") for number in range(1000)]
    async with asyncio.timeout(IN_TIME):
        assert {await told(answer) for answer in answers} == {HERE}


def test_a_gateway_that_is_alone_answers_without_a_loop() -> None:
    alone = makers.load("here").make_placement()
    assert alone.claim("alice", "") is HERE
    assert alone.find("openid", "alice") is HERE
