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

## What it does by itself

Login, heartbeats, acknowledgements, reconnecting and resuming. Beyond that:

- **Your code may take its time**: the connection lives in a thread of its own, so a callback that sleeps for ten
  seconds stops no heartbeat (`connect(thread=False)` for your own event loop, which then must not be held up).
- **Limits are kept**: the gateway names them at START (`limits.in_flight`, `limits.messages_per_second`, the window;
  raise them there), and calls beyond wait for their turn within their timeout. A request that was refused for its
  rate all the same (429, it was never passed on) is sent again in its old place, as is one that a gateway which
  stopped says it never accepted; no other request is ever sent twice: what to do about a 503 is your decision.
- **The login is the client's**: its own `hello` is sent again when it is answered 429, 503 or 504, or broken off by a
  gateway that stops.
- **A first connection** waits, within `connect_timeout`, while the gateway says `retry-after-ms` or has no room or no
  time for hello. What is raised is the real cause; `problem` of `ConnectionFailed` and `ConnectionClosed` tells an
  unknown host, a dead port, no answer at all, a full or draining gateway and each fault of a certificate apart.
- **Read the notifies**, with `notifies()` or `next_notify()`. For a program that never does, the oldest are dropped
  after a warning in the log and the state `unread` (`queue_policy="auto"`); `pause`, `drop_oldest` and `fail` are
  there to choose.
- **A gateway that stops** says which request was the last that it accepted, when to come back and perhaps where
  (`reconnect-to`, for which `Reconnect(follow=False)` is deaf); the client does so. The other gateway's certificate
  has to carry the same name, and where nobody is there the client goes home.
- **Other devices of its user** end it where the gateway says so: `Superseded` when one took its session or its place,
  `AlreadyOnline` when it is not let in beside one ([several devices](../howto/devices.md)). Then it stays away.
- **`call(timeout=…)` ends in that time**, whatever happens to the gateway (`CallTimeout.sent` tells whether the call
  was sent; one that still waited for its turn did not run), and `close()` within `close_timeout`. Cancelling
  `close()`, `detach()` or the connecting leaves a closed client: nobody waits for it any more.
- **`transport="quinn"`** has QUIC done by the compiled part, as `QUICGW_FAST=1` has for every client that names none
  ([what differs](../transports.md)).
- **To watch the messages**, give `connect(observer=…)` a `ClientObserver`: it is told each message as it goes over
  the wire, and each connection that comes and goes.

`quicgw_fast.proto` has the messages and gRPC stubs for services; your own stubs of `proto/*.proto` may live in the same
process. [Your own tests](../howto/testing.md) get a real gateway.
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
