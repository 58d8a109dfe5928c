"""Makers of upstream channels, by name."""

from __future__ import annotations

import pytest

from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream import makers


@pytest.mark.parametrize("name", makers.MAKERS)
def test_each_maker_knows_its_name(name: str) -> None:
    assert name == makers.load(name).NAME


def test_the_default_is_one_of_them() -> None:
    assert makers.DEFAULT in makers.MAKERS


def test_an_unknown_maker_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'nonsense'.*grpcio"):
        makers.load("nonsense")
