"""Turns and models in MLflow."""
