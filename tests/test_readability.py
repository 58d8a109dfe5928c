"""How code is written (ARCHITECTURE.md), read from it: errors, names, and how long things are."""

from __future__ import annotations

import ast

from tests.test_architecture import ROOT, sources

FILE_LINES = 420
FUNCTION_LINES = 60


def is_silent(handler: ast.ExceptHandler) -> bool:
    catches_all = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )
    does_nothing = all(isinstance(step, (ast.Pass, ast.Continue, ast.Break)) for step in handler.body)
    return catches_all and does_nothing


def test_no_error_is_swallowed() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ExceptHandler) and is_silent(node):
                wrong.append(f"{where} catches everything and says nothing")
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                wrong += [f"{where} suppresses everything" for a in node.args if ast.unparse(a).endswith("Exception")]
    assert not wrong, "\n".join(wrong)


def test_a_class_name_means_one_thing() -> None:
    found: dict[str, list[str]] = {}
    for path in sources():
        if path.suffix == ".py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    double = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert not double, "\n".join(f"{name}: {', '.join(paths)}" for name, paths in double.items())


def test_files_can_be_read_in_one_go() -> None:
    files = [*sources(), *sorted((ROOT / "rust").rglob("src/**/*.rs"))]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    long = [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > FILE_LINES]
    assert not long, f"over {FILE_LINES} lines; split by subject:\n" + "\n".join(long)


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_fit_on_a_screen() -> None:
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = lines_of(node) - (lines_of(node.body[0]) if ast.get_docstring(node) else 0)
                found.append((length, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    found.sort(reverse=True)
    report = "\n".join(f"{length:4} {where}" for length, where in found[:15])
    print(f"the longest of {len(found)} functions, in lines without docstrings:\n{report}")
    assert found[0][0] <= FUNCTION_LINES, f"a function is over {FUNCTION_LINES} lines; the longest ones:\n{report}"
