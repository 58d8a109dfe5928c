"""Makers of upstream channels, by name."""

from __future__ import annotations

import inspect

import pytest

from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream import Directory, makers, seam
from tests.support import strangers


@pytest.mark.parametrize("name", makers.MAKERS)
def test_each_maker_knows_its_name(name: str) -> None:
    assert name == makers.load(name).NAME


def test_the_default_is_one_of_them() -> None:
    assert makers.DEFAULT in makers.MAKERS


def test_an_unknown_maker_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'nonsense'.*grpcio"):
        makers.load("nonsense")


def offered(protocol: type) -> dict[str, object]:
    """What a protocol of the seam names."""
    return {name: member for name, member in vars(protocol).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", makers.MAKERS)
def test_each_maker_offers_what_the_seam_says(name: str) -> None:
    assert {"NAME", "open_channel"} == set(offered(seam.ChannelMaker))
    assert all(hasattr(makers.load(name), member) for member in offered(seam.ChannelMaker))


class Listener:
    def channel_up(self, instance: object) -> None: ...

    def channel_down(self, instance: object) -> None: ...


async def test_a_channel_has_the_signatures_of_the_seam(open_channel: seam.OpenChannel) -> None:
    with strangers.nothing() as address:
        directory = Directory(("hello",))
        directory.add("hello", address)
        (instance,) = directory.instances()
        channel = open_channel(instance, Listener())
        for name, said in offered(seam.Channel).items():
            told = inspect.signature(said).parameters.values()  # type: ignore[arg-type]
            made = inspect.signature(getattr(type(channel), name)).parameters.values()
            assert [(p.name, p.kind) for p in made] == [(p.name, p.kind) for p in told], name
        await channel.close()
