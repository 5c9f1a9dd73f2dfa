"""Well-known causes: rules over the runs of a workflow, and what to do about each."""
