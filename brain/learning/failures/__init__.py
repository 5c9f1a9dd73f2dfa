"""Failed tasks as a subject of learning."""
