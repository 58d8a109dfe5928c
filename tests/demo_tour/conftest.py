from __future__ import annotations

from tests.cli.conftest import logging_as_before  # noqa: F401 - a fixture for every test here too
