"""The handlers of a service: which function answers which action, and how each wants to be called."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.service.bodies import is_model, parser_of
from quicgw_fast.service.errors import ServiceMistake
from quicgw_fast.service.request import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

DEFAULT = "*"
"""In the place of an action: whatever has no handler of its own."""


class RunInThread(Protocol):
    """Calls a plain function where it may take its time."""

    def __call__(self, function: Callable[..., object], *arguments: object) -> Awaitable[object]:
        """Return what the function returned."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that answers an action."""

    function: Callable[..., Any]
    where: str
    """Name, file and line, as messages show it."""
    is_async: bool
    wants: tuple[Callable[[Request], object], ...]
    """Where each of its arguments comes from."""

    async def answer(self, request: Request, run_in_thread: RunInThread) -> object:
        """Return what the function returns; raises what it raises, and ServiceError 400 for data that does not fit."""
        arguments = [want(request) for want in self.wants]
        if self.is_async:
            return await self.function(*arguments)
        return await run_in_thread(self.function, *arguments)


class Handlers:
    """All handlers, by action in lower case, as the gateway routes."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, action: str, function: Callable[..., Any]) -> None:
        """Have the function answer an action; raises ServiceMistake."""
        handler = _handler(function)
        name = action.lower()
        before = self._handlers.get(name)
        if before is not None:
            what = "all other actions" if name == DEFAULT else f"the action {name!r}"
            raise ServiceMistake(f"two handlers for {what}: {before.where} and {handler.where}; remove one of them")
        self._handlers[name] = handler

    def find(self, action: str) -> Handler | None:
        """Return who answers an action, however it is spelt; None where nobody does."""
        return self._handlers.get(action.lower()) or self._handlers.get(DEFAULT)

    @property
    def actions(self) -> list[str]:
        """The actions that have a handler of their own."""
        return [name for name in self._handlers if name != DEFAULT]

    def __len__(self) -> int:
        return len(self._handlers)


def check_action(action: object) -> str:
    """Return the name of an action; ServiceMistake for what is none."""
    if callable(action):
        name = getattr(action, "__name__", "it")
        raise ServiceMistake(f'@service.action needs a name: @service.action("{name}") above {_where(action)}')
    if not isinstance(action, str) or not action.strip() or action == DEFAULT:
        hint = "for all other actions write @service.default" if action == DEFAULT else 'write "echo", for example'
        raise ServiceMistake(f"{action!r} is no name of an action; {hint}")
    return action


def _handler(function: Callable[..., Any]) -> Handler:
    where = _where(function)
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        raise ServiceMistake(f"{where} yields, but a request has one answer; return it, and notify for more")
    parameters = [each for each in inspect.signature(function).parameters.values() if _is_needed(each)]
    _check_one_request(parameters, where)
    wants = tuple(_want(parameter, called, where) for parameter in parameters)
    return Handler(function, where, inspect.iscoroutinefunction(called), wants)


def _is_needed(parameter: inspect.Parameter) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    return parameter.default is parameter.empty


def _check_one_request(parameters: Sequence[inspect.Parameter], where: str) -> None:
    """Refuse an argument without annotation beside the request: it would silently be the request once more."""
    bare = [each for each in parameters if each.annotation is each.empty]
    typed = [each for each in parameters if _says_request(each.annotation)]
    if len(bare) + len(typed) > 1 and bare:
        request, other = (typed[0], bare[0]) if typed else bare[:2]
        raise ServiceMistake(
            f"{where}: {other.name} has no annotation, and the request is {request.name}; a handler takes one request "
            f"and a dataclass or a pydantic model, which its data is made into: annotate {other.name} with that, or "
            "read request.params and request.json()"
        )


def _says_request(annotation: Any) -> bool:
    if isinstance(annotation, str):  # imported for type checkers alone, as it may be
        return annotation.rpartition(".")[2] == Request.__name__
    return annotation is Request


def _want(parameter: inspect.Parameter, function: Callable[..., Any], where: str) -> Callable[[Request], object]:
    """Return where an argument comes from: the request, or a model that its data is made into."""
    if parameter.kind is parameter.KEYWORD_ONLY:
        raise ServiceMistake(f"{where}: {parameter.name} can only be given by name; leave out the * in front of it")
    kind = _annotation(parameter, function, where)
    if kind is Request or (kind is parameter.empty and parameter.name != "self"):
        return lambda request: request
    if is_model(kind):
        parse = parser_of(kind, where)
        return lambda request: parse(request.data)
    raise ServiceMistake(
        f"{where}: {parameter.name} is {getattr(kind, '__name__', kind)}; a handler takes the request (Request, or no "
        "annotation) and a dataclass or a pydantic model, which its data is made into"
    )


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any], where: str) -> Any:
    text = parameter.annotation
    if not isinstance(text, str):
        return text
    if _says_request(text):
        return Request
    inner = inspect.unwrap(function)
    known = inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
    try:
        return eval(text, getattr(inner, "__globals__", {}), dict(known))
    except NameError as error:
        raise ServiceMistake(
            f"{where}: the annotation {text!r} of {parameter.name} is not known while the program runs ({error}); "
            "define or import it at the top of the module, outside of `if TYPE_CHECKING`"
        ) from error


def _where(function: object) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    name = getattr(function, "__qualname__", type(function).__name__).rpartition("<locals>.")[2]
    return f"{name}()" if code is None else f"{name}() ({code.co_filename}:{code.co_firstlineno})"
