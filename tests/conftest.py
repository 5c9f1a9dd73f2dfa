"""What every test shares: a skip names its reason, and where all is required it is a failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

BRAIN_NEEDS = (3, 11)
REQUIRE_ALL = os.environ.get("JOBMEND_TEST_REQUIRE") == "all"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Under JOBMEND_TEST_REQUIRE=all a skip fails, but where Python 3.9 lacks, or is the one."""
    report = (yield).get_result()
    if not (REQUIRE_ALL and report.skipped) or hasattr(report, "wasxfail"):
        return
    if item.get_closest_marker("py39") is not None:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    if sys.version_info < BRAIN_NEEDS and "could not import" in str(reason):
        return  # a library of the brain's
    report.outcome = "failed"
    report.longrepr = f"{item.nodeid} was skipped where all is required: {reason}"
