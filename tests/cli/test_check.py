from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.plugin import DEFAULTS, PluginState, Vitals, judge, read_bounds, say
from tests.cli.process import Gateway, in_process, quicgw

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--over", "10ms")
WELL = {"sessions": 12.0, "queue": 0.0, "refused": 0.0, "certificate": 300.0, "memory": 31.234}
LABEL = re.compile(r"[a-z]+=[0-9.]+%?;([0-9.]+:?)?;([0-9.]+:?)?;0(;100)?")


def test_a_gateway_that_is_well(dev: Gateway) -> None:
    done = quicgw("check", "--admin", dev.admin, *FAST)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("\n") == 1
    said, performance = done.stdout.rstrip().split(" | ")
    assert re.fullmatch(r"OK - ready, \d+ sessions", said)
    assert all(LABEL.fullmatch(label) for label in performance.split(" ")), performance


def test_the_same_for_programs(dev: Gateway) -> None:
    told = json.loads(in_process("check", "--admin", dev.admin, *FAST, "--json").stdout)
    assert (told["version"], told["state"], told["status"]) == (1, "OK", 0)
    assert {"sessions", "queue", "refused", "certificate"} <= set(told["values"])
    assert told["bounds"]["certificate"] == {"warning": 21, "critical": 7}


def test_bounds_of_the_command_line_count(dev: Gateway) -> None:
    done = in_process("check", "--admin", dev.admin, *FAST, "--warning", "certificate=5000")
    assert (done.returncode, done.stdout.startswith("WARNING - the certificate expires in 36")) == (1, True)
    done = in_process("check", "--admin", dev.admin, *FAST, "-c", "certificate=5000", "-w", "queue=20")
    assert done.returncode == 2
    assert "queue=0%;20;90;0;100" in done.stdout


def test_a_gateway_that_takes_no_work(tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(certified)
    with Gateway("serve", "--config", str(path)) as gateway:
        done = in_process("check", "--admin", gateway.admin, *FAST)
    assert done.returncode == 2
    assert done.stdout.startswith("CRITICAL - not ready: no instance of ")


def test_nobody_there_is_critical_and_who_cannot_be_asked_unknown(dev: Gateway) -> None:
    done = in_process("check", "--admin", "127.0.0.1:9")
    assert (done.returncode, done.stdout.startswith("CRITICAL - no answer")) == (2, True)
    assert done.stdout.count("\n") == 1
    done = in_process("check", "--admin", dev.admin, "--token-file", "/no/such/file")
    assert (done.returncode, done.stdout.startswith("UNKNOWN - cannot read")) == (3, True)
    done = in_process("check", "--admin", dev.admin, "--warning", "temperature=30")
    assert (done.returncode, done.stdout.startswith("UNKNOWN - --warning 'temperature=30'")) == (3, True)


@pytest.mark.parametrize(
    ("changed", "state", "said"),
    [
        ({}, PluginState.OK, "ready, 12 sessions"),
        ({"queue": 60.0}, PluginState.WARNING, "the queue is 60 % full"),
        (
            {"queue": 95.0, "refused": 11.0},
            PluginState.CRITICAL,
            "the queue is 95 % full; 11 refusals a second",
        ),
        ({"certificate": -2.0}, PluginState.CRITICAL, "the certificate expires in -2 days"),
        ({"refused": 11.0}, PluginState.WARNING, "11 refusals a second"),
        ({"memory": 97.0}, PluginState.CRITICAL, "97 % of the memory is used"),
    ],
)
def test_the_worst_counts_and_all_that_is_bad_is_told(changed: dict[str, float], state: PluginState, said: str) -> None:
    verdict = judge(Vitals(None, {**WELL, **changed}), DEFAULTS)
    assert (verdict.state, verdict.said) == (state, said)


def test_who_is_not_ready_is_critical_whatever_else(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = judge(Vitals("a | b", WELL), read_bounds(["sessions=10"], []))
    assert verdict.state is PluginState.CRITICAL
    say(verdict, as_json=False)
    line = capsys.readouterr().out
    assert line.startswith("CRITICAL - not ready: a / b; 12 sessions | sessions=12;10;;0 ")
    assert "certificate=300;21:;7:;0 memory=31.23%;80;95;0;100" in line


@pytest.mark.parametrize("bound", ["queue", "queue=", "queue=nan", "queue=-1", "=3", "Queue=3", "queue=inf"])
def test_a_bound_that_cannot_be_read(bound: str) -> None:
    assert in_process("check", "--warning", bound).returncode == 3


@pytest.mark.parametrize(
    "words", [("-w", "queue=90", "-c", "queue=50"), ("-w", "certificate=7", "-c", "certificate=21")]
)
def test_bounds_that_are_swapped(words: tuple[str, ...]) -> None:
    done = in_process("check", *words)
    assert done.returncode == 3
    assert "would never be said" in done.stdout


def test_refusals_are_counted_by_the_second(dev: Gateway) -> None:
    began = time.monotonic()
    in_process("check", "--admin", dev.admin, "--over", "300ms")
    assert time.monotonic() - began >= 0.3
