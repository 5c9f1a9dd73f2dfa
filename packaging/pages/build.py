"""Write the manual pages and the completions: build.py SOURCES SHARE

They are made of what the documentation and the shipped settings say, so that nothing is said twice.
A page of this folder may take sections of another one over by a line such as
`{{docs/cli.md: jobmend-brain}}`.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import completion
import settings
from markdown import Block, Heading, Paragraph, parse, sections
from roff import Title, page

_TITLE = re.compile(r"^(?P<name>[\w.-]+)\((?P<section>\d)\): (?P<summary>.+)$")
_TAKEN = re.compile(r"^\{\{(?P<file>[\w./-]+)(?:: (?P<names>.+))?\}\}$")
_VERSION = re.compile(r'^VERSION = "([^"]+)"', re.M)
COMPLETED = {  # program: the page and the section that list its options
    "jobmend": ("docs/cli.md", "jobmend"),
    "jobmend-brain": ("docs/cli.md", "jobmend-brain"),
    "jobmend-doctor": ("docs/doctor.md", "The doctor"),
    "jobmend-agent": ("packaging/pages/jobmend-agent.8.md", "Options"),
}


def main(sources: Path, share: Path) -> None:
    """Read the pages below ``sources``, write below ``share`` (such as /usr/share)."""
    version = _VERSION.search((sources / "jobs/version.py").read_text(encoding="utf-8"))
    assert version is not None
    for source in sorted((sources / "packaging/pages").glob("*.md")):
        title, *body = parse(source.read_text(encoding="utf-8"))
        named = _TITLE.match(title.text) if isinstance(title, Heading) else None
        assert named is not None, f"{source}: begins with no heading like name(8): what it is"
        date = time.strftime("%Y-%m-%d", time.gmtime(source.stat().st_mtime))
        titled = Title(**named.groupdict(), version=version[1], date=date)
        blocks = [_renamed(one, titled) for block in body for one in _taken(block, sources)]
        target = share / f"man/man{titled.section}/{titled.name}.{titled.section}"
        _write(target, page(titled, blocks))
    for program, (file, section) in COMPLETED.items():
        blocks = sections(parse((sources / file).read_text(encoding="utf-8")), [section])
        _write(share / f"bash-completion/completions/{program}", completion.script(program, blocks))


def _taken(block: Block, sources: Path) -> list[Block]:
    """A block, or those of another file that it stands for."""
    found = _TAKEN.match(block.text) if isinstance(block, Paragraph) else None
    if found is None:
        return [block]
    text = (sources / found["file"]).read_text(encoding="utf-8")
    if found["file"].endswith(".toml"):
        return settings.blocks(text)
    names = found["names"].split(", ")
    return sections(parse(text), names)


def _renamed(block: Block, title: Title) -> Block:
    """The heading of what was taken over, as it reads in a page on one program."""
    if isinstance(block, Heading) and block.text == title.name:
        return Heading(2, "Options and commands" if title.name == "jobmend" else "Options")
    if isinstance(block, Heading) and block.level == 1:
        return Heading(2, "Description")
    return block


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
