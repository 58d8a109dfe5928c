"""What docs/reference/cli.md says of the commands, made of the commands themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli.app import command_line
from quicgw_fast.cli.promised import WIDEST, PromisedCommand
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

MEANINGS = {
    Status.DONE: "done",
    Status.NO: "the gateway or service answered with an error, or not in time; a check failed; a promise was broken",
    Status.USAGE: "the command line is wrong",
    Status.FAILED: "it could not start, connect, or read a file; a sentence says why and what to do",
    Status.UNWRITTEN: "the output could not be written",
    Status.BUG: "a fault of the program, with a traceback",
    Status.INTERRUPTED: "ended by Ctrl-C: a client by the first one, a server by the second",
    Status.READER_GONE: "the reader of the output went away (`| head`)",
    Status.TERMINATED: "ended by SIGTERM, as by Ctrl-C",
}


def statuses() -> str:
    """The exit statuses, all of them."""
    rows = (f"| {status.value} | {_cell(MEANINGS[status])} |" for status in Status)
    return "\n".join(["| status | meaning |", "|---|---|", *rows])


def overview() -> str:
    """All commands by section, each with its first sentence."""
    sections: dict[str, list[str]] = {}
    for command in _promised():
        row = f"| [`quicgw {command.name}`](#quicgw-{command.name}) | {_cell(command.help or '')} |"
        sections.setdefault(command.section, []).append(row)
    tables = ("\n".join([f"**{name}**", "", "| command | |", "|---|---|", *rows]) for name, rows in sections.items())
    return "\n\n".join(tables)


def commands() -> str:
    """Every command with its arguments, options and examples."""
    return "\n\n".join(part for command in _promised() for part in _parts(command))


def _promised() -> Iterator[PromisedCommand]:
    for command in command_line().commands.values():
        assert isinstance(command, PromisedCommand)
        yield command


def _parts(command: PromisedCommand) -> Iterator[str]:
    kept = command.keep(WIDEST)
    inner = getattr(kept, "commands", None)
    if inner is None:
        yield _page(f"quicgw {command.name}", kept, "##")
        return
    yield f"## quicgw {command.name}\n\n{kept.help}"
    for name, one in inner.items():
        yield _page(f"quicgw {command.name} {name}", one, "###")


def _page(name: str, command: Any, mark: str) -> str:
    """One command; what it is made of has no public types."""
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"{mark} {name}", _escaped(command.help or ""), f"```text\n{usage}\n```"]
    parameters = [one for one in command.get_params(context) if "--help" not in one.opts]
    rows = [_row(one, context) for one in parameters if one.get_help_record(context) is not None]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    examples = [line.strip() for line in (command.epilog or "").splitlines()[1:]]
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts)


def _row(parameter: Any, context: Any) -> str:
    written, meaning = parameter.get_help_record(context)
    written = " ".join(written.replace("|", "\\|").split())
    meaning = re.sub(r"\s*\[default: \(?(.*?)\)?\]", r" Default: \1.", meaning).replace("[required]", "Required.")
    return f"| `{written}` | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return " ".join(_escaped(text).split())


def _escaped(text: str) -> str:
    """Keep what Markdown would take for its own; what is code already, keeps its bars."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
