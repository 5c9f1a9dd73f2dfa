"""The web panel: server-rendered pages that need no script and nothing from elsewhere."""

from . import charts, models, recommendations, sessions, vetting
from .pages import POLICY

__all__ = ["PARTS", "POLICY"]

PARTS = (recommendations, charts, models, vetting, sessions)
