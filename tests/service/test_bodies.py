"""JSON that becomes a dataclass, and what is said where it does not."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from quicgw_fast.service import ServiceError, ServiceMistake
from quicgw_fast.service.bodies import encode_data, is_model, parser_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Everything:
    text: str
    count: int = 0
    on: bool = False
    point: Point | None = None
    points: list[Point] = field(default_factory=list)
    by_name: dict[str, int] = field(default_factory=dict)
    colour: Colour = Colour.RED
    mode: Literal["a", 2] = "a"
    any: Any = None
    either: int | str = 0
    hidden: int = field(default=7, init=False)


@dataclass
class Tree:
    left: Tree | None = None


def everything(data: str) -> object:
    return parser_of(Everything, "here")(data.encode())


def test_json_becomes_a_dataclass() -> None:
    data = (
        '{"text":"t","count":2,"on":true,"point":{"x":1},"points":[{"x":1.5,"y":2}],"by_name":{"a":1},'
        '"colour":"blue","mode":2,"any":[{}],"either":"x"}'
    )
    assert everything(data) == Everything(
        "t", 2, True, Point(1.0), [Point(1.5, 2.0)], {"a": 1}, Colour.BLUE, 2, [{}], "x"
    )
    assert everything('{"text":"t"}') == Everything("t")
    assert parser_of(Tree, "here")(b'{"left":{"left":null}}') == Tree(Tree())


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "data is empty, JSON is wanted"),
        ("{", "data is not JSON: Expecting property name"),
        ("[" * 100_000, "data is not JSON: "),
        ("[]", r"data: an object is wanted, not \[\]"),
        ("{}", "text: it is missing"),
        ('{"text":1}', "text: text is wanted, not 1"),
        ('{"text":"t","count":true}', "count: a whole number is wanted, not true"),
        ('{"text":"t","count":1.5}', "count: a whole number is wanted, not 1.5"),
        ('{"text":"t","points":{}}', r"points: a list is wanted, not \{\}"),
        ('{"text":"t","points":[{"x":1},{"y":1}]}', r"points\[1\].x: it is missing"),
        ('{"text":"t","by_name":{"a":"b"}}', 'by_name.a: a whole number is wanted, not "b"'),
        ('{"text":"t","colour":"green"}', "colour: one of 'red', 'blue' is wanted, not \"green\""),
        ('{"text":"t","mode":true}', "mode: one of 'a', 2 is wanted, not true"),
        ('{"text":"t","either":[]}', r"either: a whole number is wanted, not \[\] or either: text is wanted, not \[\]"),
        ('{"text":"t","point":{"x":1,"z":2}}', "there is no such field; known are x, y or point: null is wanted"),
        ('{"text":"t","hidden":1}', "hidden: there is no such field"),
        ('{"text":"' + "t" * 99 + '","on":"' + "x" * 99 + '"}', 'on: true or false is wanted, not "x+…$'),
    ],
)
def test_a_400_says_what_is_wrong(data: str, told: str) -> None:
    with pytest.raises(ServiceError, match=told) as caught:
        everything(data)
    assert caught.value.code == 400


def test_a_field_that_cannot_be_checked_is_a_mistake_of_the_program() -> None:
    @dataclass
    class Inner:
        when: complex

    @dataclass
    class Outer:
        inners: list[Inner]

    Outer.__annotations__ = {"inners": list[Inner]}
    Inner.__annotations__ = {"when": complex}
    with pytest.raises(ServiceMistake, match=r"here: Outer\.inners\.when is <class 'complex'>, which"):
        parser_of(Outer, "here")


def test_what_is_a_model() -> None:
    assert is_model(Point)
    assert not any(map(is_model, (str, dict, Point(1.0), "Point", list[int])))


def test_any_bytes_are_data() -> None:
    assert [encode_data(each) for each in (b"x", bytearray(b"x"), memoryview(b"x"))] == [b"x"] * 3
