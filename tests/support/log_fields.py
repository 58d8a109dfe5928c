"""The fields of all log lines, read from the source: what each ``extra=`` may have in it, wherever that is made.

What is followed: dicts and what is unpacked into them, names, wrappers that pass a parameter on, functions and
properties that return dicts. The rest is told, so that a test can name it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import quicgw_fast

PACKAGE = Path(quicgw_fast.__file__).parent
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
LEVELS = {"debug", "info", "warning", "error", "exception", "log"}
REPEATED = "add"
"""``RepeatLog.add``, whose fifth argument are the fields."""
REPORTED = "report"
"""``Endpoint.report``, whose keywords are the fields."""


@dataclass
class Found:
    """The fields by name, each with the places at which it is written; and what could not be followed."""

    fields: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: set[str] = field(default_factory=set)


def log_fields() -> Found:
    """Read the whole package."""
    found = Found()
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    functions: dict[str, list[tuple[_Module, Function]]] = defaultdict(list)
    modules = [_Module(str(path.relative_to(PACKAGE)), tree, functions, found) for path, tree in trees.items()]
    for module in modules:
        module.read()
    return found


class _Module:
    def __init__(
        self, name: str, tree: ast.Module, functions: dict[str, list[tuple[_Module, Function]]], found: Found
    ) -> None:
        self.name = name
        self.tree = tree
        self.everywhere = functions
        self.found = found
        self.inside: dict[ast.AST, Function] = {}
        """The function around each node."""
        self.following: set[ast.AST] = set()
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions[function.name].append((self, function))
                self.inside.update(dict.fromkeys(ast.walk(function), function))

    def read(self) -> None:
        for call in ast.walk(self.tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            about, name = ast.unparse(call.func.value), call.func.attr
            if name in LEVELS and about.endswith(("_log", "logger", ")")):
                for keyword in call.keywords:
                    if keyword.arg == "extra":
                        self.follow(keyword.value, call)
            elif name == REPEATED and about.endswith("_repeats") and len(call.args) > 4:
                self.follow(call.args[4], call)
            elif name == REPORTED and about.endswith("_endpoint"):
                for keyword in call.keywords:
                    self.follow(keyword.value, call) if keyword.arg is None else self.note(keyword.arg, call)

    def note(self, name: str, at: ast.expr) -> None:
        self.found.fields[name].add(f"{self.name}:{at.lineno}")

    def follow(self, value: ast.expr, at: ast.expr) -> None:
        """Note all that a dict may have as its keys."""
        if value in self.following:
            return
        self.following.add(value)
        match value:
            case ast.Dict():
                self.follow_dict(value, at)
            case ast.BinOp(left=one, right=other, op=ast.BitOr()) | ast.IfExp(body=one, orelse=other):
                self.follow(one, at)
                self.follow(other, at)
            case ast.DictComp(generators=[ast.comprehension(iter=ast.Call(func=ast.Attribute(value=whole)))]):
                self.follow(whole, at)
            case ast.Name(id=name):
                self.follow_name(name, value)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                self.follow_function(name, value)
            case ast.Attribute(attr=name):
                self.follow_function(name, value, only_properties=True)
            case _:
                self.give_up(value)

    def follow_dict(self, value: ast.Dict, at: ast.expr) -> None:
        for key, inner in zip(value.keys, value.values, strict=True):
            match key:
                case None:
                    self.follow(inner, at)
                case ast.Constant(value=str(name)):
                    self.note(name, key)
                case _:
                    self.give_up(value)

    def follow_name(self, name: str, at: ast.expr) -> None:
        function = self.inside.get(at)
        values = [] if function is None else list(_assigned(function, name))
        if function is not None and not values:
            values = list(self.passed(function, name))
        values = values or list(_assigned(self.tree, name))
        for value in values:
            if isinstance(value, str):
                self.note(value, at)
            else:
                self.follow(value, at)
        if not values:
            self.give_up(at)

    def passed(self, function: Function, name: str) -> list[ast.expr]:
        """What the callers in this module pass as that parameter."""
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        if name not in names:
            return []
        calls = [
            call
            for call in ast.walk(self.tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == function.name
        ]
        return [call.args[names.index(name)] for call in calls if len(call.args) > names.index(name)]

    def follow_function(self, name: str, at: ast.expr, *, only_properties: bool = False) -> None:
        named = self.everywhere.get(name, [])
        if only_properties:
            named = [one for one in named if "property" in map(ast.unparse, one[1].decorator_list)]
        for module, function in [one for one in named if one[0] is self] or named:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    module.follow(node.value, node.value)
        if not named:
            self.give_up(at)

    def give_up(self, value: ast.expr) -> None:
        self.found.unknown.add(f"{self.name}: {ast.unparse(value)}")


def _assigned(where: ast.AST, name: str) -> list[ast.expr | str]:
    """What is assigned to a name, or added under a key, within a function or a module."""
    values: list[ast.expr | str] = []
    for node in ast.walk(where):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                values.append(value)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=str(key)))]):
                if target == name:
                    values.append(key)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                values.append(value)
            case ast.AugAssign(target=ast.Name(id=target), value=value) if target == name:
                values.append(value)
    return values
