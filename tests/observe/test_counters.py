"""Counters: a closed set of names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import quicgw_fast
from quicgw_fast.observe import Counters
from quicgw_fast.observe.counters import NAMES


def test_counters_begin_at_zero_and_grow() -> None:
    counters = Counters()
    assert set(counters.snapshot()) == set(NAMES)
    assert not any(counters.snapshot().values())
    counters.add("requests")
    counters.add("requests", 3)
    counters.add("errors", 0)
    assert (counters["requests"], counters["errors"]) == (4, 0)


def test_a_name_outside_the_set_is_a_bug() -> None:
    counters = Counters()
    with pytest.raises(KeyError):
        counters.add("openid alice")
    with pytest.raises(KeyError):
        counters["nonsense"]
    assert set(counters.snapshot()) == set(NAMES)


def test_a_snapshot_stays_as_it_was() -> None:
    counters = Counters()
    before = counters.snapshot()
    counters.add("starts")
    assert before["starts"] == 0


def test_names_are_used_once_each() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_every_name_is_counted_somewhere_and_nothing_else_is() -> None:
    package = Path(next(iter(quicgw_fast.__path__)))
    used = set()
    for folder in ("flow", "observe", "."):
        for path in (package / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "add"
                    and ast.unparse(node.func.value).endswith("counters")
                ):
                    used |= {c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant)}
    assert used == set(NAMES)
