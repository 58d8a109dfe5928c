"""The page about the client's names, made of their signatures and docstrings."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

import quicgw_fast
import quicgw_fast.sync
from quicgw_fast import testing
from quicgw_fast.client.known import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# The client SDK

`pip install quicgw-fast`, then `import quicgw_fast`. Every name here is one of `quicgw_fast`, but those of
[`quicgw_fast.sync`](#quicgw_fastsync), the client for programs without an event loop, and of
[`quicgw_fast.testing`](#quicgw_fasttesting), for tests. All are typed (`py.typed`). This page is made from the code by
`make reference`.

In signatures, `Octets` is `bytes`, a `bytearray` or a `memoryview`; a `TokenSource` is a token, or a callable (plain or
async) that returns one; a `StateCallback` takes a [StateEvent](#stateevent).
"""

CLASSES = {name: made for name in quicgw_fast.__all__ if isinstance(made := getattr(quicgw_fast, name), type)}
ERRORS = [name for name, made in CLASSES.items() if issubclass(made, Exception)]
MAIN = ["connect", "Client"]


def page() -> str:
    """Return the whole page."""
    others = [name for name in quicgw_fast.__all__ if name not in {*MAIN, *ERRORS, "__version__"}]
    parts = [
        HEAD,
        "## Connecting",
        _function("connect", quicgw_fast.connect),
        "## The client",
        _class("Client", quicgw_fast.Client),
        "## quicgw_fast.sync",
        _words(inspect.getdoc(quicgw_fast.sync)),
        _function("connect", quicgw_fast.sync.connect).replace("### connect", "### sync.connect"),
        "### sync.Client",
        _words(inspect.getdoc(quicgw_fast.sync.Client)),
        _sync_methods(),
        "## quicgw_fast.testing",
        _words(inspect.getdoc(testing)),
        _function("local_gateway", testing.local_gateway),
        _class("LocalGateway", testing.LocalGateway),
        _class("FakeUpstream", testing.FakeUpstream),
        "## What it raises",
        _tree(quicgw_fast.QuicgwClientError),
        *(_class(name, getattr(quicgw_fast, name)) for name in ERRORS),
        "## What it takes and gives",
        *(_class(name, getattr(quicgw_fast, name)) for name in others),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _function(name: str, function: Any) -> str:
    return f"### {name}\n\n{_signature(name, function)}\n\n{_words(inspect.getdoc(function))}"


def _class(name: str, made: type) -> str:
    parts = [f"### {name}", _words(inspect.getdoc(made)), _values(made)]
    for own, member in _members(made):
        parts.append(f"#### {name}.{own}")
        if not isinstance(member, property):
            parts.append(_signature(own, member))
        parts.append(_words(inspect.getdoc(member)))
    return "\n\n".join(part for part in parts if part)


def _members(made: type) -> Iterator[tuple[str, Any]]:
    bases = (made, Known) if issubclass(made, Known) else (made,)
    for base in bases:
        for name, member in vars(base).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                yield name, member


def _sync_methods() -> str:
    """Only the signatures: the docstrings are those of Client."""
    methods = [
        _line(name, member)
        for name, member in sorted(inspect.getmembers(quicgw_fast.sync.Client, inspect.isfunction))
        if not name.startswith("_")
    ]
    return (
        "The methods, and all properties, are those of [Client](#client):\n\n```python\n" + "\n".join(methods) + "\n```"
    )


def _signature(name: str, function: Any) -> str:
    return f"```python\n{_line(name, function)}\n```"


def _line(name: str, function: Any) -> str:
    said = inspect.signature(function)
    own = [parameter for parameter in said.parameters.values() if parameter.name != "self"]
    parameters = [_parameter(parameter) for parameter in own]
    by_name = [parameter.kind is parameter.KEYWORD_ONLY for parameter in own]
    if True in by_name:
        parameters.insert(by_name.index(True), "*")
    begin = "async def" if inspect.iscoroutinefunction(function) else "def"
    end = "" if said.return_annotation is said.empty else f" -> {said.return_annotation}"
    line = f"{begin} {name}({', '.join(parameters)}){end}"
    if len(line) <= 100:
        return line
    return f"{begin} {name}(\n" + "".join(f"    {one},\n" for one in parameters) + f"){end}"


def _parameter(one: inspect.Parameter) -> str:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    if one.default is one.empty:
        return f"{stars}{one.name}: {one.annotation}"
    value = one.default
    default = f"{type(value).__name__}.{value.name}" if isinstance(value, enum.Enum) else repr(value).replace("'", '"')
    return f"{one.name}: {one.annotation} = {default}"


def _values(made: type) -> str:
    """The fields of a data class, or the values of an enumeration, with the docstrings below them."""
    if not issubclass(made, enum.Enum) and not hasattr(made, "__dataclass_fields__"):
        return ""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(made))).body
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign | ast.Assign):
            continue
        said = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
        rows.append(f"- `{ast.unparse(node)}`" + (f": {' '.join(_words(str(said)).split())}" if said else ""))
    return "\n".join(rows)


def _tree(base: type[BaseException], depth: int = 0) -> str:
    own = f"{'  ' * depth}- [{base.__name__}](#{base.__name__.lower()})"
    known = [made for made in base.__subclasses__() if made.__name__ in quicgw_fast.__all__]
    return "\n".join([own, *(_tree(made, depth + 1) for made in sorted(known, key=lambda made: made.__name__))])


def _words(docstring: str | None) -> str:
    """Turn what docstrings have of reStructuredText into Markdown."""
    text = inspect.cleandoc(docstring or "").replace("``", "`")
    text = re.sub(r"^(.*?)::\n\n((?:    .*\n|\n)+)", lambda found: _code(found[1], found[2]), text, flags=re.MULTILINE)
    return text.strip()


def _code(before: str, block: str) -> str:
    return (before and f"{before}:\n\n") + f"```python\n{textwrap.dedent(block).strip()}\n```\n\n"
