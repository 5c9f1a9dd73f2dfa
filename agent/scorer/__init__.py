"""The scorer: a small program of its own that executes an exported model with NumPy alone."""
