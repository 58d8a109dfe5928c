"""``quicgw check``: a plug-in for Nagios, Icinga and whoever else speaks their conventions."""

from __future__ import annotations

from typing import Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds

Bounds = list[str] | None
_NAMES = "queue and memory (per cent), refused (a second), certificate (days left), sessions"
Warnings = Annotated[
    Bounds, typer.Option("--warning", "-w", metavar="NAME=N", help=f"From where on it is a WARNING: {_NAMES}.")
]
Criticals = Annotated[
    Bounds, typer.Option("--critical", "-c", metavar="NAME=N", help="From where on it is CRITICAL. Repeatable.")
]
Over = Annotated[float, Seconds("--over", default="1s", help="How long refusals are counted.")]


def check(
    warning: Warnings = None,
    critical: Criticals = None,
    over: Over = 1.0,
    admin: options.AdminAddress = None,
    config: options.LongConfig = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Say in one line, with performance data, whether a gateway is well: for Nagios and its kind.

    The exit status is a plug-in's and not that of other commands. 0: OK. 1: WARNING. 2: CRITICAL: not ready, not there,
    or beyond a bound. 3: UNKNOWN: what is there lets nobody in or is no gateway, or the command line is wrong. Without
    other bounds queue has 50 and 90, memory 80 and 95, refused 10 and 100, certificate 21 and 7.
    """
    from quicgw_fast.cli.asking import NoAnswer
    from quicgw_fast.cli.plugin import PluginState, judge, measure, read_bounds, say, unknown
    from quicgw_fast.errors import StartupError

    try:
        bounds = read_bounds(warning or (), critical or ())
        pages = options.admin_pages(admin, config, token_file, timeout)
        verdict = judge(measure(pages, over), bounds)
    except NoAnswer as error:
        verdict = unknown(PluginState.CRITICAL, str(error))
    except StartupError as error:  # who is there and cannot be asked is a matter of the monitor
        verdict = unknown(PluginState.UNKNOWN, str(error))
    say(verdict, as_json=json)
    raise typer.Exit(verdict.state.value)
