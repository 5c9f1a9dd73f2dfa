"""A synthetic cluster that changes, to try the learning loop on; nothing of it is measured."""
