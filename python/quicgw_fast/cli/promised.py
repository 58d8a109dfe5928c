"""Commands that are known by name and imported when they are used: help about all of them costs the import of none."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import examples, help_of, narrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer._click import Command, Context, HelpFormatter

SETTINGS = {"help_option_names": ["-h", "--help"]}


class PromisedCommand(TyperCommand):
    """Stands for the command ``name`` of the module of that name, of which it knows the first sentence of its help.

    The module has a function of that name, or a typer application with more commands.
    """

    def __init__(self, section: str, name: str, summary: str, lines: tuple[str, ...]) -> None:
        """``section`` is where it is listed; ``lines`` are the examples of its help."""
        super().__init__(name, help=summary)
        self.section = section
        self.lines = lines

    def keep(self, columns: int | None) -> Command:
        """Import it. Help and mistakes are plain paragraphs of so many ``columns``, or else tables."""
        assert self.name is not None
        found = getattr(importlib.import_module(f"quicgw_fast.cli.{self.name}"), self.name)
        if not isinstance(found, typer.Typer):
            found = _alone(found, self.lines)
        fit(found, columns)
        command = typer.main.get_command(found)
        command.name = self.name
        return command


class PromisingGroup(TyperGroup):
    """A group of promised commands. Its help is plain text in sections: what makes tables would take half the time."""

    columns: int | None = None
    """Those of a terminal that is too narrow for tables."""

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
        self.format_epilog(ctx, formatter)


def fit(group: typer.Typer, columns: int | None) -> None:
    """Have help and mistakes of usage written as plain paragraphs of so many columns, or as tables for None."""
    group.rich_markup_mode = "rich" if columns is None else None
    group.info.context_settings = SETTINGS if columns is None else {**SETTINGS, "terminal_width": columns}
    for one in group.registered_commands:
        if columns is not None and isinstance(one.epilog, str):
            one.epilog = narrow(one.epilog)


def _alone(command: Callable[..., None], lines: tuple[str, ...]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command(help=help_of(command), epilog=examples(*lines))(command)
    return app
