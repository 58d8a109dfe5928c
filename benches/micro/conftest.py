"""How the micro-benchmarks are taken and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from benches.micro import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 60
MAKERS = ("rust", "python")


class Measure(Protocol):
    """Time ``work``, which does ``size`` steps; ``setup`` makes its arguments anew for every round, untimed."""

    def __call__(
        self, step: str, who: str, size: int, work: Callable[..., object], setup: Callable[[], Any] | None = None
    ) -> None: ...


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Measure:
    def run(
        step: str, who: str, size: int, work: Callable[..., object], setup: Callable[[], Any] | None = None
    ) -> None:
        benchmark.group = step
        benchmark.extra_info.update(who=who, size=size)

        def arguments() -> tuple[tuple[Any, ...], dict[str, Any]]:
            return (setup(),) if setup else (), {}

        benchmark.pedantic(work, setup=arguments, rounds=ROUNDS, warmup_rounds=5)  # type: ignore[no-untyped-call]

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.option.benchmark_quiet = True  # the table below says it shorter
    if not config.option.benchmark_json:
        report.FILE.parent.mkdir(exist_ok=True)
        config.option.benchmark_json = str(report.FILE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if terminalreporter.stats.get("passed") and not config.option.benchmark_disable:
        terminalreporter.section("the engine, median time of one step")
        terminalreporter.write_line(report.table(report.load(config.option.benchmark_json)))
