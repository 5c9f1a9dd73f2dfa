"""The version of jobmend that runs here, as it was installed."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("jobmend")
