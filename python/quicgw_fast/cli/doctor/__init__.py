"""``quicgw doctor``: what a start, or a night, would stumble over, and what mends it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import typer

from quicgw_fast.cli import options  # noqa: TC001 - typer reads annotations while it runs
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from quicgw_fast.cli.doctor.result import CheckResult

NARROWEST = 30
"""Columns for words, below which they are not folded."""


def doctor(config: options.Config = None, json: options.JsonObject = False) -> None:
    """Look at everything that a gateway's start or a night could stumble over, and say what mends it.

    The configuration as checkconfig does, packages and compiled parts, UDP buffers, open files, memory, clock,
    certificates, tokens and keys, ports (that the gateway of this configuration runs is no fault), and each configured
    service. Without --config the defaults are looked at, and QUICGW_… variables. Exit status 0: no problem, but perhaps
    warnings. 1: a gateway would not start, or serve nobody.
    """
    from quicgw_fast.cli.doctor.rounds import all_findings
    from quicgw_fast.cli.tables import progress

    with progress("looking", quiet=json):
        findings = list(all_findings(config))
    _print(findings, as_json=json)
    bad = any(finding.level == "problem" for finding in findings)
    raise typer.Exit(Status.NO if bad else Status.DONE)


def _print(findings: list[CheckResult], *, as_json: bool) -> None:
    from dataclasses import asdict

    from quicgw_fast.cli.tables import painted, say_document

    counts = {name: sum(finding.level == level for finding in findings) for name, level in _COUNTED.items()}
    if as_json:
        say_document({**counts, "checks": [asdict(finding) for finding in findings]})
        return
    widest = max(len(finding.check) for finding in findings)
    for finding in findings:
        color, mark = _MARKS[finding.level]
        space = " " * (len(mark) + widest + 4)
        print(f"{painted(mark, color)}  {finding.check.ljust(widest)}  {_folded(finding.found, space)}")
        if finding.remedy:
            print(f"{space}→ {_folded(finding.remedy, f'{space}  ')}")
    print(", ".join(f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items()))


def _folded(text: str, space: str) -> str:
    """Fold a long line on a terminal, under itself; a program gets it whole."""
    columns = shutil.get_terminal_size().columns - len(space)
    if not sys.stdout.isatty() or columns < NARROWEST:
        return text
    return f"\n{space}".join(textwrap.wrap(text, columns, break_on_hyphens=False, break_long_words=False))


_COUNTED = {"problems": "problem", "warnings": "warning"}
_MARKS = {"ok": ("green", "OK     "), "warning": ("yellow", "WARNING"), "problem": ("red", "PROBLEM")}
