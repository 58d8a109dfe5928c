"""What docs/overload.md says of each rule is what the code has."""

from __future__ import annotations

from quicgw_fast.config import LimitsConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import make_gates
from tests.support.drawing import between


def test_every_rule_is_told_with_its_moments_and_its_bounds() -> None:
    rules: dict[str, tuple[list[str], list[str]]] = {}
    for rule in make_gates(LimitsConfig(), Metrics()).book.report(0.0):
        moments, _ = rules.setdefault(rule["rule"], ([], list(rule["bounds"])))
        moments.append(rule["moment"])
    told = {}
    for row in between("docs/overload.md", "rules").splitlines()[2:]:
        name, moments, bounds, beyond = (cell.strip() for cell in row.strip("|").split("|"))
        assert beyond
        keys = [] if bounds == "–" else [key.strip("`") for key in bounds.split(", ")]
        told[name.strip("`")] = (moments.split(", "), keys)
    assert told == rules
