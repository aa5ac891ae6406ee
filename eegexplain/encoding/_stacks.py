"""Lists of runs and three-dimensional trials, as one table with labels of runs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from eegexplain._validation import refuse_masked


class Stack(NamedTuple):
    """One table of all runs.

    Parameters
    ----------
    X, y : DataFrame or array-like
        As given, or runs one below the other.
    groups : array-like or None
        Label of the run of each sample.
    restore : callable
        Gives a prediction for the table the form that the runs had.
    """

    X: Any
    y: Any
    groups: Any
    restore: Callable


def stack_runs(X, y=None, groups=None, names=("X", "y")):
    """Put runs one below the other; what is a table already stays as it is.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_times, n_features), list of these, or (n_runs, n_times, n_features)
        Paradigm.
    y : DataFrame or array-like, list of these, or of shape (n_runs, n_times[, n_targets]), default=None
        Data.
    groups : array-like of shape (n_times,), default=None
        Labels of runs, for one table.
    names : tuple of str
        What the first two are called in messages.

    Returns
    -------
    stack : Stack

    Raises
    ------
    ValueError
        For labels beside runs, and runs of the paradigm that do not fit those of the data.
    """
    listed = isinstance(X, (list, tuple)) and len(X) > 0 and all(len(np.shape(part)) == 2 for part in X)
    if not listed and getattr(X, "ndim", 2) != 3:
        return Stack(X, y, groups, lambda prediction: prediction)
    if groups is not None:
        raise ValueError(f"groups name the runs of one table, but {names[0]} holds runs already: leave groups out.")
    lengths = _lengths(X)
    if y is not None:
        if _lengths(y) != lengths:
            raise ValueError(
                f"{names[0]} holds {len(lengths)} runs of {_told(lengths)} samples; {names[1]} must hold as many, each "
                "of its run's length: a list of arrays (n_times, n_targets), or an array (n_runs, n_times, n_targets)."
            )
        y = _joined(y, names[1])
    labels = np.repeat(np.arange(len(lengths)), lengths)
    cuts = np.cumsum(lengths)[:-1]

    def restore(prediction):
        """Cut a prediction into runs."""
        if not listed:
            return np.reshape(prediction, (len(lengths), lengths[0], *np.shape(prediction)[1:]))
        starts = [0, *cuts.tolist()]
        rows = prediction.iloc if hasattr(prediction, "iloc") else prediction
        return [rows[start : start + length] for start, length in zip(starts, lengths, strict=True)]

    return Stack(_joined(X, names[0]), y, labels, restore)


def _lengths(runs):
    """Samples of each run; None for what holds no runs."""
    if isinstance(runs, (list, tuple)):
        return [np.shape(part)[0] if np.ndim(part) else 0 for part in runs]
    shape = np.shape(runs)
    return [shape[1]] * shape[0] if len(shape) > 1 else None


def _joined(runs, name):
    """One table of all runs."""
    if hasattr(runs, "ndim"):
        refuse_masked(name, runs)
        runs = np.asarray(runs)
        return runs.reshape(-1, *runs.shape[2:])
    for part in runs:
        refuse_masked(name, part)
    if all(hasattr(part, "iloc") for part in runs):
        import pandas as pd

        return pd.concat(runs)
    return np.concatenate([np.asarray(part) for part in runs])


def _told(lengths):
    """Lengths for a message."""
    return f"{lengths[0]}" if len(set(lengths)) == 1 else f"{min(lengths)} to {max(lengths)}"
