"""The admin pages: one file for each subject, whose function returns its routes."""

from quicgw_fast.control.pages.health import health_pages
from quicgw_fast.control.pages.reload import reload_pages
from quicgw_fast.control.pages.stats import stats_pages

__all__ = ["health_pages", "reload_pages", "stats_pages"]
