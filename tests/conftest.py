"""What every test shares: a skip names its reason, and where all is required it is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

REQUIRE_ALL = os.environ.get("JOBMEND_TEST_REQUIRE") == "all"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Under JOBMEND_TEST_REQUIRE=all a skip fails; only a missing Python 3.9 is forgiven."""
    report = (yield).get_result()
    if not (REQUIRE_ALL and report.skipped) or hasattr(report, "wasxfail"):
        return
    if item.get_closest_marker("py39") is not None:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{item.nodeid} was skipped where all is required: {reason}"
