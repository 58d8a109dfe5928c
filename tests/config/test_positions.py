from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.config.positions import positions

TEXT = """\
# [none]
top = 1  # = 2
[server]
quic = "a # b"
  "grpc" = 'x]'
[routing.exact]
"a.b" = "c"
[session] # ends = here
memory.x = { y = 1, 'z w' = [1, # no
  "],", 3] }
text = '''
[not]
a = 1'''
other = \"\"\"
b = 2 \\\"\"\" \"\"\"\"
when = 1979-05-27 07:32:00Z
[[many]]
one = 1
[[many]]
one = 2
"""


def test_keys_stand_where_they_are_written() -> None:
    tomllib.loads(TEXT)
    keys = {key: tuple(spot) for key, spot in positions(TEXT).keys.items()}
    assert keys == {
        ("top",): (2, 1),
        ("server",): (3, 2),
        ("server", "quic"): (4, 1),
        ("server", "grpc"): (5, 3),
        ("routing",): (6, 2),
        ("routing", "exact"): (6, 10),
        ("routing", "exact", "a.b"): (7, 1),
        ("session",): (8, 2),
        ("session", "memory"): (9, 1),
        ("session", "memory", "x"): (9, 8),
        ("session", "memory", "x", "y"): (9, 14),
        ("session", "memory", "x", "z w"): (9, 21),
        ("session", "text"): (11, 1),
        ("session", "other"): (14, 1),
        ("session", "when"): (16, 1),
        ("many",): (17, 3),
        ("many", 0): (17, 1),
        ("many", 0, "one"): (18, 1),
        ("many", 1): (19, 1),
        ("many", 1, "one"): (20, 1),
    }


def test_values_and_entries_stand_where_they_begin() -> None:
    values = positions(TEXT).values
    assert values["server", "quic"] == (4, 8)
    assert values["session", "memory", "x"] == (9, 12)
    assert values["session", "memory", "x", "z w", 1] == (10, 3)
    assert values["session", "memory", "x", "z w", 2] == (10, 9)


def test_the_ends_of_lines_of_other_systems_change_nothing() -> None:
    assert positions(TEXT.replace("\n", "\r\n")) == positions(TEXT)


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "[a]", "a = [[], [{}]]", "a.b.c = 1\na.b.d = 2", "a = ''''''"])
def test_what_is_small(text: str) -> None:
    tomllib.loads(text)
    positions(text)


SCALARS = st.sampled_from(
    ["1", "-0.5", "true", '"a"', "'#'", '"\\""', '"""a"b"""', "'''\n'''", "1979-05-27", "inf", "0xff", '""', "[]", "{}"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: "[ " + ", # c ]\n".join(parts) + " ]"),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", '"b c"', "'d.e'", "f-1", '"\\u00e9"'])


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3))
def test_every_key_of_any_text_is_found(tables: dict[str, dict[str, str]]) -> None:
    lines = []
    for table, pairs in tables.items():
        lines.append(f"[{table}] # c")
        lines += [f"{key} = {value}" for key, value in pairs.items()]
    text = "\n".join(lines)
    parsed = tomllib.loads(text)
    found = positions(text)
    wanted = {(table, key) for table, pairs in parsed.items() for key in pairs}
    assert {key for key in found.keys if len(key) == 2} == wanted
    assert {key for key in found.values if len(key) == 2} == wanted
