"""The help of each key: the docstring below its declaration, read from the source when somebody asks for it.

The interpreter keeps no such docstrings, so that they cost nothing at a start; ``-OO`` takes nothing away, as sources
are installed beside what is compiled of them.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


@cache
def help_of_keys(table: type[BaseModel]) -> Mapping[str, str]:
    """Return the docstring of each key of a table; raises ConfigError where the sources are not installed."""
    body = _declaration(table).body
    return {
        field.target.id: _lines(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


@cache
def help_of_table(table: type[BaseModel]) -> str:
    """Return the docstring of a table; raises ConfigError where the sources are not installed."""
    return _lines(ast.get_docstring(_declaration(table)) or "")


def _declaration(table: type[BaseModel]) -> ast.ClassDef:
    try:
        source = inspect.getsource(sys.modules[table.__module__])
    except OSError as error:
        raise ConfigError(f"the help of settings is in {table.__module__}, of which no source is installed") from error
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return next(node for node in classes if node.name == table.__name__)


def _lines(text: str) -> str:
    """Make one line of each paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
