"""The daemon on every node: samples jobs, listens to hooks, spools and ships what it saw."""
