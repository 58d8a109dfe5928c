"""Taking out what is secret: what is known to be, and what looks like it.

Known are the contents of the files that the configuration names for secrets. What looks like it may come from
elsewhere, as a line of a log does that a proxy wrote.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from quicgw_fast.config import read_small
from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.values import without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from quicgw_fast.config import Config

INSTEAD: Final = "***"
SHORTEST: Final = 8
"""Characters of what is taken out wherever it stands: a shorter one would be found in words."""

_WITHOUT_SECRETS: Final = frozenset({"cert", "ca", "client_ca", "path"})
"""Keys that name certificates, and the offline store's file, which is no text; all other files have secrets."""

_PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A JSON Web Token: its header is an object, which begins so in base64."""
_BEARER = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+")
_NAMED = re.compile(
    r"(?i)\b((?:[a-z_]*(?:password|passwd|secret|auth_token))\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s\"',}&\\]+"
)


class Redaction:
    """Knows some secrets, and takes all that is one out of texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def clean(self, text: str) -> str:
        """Return the text without any secret."""
        if self._known is not None:
            text = self._known.sub(INSTEAD, text)
        text = _PRIVATE.sub(INSTEAD, text)
        text = _TOKEN.sub(INSTEAD, text)
        text = _BEARER.sub(rf"\1{INSTEAD}", text)
        return without_password(_NAMED.sub(rf"\1{INSTEAD}", text))


def secrets_of(config: Config, *others: Path | None) -> Iterator[str]:
    """What is secret in the files of a configuration, in ``others``, and in the environment."""
    files = (one for one in settings().values() if one.is_file and one.name not in _WITHOUT_SECRETS)
    for path in (*(getattr(getattr(config, one.table), one.name) for one in files), *others):
        yield from () if path is None else _lines(path)
    for name, value in os.environ.items():
        if name.endswith(("TOKEN", "PASSWORD", "SECRET", "KEY")):
            yield value


def _lines(path: Path) -> Iterator[str]:
    try:
        content = read_small(path)
    except OSError:  # what cannot be read cannot get into the archive from there
        return
    yield content.hex()
    for line in content.decode(errors="replace").splitlines():
        if not line.startswith(("-----", "#")):
            yield line.strip()
