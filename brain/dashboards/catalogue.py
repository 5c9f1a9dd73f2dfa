"""All dashboards, in the order in which they are read."""

from __future__ import annotations

from .agents import AGENTS
from .job import JOB_DETAIL
from .models import MODELS
from .node import NODE_DETAIL
from .summary import SUMMARY

DASHBOARDS = (SUMMARY, NODE_DETAIL, JOB_DETAIL, MODELS, AGENTS)
