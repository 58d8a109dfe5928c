"""One configuration from all sources, checked: flag over environment over file over default."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from quicgw_fast.config.fast import from_variable
from quicgw_fast.config.mistakes import BadConfigError, Mistake
from quicgw_fast.config.models import SECTIONS, Config
from quicgw_fast.config.places import CHANGE, DEFAULT, in_variable
from quicgw_fast.config.sense import contradictions, risks, without_effect
from quicgw_fast.config.sources import Source, Sources, from_environment, from_file, from_flags, stray
from quicgw_fast.config.wording import mistakes_of
from quicgw_fast.errors import ConfigError, SettingError
from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from quicgw_fast.config.places import Key, SettingPlace

    Flags = Mapping[str, Mapping[str, Any]]


_ASKING = (("server", "admin"), ("control", "admin_token_file"))


def load(path: Path | None = None, overrides: Flags | None = None) -> Config:
    """Read the configuration that a gateway is to run with.

    ``path`` is a TOML file, ``overrides`` holds flags as ``{"server": {"quic": "…"}}``. Paths in the file count from
    its folder, all others from the working directory. Raises ConfigError naming the key, where it is written, and what
    it should be; also for values that are good alone and contradict each other.
    """
    return _load(path, overrides)[0]


@contextmanager
def located(path: Path | None = None, overrides: Flags | None = None) -> Iterator[Config]:
    """Read as ``load`` does, for a block that runs with it: what that finds wrong is told with its place as well.

    Raises ConfigError for the SettingError of a stage.
    """
    config, sources = _load(path, overrides)
    try:
        yield config
    except SettingError as error:
        told = "; ".join(
            f"{printable(str(one).removesuffix('.'), None)} ({sources.place(one.key)})" for one in error.each
        )
        raise ConfigError(f"bad configuration: {told}") from error


def read(path: Path | None = None, overrides: Flags | None = None) -> Config:
    """Read as ``load`` does, but take settings that contradict each other: for tests of one of them."""
    return _read(path, overrides)[0]


def read_to_ask(path: Path | None = None) -> Config:
    """Read how the gateway of a configuration is asked, ``server.admin`` and ``control.admin_token_file``, and no more.

    Mistakes elsewhere are the gateway's to tell. Raises ConfigError as ``read`` does, for these keys and what is no
    TOML.
    """
    files = [from_file(path, SECTIONS)] if path else []
    if wrong := [mistake for source in files for mistake in source.mistakes]:
        raise BadConfigError(wrong)
    each = (*files, from_environment(os.environ, SECTIONS))
    return _checked(Sources(*(Source(one.everywhere, _of_asking(one.tables), one.places) for one in each)))


def _of_asking(tables: Flags) -> dict[str, Any]:
    written = ((name, key, tables.get(name)) for name, key in _ASKING)
    return {name: {key: table[key]} for name, key, table in written if isinstance(table, dict) and key in table}


def changed(config: Config, tables: Flags) -> Config:
    """Return a configuration that runs with the keys in ``tables`` changed, ``{"limits": {"in_flight": 9}}``.

    Raises ConfigError as ``load`` does.
    """
    running = config.model_dump(exclude_unset=True)
    written = ((name, key) for name, table in running.items() for key in table)
    places: dict[Key, SettingPlace] = {key: config.place(key) for key in written}
    change = Source(CHANGE, {name: dict(table) for name, table in tables.items()})
    sources = Sources(Source(DEFAULT, running, places), change)
    wanted = _checked(sources)
    _require_sense(wanted, sources.place)
    return wanted


def advice(config: Config) -> list[str]:
    """Return warnings about what was probably meant otherwise; not errors, so that a start never fails for them."""
    return [one.what for one in advised(config)]


def advised(config: Config) -> Iterator[Mistake]:
    """The same, each with its place."""
    yield from _strays()
    for key, why in (*without_effect(config), *risks(config)):
        yield Mistake(why, (key,), (config.place(key),))


def _strays() -> Iterator[Mistake]:
    """Name the variables that are not read: what was meant by each, and all others together."""
    others = []
    for variable, meant in stray(os.environ, SECTIONS):
        if meant:
            why = f"the environment variable {variable} is not read; did you mean {meant}?"
            yield Mistake(why, places=(in_variable(variable),), meant=meant)
        else:
            others.append(variable)
    if others:
        names = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
        why = f"not read from the environment: {names}; settings are written QUICGW_SECTION__KEY"
        yield Mistake(why, places=(in_variable(others[0]),))


def require_sense(config: Config) -> None:
    """Raise BadConfigError for a configuration, put together of several, whose values contradict each other."""
    _require_sense(config, config.place)


def _load(path: Path | None, overrides: Flags | None) -> tuple[Config, Sources]:
    config, sources = _read(path, overrides)
    _require_sense(config, sources.place)
    return config, sources


def _require_sense(config: Config, place: Callable[[Key], SettingPlace]) -> None:
    wrong = [Mistake(why, keys, tuple(map(place, keys))) for keys, why in contradictions(config)]
    if wrong:
        raise BadConfigError(wrong)


def _read(path: Path | None, overrides: Flags | None) -> tuple[Config, Sources]:
    files = [from_file(path, SECTIONS)] if path else []
    each = [*files, from_variable(os.environ), from_environment(os.environ, SECTIONS), from_flags(overrides or {})]
    sources = Sources(*each)
    wrong = [mistake for source in each for mistake in source.mistakes]
    # What a stronger source covers is wrong nevertheless: it would come to light when that one is gone.
    for one in (sources, *map(Sources, each)):
        try:
            _checked(one)
        except BadConfigError as error:
            wrong += error.mistakes
    if wrong:
        raise BadConfigError(wrong)
    return _checked(sources), sources


def _checked(sources: Sources) -> Config:
    """Make a configuration of what is written. Raises BadConfigError."""
    try:
        return Config.model_validate(sources.tables).placed(sources.places())
    except ValidationError as error:
        raise BadConfigError(mistakes_of(error, sources.place, SECTIONS)) from error
