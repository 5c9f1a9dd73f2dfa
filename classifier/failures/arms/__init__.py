"""The ways to read a failed task, behind one contract."""
