"""Values as people write them: durations, sizes, counts, addresses and paths, each with its bounds."""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler
    from pydantic.fields import FieldInfo

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d{1,30})\s*(B|KiB|MiB|GiB|TiB)?", re.ASCII)
_BYTES = {"B": 1, None: 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
MAX_PORT = 65535
_LONGEST_SHOWN = 60
_FEW_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_PATH = 1024


_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def without_password(text: str) -> str:
    """Hide who logs in, and with which password, in the URLs of a text: the only secrets that are no files."""
    return _PASSWORD.sub("***", text)


def shown(value: object) -> str:
    """Return ``value`` as it can stand in a message: cut, on one line, and without passwords."""
    try:
        text = without_password(repr(value))
    except ValueError:  # a number of more digits than Python writes
        return "a huge number"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def example(known: FieldInfo) -> str:
    """Return the example of a list or a table as JSON writes it, and TOML a list."""
    assert known.examples is not None
    return json.dumps(known.examples[0])


_DURATIONS = "a valid duration; {}write for example 250ms, 30s, 5m or 2h"
_SIZES = "a valid size; {}write for example 4096, 64KiB, 1MiB or 2GiB"
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)[\s_-]*([A-Za-zµμ]+)\.?", re.ASCII)
_TIME_UNITS = {
    **dict.fromkeys(("msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **{unit: unit for unit in _SECONDS if unit},
}
_SIZE_UNITS = {
    **dict.fromkeys(("byte", "bytes"), "B"),
    **{spelt: f"{letter.upper()}iB" for letter in "kmgt" for spelt in (letter, f"{letter}b", f"{letter}ib")},
    "b": "B",
}


def _guess(text: str, units: dict[str, str]) -> str:
    """Say what was probably meant by an amount with a unit that is not known, or by a size in parts of one."""
    match = _AMOUNT.fullmatch(text.strip())
    unit = units.get(match[2].lower()) if match else None
    if match is None or unit is None:
        return ""
    size = float(match[1]) * _BYTES[unit] if unit in _BYTES and "." in match[1] else None
    meant = f"{match[1]}{unit}" if size is None else write_size(round(size))
    return f"did you mean {meant}? "


def parse_duration(value: object) -> object:
    """Turn ``"30s"``, ``"5m"``, ``"250ms"`` or a number into float seconds; ValueError says the forms."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not {_DURATIONS.format('')}")
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{shown(value)} is not {_DURATIONS.format(_guess(value, _TIME_UNITS))}")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(value: object) -> object:
    """Turn ``"1MiB"``, ``"64KiB"`` or a number of bytes into an int; ValueError says the forms."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not {_SIZES.format('')}")
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{shown(value)} is not {_SIZES.format(_guess(value, _SIZE_UNITS))}")
    return int(match[1]) * _BYTES[match[2]]


def write_duration(seconds: float) -> str:
    """Write seconds in the largest unit that goes into them, as ``parse_duration`` reads it."""
    if not math.isfinite(seconds):  # for a message: of hundreds of digits, too
        return "a huge number" if seconds > 0 else str(seconds)
    if 0 < seconds < 1:
        return f"{seconds * 1000:.12g}ms"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.12g}{unit}"
    return f"{seconds:.12g}s"


def write_size(count: int) -> str:
    """Write a number of bytes in the largest unit that goes into it, as ``parse_size`` reads it."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count >= _BYTES[unit] and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"


_ADDRESS = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+):([0-9]{1,9})", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+", re.ASCII)
_FORM = "write HOST:PORT, for example 127.0.0.1:8443"


def split_address(value: str) -> tuple[str, int]:
    """Split ``host:port`` (IPv6 in brackets) into its parts; ValueError says what is wrong and how it is written."""
    match = _ADDRESS.fullmatch(value)
    if match is None:
        raise ValueError(_no_address(value))
    if int(match[2]) > MAX_PORT:
        raise ValueError(f"{shown(value)} has a port that does not exist; {_FORM}, with a port up to {MAX_PORT}")
    return match[1].removeprefix("[").removesuffix("]"), int(match[2])


def _no_address(value: str) -> str:
    """Say what keeps a text from being an address, and what to write if that can be told."""
    scheme = _SCHEME.match(value)
    inner, path, _ = (value[scheme.end() :] if scheme else value).strip().partition("/")
    told = f"{shown(value)} is not a valid address"
    if scheme or (path and _ADDRESS.fullmatch(inner)):
        what = f"{scheme[0]} in front" if scheme else "what stands behind the port"
        return f"{told}; leave out {what}, and write {inner if _ADDRESS.fullmatch(inner) else 'HOST:PORT'}"
    host, _, port = inner.rpartition(":")
    bare, meant = (host, port) if port.isdigit() and ":" in host and _is_ipv6(host) else (inner, "PORT")
    if _is_ipv6(bare):
        return f"{told}: an IPv6 address stands in brackets; write [{bare}]:{meant}"
    if inner and ":" not in inner.partition("]")[2 if "[" in inner else 0]:
        return f"{told}, as it has no {'host' if inner.isdigit() else 'port'}; {_FORM}"
    return f"{told}; {_FORM}"


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host that is listened on; of names localhost alone is known."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of the machine, so that nobody can dial it."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def checked_path(value: object) -> object:
    """Refuse what names no file, and the text of a file in place of its path: that must not get into a message."""
    if isinstance(value, str):
        if "-----BEGIN" in value or "\n" in value:
            raise ValueError("must be the path of a file; this is the text of one, so write it to a file")
        if not value or "\0" in value:
            raise ValueError("must be the path of a file; leave the key out for none")
        if len(value) > _LONGEST_PATH:
            raise ValueError(f"must be the path of a file; {len(value)} characters are too many for one")
    return value


_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,253}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)


def _checked_address(value: str) -> str:
    host, _ = split_address(value)
    # What no resolver takes must not reach one: their errors are of every kind.
    labels = host.removesuffix(".").split(".")
    if not _HOST.fullmatch(host) or not all(0 < len(label) <= 63 for label in labels):
        raise ValueError(f"{shown(value)} is not a valid address; write HOST:PORT, for example 127.0.0.1:8443")
    return value


def _checked_name(value: str) -> str:
    name = value.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError(f"{shown(value)} is not a host name; write for example gateway.internal, without a port")
    return name


@dataclass(frozen=True, slots=True)
class Form:
    """What a text is whose form is checked: for those who describe it, goes into ``Annotated``."""

    name: str
    pattern: str
    """A regular expression of JSON Schema, which may let more pass than the check."""


@dataclass(frozen=True, slots=True)
class Within:
    """The bounds of a number, both allowed, for pydantic: goes into ``Annotated``."""

    low: float
    high: float
    parse: Callable[[object], object]
    """From what is written to a number; ValueError says the forms."""
    write: Callable[[Any], str]
    """From a number to how people write it."""
    unit: str = ""
    """What is counted, where ``write`` does not say it."""

    @property
    def bounds(self) -> str:
        """Both bounds, as people write them."""
        return f"{self.write(self.low)} to {self.write(self.high)}"

    def check(self, value: float) -> float:
        """Return ``value``; ValueError when it is outside, which NaN always is."""
        if self.low <= value <= self.high:
            return value
        try:
            written = self.write(value)
        except ValueError:  # a number of more digits than Python writes
            written = "a huge number"
        written = written if len(written) <= _LONGEST_SHOWN else written[:_LONGEST_SHOWN] + "…"
        raise ValueError(f"{written} is out of bounds; allowed: {f'{self.bounds} {self.unit}'.rstrip()}")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse first, then the number's own type, then the bounds."""
        checked = core_schema.no_info_after_validator_function(self.check, handler(source))
        return core_schema.no_info_before_validator_function(self.parse, checked)


@dataclass(frozen=True, slots=True)
class WordOrNumber:
    """One of a few words, or a whole number within bounds, for pydantic: goes into ``Annotated``."""

    words: tuple[str, ...]
    within: Within

    def check(self, value: object) -> str | int:
        """Return the word or the number; ValueError says what may be written, and what was probably meant."""
        if isinstance(value, str) and value in self.words:
            return value
        if isinstance(value, str) and _FEW_DIGITS.fullmatch(value):  # as the environment has numbers
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            self.within.check(value)
            return value
        words = ", ".join(map(repr, self.words))
        meant = difflib.get_close_matches(str(value).lower(), self.words, n=1, cutoff=0.7)
        asked = f"; did you mean {meant[0]}?" if meant else ""
        raise ValueError(f"must be {words} or a number from {self.within.bounds}, not {shown(value)}{asked}")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Nothing but the check."""
        return core_schema.no_info_plain_validator_function(self.check)


def duration(low: str, high: str) -> Within:
    """Bound a duration by two of them, both as people write them."""
    return Within(_seconds(low), _seconds(high), parse_duration, write_duration)


def size(low: int, high: int) -> Within:
    """Bound a number of bytes."""
    return Within(low, high, parse_size, write_size)


def number(low: float, high: float, unit: str) -> Within:
    """Bound a number of something."""
    return Within(low, high, _no_flag, plain_number, unit)


def _seconds(written: str) -> float:
    seconds = parse_duration(written)
    assert isinstance(seconds, float)
    return seconds


def plain_number(value: float) -> str:
    """Write a number with ``_`` between thousands, as Python and TOML read it."""
    return f"{int(value):_}" if isinstance(value, float) and value.is_integer() else f"{value:_}"


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number")
    return value


MAX_SIZE = 1 << 40
Duration = Annotated[float, duration("1ms", "1d")]
Size = Annotated[int, size(1, MAX_SIZE)]
Count = Annotated[int, number(1, 1_000_000, "")]
Address = Annotated[str, AfterValidator(_checked_address), Form("address", r"^.+:[0-9]{1,5}$")]
HostName = Annotated[str, AfterValidator(_checked_name), Form("host name", r"^[A-Za-z0-9_.-]+$")]
checked_file = BeforeValidator(checked_path)
