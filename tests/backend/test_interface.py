"""Both makers show the same interface: names, signatures, documentation, types."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend
from quicgw_fast.backend.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

RUST, PYTHON = backend.load("rust"), backend.load("python")
CLASSES = (
    "ByteBudget",
    "ForwardedRequest",
    "FrameDecoder",
    "NotifyBuffers",
    "Outbox",
    "Rate",
    "SequenceAllocator",
    "TaskQueue",
    "TokenBucket",
)
FUNCTIONS = ("encode_body", "forward", "push_to_all")


def public() -> Iterator[tuple[str, object, object]]:
    """Yield everything that has a name, of both makers."""
    for name in FUNCTIONS:
        yield name, getattr(RUST, name), getattr(PYTHON, name)
    for name in CLASSES:
        ours, reference = getattr(RUST, name), getattr(PYTHON, name)
        yield name, ours, reference
        for member in dir(reference):
            if not member.startswith("_"):
                yield (
                    f"{name}.{member}",
                    inspect.getattr_static(ours, member),
                    inspect.getattr_static(reference, member),
                )


THINGS = {name: (ours, reference) for name, ours, reference in public()}


def one(maker: Any, cls: str) -> Any:
    """An object of the class."""
    if cls == "ForwardedRequest":
        return maker.forward("", "", 0, b"", {}, b"")
    sizes, rate = dict.fromkeys(("ByteBudget", "FrameDecoder", "TaskQueue"), (9,)), (1.0, 9)
    arguments: dict[str, tuple[float, ...]] = {**sizes, "Rate": rate, "TokenBucket": rate}
    return getattr(maker, cls)(*arguments.get(cls, ()))


def parameters(thing: object) -> list[tuple[str, object, object]]:
    found = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    return [(p.name, p.kind, p.default) for p in found if p.name != "self"]


def test_the_makers_have_the_same_names() -> None:
    for name in CLASSES:
        public_names = [{n for n in dir(getattr(maker, name)) if n[0] != "_"} for maker in (RUST, PYTHON)]
        assert public_names[0] == public_names[1], name
        assert getattr(RUST, name).__name__ == name
    for name in PYTHON.__all__:
        assert hasattr(RUST, name), name


@pytest.mark.parametrize("maker", [RUST, PYTHON, backend])
def test_each_maker_offers_what_the_seam_says_and_so_does_the_chosen_one(maker: object) -> None:
    said = {name for name in vars(Engine) if not name.startswith("_")}
    assert said == {"NAME", *FUNCTIONS, *CLASSES}
    assert all(hasattr(maker, name) for name in said)


@pytest.mark.parametrize("name", THINGS)
def test_documentation_is_the_same(name: str) -> None:
    ours, reference = THINGS[name]
    assert inspect.getdoc(reference), name
    assert inspect.getdoc(ours) == inspect.getdoc(reference)


@pytest.mark.parametrize("name", [name for name, (_, reference) in THINGS.items() if callable(reference)])
def test_signatures_are_the_same(name: str) -> None:
    ours, reference = THINGS[name]
    assert callable(ours)
    # A positional-only "self" is how compiled methods show themselves, so parameters() leaves it out.
    assert parameters(ours) == parameters(reference)


@pytest.mark.parametrize("name", [name for name, (_, reference) in THINGS.items() if isinstance(reference, property)])
def test_properties_cannot_be_set(name: str) -> None:
    for maker in (RUST, PYTHON):
        cls, member = name.split(".")
        with pytest.raises(AttributeError):
            setattr(one(maker, cls), member, 1)


@pytest.mark.parametrize("cls", CLASSES)
def test_nothing_else_can_be_set_either(engine: object, cls: str) -> None:
    with pytest.raises(AttributeError):
        one(engine, cls).surprise = 1


@pytest.mark.timeout(180)
def test_the_committed_stub_fits_the_binary() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "mypy.stubtest", "quicgw_fast._core"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
