"""Makers by name, for each seam that has them: what is asked of one maker is in the tests of its stage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import makers
from quicgw_fast.errors import ConfigError, StartupError
from quicgw_fast.placement import makers as placements
from quicgw_fast.transport import makers as transports
from quicgw_fast.upstream import makers as upstreams

if TYPE_CHECKING:
    from types import ModuleType

SEAMS = {"the placement": placements, "the transport": transports, "the upstream client": upstreams}


@pytest.fixture(params=SEAMS)
def what(request: pytest.FixtureRequest) -> str:
    """What is chosen."""
    return str(request.param)


@pytest.fixture
def seam(what: str) -> ModuleType:
    """The list of the makers that there are."""
    return SEAMS[what]


def test_each_maker_knows_its_name(seam: ModuleType) -> None:
    assert [seam.load(name).NAME for name in seam.MAKERS] == list(seam.MAKERS)


def test_the_default_is_one_of_them(seam: ModuleType) -> None:
    assert seam.DEFAULT in seam.MAKERS


def test_an_unknown_maker_is_told_with_those_that_there_are(seam: ModuleType, what: str) -> None:
    with pytest.raises(ConfigError) as refused:
        seam.load("nonsense")
    assert str(refused.value) == f"{what} is 'nonsense', but must be one of: {', '.join(seam.MAKERS)}"


def test_a_maker_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    listed = {"colours": "colorsys", "missing": "quicgw_fast.no_such_maker"}
    assert "colorsys" not in sys.modules
    assert makers.load("the module", listed, "colours") is sys.modules["colorsys"]
    with pytest.raises(StartupError, match=r"the module missing cannot be imported .*no_such_maker.*; build it"):
        makers.load("the module", listed, "missing")
