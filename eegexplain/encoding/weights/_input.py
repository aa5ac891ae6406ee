"""What ``fit`` is given, as arrays: tables or runs, with gaps or without."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils.validation import validate_data

from eegexplain._validation import check_array_like, refuse_masked, refuse_text
from eegexplain.encoding._runs import check_run_labels, warn_of_unknown_runs
from eegexplain.encoding._stacks import stack_runs
from eegexplain.encoding._tables import check_same_index, check_targets


@dataclass(frozen=True, eq=False)
class Recording:
    """A stimulus and data.

    Parameters
    ----------
    stimulus : ndarray of shape (n_times, n_features)
        Zero where it was missing.
    data : ndarray of shape (n_times, n_targets)
        Data; NaN only at samples that are left out.
    groups : ndarray of shape (n_times,) or None
        Runs.
    samples : ndarray of int, shape (n_samples,)
        Positions of the samples that count.
    varies : ndarray of bool, shape (n_targets,)
        Which targets vary over these.
    features, targets : sequence or None
        Names.
    is_1d : bool
        Whether the data came as one dimension.
    holds_runs : bool
        Whether stimulus and data came as runs, not as one table with labels.
    """

    stimulus: np.ndarray
    data: np.ndarray
    groups: np.ndarray | None
    samples: np.ndarray
    varies: np.ndarray
    features: Any
    targets: Any
    is_1d: bool
    holds_runs: bool


def read_recording(fitter, model, X, y, groups):
    """Validate paradigm and data.

    Parameters
    ----------
    fitter : WeightFitter
        Stores the names and the number of features; its ``missing`` says what to do with NaN.
    model : EncodingModel
        Has a paradigm and data of its own where none are given, and says which samples lie at edges.
    X, y, groups
        As for ``fit``.

    Returns
    -------
    recording : Recording

    Raises
    ------
    ValueError
        For data that do not fit each other, NaN unless they are masked, infinities, and runs without any sample left.
    """
    X, y = model.get_paradigm(X), model.data if y is None else y
    if y is None:
        raise ValueError(
            f"{type(fitter).__name__} requires y to be passed, but the target y is None and the model has no data."
        )
    named = groups is not None
    X, y, groups, _ = stack_runs(X, y, groups)
    holds_runs = groups is not None and not named
    check_same_index(X=X, y=y, groups=groups)
    warn_of_unknown_runs(model, groups)
    if holds_runs and not groups.any():
        groups = None  # a single run may be cut into folds
    for name, table in (("X", X), ("y", y)):
        refuse_masked(name, table)
        refuse_text(name, table)
    targets, features = getattr(y, "columns", None), getattr(X, "columns", None)
    with config_context(assume_finite=True):  # what follows looks at that, and reads the data once
        X, y = validate_data(fitter, X, y, multi_output=True, y_numeric=True, dtype=float)
    y = check_array_like("y", y, dtype=float, allow_nan=True, allow_inf=True)
    data = y.reshape(len(y), -1)
    groups = None if groups is None else check_run_labels(groups, len(X))
    valid = model.valid_samples(len(X), groups)
    if fitter.missing == "mask":
        X, gaps = fill_gaps(X)
        valid = valid & ~np.isnan(data).any(axis=1) & ~sees(model, gaps, groups)
        if not valid.any():
            raise ValueError("No sample is left: each has NaN, sees NaN at some lag, or lies at the edge of its run.")
    check_array_like("X", X, squared=True)
    kept = data[valid] if fitter.missing == "mask" and not valid.all() else data
    varies = check_targets(kept, targets)
    return Recording(X, data, groups, np.flatnonzero(valid), varies, features, targets, y.ndim == 1, holds_runs)


def fill_gaps(stimulus):
    """Replace NaN by zeros.

    Parameters
    ----------
    stimulus : ndarray of shape (n_times, n_features)
        Stimulus.

    Returns
    -------
    filled : ndarray of shape (n_times, n_features)
        Without NaN.
    gaps : ndarray of bool, shape (n_times,)
        Which samples had any.
    """
    missing = np.isnan(stimulus)
    gaps = missing.any(axis=1)
    return (np.where(missing, 0.0, stimulus) if gaps.any() else stimulus), gaps


def sees(model, gaps, groups):
    """Which samples respond to a stimulus that is missing.

    Parameters
    ----------
    model : EncodingModel
        Model.
    gaps : ndarray of bool, shape (n_times,)
        Where the stimulus is missing.
    groups : ndarray of shape (n_times,) or None
        Runs.

    Returns
    -------
    seen : ndarray of bool, shape (n_times,)

    Raises
    ------
    ValueError
        For a model whose memory has no end, such as a haemodynamic response.
    """
    if not gaps.any() or not model.has_memory:
        return gaps
    if not getattr(model, "only_lags", False):
        raise ValueError(
            f"missing='mask': X has NaN, and {type(model).__name__} carries a stimulus on to all later samples. "
            "Interpolate the stimulus; NaN in y can be masked."
        )
    return model.weighted_design(gaps[:, None].astype(float), np.ones((len(model.get_lags()), 1)), groups)[:, 0] > 0.5
