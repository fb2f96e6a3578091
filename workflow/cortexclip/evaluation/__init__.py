"""Scores, tests and what is known of them."""

NEAREST, DRAW = "_nearest", "_draw"
READOUTS = {"": "", NEAREST: "nearest training image", DRAW: "one draw"}
"""What a method's name ends in for each readout, and how titles call it: what the method answers (the mean of its draws
if it draws images), the training image of nearest embedding, and one draw."""
MIN_DATASETS = 3
"""Datasets from which on methods are ranked over them."""


def own_name(method: str) -> str:
    """A method's name without what it ends in for a readout."""
    return method.removesuffix(NEAREST).removesuffix(DRAW)


def readout_of(method: str) -> str:
    """What a method's name ends in, a key of `READOUTS`."""
    return method[len(own_name(method)) :]
