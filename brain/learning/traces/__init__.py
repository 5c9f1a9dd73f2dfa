"""Traces as a subject of learning."""
