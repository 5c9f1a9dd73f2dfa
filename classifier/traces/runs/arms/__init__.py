"""Ways to say how odd a run's features are, behind one contract."""
