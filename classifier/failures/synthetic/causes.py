"""Synthetic history, first part: the latent causes and how each one shows in a task's failures.

Codes are WMCore's. The numbers are judgements, tuned to the published marginals; causes share
codes on purpose, so that neither rules nor models can be perfect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One latent cause of a task's failures.

    ``share``: of all tasks, before drift. ``wave``: amplitude and phase (radians) of the drift of
    its log share over the year. ``steadiness``: how alike the code mixtures of its tasks are (the
    concentration of a Dirichlet). ``sites`` and ``failures``: median and log-deviation of how many
    sites fail, and of the failures beyond one a site. ``pull``: how much one faulty site draws the
    failures to itself, 0 where all sites are alike. ``noticed``: chance that the status of the
    faulty site is bad.
    """

    share: float
    codes: Mapping[str, float]
    wave: tuple[float, float]
    sites: tuple[float, float]
    failures: tuple[float, float]
    steadiness: float = 5.0
    pull: float = 0.0
    noticed: float = 0.0


CAUSES: Mapping[str, Cause] = {
    "site outage": Cause(
        share=0.13,
        codes={
            "71104": 50, "71302": 12, "71102": 9, "71105": 8, "99109": 8, "-1": 7, "92": 6,
        },
        wave=(0.4, 0.0), sites=(5.0, 0.5), failures=(45.0, 1.4), pull=6.0, noticed=0.85,
    ),
    "missing input": Cause(
        share=0.08,
        codes={"8028": 34, "8020": 24, "92": 14, "84": 12, "8023": 8, "71104": 8},
        wave=(0.3, 2.0), sites=(4.0, 0.6), failures=(110.0, 1.2),
    ),
    "memory": Cause(
        share=0.15,
        codes={"50660": 66, "50661": 9, "8004": 9, "137": 16},
        wave=(0.3, 4.0), sites=(6.5, 0.5), failures=(60.0, 1.4),
    ),
    "walltime": Cause(
        share=0.08,
        codes={"50664": 52, "71304": 18, "71305": 9, "71306": 7, "143": 7, "137": 7},
        wave=(0.3, 1.0), sites=(6.5, 0.5), failures=(45.0, 1.3),
    ),
    "code bug": Cause(
        share=0.09,
        codes={"8001": 42, "139": 16, "134": 13, "8002": 12, "8009": 7, "7002": 10},
        wave=(0.4, 5.2), sites=(8.0, 0.5), failures=(90.0, 1.4),
    ),
    "transient network": Cause(
        share=0.13,
        codes={"92": 40, "8028": 14, "60403": 14, "84": 10, "243": 9, "8020": 8, "99109": 5},
        wave=(0.3, 3.0), sites=(8.0, 0.5), failures=(25.0, 1.2),
    ),
    "condor_rm": Cause(
        share=0.05,
        codes={"99400": 56, "99401": 18, "99303": 12, "-1": 8, "143": 6},
        wave=(0.5, 2.5), sites=(8.0, 0.5), failures=(70.0, 1.4),
    ),
    "corrupted file": Cause(
        share=0.05,
        codes={"8021": 40, "85": 32, "8022": 12, "8016": 8, "60451": 8},
        wave=(0.3, 0.7), sites=(5.0, 0.6), failures=(20.0, 1.1),
    ),
    "bad node": Cause(
        share=0.05,
        codes={"139": 26, "134": 14, "132": 16, "135": 16, "50115": 14, "195": 8, "127": 6},
        wave=(0.3, 5.8), sites=(5.0, 0.5), failures=(18.0, 1.2), pull=8.0, noticed=0.25,
    ),
    "stage-out": Cause(
        share=0.07,
        codes={
            "60311": 38, "60307": 20, "60317": 12, "60321": 12, "151": 10, "147": 8,
        },
        wave=(0.3, 3.6), sites=(6.0, 0.5), failures=(30.0, 1.3), pull=5.0, noticed=0.45,
    ),
    "environment": Cause(
        share=0.03,
        codes={"50513": 44, "81": 20, "10034": 14, "10032": 10, "11003": 12},
        wave=(0.4, 1.6), sites=(5.0, 0.5), failures=(20.0, 1.2), pull=6.0, noticed=0.4,
    ),
    "not reported": Cause(
        share=0.09,
        codes={"-1": 72, "99303": 14, "99304": 8, "-2": 6},
        wave=(0.3, 4.6), sites=(8.0, 0.5), failures=(35.0, 1.3),
    ),
}  # fmt: skip

# What fails anyway, mixed into every cause's codes with this weight.
BACKGROUND_SHARE = 0.2
BACKGROUND: Mapping[str, float] = {
    "-1": 28, "92": 12, "8001": 10, "139": 10, "85": 8, "71104": 7, "99303": 6, "50660": 3,
    "137": 5, "134": 5, "99109": 4,
}  # fmt: skip
