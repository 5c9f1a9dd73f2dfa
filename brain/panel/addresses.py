"""Addresses of charts: how far a page looks back, and which page shows one job or one node."""

from __future__ import annotations

from urllib.parse import urlencode

from ..dashboards.catalogue import DASHBOARDS

SPANS = {"15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "30d": 2592000}

# The dashboard of one thing by the label that names it, and the variable that stands for it.
_OF_LABEL = {
    variable.of: (board.name, variable.name)
    for board in DASHBOARDS
    for variable in board.variables
    if not variable.several
}


def reaching(seconds: float) -> str:
    """The shortest span that looks back that far, else the longest."""
    return next((name for name, reach in SPANS.items() if reach >= seconds), list(SPANS)[-1])


def charts_of(label: str, value: str, since: str, cluster: str = "") -> str:
    """The page of the job or node that a label names; empty where no page is about one such."""
    if label not in _OF_LABEL or not value:
        return ""
    name, variable = _OF_LABEL[label]
    chosen = {"cluster": cluster} if cluster else {}
    return f"/charts/{name}?{urlencode({**chosen, variable: value, 'since': since})}"
