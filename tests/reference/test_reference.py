from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe import Metrics
from tests import reference
from tests.reference.metrics import EVERYTHING
from tests.reference.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE: Final = Path(__file__).resolve().parents[2] / "python/quicgw_fast"
REGISTERING: Final = {"counter", "counters", "total", "gauge", "gauges", "duration", "durations", "distribution"}
"""The methods of ``Metrics`` that register a family under a name, which comes first."""


def test_what_is_made_from_the_code_is_as_the_code_makes_it() -> None:
    assert not list(reference.differing()), "make reference"


def registered() -> Iterator[str]:
    """A pattern of each name under which anything in the package registers a family."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REGISTERING:
                match node.args:
                    case [ast.Constant(value=str(name)), *_]:
                        yield re.escape(name)
                    case [ast.JoinedStr(values=parts), *_]:
                        yield "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts)  # type: ignore[arg-type]


def test_no_metric_is_missing_that_any_gateway_can_export() -> None:
    assert all(hasattr(Metrics, method) for method in REGISTERING)
    with running(EVERYTHING) as (_, gateway):
        names = {family.name for family in gateway.metrics}
    patterns = set(registered())
    assert len(patterns) > 140
    missing = [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in names)]
    assert not missing, "registered with a setting that tests.reference.metrics.OPTIONAL does not name"
    assert not [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]
