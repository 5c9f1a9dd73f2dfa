"""Where traces to learn from come from: the archive, or a Prometheus-compatible server."""
