"""Readers of datasets, and the labelled container that they make."""

GROUPINGS = ("subject", "session", "run", "block")
"""What samples can be grouped by, each numbered within those before it."""
