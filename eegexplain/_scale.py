"""In which unit trials are: a network trained in microvolts says nothing about trials in volts."""

import warnings

import numpy as np

FACTOR = 100.0  # further from what was seen in fit than recordings of one kind differ, and less than a wrong prefix
_BLOCK = 8
_LOOKED_AT = 256  # trials, evenly spaced: enough to know a unit


def level_range(X):
    """Return the smallest and the largest root mean square of a trial, without those that are all 0; None for none."""
    levels = _levels(X)
    return (float(levels.min()), float(levels.max())) if len(levels) else None


def _levels(X):
    step = -(-len(X) // _LOOKED_AT) or 1
    part = X[::step]
    # a few at a time: numbers that are gone over four times stay at hand
    return np.concatenate([_block_levels(part[i : i + _BLOCK]) for i in range(0, max(len(part), 1), _BLOCK)])


def _block_levels(X):
    part = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    largest = np.abs(part).max(axis=1, initial=0.0)
    part, largest = part[largest > 0], largest[largest > 0]
    return largest * np.sqrt(np.mean((part / largest[:, None]) ** 2, axis=1))


def warn_of_scale(X, seen, name):
    """Warn when the middle trial lies more than `FACTOR` outside the range of levels seen in ``fit``.

    Parameters
    ----------
    X : ndarray of shape (n_trials, ...)
        Finite trials.
    seen : tuple of (float, float) or None
        From `level_range`; None says nothing.
    name : str
        Who was fitted, for the message.
    """
    levels = _levels(X)
    if seen is None or not len(levels):
        return
    level = float(np.median(levels))
    if seen[0] / FACTOR <= level <= seen[1] * FACTOR:
        return
    ratio = level / np.sqrt(seen[0]) / np.sqrt(seen[1])
    warnings.warn(
        f"The trials have a root mean square of {level:.3g}, {ratio:.1e} times that of the trials that {name} was "
        f"fitted on ({seen[0]:.3g} to {seen[1]:.3g}): outputs and explanations may mean nothing. Give trials in the "
        "same unit (volts or microvolts).",
        stacklevel=4,
    )
