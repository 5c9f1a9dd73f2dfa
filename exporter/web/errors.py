"""What can go wrong with a web configuration, and with those who ask under it."""

from __future__ import annotations


class WebConfigError(ValueError):
    """A web configuration that cannot be used; one sentence names the place and the cure."""


class Busy(Exception):
    """Too many passwords are being checked."""
