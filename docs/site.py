"""For the documentation's site: links that lead out of ``docs/`` lead to the repository there."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
_LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - by name
    """Have links to files of the repository that are no pages lead to where the repository is (a hook of mkdocs)."""
    here = PurePosixPath(page.file.src_uri).parent

    def lead(found: re.Match[str]) -> str:
        target = (ROOT / "docs" / here / found[1]).resolve()
        if not target.is_relative_to(ROOT) or target.is_relative_to(ROOT / "docs") or not target.exists():
            return found[0]
        return f"]({config.repo_url}/blob/main/{target.relative_to(ROOT).as_posix()}{found[2] or ''})"

    return _LINK.sub(lead, markdown)
