"""What lies around the code: pages whose links lead somewhere, and files that other tools read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import own_coverage

ROOT = Path(__file__).resolve().parent.parent
HOME = "https://github.com/quicgw/quicgw_fast"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def document(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        ours = re.fullmatch(rf"{HOME}/(?:blob|tree)/main/([^#]+)(#.+)?", link)
        if ours is None and re.match(r"https?://", link):
            continue
        path, _, anchor = (ours[1] + (ours[2] or "") if ours else link).partition("#")
        target = (ROOT if ours else page.parent) / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_readme_can_be_read_on_a_package_index() -> None:
    assert not [link for link in links(ROOT / "README.md") if not link.startswith("https://")]
    assert set(PROJECT["urls"]) >= {"Homepage", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(HOME) for url in PROJECT["urls"].values())


def test_the_readme_names_the_least_versions() -> None:
    rust = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["rust-version"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Rust ≥ {rust}" in text
    assert f"Python ≥ {PROJECT['requires-python'].removeprefix('>=')}" in text


def test_every_decision_is_in_the_index_and_says_when_and_why() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert [path.name for path in records] == links(folder / "README.md")
    numbers = [path.name.partition("-")[0] for path in records]
    assert numbers == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert re.match(r"# .+\n\n20\d\d-\d\d-\d\d\n\n## Context\n", text), path.name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"], path.name


def test_the_workflow_checks_what_a_change_must_pass() -> None:
    jobs = document(".github/workflows/ci.yml")["jobs"]
    assert jobs["check"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {"run": ".ci/run"} in jobs["check"]["steps"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    made = {word for command in commands for word in re.findall(r"make ([a-z-]+)", command)}
    assert "wheel" in made
    assert made <= TARGETS


def test_the_hooks_are_the_commands_of_the_project() -> None:
    (repository,) = document(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"].split() for hook in repository["hooks"]]
    assert all(entry[0] == "make" and entry[1] in TARGETS for entry in entries)


def test_every_room_has_tests_of_its_own() -> None:
    assert not [room for room in own_coverage.rooms() if not own_coverage.tests_of(room)]


def test_any_rust_that_is_there_will_do() -> None:
    # A channel, or a component that is missing, would make rustup download one.
    named = tomllib.loads((ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))["toolchain"]
    assert named == {"profile": "minimal", "components": []}
