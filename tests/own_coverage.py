"""How much of each module the tests of its own room cover, lines and branches; other rooms' tests do not count.

A room is a folder of the package, or a module right under it; its tests are the folder ``tests/<room>`` and the module
``tests/test_<room>.py``. What they run in other processes counts, unless SIGKILL ends them. Before Python 3.12
nothing tells what coroutines do once a cancellation, or a time-out, has ended what they awaited: that looks uncovered.
``make coverage``, or for some rooms only: ``make coverage ROOMS="session overload"``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "quicgw_fast"

LEAST = 95.0
"""Percent of a module's lines and branches."""
MORE_TESTS = {
    "client": ["support"],
    "cluster": ["store"],
    "codes": ["test_protocol.py"],
    "demo": ["demo_tour"],
    "sync": ["client/test_sync.py"],
    "proto": ["client/test_own_stubs.py", "test_protocol.py"],
}
"""Tests of a room that do not have its name."""
NOT_MEASURED = {"_core", "__main__", "ports"}
"""Compiled, a single line that other processes run, or nothing but types."""


class Module(NamedTuple):
    """A line of the report."""

    percent: float
    lines: int
    path: str
    missing: str


def rooms() -> list[str]:
    """All rooms with code."""
    paths = (path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())
    names = {path.stem if path.stem != "__init__" else "package" for path in paths}
    return sorted(names - NOT_MEASURED)


def tests_of(room: str) -> list[str]:
    """The paths of a room's own tests, from the root of the repository."""
    names = [room, f"test_{room}.py", *MORE_TESTS.get(room, [])]
    return [f"tests/{name}" for name in names if (ROOT / "tests" / name).exists()]


def source_of(room: str) -> str:
    """The pattern of the files of a room."""
    if room == "package":
        return str(PACKAGE / "__init__.py")
    return str(PACKAGE / room / "*") if (PACKAGE / room).is_dir() else str(PACKAGE / f"{room}.py")


def measure(room: str, folder: Path) -> list[Module]:
    """Run a room's own tests, and return its modules; SystemExit when tests fail."""
    own = tests_of(room)
    if not own:  # pytest would run all that there are
        return [Module(0.0, 0, source_of(room), "it has no tests of its own")]
    data, report = folder / f"{room}.data", folder / f"{room}.json"
    coverage = [sys.executable, "-m", "coverage"]
    # Of a folder, also what no test imports is reported.
    only = f"--source={PACKAGE / room}" if (PACKAGE / room).is_dir() else f"--include={source_of(room)}"
    pytest = ["-m", "pytest", "-q", "--no-header", "-p", "no:randomly", "--timeout=300"]
    run = [*coverage, "run", f"--data-file={data}", only, *pytest, *own]
    done = subprocess.run(run, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the tests of {room} fail:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    # One file of data for each process, in the folder of the test's own.
    subprocess.run([*coverage, "combine", "-q", f"--data-file={data}"], cwd=ROOT, capture_output=True, check=False)
    told = [*coverage, "json", "-q", f"--data-file={data}", f"--include={source_of(room)}", "-o", str(report)]
    subprocess.run(told, cwd=ROOT, capture_output=True, check=False)
    if not report.exists():
        return [Module(0.0, 0, source_of(room), f"nothing of it is run by {', '.join(own)}")]
    return [line_of(path, file) for path, file in json.loads(report.read_text(encoding="utf-8"))["files"].items()]


def line_of(path: str, file: dict) -> Module:  # type: ignore[type-arg]
    """One module of coverage's report."""
    branches = [f"{start}→{'end' if stop < 0 else stop}" for start, stop in file["missing_branches"]]
    missing = " ".join([*map(str, file["missing_lines"]), *branches])
    name = str((ROOT / path).relative_to(PACKAGE.parent))
    return Module(file["summary"]["percent_covered"], file["summary"]["num_statements"], name, missing)


def main(wanted: list[str]) -> int:
    """Print the report, room by room; 1 when a module is below the least."""
    found: list[Module] = []
    with tempfile.TemporaryDirectory() as folder:
        for room in wanted or rooms():
            measured = sorted(measure(room, Path(folder)), reverse=True)
            for module in measured:
                print(
                    f"{module.percent:6.1f} %  {module.lines:4} lines  {module.path}  {module.missing[:160]}",
                    flush=True,
                )
            found += measured
    low = [module.path for module in found if module.percent < LEAST]
    print(f"{len(low)} of {len(found)} modules are below {LEAST:g} %", *low, sep="\n  ")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
