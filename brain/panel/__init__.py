"""The web panel: server-rendered pages that need no script and nothing from elsewhere."""

from . import charts, models, recommendations, sessions, vetting
from .pages import POLICY, error_page

__all__ = ["PARTS", "POLICY", "error_page"]

PARTS = (recommendations, charts, models, vetting, sessions)
