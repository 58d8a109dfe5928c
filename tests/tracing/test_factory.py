"""Whether there are traces, and what is told when they cannot be had."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import TracingConfig
from quicgw_fast.errors import SettingError, StartupError
from quicgw_fast.observe import Metrics
from quicgw_fast.tracing import make_tracing

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_imported_unless_it_is_switched_on() -> None:
    program = "import sys, quicgw_fast.gateway; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert make_tracing(TracingConfig(), SystemClock(), Metrics()) is None


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    monkeypatch.delitem(sys.modules, "quicgw_fast.tracing.otlp", raising=False)
    monkeypatch.delattr("quicgw_fast.tracing.otlp", raising=False)
    with pytest.raises(StartupError, match=r"pip install 'quicgw-fast\[tracing\]'"):
        make_tracing(TracingConfig(endpoint="127.0.0.1:1"), SystemClock(), Metrics())


@pytest.mark.parametrize(
    ("written", "told"), [("nonsense", "line 1 of"), (": x", "line 1 of"), ("a: b\nc", "line 2 of"), ("é: x", "read")]
)
def test_headers_that_are_none_are_refused(written: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "headers"
    path.write_text(written)
    with pytest.raises(SettingError, match=told) as refused:
        make_tracing(TracingConfig(endpoint="127.0.0.1:1", headers_file=path), SystemClock(), Metrics())
    assert refused.value.key == ("tracing", "headers_file")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for key in ("headers_file", "ca"):
        config = TracingConfig.model_validate({"endpoint": "127.0.0.1:1", key: tmp_path / "none"})
        with pytest.raises(SettingError, match=rf"tracing\.{key}: cannot read"):
            make_tracing(config, SystemClock(), Metrics())
