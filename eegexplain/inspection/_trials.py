"""What a cross-validation tells of each trial: its fold, label, prediction, evidence."""

import numpy as np

from eegexplain.inspection.cross_validation import fold_numbers


def trial_variables(models):
    """Labels, predictions, folds and groups of all trials.

    Parameters
    ----------
    models : CrossValidatedModels

    Returns
    -------
    dict
        Variables of a Dataset.
    """
    n_trials = len(models.y)
    found = {"fold_of_trial": ("trial", fold_numbers(models.folds, n_trials))}
    if models.y.ndim == 1:
        found["label"] = ("trial", models.y)
        predicted = np.zeros(n_trials, models.held_out.together.dtype)
        predicted[models.held_out.trials] = models.held_out.together.reshape(len(models.held_out.trials), -1)[:, 0]
        found["prediction"] = ("trial", predicted)
        scores = np.full((n_trials, models.held_out.scores.shape[1]), np.nan)
        scores[models.held_out.trials] = models.held_out.scores
        found["score"] = (("trial", "class" if models.held_out.classes is not None else "target"), scores)
    if models.groups is not None:
        found["group"] = ("trial", models.groups)
    return found


def trial_values(found, models):
    """Evidence of each held-out trial, mean over the seeds of its fold (and over folds, where several held it out).

    Parameters
    ----------
    found : list of list
        Of each fold and seed what was read, evidence as ``trials``.
    models : CrossValidatedModels

    Returns
    -------
    xarray.DataArray
        NaN for trials that were never held out.
    """
    import xarray as xr

    shape = found[0][0].trials.shape[1:]
    total, times = np.zeros((len(models.y), *shape)), np.zeros(len(models.y))
    for fold, read in zip(models.folds, found, strict=True):
        total[fold.test] += np.mean([one.trials.values for one in read], axis=0)
        times[fold.test] += 1
    with np.errstate(invalid="ignore"):
        values = total / times.reshape(-1, *[1] * len(shape))
    one = found[0][0].trials
    return xr.DataArray(
        values, dims=one.dims, coords={dim: one[dim].values for dim in one.dims[1:] if dim in one.coords}
    )
