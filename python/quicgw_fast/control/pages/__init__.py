"""The admin pages: one file for each subject, whose function returns its routes."""

from quicgw_fast.control.pages.cluster import cluster_pages
from quicgw_fast.control.pages.config import config_pages
from quicgw_fast.control.pages.drain import drain_pages
from quicgw_fast.control.pages.groups import group_pages
from quicgw_fast.control.pages.health import health_pages
from quicgw_fast.control.pages.metrics import metrics_pages
from quicgw_fast.control.pages.openapi import openapi_pages
from quicgw_fast.control.pages.overload import overload_pages
from quicgw_fast.control.pages.performance import performance_pages
from quicgw_fast.control.pages.profile import profile_pages
from quicgw_fast.control.pages.reload import reload_pages
from quicgw_fast.control.pages.scope import Scope
from quicgw_fast.control.pages.sessions import session_pages
from quicgw_fast.control.pages.stats import stats_pages
from quicgw_fast.control.pages.upgrade import upgrade_pages
from quicgw_fast.control.pages.upstreams import upstream_pages
from quicgw_fast.control.pages.web import web_pages

__all__ = [
    "Scope",
    "cluster_pages",
    "config_pages",
    "drain_pages",
    "group_pages",
    "health_pages",
    "metrics_pages",
    "openapi_pages",
    "overload_pages",
    "performance_pages",
    "profile_pages",
    "reload_pages",
    "session_pages",
    "stats_pages",
    "upgrade_pages",
    "upstream_pages",
    "web_pages",
]
