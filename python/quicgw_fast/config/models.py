"""The whole configuration: all tables together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, PrivateAttr

from quicgw_fast.config.places import DEFAULT
from quicgw_fast.config.tables.auth import AuthConfig
from quicgw_fast.config.tables.base import Section
from quicgw_fast.config.tables.cluster import ClusterConfig
from quicgw_fast.config.tables.control import ControlConfig
from quicgw_fast.config.tables.drain import DrainConfig
from quicgw_fast.config.tables.events import EventsConfig, WebhookConfig
from quicgw_fast.config.tables.limits import LimitsConfig
from quicgw_fast.config.tables.overload import OverloadConfig
from quicgw_fast.config.tables.processor import ProcessorConfig
from quicgw_fast.config.tables.push import PushConfig
from quicgw_fast.config.tables.quic_lb import QuicLbConfig
from quicgw_fast.config.tables.routing import RoutingConfig
from quicgw_fast.config.tables.server import LogConfig, ServerConfig, TlsConfig
from quicgw_fast.config.tables.session import OfflineConfig, SessionConfig
from quicgw_fast.config.tables.tracing import TracingConfig
from quicgw_fast.config.tables.upstream import UpstreamConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.config.places import Key, SettingPlace


class Config(BaseModel):
    """Everything that can be configured; ``load`` reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()
    tls: TlsConfig = TlsConfig()
    quic_lb: QuicLbConfig = QuicLbConfig()
    control: ControlConfig = ControlConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    routing: RoutingConfig = RoutingConfig()
    processor: ProcessorConfig = ProcessorConfig()
    drain: DrainConfig = DrainConfig()
    push: PushConfig = PushConfig()
    events: EventsConfig = EventsConfig()
    webhook: WebhookConfig = WebhookConfig()
    session: SessionConfig = SessionConfig()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    overload: OverloadConfig = OverloadConfig()
    offline: OfflineConfig = OfflineConfig()
    cluster: ClusterConfig = ClusterConfig()
    tracing: TracingConfig = TracingConfig()
    log: LogConfig = LogConfig()

    _places: Mapping[Key, SettingPlace] = PrivateAttr(default_factory=dict)

    def placed(self, places: Mapping[Key, SettingPlace]) -> Config:
        """Return the same, which knows where each of its keys that is no default is written."""
        config = self.model_copy()
        config._places = dict(places)
        return config

    def place(self, key: Key) -> SettingPlace:
        """Where the value of ``key`` comes from, or of what it is a part of."""
        whole = (key[:length] for length in range(len(key), 1, -1))
        return next((self._places[part] for part in whole if part in self._places), DEFAULT)

    def __eq__(self, other: object) -> bool:
        """Two are equal when they say the same, wherever it is written."""
        if not isinstance(other, Config):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]  # it has tables in it


SECTIONS: dict[str, type[Section]] = {
    name: known.annotation
    for name, known in Config.model_fields.items()
    if isinstance(known.annotation, type) and issubclass(known.annotation, Section)
}
