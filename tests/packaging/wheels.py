"""Wheels that stand in for other people's: their names and versions, and nothing in them."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import zipfile
from pathlib import Path

from tests.packaging.conftest import ROOT


def write(folder: Path) -> None:
    """All that the brain's package is built from without an index, into a new folder.

    What builds our own wheel, setuptools, is the real one of this environment.
    """
    folder.mkdir()
    constraints = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", constraints, re.M))
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"] + config["options.extras_require"]["brain"]
    asked = {re.split(r"[ ;<>=]", line)[0] for line in lines.split("\n") if line[:1].isalpha()}
    for name in asked | {"torch"}:
        _empty(folder, name, pinned.get(name, "1"))
    _packed(folder, importlib.metadata.distribution("setuptools"))


def _empty(folder: Path, name: str, version: str) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel.writestr(f"{stem}.dist-info/METADATA", told)
        told = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{stem}.dist-info/WHEEL", told)
        wheel.writestr(f"{stem}.dist-info/RECORD", "")


def _packed(folder: Path, installed: importlib.metadata.Distribution) -> None:
    path = folder / f"{installed.name}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in installed.files or ():
            if not {"..", "__pycache__"} & set(file.parts):
                wheel.write(str(file.locate()), str(file))
