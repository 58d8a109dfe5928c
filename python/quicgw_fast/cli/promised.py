"""Commands that are known by name and imported when they are used: help about all of them costs the import of none."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import NARROW, examples, help_of, laid_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer._click import Command, Context, HelpFormatter

SETTINGS = {"help_option_names": ["-h", "--help"]}
WIDEST = 100
"""Columns that help takes of a wide terminal."""


class PromisedCommand(TyperCommand):
    """Stands for the command ``name`` of the module of that name, of which it knows the first sentence of its help.

    The module has a function of that name, or a typer application with more commands.
    """

    def __init__(self, section: str, name: str, summary: str, lines: tuple[str, ...]) -> None:
        """``section`` is where it is listed; ``lines`` are the examples of its help."""
        super().__init__(name, help=summary)
        self.section = section
        self.lines = lines

    def keep(self, columns: int) -> Command:
        """Import it; ``columns`` are those of the terminal."""
        assert self.name is not None
        found = getattr(importlib.import_module(f"quicgw_fast.cli.{self.name}"), self.name)
        if isinstance(found, typer.Typer):
            found.info.cls = ListingGroup
        else:
            found = _alone(found, self.lines)
        fit(found, columns)
        command = typer.main.get_command(found)
        command.name = self.name
        return command


class ExampledCommand(TyperCommand):
    """A command whose help ends with examples."""

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write them (typer)."""
        del ctx
        write_examples(self.epilog, formatter)


class ListingGroup(TyperGroup):
    """A group of commands whose help has what each does in full."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the first paragraph of each (typer)."""
        del ctx
        rows = [(name, (command.help or "").partition("\n\n")[0]) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class PromisingGroup(TyperGroup):
    """A group of promised commands. Its help is plain text in sections, as is that of each (``fit``)."""

    columns = WIDEST
    """Those of the terminal."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the command that is called, and import it (typer)."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.keep(self.columns) if isinstance(command, PromisedCommand) else command, rest

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Show the help where there is nothing else to do (typer)."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit(Status.USAGE)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write usage, the commands by their sections, options and examples (typer)."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            if isinstance(command, PromisedCommand):
                sections.setdefault(command.section, []).append((name, command.help or ""))
        widest = max(map(len, self.commands))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(widest), summary) for name, summary in rows])
        options = (option.get_help_record(ctx) for option in self.get_params(ctx))
        with formatter.section("Options"):
            formatter.write_dl([record for record in options if record is not None])
        write_examples(self.epilog, formatter)


def write_examples(epilog: str | None, formatter: HelpFormatter) -> None:
    """Write examples below what was written, if there are any."""
    if epilog:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(laid_out(epilog, formatter.width))


def fit(group: typer.Typer, columns: int) -> None:
    """Have help be plain text for a terminal of so many columns: what draws tables takes as long as all the rest."""
    group.rich_markup_mode = None
    width = {"terminal_width": columns} if columns < NARROW else {"max_content_width": WIDEST}
    group.info.context_settings = {**SETTINGS, **width}
    for one in group.registered_commands:
        one.cls = ExampledCommand


def _alone(command: Callable[..., None], lines: tuple[str, ...]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command(help=help_of(command), epilog=examples(*lines))(command)
    return app
