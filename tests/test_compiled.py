"""The one word for all compiled parts."""

from __future__ import annotations

import pytest

from quicgw_fast.compiled import PARTS, VARIABLE, is_wanted
from quicgw_fast.errors import ConfigError
from quicgw_fast.transport import makers as transports
from quicgw_fast.upstream import makers as upstreams


@pytest.mark.parametrize(("value", "wanted"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_it_is_one_or_nothing(value: str | None, wanted: bool) -> None:
    assert is_wanted({} if value is None else {VARIABLE: value}) is wanted


def test_anything_else_is_refused_and_cut() -> None:
    with pytest.raises(ConfigError, match="QUICGW_FAST is 'yes'; write 1 for all compiled parts, or 0"):
        is_wanted({VARIABLE: "yes"})
    with pytest.raises(ConfigError) as refused:
        is_wanted({VARIABLE: "x" * 1000})
    assert len(str(refused.value)) < 120


def test_it_stands_for_makers_that_there_are() -> None:
    assert PARTS["server"]["transport"] in transports.MAKERS
    assert PARTS["upstream"]["client"] in upstreams.MAKERS
