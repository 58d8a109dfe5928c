"""The tokens that a port takes, read from a file: who shows one of them may use it."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from quicgw_fast.config import read_small, warn_if_exposed
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LEAST = 16
"""Characters of a token: shorter ones can be guessed."""
MOST = 64
"""Tokens of a file: each request is compared with all of them."""
SCHEME = "bearer "

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""What can stand behind ``Bearer`` (RFC 6750 §2.1)."""


class TokenSet:
    """Tokens, of which only digests are kept. Without one nobody needs any."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self._digests = [_digest(token) for token in tokens]

    @property
    def required(self) -> bool:
        """Whether anybody is asked for a token."""
        return bool(self._digests)

    def take(self, authorization: str) -> bool:
        """Whether ``authorization``, the value of the header or metadata of that name, shows one of the tokens.

        Takes the same time for every value of one length: digests are compared, and each with all.
        """
        if authorization[: len(SCHEME)].lower() != SCHEME:
            return not self.required
        shown = _digest(authorization[len(SCHEME) :].strip())
        found = [hmac.compare_digest(shown, digest) for digest in self._digests]
        return any(found) or not self.required

    def replace(self, other: TokenSet) -> None:
        """Take the tokens of ``other`` from now on, and no other ones."""
        self._digests = other._digests


def read_tokens(path: Path | None, key: str) -> TokenSet:
    """Return what is in the file that ``control.<key>`` names, one token a line; ``#`` begins a comment.

    Raises SettingError for a file that cannot be read, has no token, or one that is too short or not one.
    """
    if path is None:
        return TokenSet()
    where = f"control.{key}"
    try:
        lines = read_small(path).decode("ascii").splitlines()
        warn_if_exposed(path, where)
    except OSError as error:
        told = f"{where}: cannot read {path}: {error.strerror or error}; give the path of a readable file"
        raise SettingError(("control", key), told) from error
    except UnicodeDecodeError as error:
        told = f"{where}: {path} is not a file of tokens: they are letters, digits and -._~+/"
        raise SettingError(("control", key), told) from error
    tokens = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"}
    _check(tokens, f"{where}: {path}", key)
    return TokenSet(tokens.values())


def first_token(path: Path | None) -> str | None:
    """Return the first token of a file that ``read_tokens`` takes, for who has to show it.

    Raises OSError, and ValueError when there is none.
    """
    if path is None:
        return None
    lines = read_small(path).decode("ascii").splitlines()
    tokens = (line.strip() for line in lines if line.strip() and line[0] != "#")
    token = next(tokens, None)
    if token is None or not _TOKEN.fullmatch(token):
        raise ValueError("no line of it is a token: letters, digits and -._~+/")
    return token


def _check(tokens: dict[int, str], where: str, key: str) -> None:
    advice = "make one with `openssl rand -hex 32`"
    if not tokens:
        raise SettingError(("control", key), f"{where} has no token; {advice}, one a line")
    if len(tokens) > MOST:
        raise SettingError(("control", key), f"{where} has {len(tokens)} tokens; at most {MOST} are taken")
    for number, token in tokens.items():
        # The token itself must not get into a log.
        if len(token) < LEAST:
            told = f"{where}: line {number} has {len(token)} characters, a token at least {LEAST}; {advice}"
            raise SettingError(("control", key), told)
        if not _TOKEN.fullmatch(token):
            told = f"{where}: line {number} is not a token: letters, digits and -._~+/ are allowed; {advice}"
            raise SettingError(("control", key), told)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
