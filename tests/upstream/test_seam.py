"""Each maker of channels offers what the seam names; what a channel must do is in the other tests, for every maker."""

from __future__ import annotations

import inspect

import pytest

from quicgw_fast.upstream import Directory, makers, seam
from tests.support import strangers


def named(protocol: type) -> dict[str, object]:
    """What a protocol of the seam names."""
    return {name: member for name, member in vars(protocol).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", makers.MAKERS)
def test_each_maker_offers_what_the_seam_says(name: str) -> None:
    assert {"NAME", "open_channel"} == set(named(seam.ChannelMaker))
    assert all(hasattr(makers.load(name), member) for member in named(seam.ChannelMaker))


class Listener:
    def channel_up(self, instance: object) -> None: ...

    def channel_down(self, instance: object) -> None: ...


async def test_a_channel_has_the_signatures_of_the_seam(open_channel: seam.OpenChannel) -> None:
    with strangers.nothing() as address:
        directory = Directory(("hello",))
        directory.add("hello", address)
        (instance,) = directory.instances()
        channel = open_channel(instance, Listener(), None)
        for name, said in named(seam.Channel).items():
            told = inspect.signature(said).parameters.values()  # type: ignore[arg-type]
            made = inspect.signature(getattr(type(channel), name)).parameters.values()
            assert [(p.name, p.kind) for p in made] == [(p.name, p.kind) for p in told], name
        await channel.close()
