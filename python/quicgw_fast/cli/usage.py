"""Mistakes on the command line: what is wrong, what was probably meant, and for programs an object."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a command line that is wrong; it has no public name for it."""
PLUGIN: Final = "check"
"""The command whose exit statuses are a plug-in's, to which 2 would be CRITICAL."""
JSON: Final = "--json"
_KINDS: Final = ("openid:", "session:", "gid:")
_ADDRESSES: Final = ("--admin", "--server", "--gateway")
_ADDRESS: Final = re.compile(r"\S+:[0-9]{1,5}")
_WORDS: Final = tuple(
    (re.compile(rf"Input should be {theirs}"), ours)
    for theirs, ours in (
        (r"a valid integer, .*", "must be a whole number"),
        (r"a valid number, .*", "must be a number"),
        (r"greater than or equal to (\S+)", r"must be at least \1"),
        (r"less than or equal to (\S+)", r"must be at most \1"),
    )
)
ALIKE: Final = 0.7
"""How much of an option must be as in another one for that to be meant (``difflib``)."""
_LONGEST: Final = 60
"""Characters of an argument that a hint repeats."""


def tell(error: Any, arguments: Sequence[str]) -> int:
    """Say what is wrong with ``arguments``, and return the exit status."""
    command = "" if error.ctx is None else error.ctx.command.name
    named = _options(error)
    hint = next(_hints(error, list(arguments), named), "")
    if possible := getattr(error, "possibilities", None):
        error.possibilities = None
        near = difflib.get_close_matches(error.option_name, possible, 1, ALIKE)
        hint = hint or (f"did you mean {near[0]}?" if near else "")
    error.message = _in_plain_words(error.message)
    wants_json = JSON in arguments
    if command == PLUGIN:
        return _tell_monitor(_joined(error.format_message(), hint), as_json=wants_json)
    if wants_json:
        from quicgw_fast.cli.failing import say_failure

        say_failure(Status.USAGE, "USAGE", error.format_message(), hint)
        return Status.USAGE
    error.message = _joined(error.message, hint)
    error.show()
    return Status.USAGE


def _in_plain_words(message: str) -> str:
    """Put what the library that reads numbers says as our own checks would."""
    for theirs, ours in _WORDS:
        message = theirs.sub(ours, message)
    return message


def _tell_monitor(told: str, *, as_json: bool) -> int:
    from quicgw_fast.cli.plugin import PluginState, say, unknown

    say(unknown(PluginState.UNKNOWN, told), as_json=as_json)
    return PluginState.UNKNOWN.value


def _joined(message: str, hint: str) -> str:
    if not hint:
        return message
    told = f"{hint[0].upper()}{hint[1:]}"
    return f"{message.rstrip('.')}. {told}" if message else told


def _options(error: Any) -> set[str]:
    """The options of the command whose line is wrong."""
    return set() if error.ctx is None else {name for one in error.ctx.command.params for name in one.opts}


def _hints(error: Any, arguments: list[str], named: set[str]) -> Iterator[str]:
    """What was probably meant, the likeliest first."""
    wrong = getattr(error, "option_name", "")
    if hasattr(error.ctx, "command") and hasattr(error.ctx.command, "commands") and wrong:
        yield f"options of a command stand behind it, as in quicgw COMMAND {wrong[:_LONGEST]}"
    if wrong == "-c" and "--config" in named:
        yield "-c is not --config here; write --config"
    if wrong in _ADDRESSES:
        yield from (f"the gateway's address is {name} here" for name in _ADDRESSES if name in named)
        yield "the gateway's address stands alone here, as HOST:PORT"
    if wrong:
        return
    words = list(_words_alone(arguments))
    if "--param" in named and "--data" in named:  # the action stands alone as well
        words = words[1:]
    for word in words:
        yield from _meant(word, named)


def _words_alone(arguments: list[str]) -> Iterator[str]:
    """The arguments that no option before them takes for sure."""
    before = ""
    for word in arguments[1:]:
        if not word.startswith("-") and not before.startswith("-"):
            yield word
        before = word


def _meant(word: str, named: set[str]) -> Iterator[str]:
    """What one argument too many was probably meant as."""
    if "--config" in named and _is_file(word):
        yield f"did you mean --config {word}?"
    if word.startswith(_KINDS):
        kind, _, name = word.partition(":")
        if "--to" in named:
            yield f"did you mean --to {word}?"
        if f"--{kind}" in named:
            yield f"did you mean --{kind} {name}?"
    elif _ADDRESS.fullmatch(word):
        yield from (f"did you mean {name} {word}?" for name in _ADDRESSES if name in named)
    elif "--param" in named and "--data" in named:
        is_pair = re.fullmatch(r"\w+=.*", word) is not None
        yield f"did you mean --param {word}?" if is_pair else f"did you mean --data {_quoted(word)}?"


def _is_file(word: str) -> bool:
    return word.endswith(".toml") or ("/" in word and Path(word).is_file())


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w.,:/@-]+", word) else repr(word)
