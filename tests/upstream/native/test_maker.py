from __future__ import annotations

import sys

import pytest

from quicgw_fast.errors import StartupError
from quicgw_fast.upstream import makers


def test_a_build_without_the_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No maker takes the place of one that was asked for."""
    for name in [name for name in sys.modules if name.startswith("quicgw_fast.upstream.native")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "quicgw_fast._core", type(sys)("quicgw_fast._core"))
    with pytest.raises(StartupError, match="native upstream client cannot be imported") as caught:
        makers.load("native")
    assert "maturin develop" in str(caught.value)
