"""Scores, tests and what is known of them."""

NEAREST = "_nearest"
"""Suffix of a method's name for its second readout: the retrieved stimulus shown as the reconstruction."""
MIN_DATASETS = 3
"""Datasets from which on methods are ranked over them."""
