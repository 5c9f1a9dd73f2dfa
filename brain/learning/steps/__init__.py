"""The steps of a turn, in their order: plain functions with typed inputs and outputs."""
