"""The configuration: one model per TOML table (protocol §7), read from file, environment and flags.

A flag wins over the environment (``QUICGW_SERVER__QUIC=…``), the environment over the file, the file over the
defaults. Keys that do not exist are refused, so that a misspelt one is found at start and not in production.
"""

from quicgw_fast.addresses import join_address
from quicgw_fast.config.allowed import Allowed, is_never, parse_allowed
from quicgw_fast.config.changes import Change, changes, files, without_restart
from quicgw_fast.config.effective import effective, effective_report
from quicgw_fast.config.loading import advice, changed, load, located, read, read_to_ask, require_sense
from quicgw_fast.config.mistakes import BadConfigError
from quicgw_fast.config.models import Config
from quicgw_fast.config.pem import load_authorities, load_pair, read_pem
from quicgw_fast.config.sense_of_cluster import contradictions_of_cluster
from quicgw_fast.config.tables.auth import AuthConfig
from quicgw_fast.config.tables.cluster import ClusterConfig
from quicgw_fast.config.tables.control import ControlConfig
from quicgw_fast.config.tables.drain import DrainConfig
from quicgw_fast.config.tables.events import EventsConfig, WebhookConfig
from quicgw_fast.config.tables.limits import LimitsConfig
from quicgw_fast.config.tables.overload import OverloadConfig
from quicgw_fast.config.tables.processor import ProcessorConfig
from quicgw_fast.config.tables.push import PushConfig
from quicgw_fast.config.tables.routing import DEFAULT_CONTAINING, DEFAULT_EXACT, RoutingConfig
from quicgw_fast.config.tables.server import LogConfig, ServerConfig, TlsConfig
from quicgw_fast.config.tables.session import OfflineConfig, SessionConfig
from quicgw_fast.config.tables.tracing import TracingConfig
from quicgw_fast.config.tables.upstream import UpstreamConfig
from quicgw_fast.config.values import checked_path, is_loopback, is_wildcard, parse_duration, parse_size, split_address
from quicgw_fast.files import read_small, warn_if_exposed

__all__ = [
    "DEFAULT_CONTAINING",
    "DEFAULT_EXACT",
    "Allowed",
    "AuthConfig",
    "BadConfigError",
    "Change",
    "ClusterConfig",
    "Config",
    "ControlConfig",
    "DrainConfig",
    "EventsConfig",
    "LimitsConfig",
    "LogConfig",
    "OfflineConfig",
    "OverloadConfig",
    "ProcessorConfig",
    "PushConfig",
    "RoutingConfig",
    "ServerConfig",
    "SessionConfig",
    "TlsConfig",
    "TracingConfig",
    "UpstreamConfig",
    "WebhookConfig",
    "advice",
    "changed",
    "changes",
    "checked_path",
    "contradictions_of_cluster",
    "effective",
    "effective_report",
    "files",
    "is_loopback",
    "is_never",
    "is_wildcard",
    "join_address",
    "load",
    "load_authorities",
    "load_pair",
    "located",
    "parse_allowed",
    "parse_duration",
    "parse_size",
    "read",
    "read_pem",
    "read_small",
    "read_to_ask",
    "require_sense",
    "split_address",
    "warn_if_exposed",
    "without_restart",
]
