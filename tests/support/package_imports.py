"""What every file of the package imports, read from its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "python" / "quicgw_fast"


@dataclass(frozen=True)
class Import:
    """One import statement's target, wherever in the file it is: under TYPE_CHECKING and in functions, too."""

    part: str
    """The part of the package that imports: a folder or a module right under it."""
    file: Path
    line: int
    target: str
    """The dotted name of what is imported."""

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"

    @property
    def top(self) -> str:
        return self.target.split(".")[0]

    @property
    def our_part(self) -> str | None:
        """The part of this package that is imported; None for other packages."""
        names = self.target.split(".")
        return names[1] if names[0] == PACKAGE.name and len(names) > 1 else None


def sources(folder: Path = PACKAGE) -> list[Path]:
    """All our Python files, without the generated ones."""
    return sorted(path for path in folder.rglob("*.py*") if path.suffix in {".py", ".pyi"} and "_pb2" not in path.name)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].partition(".")[0]


def absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(PACKAGE.parent).parent.parts
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def targets(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = absolute(node, path)
        # `from quicgw_fast import backend` names a part only behind the import.
        return [f"{module}.{alias.name}" for alias in node.names] if module == PACKAGE.name else [module]
    if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if name in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
            return [str(node.args[0].value)]
    return []


def imports() -> Iterator[Import]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in targets(node, path):
                yield Import(part_of(path), path, node.lineno, target)
