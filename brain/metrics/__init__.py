"""What the brain tells Prometheus of itself, its runs, its archive and its learning."""
