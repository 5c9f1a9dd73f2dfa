from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from jobmend.exporter.names import FAMILIES, Family
from jobmend.jobs.version import VERSION

METRICS_MD = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.M)
UNITS = ("seconds", "bytes", "operations")


def unit(family: Family) -> str:
    words = family.name.split("_")
    return next((word for word in UNITS if word in words), "")


def test_the_documentation_holds_every_family_in_the_order_of_the_table() -> None:
    assert [row[0] for row in ROW.findall(METRICS_MD.read_text())] == list(FAMILIES)


def test_the_documentation_tells_type_unit_labels_and_help_of_each() -> None:
    for name, kind, unit_told, labels, meaning, absent in ROW.findall(METRICS_MD.read_text()):
        family = FAMILIES[name]
        told = tuple(label.strip(" `") for label in labels.split(",") if label.strip())
        assert (kind, told, meaning) == (family.type, family.labels, family.help), name
        assert unit_told == unit(family), name
        assert absent, f"{name}: say when it is absent"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: str(family.name))
def test_names_follow_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"(jobmend|process)_[a-z][a-z_]*[a-z]", family.name)
    assert (family.type == "counter") == family.name.endswith("_total")
    assert family.type in ("counter", "gauge", "summary")
    assert family.help.endswith(".")
    assert len(set(family.labels)) == len(family.labels)


def test_the_version_is_that_of_the_package() -> None:
    config = configparser.ConfigParser()
    config.read(METRICS_MD.parents[1] / "setup.cfg")
    assert config["metadata"]["version"] == VERSION
