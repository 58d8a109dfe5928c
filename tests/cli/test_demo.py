"""The command of the demonstration; what it shows is tested with the demonstration itself."""

from __future__ import annotations

import pytest

from quicgw_fast.demo.tour import run
from tests.cli.process import in_process


@pytest.mark.parametrize("status", [0, 1])
def test_it_plays_at_the_scale_asked_for_and_ends_as_the_demonstration_does(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[run.Scale] = []

    async def play(scale: run.Scale) -> int:
        played.append(scale)
        return status

    monkeypatch.setattr(run, "run_demo", play)
    assert in_process("demo").returncode == status
    assert in_process("demo", "--clients", "3", "--requests", "7").returncode == status
    assert in_process("demo", "--fast").returncode == status
    monkeypatch.setenv("QUICGW_FAST", "1")
    assert in_process("demo").returncode == status
    assert played == [run.Scale(20, 1000), run.Scale(3, 7), run.Scale(fast=True), run.Scale(fast=True)]
