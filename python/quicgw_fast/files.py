"""Files that people name: read within bounds, and told when more people can get at them than should."""

from __future__ import annotations

import errno
import logging
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE = 1 << 20
"""Bytes: a configuration, key or certificate that is larger is some other file, ``/dev/zero`` without an end."""
_OPEN_ALREADY = frozenset({"/dev/fd", "/proc/self/fd"})
"""Folders of names of what this process has open."""
_TAKEN = frozenset({"/dev/stdin", "/dev/null"})
"""What is no file and can be read to an end all the same."""

_log = logging.getLogger("quicgw.config")


def read_small(path: Path) -> bytes:
    """Read a whole file of at most ``MAX_FILE`` bytes; raises OSError, also for a larger one, a pipe and a device."""
    refuse_endless(path)
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(errno.EFBIG, "it is larger than 1 MiB, so it is some other file", str(path))
    return data


def refuse_endless(path: Path) -> None:
    """Raise OSError for a named pipe and a device: whoever opens or reads one waits, maybe for ever.

    What a shell has opened already, ``/dev/stdin`` and the ``/dev/fd/63`` of ``<(command)``, is taken.
    """
    mode = path.stat().st_mode
    if path.as_posix() in _TAKEN or path.parent.as_posix() in _OPEN_ALREADY:
        return
    if stat.S_ISFIFO(mode):
        raise OSError(errno.ESPIPE, "it is a named pipe, from which nothing may ever come", str(path))
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.ESPIPE, "it is a device, which may have no end", str(path))


def warn_if_exposed(path: Path, key: str, *, secret: bool = True) -> None:
    """Say so when everybody on the machine may write the file that the setting ``key`` names, or read a secret one.

    Who can write a file of public keys can add an own one and make tokens with it. Raises OSError.
    """
    mode = path.stat().st_mode
    bits = [("read", stat.S_IROTH)] if secret else []
    open_to = [name for name, bit in (*bits, ("write", stat.S_IWOTH)) if mode & bit]
    if open_to:
        remedy = "chmod 600" if secret else "chmod o-w"
        fields = {"file": str(path), "setting": key, "everybody_may": " and ".join(open_to), "remedy": remedy}
        _log.warning("secret file exposed" if secret else "key file exposed", extra=fields)
