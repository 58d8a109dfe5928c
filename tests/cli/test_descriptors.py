"""Whoever holds many connections may open as many files as the system allows."""

from __future__ import annotations

import logging
import resource
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quicgw_fast.cli.descriptors import raise_descriptor_limit
from tests.cli.process import Gateway, Running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

NAME = resource.RLIMIT_NOFILE
LOW = 512


@contextmanager
def soft_limit(low: int) -> Iterator[int]:
    """Lower the soft limit of this process, which its children inherit; gives the hard one."""
    soft, hard = resource.getrlimit(NAME)
    resource.setrlimit(NAME, (low, hard))
    try:
        yield hard
    finally:
        resource.setrlimit(NAME, (soft, hard))


def limits_of(command: Running) -> tuple[int, int]:
    return resource.prlimit(command.process.pid, NAME)


def test_a_gateway_raises_it(tmp_path: Path, certified: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(certified)
    with soft_limit(LOW) as hard, Gateway("serve", "-c", str(file), extra={"QUICGW_LOG__LEVEL": "debug"}) as gateway:
        assert limits_of(gateway) == (hard, hard)
        line = gateway.log("limit of open files raised")
        assert (line["level"], line["before"], line["limit"]) == ("debug", LOW, hard)


def test_so_do_the_development_gateway_and_the_services() -> None:
    with soft_limit(LOW) as hard, Gateway("dev") as gateway:
        assert limits_of(gateway) == (hard, hard)
        assert "limit of open files" not in gateway.errors
        with Running("upstream", "--gateway", gateway.grpc) as upstream:
            assert limits_of(upstream) == (hard, hard)


def test_a_failure_is_told_and_no_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # Linux never refuses it, so the refusal of others stands in.
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    with soft_limit(LOW) as hard, monkeypatch.context() as patched, caplog.at_level(logging.DEBUG, "quicgw.cli"):
        patched.setattr(resource, "setrlimit", refuse)
        raise_descriptor_limit()
        assert resource.getrlimit(NAME) == (LOW, hard)
    (record,) = caplog.records
    fields = record.__dict__
    assert (record.levelname, fields["limit"], fields["hard"]) == ("WARNING", LOW, hard)
    assert "exceeds maximum" in fields["reason"]


def test_where_there_is_no_such_limit_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with soft_limit(LOW) as hard, monkeypatch.context() as patched, caplog.at_level(logging.DEBUG, "quicgw.cli"):
        patched.setitem(sys.modules, "resource", None)  # as on Windows
        raise_descriptor_limit()
        assert resource.getrlimit(NAME) == (LOW, hard)
    assert caplog.messages == []
