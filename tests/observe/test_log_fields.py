"""The fields of log lines: one spelling each, said in docs/reference/logs.md."""

from __future__ import annotations

import ast
import logging
import re

import pytest

from tests.support.howto import DOCS
from tests.support.log_fields import PACKAGE, log_fields

FOUND = log_fields()
PAGE = (DOCS / "reference/logs.md").read_text(encoding="utf-8")
MADE_OF_NAMES = {
    "gateway.py: asdict(self.addresses)",
    "gateway.py: self._makers",
    "gateway.py: stats['accounts']",
    "gateway.py: stats['counters']",
    "overload/live.py: {f'{table}.{key}': told for table, key, told in _flat(tables)}",
}
"""Lines whose fields the page tells by their events."""
PASSED_ON = {"observe/repeats.py: series.fields", "transport/endpoint.py: fields"}
"""What others gave, and is found there."""
ALWAYS = {"timestamp", "level", "logger", "event"}


def told() -> list[str]:
    (table,) = re.findall(r"<!-- fields -->\n(.*?)<!-- /fields -->", PAGE, re.DOTALL)
    return re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE)


def test_the_page_has_every_field_and_no_other() -> None:
    names = told()
    assert set(FOUND.fields) - set(names) == set(), "not on the page"
    assert set(names) - set(FOUND.fields) == set(), "not in the source"
    assert names == sorted(names)


def test_every_line_was_read() -> None:
    assert FOUND.unknown == MADE_OF_NAMES | PASSED_ON
    for event in ("gateway started", "numbers", "gateway stopped", "limits changed"):
        assert f"`{event}`" in PAGE


@pytest.mark.parametrize("name", sorted(FOUND.fields))
def test_a_field_is_a_word_and_covers_nothing(name: str) -> None:
    """``logging`` has attributes of its own in a record, and what every line has must not be written over."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), FOUND.fields[name]
    assert name not in ALWAYS | set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}, FOUND.fields[name]


OTHER_SPELLINGS = {
    "session_id": "session", "request_id": "request", "task": "request", "trace_id": "trace", "error": "reason",
    "why": "reason", "path": "file", "advice": "remedy", "key": "setting", "instance": "address", "upstream": "address",
    "user": "openid", "client": "peer", "bound": "limit", "after": "seconds",
}  # fmt: skip


def test_nothing_has_two_spellings() -> None:
    used = {name: FOUND.fields[name] for name in OTHER_SPELLINGS if name in FOUND.fields}
    assert used == {}


def test_whoever_names_a_session_names_its_openid() -> None:
    """Literal dicts; those that are made elsewhere come from ``log_ids``, which has both."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                keys = {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
                assert "session" not in keys or "openid" in keys, f"{path}:{node.value.lineno}"
