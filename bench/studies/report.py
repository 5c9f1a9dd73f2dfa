"""All studies in one HTML page that stands alone: no script, nothing loaded, pictures inside.

Give each study ``--out DIR``, then this the same folder. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies.keeping import read

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting.report import Section, shown

TEMPLATE = "report.html"
ORDER = ("reconstruction", "separation", "sampling", "sizes", "faults", "flowbench")
Made = Mapping[str, Any]  # date, seconds, machine, quick


def collect(folder: Path) -> Sequence[tuple[Section, Made]]:
    """The studies kept in a folder, in order; ValueError where there is none or one is damaged."""
    paths = [folder / f"{name}.json" for name in ORDER]
    found = [read(path) for path in paths if path.exists()]
    if not found:
        raise ValueError(f"{folder}: holds no studies; run some with --out {folder}")
    return found


def build(studies: Sequence[tuple[Section, Made]]) -> str:
    """The page; every text is escaped."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(shown=shown, base64=lambda data: base64.b64encode(data).decode("ascii"))
    pages.tests["a_number"] = lambda value: (
        value is None or isinstance(value, (int, float, Interval))
    )
    missing = [name for name in ORDER if name not in {section.anchor for section, _ in studies}]
    return pages.get_template(TEMPLATE).render(studies=studies, missing=missing)


def main() -> None:
    """Write the page, then the JSON object."""
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("folder", type=Path, help="what the studies wrote with --out")
    about.add_argument("--out", type=Path, default=Path("report.html"), help="[report.html]")
    options = about.parse_args()
    try:
        studies = collect(options.folder)
    except ValueError as error:
        sys.exit(str(error))
    page = build(studies).encode()
    options.out.write_bytes(page)
    names = [section.anchor for section, _ in studies]
    print(json.dumps({"report": str(options.out), "studies": names, "bytes": len(page)}))


if __name__ == "__main__":
    main()
