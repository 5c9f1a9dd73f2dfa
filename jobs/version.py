"""The version all parts tell; asking importlib.metadata would cost the agent 3 MB."""

from __future__ import annotations

VERSION = "0.1.0"  # setup.cfg's; a test holds both together
