"""The report on a classifier, its plots, and what is logged of a training."""
