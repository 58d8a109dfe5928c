"""A configuration looked at before it is used: every mistake, and every warning, with its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.loading import advised, read, require_sense
from quicgw_fast.config.mistakes import BadConfigError, Mistake, did_you_mean
from quicgw_fast.config.places import in_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quicgw_fast.config.loading import Flags
    from quicgw_fast.config.models import Config


class Checked(NamedTuple):
    """What was found."""

    config: Config | None
    """None with mistakes that leave none."""
    mistakes: list[Mistake]
    warnings: list[Mistake]


def check(path: Path | None, overrides: Flags | None = None) -> Checked:
    """Read as ``load`` does, and look at the files that are named; raises ConfigError when ``path`` cannot be read.

    What contradicts itself is looked at further, as all mistakes shall be told at once.
    """
    try:
        config = read(path, overrides)
    except BadConfigError as error:
        return Checked(None, list(error.mistakes), [])
    warnings = [*(() if path is None else _of_the_whole(config, path)), *advised(config)]
    unused = {key for warning in warnings for key in warning.keys}
    missing = [one for one in _of_files(config) if one.keys[0] not in unused]
    return Checked(config, [*_of_sense(config), *missing], warnings)


def _of_sense(config: Config) -> tuple[Mistake, ...]:
    try:
        require_sense(config)
    except BadConfigError as error:
        return error.mistakes
    return ()


def _of_the_whole(config: Config, path: Path) -> Iterator[Mistake]:
    if path.is_file() and not path.read_bytes().strip():  # of a pipe nothing is left to be read
        yield Mistake("the file is empty: every key has its default", places=(in_file(path),))
    if config.tls.cert is None and config.tls.key is None:
        why = "tls.cert and tls.key are not set: quicgw serve needs both, quicgw dev makes its own"
        yield Mistake(why, places=(in_file(path),))


def _of_files(config: Config) -> Iterator[Mistake]:
    for setting in settings().values():
        path = getattr(getattr(config, setting.table), setting.name) if setting.is_file else None
        why = "" if path is None else _unusable(path, made=setting.is_made)
        if why:
            key = (setting.table, setting.name)
            yield Mistake(why, (key,), (config.place(key),))


def _unusable(path: Path, *, made: bool) -> str:
    """Say why a file cannot be read, or where it is ``made``, its folder; empty when it can."""
    if path.is_dir():
        return f"{path} is a folder; name a file in it"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; relative paths in a file count from its own folder"
    if path.exists():
        return "" if os.access(path, os.R_OK) else f"{path} cannot be read by this user; change its owner or mode"
    if made:
        return "" if os.access(path.parent, os.W_OK) else f"{path} is not there, and this user cannot make it"
    _, asked = did_you_mean(path.name, (each.name for each in path.parent.iterdir()))
    return f"there is no file {path}{asked or '; relative paths in a file count from its own folder'}"
