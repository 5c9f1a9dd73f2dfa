"""Every file that a page points to is there, and every page can be reached from the README."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def local_links(page: Path) -> set[Path]:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def test_every_link_leads_to_a_file() -> None:
    dead = {page.name: link for page in PAGES for link in local_links(page) if not link.exists()}
    assert dead == {}


def test_every_page_is_linked_from_the_readme() -> None:
    linked = local_links(ROOT / "README.md")
    assert {page for page in (ROOT / "docs").glob("*.md")} - linked == set()
