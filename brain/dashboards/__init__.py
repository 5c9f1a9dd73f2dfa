"""The charts people watch, as data: Grafana and the panel draw the same ones."""
