"""What every test shares: a skip names its reason, and where all is required it is a failure.

No example of a property has a time limit: the machine may be busy with others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

BRAIN_NEEDS = (3, 11)
REQUIRE_ALL = os.environ.get("JOBMEND_TEST_REQUIRE") == "all"
REAL_SECONDS = 900  # for one test of a real scheduler, on a machine that is busy with others
# On top of what Hypothesis chose by itself, which is the same examples each time in CI.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real schedulers are started, and jobs carried through, within the time of a first test."""
    for item in items:
        if item.get_closest_marker("slurm") or item.get_closest_marker("condor"):
            item.add_marker(pytest.mark.timeout(REAL_SECONDS))


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
