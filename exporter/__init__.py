"""Prometheus exposition: metric names, page rendering, HTTP endpoint."""
