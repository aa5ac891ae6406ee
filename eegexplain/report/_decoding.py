"""How the report judges held-out predictions, and what it says about them."""

import re

import numpy as np

from eegexplain._text import readable
from eegexplain.inspection import assess_decoding

# Columns that say who or what a trial comes from; stimuli and conditions may well belong to one class.
_IDENTITY = re.compile(r"(^|_)(subject|participant|patient|recording|session|run|block|day|site)s?(_id)?$", re.I)


def find_identities(data):
    """Columns of the data that say who or what each trial comes from.

    Parameters
    ----------
    data : Bunch
        With ``y`` and one entry per column of metadata.

    Returns
    -------
    dict of str to ndarray of shape (n_trials,)
        "subject" first; columns with missing entries are left out.
    """
    import pandas as pd

    found = {
        readable(name): np.asarray(column).astype(str)
        for name, column in data.items()
        if _IDENTITY.search(name) and np.shape(column) == np.shape(data.y) and not pd.isna(column).any()
    }
    return dict(sorted(found.items(), key=lambda item: item[0] != "subject"))


def judge(data, predicted, folds, seed):
    """Judge held-out predictions.

    Parameters
    ----------
    data : Bunch
        With ``y``, ``subject`` (the groups, or None) and perhaps ``identities``.
    predicted : ndarray of shape (n_trials,)
    folds : ndarray of int of shape (n_trials,)
        In which fold each trial was held out.
    seed : int

    Returns
    -------
    Decoding
    """
    return assess_decoding(
        data.y, predicted, folds=folds, groups=data.subject, identities=data.get("identities"), random_state=seed
    )


def banner(found):
    """The sentence that every figure carries where accuracy does not show that classes are decoded; else empty."""
    sentences = []
    if not found.above_chance:
        sentences.append(
            f"Not shown to decode: balanced accuracy {found.balanced_accuracy:.2f} (95 % interval {found.low:.2f} to "
            f"{found.high:.2f}), p = {found.p_value:.3f}; its maps are not shown to concern the classes"
        )
    if found.recognizable:
        name = found.recognizable[0]
        sentences.append(
            f"Labels are a property of the {name}; this accuracy can be recognition of {name}s, whose trials are in "
            f"training and test parts alike. --group-by {name} tests on {name}s that no network was trained on"
        )
    return ". ".join(sentences)


def sentence(found):
    """One line for people."""
    unit = f"{found.n_groups} groups" if found.n_groups else f"{found.n_trials} trials"
    return (
        f"Held-out balanced accuracy {found.balanced_accuracy:.3f} (precision: 95 % interval {found.low:.3f} to "
        f"{found.high:.3f} over {unit}); permuted labels reach {found.chance_upper:.3f} in 5 % of cases, "
        f"p = {found.p_value:.3f}; accuracy {found.accuracy:.3f}"
    )
