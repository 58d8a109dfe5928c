"""Limits that an operator looks at and changes while the gateway runs; the file is not changed by that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.config import changed, effective_report
from quicgw_fast.config.places import PlaceKind
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicgw_fast.config import Config
    from quicgw_fast.overload.moments import Gates

NOTE: Final = "a change holds until the gateway ends or reloads its configuration: write it into the file to keep it"
CHANGEABLE: Final[Mapping[str, frozenset[str] | None]] = {
    "limits": None,
    "overload": None,
    "upstream": frozenset({"max_concurrency"}),
}
"""The tables that rules read, and which of their keys; None for all."""

_log = logging.getLogger("quicgw.overload")


class LiveLimits:
    """Looks at the rules and changes them, as far as the checks of a configuration let it."""

    def __init__(self, gates: Gates, config: Callable[[], Config], now: Callable[[], float]) -> None:
        """``config`` is what the gateway runs with, but for what was changed here; ``now`` gives monotonic seconds."""
        self._gates = gates
        self._config = config
        self._now = now

    def report(self) -> dict[str, Any]:
        """All rules (``RuleBook.report``), and how lasting a change is."""
        return {"note": NOTE, "rules": self._gates.book.report(self._now())}

    def change(self, tables: Mapping[str, Any]) -> None:
        """Take keys of the configuration, ``{"limits": {"in_flight": 9}}``.

        Raises ConfigError, and then nothing has changed.
        """
        _check_keys(tables)
        wanted = changed(self._running(), tables)
        self._gates.reconfigure(wanted.limits, wanted.overload, max_concurrency=wanted.upstream.max_concurrency)
        _log.warning("limits changed", extra={f"{table}.{key}": told for table, key, told in _flat(tables)})

    def settings(self) -> dict[str, Any]:
        """All settings in use (``config.effective_report``); of what was changed here it says so."""
        written, running = effective_report(self._config()), effective_report(self._running())
        for key, row in running["settings"].items():
            if row["value"] != written["settings"][key]["value"]:
                for place in ("file", "line", "variable"):
                    row.pop(place, None)
                row["from"] = str(PlaceKind.CHANGE)
        return running

    def _running(self) -> Config:
        config, bounds = self._config(), self._gates.book.bounds
        services = config.upstream.model_copy(update={"max_concurrency": bounds.max_concurrency})
        return config.model_copy(update={"limits": bounds.limits, "overload": bounds.overload, "upstream": services})


def _check_keys(tables: Mapping[str, Any]) -> None:
    for table, keys in tables.items():
        if table not in CHANGEABLE:
            raise ConfigError(f"{table!r} cannot be changed here; known tables are {', '.join(CHANGEABLE)}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{table!r} must be an object of keys and values")
        known = CHANGEABLE[table]
        for key in keys:
            if known is not None and key not in known:
                raise ConfigError(f"{table}.{key} cannot be changed here; known is {table}.{', '.join(known)}")


def _flat(tables: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(table, key, value) for table, keys in tables.items() for key, value in keys.items()]
