"""Processes of this machine as jobs: the embedded default for laptops and tests."""
