"""docs/protocol.md says what the code does: its tables are those of ``proto/``, ``codes.py`` and the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from quicgw_fast import codes
from quicgw_fast.config import Config
from quicgw_fast.proto import client_pb2, service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FILES = (client_pb2.DESCRIPTOR, service_pb2.DESCRIPTOR)
SCALARS = {1: "double", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}
"""The types of protobuf's FieldDescriptorProto that the protocol uses."""


def table(title: str) -> list[list[str]]:
    """The rows of the one table whose first column has this title, without the two lines of its head."""
    found = [block for block in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE) if block.startswith(f"| {title} |")]
    assert len(found) == 1, f"docs/protocol.md has {len(found)} tables that begin with the column {title!r}"
    return [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in found[0].splitlines()[2:]]


def kind(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return f"map<{kind(key)}, {kind(value)}>"
    named = field.message_type or field.enum_type
    return SCALARS[field.type] if named is None else named.name


def enums() -> Iterator[tuple[str, EnumDescriptor]]:
    for file in FILES:
        yield from file.enum_types_by_name.items()
        for message in file.message_types_by_name.values():
            yield from ((f"{message.name}.{name}", enum) for name, enum in message.enum_types_by_name.items())


def test_every_message_and_field() -> None:
    messages = [message for file in FILES for message in file.message_types_by_name.values()]
    fields = [(m.name, ", ".join(f"{f.number} {f.name}: {kind(f)}" for f in m.fields)) for m in messages]
    assert [tuple(row) for row in table("message")] == fields


def test_every_enum_of_the_wire() -> None:
    values = [(name, ", ".join(f"{v.number} {v.name}" for v in enum.values)) for name, enum in enums()]
    assert sorted(tuple(row) for row in table("enum")) == sorted(values)


def test_every_method() -> None:
    methods = [
        [f"/{service.full_name}/{method.name}", method.input_type.name, method.output_type.name]
        for service in service_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    assert table("method") == methods


@pytest.mark.parametrize("code", [codes.CloseCode, codes.ErrorCode])
def test_every_code_with_a_number(code: type[codes.CloseCode | codes.ErrorCode]) -> None:
    rows = [(int(value, 0), name, retry, when) for value, name, retry, when in table(code.__name__)]
    assert rows == [(int(c), c.name, "yes" if c.retryable else "no", c.sentence) for c in code]


@pytest.mark.parametrize("code", [codes.PushCode, codes.BindCode, codes.StoreCode, codes.RegisterCode])
def test_every_code_with_a_word(code: type[codes.PushCode | codes.BindCode | codes.StoreCode]) -> None:
    rows = [(value, retry, when.replace("`", "")) for value, retry, when in table(code.__name__)]
    assert rows == [(c.value, "yes" if c.retryable else "no", c.sentence) for c in code]


def test_every_reset_reason() -> None:
    assert [(name, int(value)) for name, value, _ in table("ResetReason")] == [(r.name, r) for r in codes.ResetReason]


@pytest.mark.parametrize("code", [codes.PushOutcome, codes.LostReason, codes.LifecycleKind])
def test_what_services_are_told(code: type[codes.PushOutcome | codes.LostReason | codes.LifecycleKind]) -> None:
    assert [(name, int(value)) for name, value, _ in table(code.__name__)] == [(c.name, c) for c in code]


def test_the_codes_are_those_of_the_messages() -> None:
    for ours, prefix, enum in (
        (codes.RequestType, "REQUEST_", "RequestType"),
        (codes.PushType, "PUSH_", "PushType"),
        (codes.ResetReason, "RESET_REASON_", "ResetReason"),
        (codes.SyncHint, "NSH_", "NotifySyncHint"),
        (codes.PushOutcome, "PUSH_OUTCOME_", "PushOutcome"),
        (codes.LostReason, "LOST_REASON_", "LostReason"),
        (codes.LifecycleKind, "EVENT_KIND_", "EventKind"),
    ):
        theirs = {value.name.removeprefix(prefix): value.number for value in dict(enums())[enum].values}
        assert {member.name: member.value for member in ours} == theirs


def test_every_header() -> None:
    told = {name.strip("` ") for row in table("header") for name in row[0].split(",")}
    package = ROOT / "python" / "quicgw_fast"
    paths = [p for p in package.rglob("*.py") if not {"demo", "cli"} & set(p.relative_to(package).parts)]
    begins = "auth|error|gap|limit|notify|offline|retry-after|timeout|token|x-request"
    names = rf"(?:{begins})-[a-z-]+|trace(?:parent|state)|gateway"
    literal = re.compile(rf'"({names})"')
    assert told == {name for path in paths for name in literal.findall(path.read_text(encoding="utf-8"))}


def test_every_key_that_scripts_rely_on_exists() -> None:
    for section, keys in table("table"):
        names = re.findall(r"(?:^|`)([a-z_]+)(?:`|$)", keys)
        model = Config.model_fields[section].annotation
        assert names
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        assert set(names) <= set(model.model_fields), section


def test_what_the_code_cites_is_there() -> None:
    sections = set(re.findall(r"^## (\d)\. ", TEXT, re.MULTILINE))
    assert sections == set("1234567")
    places = [*(ROOT / "proto").glob("*.proto"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benches").rglob("*.py")]
    places += [*(ROOT / "python").rglob("*.py*"), *(ROOT / "rust").rglob("*.rs")]
    cited = [
        (path, number)
        for path in places
        if path.suffix in {".py", ".pyi", ".rs", ".proto"}
        for citation in re.findall(r"protocol ((?:§\d(?:[, …]|and|to)*)+)", path.read_text(encoding="utf-8"))
        for number in re.findall(r"§(\d)", citation)
    ]
    assert len(cited) > 100
    assert not [(str(path), number) for path, number in cited if number not in sections]
