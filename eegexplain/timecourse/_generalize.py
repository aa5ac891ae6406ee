"""Temporal generalization: models of one time, asked about all others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain.timecourse._scores import predicted_codes

CHUNK = 2**21  # decision values held together; a constant, so that n_jobs changes nothing


def time_blocks(n_times: int, n_trials: int, n_outputs: int) -> list[slice]:
    """Training times whose decision values are made together.

    Parameters
    ----------
    n_times, n_trials, n_outputs : int
        Times, test trials of a fold, and decision values of each.

    Returns
    -------
    list of slice
    """
    step = max(1, CHUNK // max(1, n_times * n_trials * n_outputs))
    return [slice(start, min(start + step, n_times)) for start in range(0, n_times, step)]


def generalize(times: slice, *, X: NDArray, y: NDArray, trials: Any, test: NDArray, found: dict, score: Any) -> NDArray:
    """Score the models of some times at all times.

    Parameters
    ----------
    times : slice
        Training times.
    X : ndarray of shape (n_all_trials, n_channels, n_times)
    y : ndarray of shape (n_all_trials,)
        Numbers, or codes of the classes.
    trials : slice or ndarray of int
        Those of these models.
    test : ndarray of bool, shape (n_folds, n_trials)
        Test trials among them.
    found : dict of ndarray
        What `fit_block` gave: weights and offsets in the unit of the trials.
    score : Score

    Returns
    -------
    ndarray of shape (n_times_of_these, n_folds, n_times)
    """
    targets = y[trials]
    weights, offsets = found["raw_weights"][times], found["raw_offsets"][times]
    n_training, n_folds, n_outputs, n_channels = weights.shape
    scores = np.empty((n_training, n_folds, X.shape[2]))
    whole = np.arange(len(X))[trials]
    for fold, held_out in enumerate(test):
        # channels first, trials last: one product then gives rows of trials, as scores want them
        data = np.ascontiguousarray(X[whole[held_out]].transpose(1, 2, 0), dtype=float).reshape(n_channels, -1)
        shape = (n_training, n_outputs, X.shape[2], int(held_out.sum()))
        decision = (weights[:, fold].reshape(-1, n_channels) @ data).reshape(shape)
        decision = (decision + offsets[:, fold, :, None, None]).transpose(0, 2, 3, 1)
        decision = decision.reshape(n_training * X.shape[2], shape[3], n_outputs)
        thresholds = found["thresholds"][times, fold] if "thresholds" in found else None
        if thresholds is not None:
            thresholds = np.repeat(thresholds, X.shape[2], axis=0)
        predicted = predicted_codes(decision, thresholds)
        scores[:, fold] = score.function(targets[held_out], predicted, decision).reshape(n_training, -1)
    return scores
