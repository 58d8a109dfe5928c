"""Where the configuration comes from and in which order: flag, environment, file, default."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from quicgw_fast.config.models import (
    Auth,
    Limits,
    Log,
    Offline,
    Processor,
    Routing,
    Server,
    Session,
    Tls,
    Upstream,
)
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_LIST_EXAMPLE = """write for example QUICGW_UPSTREAM__HELLO='["127.0.0.1:9001"]'"""


class Config(BaseSettings):
    """Everything that can be configured; ``load`` reads it."""

    model_config = SettingsConfigDict(env_prefix="QUICGW_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: Server = Server()
    tls: Tls = Tls()
    upstream: Upstream = Upstream()
    routing: Routing = Routing()
    processor: Processor = Processor()
    session: Session = Session()
    auth: Auth = Auth()
    limits: Limits = Limits()
    offline: Offline = Offline()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over what ``load`` passes in (the file); flags are merged in by ``load`` afterwards."""
        return env_settings, init_settings


def load(path: Path | None = None, overrides: dict[str, dict[str, Any]] | None = None) -> Config:
    """Read the configuration.

    ``path`` is a TOML file, ``overrides`` holds flags as ``{"server": {"quic": "…"}}``.
    Raises ConfigError naming the file or variable, the key and what it should be.
    """
    _refuse_unknown_variables()
    origin = str(path) if path else "the defaults"
    tables = _read(path) if path else {}
    try:
        config = Config(**tables)
    except ValidationError as error:
        raise ConfigError(_explain(error, f"{origin} or a QUICGW_… variable")) from error
    except SettingsError as error:  # a list or a table is given as JSON
        raise ConfigError(f"a QUICGW_… variable is no JSON where it must be: {error}; {_LIST_EXAMPLE}") from error
    return _override(config, overrides or {})


def _read(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}; check --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}; correct that line") from error
    for name in tables:
        if name.startswith("_"):  # pydantic would take some of these as orders to itself
            raise ConfigError(f"{path}: {name} is no section; known: {', '.join(Config.model_fields)}")
    return tables


def _override(config: Config, flags: dict[str, dict[str, Any]]) -> Config:
    """Flags go in last and section by section: as arguments of Config they would lose to the environment."""
    update = {}
    for name, table in flags.items():
        section = getattr(config, name)
        try:
            update[name] = type(section).model_validate({**section.model_dump(exclude_unset=True), **table})
        except ValidationError as error:
            raise ConfigError(_explain(error, "the command line", name)) from error
    return config.model_copy(update=update)


def _refuse_unknown_variables() -> None:
    """Refuse variables that look like configuration and name no section; pydantic itself sees only the sections.

    ``QUICGW_SESION__TIMEOUT`` and ``QUICGW_SESSION_TIMEOUT`` do, ``QUICGW_TOKEN`` may belong to somebody else.
    """
    for name in os.environ:  # in any case: pydantic reads them so
        upper = name.upper()
        if not upper.startswith("QUICGW_") or upper == "QUICGW_BACKEND":
            continue
        key = upper.removeprefix("QUICGW_").lower()
        section = key.split("__")[0]
        if section not in Config.model_fields and ("__" in key or key.split("_")[0] in Config.model_fields):
            known = ", ".join(Config.model_fields)
            raise ConfigError(
                f"the environment variable {name} names no section; write QUICGW_SECTION__KEY; known: {known}"
            )


def _explain(error: ValidationError, origin: str, *prefix: str) -> str:
    lines = []
    for problem in error.errors():
        path = (*prefix, *problem["loc"])
        key = ".".join(str(part) for part in path)
        if problem["type"] == "extra_forbidden":
            model = Config.model_fields.get(str(path[0]))
            section = model.annotation if model and len(path) > 1 else Config
            known = ", ".join(getattr(section, "model_fields", {}))
            lines.append(f"{key}: there is no such key; known: {known}")
        else:
            lines.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return f"bad configuration (from {origin}): " + "; ".join(lines)
