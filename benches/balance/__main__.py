"""``python -m benches.balance skew|step|frozen``: print what is measured; with ``--write`` draw it into docs/, too."""

from __future__ import annotations

import argparse
import asyncio

from benches.balance import frozen, skew, step
from benches.compiled import ROOT

_DRAWN = {"step": (step.measure, "adaptive-concurrency.svg"), "frozen": (frozen.measure, "ejection.svg")}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("skew", "step", "frozen"))
    parser.add_argument("--write", action="store_true", help="draw it into docs/")
    arguments = parser.parse_args()
    if arguments.what == "skew":
        asyncio.run(skew.compare())
        return
    measure, file = _DRAWN[arguments.what]
    drawing = asyncio.run(measure())
    if arguments.write:
        (ROOT / "docs" / file).write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
