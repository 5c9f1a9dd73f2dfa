"""The pages on API and command line list what there is, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from fastapi.routing import APIRoute
from prometheus_client.parser import text_string_to_metric_families

from jobmend.brain import panel
from jobmend.brain.__main__ import parser
from jobmend.brain.api import (
    champions as api_champions,
)
from jobmend.brain.api import (
    cms as api_cms,
)
from jobmend.brain.api import (
    models as api_models,
)
from jobmend.brain.api import (
    probes,
)
from jobmend.brain.api import (
    read as api_read,
)
from jobmend.brain.api import (
    vetting as api_vetting,
)
from jobmend.brain.api import (
    write as api_write,
)
from jobmend.brain.cli.program import main
from tests.brain.conftest import Server

DOCS = Path(__file__).parents[2] / "docs"
PARTS = (
    api_champions,
    api_cms,
    api_models,
    api_read,
    api_vetting,
    api_write,
    *panel.PARTS,
    probes,
)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, by its full name."""
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield path, command
        for name, sub in command.commands.items():
            yield from commands(sub, f"{path} {name}")
    else:
        yield path, command


def sections(page: str) -> dict[str, str]:
    """What stands below each heading."""
    parts = re.split(r"^#+ (.+)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options_listed(text: str) -> set[str]:
    cells = re.findall(r"^\| (`-[^|]*) \|", text, flags=re.M)
    return {option for cell in cells for option in re.findall(r"`(-[-\w]+)", cell)}


def test_every_command_and_option_is_listed() -> None:
    page = sections((DOCS / "cli.md").read_text())
    there = {}
    for name, command in commands(main, "jobmend"):
        words = [
            f"{parameter.name.upper()}{'...' if parameter.nargs < 0 else ''}"
            for parameter in command.params
            if isinstance(parameter, click.Argument) and parameter.name
        ]
        there[" ".join([name, *words])] = {
            option
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
    listed = {
        heading: options_listed(text)
        for heading, text in page.items()
        if heading.startswith("jobmend ")
    }
    assert listed == there


def test_the_options_of_the_programs_themselves_are_listed() -> None:
    page = sections((DOCS / "cli.md").read_text())
    assert options_listed(page["jobmend"]) == {"--version", "-h", "--help"}
    service = {option for action in parser()._actions for option in action.option_strings}
    assert options_listed(page["jobmend-brain"]) == service


def test_every_route_is_listed() -> None:
    listed = set(re.findall(r"^\| `((?:GET|POST) [^`]+)` \|", (DOCS / "api.md").read_text(), re.M))
    there = {
        f"{method} {route.path}"
        for part in PARTS
        for route in part.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert listed == there | {"GET /openapi.json"}


def test_every_metric_is_listed(server: Server) -> None:
    listed = set(re.findall(r"^\| `(jobmend_brain_\w+)[{`]", (DOCS / "api.md").read_text(), re.M))
    families = text_string_to_metric_families(server.http.get("/metrics").text)
    there = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert listed == there
