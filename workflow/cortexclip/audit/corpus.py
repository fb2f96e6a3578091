"""Check of the prior corpus: whether an image that priors and encoders learned from is nearly a stimulus."""

from __future__ import annotations

import pandas as pd

from cortexclip.audit.finding import Finding, some
from cortexclip.audit.stimuli import NEAR
from cortexclip.priors.corpus import SIZE

CHECK = "prior_corpus"


def check_corpus(nearest: pd.DataFrame) -> Finding:
    """Distinct stimuli for which the corpus holds nearly the same image: pixel correlation above ``NEAR``.

    Every stimulus counts, since one protocol or another scores it. Blank images are near to none. ``nearest`` has a row
    for each distinct stimulus, as :func:`cortexclip.priors.nearest.compared` gives them.
    """
    correlation = nearest["correlation"].to_numpy()
    count, total, corpus = int((correlation > NEAR).sum()), len(nearest), nearest.attrs["images"]
    closest = int(correlation.argmax())
    short = f"{some(count, total, 'distinct stimuli', 'is', 'are')} nearly the same"
    return Finding(
        CHECK,
        "serious" if 10 * count > total else "notable" if count else "info",
        f"{short} (pixel correlation above {NEAR:g}) as one of the "
        f"{corpus} images of the prior corpus; the most alike is {nearest['name'].iloc[closest]}, "
        f"{correlation[closest]:.3f}.",
        "Priors and encoders trained on the corpus had seen these images before any brain data."
        if count
        else "The priors did not learn from any scored image; glyphclip also learned from variants of the corpus.",
        {
            "near": count,
            "distinct": total,
            "corpus": corpus,
            "greatest_correlation": float(correlation[closest]),
            "least_mse": float(nearest["mse"].min()),
        },
        short,
    )


def not_compared(shape: tuple[int, int], n_distinct: int) -> Finding:
    """That stimuli (y, x) of another size than the corpus's cannot be compared with it."""
    return Finding(
        CHECK,
        "notable",
        f"The stimuli of {shape[0]}x{shape[1]} pixels were not compared with the prior corpus of {SIZE}x{SIZE}.",
        "Whether glyphclip learned from an image like a stimulus is not known.",
        {"distinct": n_distinct},
    )
