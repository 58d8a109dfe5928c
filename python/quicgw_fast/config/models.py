"""The whole configuration: all tables together."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from quicgw_fast.config.tables.auth import AuthConfig
from quicgw_fast.config.tables.control import ControlConfig
from quicgw_fast.config.tables.drain import DrainConfig
from quicgw_fast.config.tables.limits import LimitsConfig
from quicgw_fast.config.tables.overload import OverloadConfig
from quicgw_fast.config.tables.processor import ProcessorConfig
from quicgw_fast.config.tables.push import PushConfig
from quicgw_fast.config.tables.routing import RoutingConfig
from quicgw_fast.config.tables.server import LogConfig, ServerConfig, TlsConfig
from quicgw_fast.config.tables.session import OfflineConfig, SessionConfig
from quicgw_fast.config.tables.upstream import UpstreamConfig


class Config(BaseModel):
    """Everything that can be configured; ``load`` reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()
    tls: TlsConfig = TlsConfig()
    control: ControlConfig = ControlConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    routing: RoutingConfig = RoutingConfig()
    processor: ProcessorConfig = ProcessorConfig()
    drain: DrainConfig = DrainConfig()
    push: PushConfig = PushConfig()
    session: SessionConfig = SessionConfig()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    overload: OverloadConfig = OverloadConfig()
    offline: OfflineConfig = OfflineConfig()
    log: LogConfig = LogConfig()


SECTIONS: dict[str, type[BaseModel]] = {
    name: known.annotation
    for name, known in Config.model_fields.items()
    if isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel)
}
