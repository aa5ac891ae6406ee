"""The null of a whole cross-validation: networks trained again on permuted labels, their maps and scores."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from eegexplain._checkpoint import open_checkpoint
from eegexplain._exchange import Design, exchangeable
from eegexplain._levels import is_shared
from eegexplain._validation import random_seed
from eegexplain.inspection._clusters import cell_adjacency, cluster_masses
from eegexplain.inspection._scheme import Labeling, Scheme, described_models, labelings, retrain
from eegexplain.inspection.cross_validation import fold_numbers, predict_held_out
from eegexplain.inspection.decoding import balanced_accuracy
from eegexplain.inspection.fold_maps import draw_starts, explain_folds
from eegexplain.inspection.significance import (
    SIDES,
    Significance,
    check_arrangements,
    check_permutations,
    p_values,
    significance,
)


@dataclass(frozen=True)
class Statistic:
    """What is made of maps before the largest value of each is taken.

    Parameters
    ----------
    of : callable
        Takes maps (n_maps, n_outputs, ...), the function of a side and a map with names; returns statistics with the
        maps first.
    together : bool
        Whether it needs the maps of all permutations at once, which are kept then.
    least : int
        Permutations below which it is refused.
    by_cell : bool
        Whether there is one for each cell; else for each output.
    """

    of: Callable[[NDArray, Callable, Any], NDArray]
    together: bool = False
    least: int = 1
    by_cell: bool = True


def _studentized(maps, side, named=None):
    """Less the mean, divided by the deviation over all maps, the true one among them: none is special."""
    deviation = maps.std(axis=0)
    return side((maps - maps.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))


def _clusters(maps, side, named):
    """Masses of clusters of studentized cells; of one side, only those beyond it."""
    cells = named.dims[1:]
    axis = cells.index("channel") if "channel" in cells else None
    names = [] if axis is None else named["channel"].values.astype(str).tolist()
    adjacency = cell_adjacency(names, maps.shape[2:], axis)
    standard = _studentized(maps, np.positive).reshape(*maps.shape[:2], -1)
    sided = standard if side is np.abs else np.maximum(side(standard), 0)
    return cluster_masses(sided, adjacency).reshape(maps.shape)


STATISTICS = {
    "max": Statistic(lambda maps, side, named: side(maps)),
    "total": Statistic(lambda maps, side, named: side(maps).reshape(*maps.shape[:2], -1).sum(axis=2), by_cell=False),
    "studentized": Statistic(_studentized, together=True, least=200),
    "clusters": Statistic(_clusters, together=True, least=200),
}


@dataclass(frozen=True, eq=False)
class Whole:
    """What is found of one whole cross-validation.

    Parameters
    ----------
    gain : xarray.DataArray
        Mean map over seeds and folds, scale kept.
    score : float or None
        Balanced accuracy of held-out trials; None of numbers.
    """

    gain: Any
    score: float | None


def gain_of(explainer: Any, X: NDArray, y: NDArray) -> Any:
    """A map with its scale: how much the outputs follow each cell.

    Correlations have none - those of a network whose outputs hardly change are as large as others. Times the sizes of
    noise and of the change of the outputs they are covariances.

    Parameters
    ----------
    explainer : fitted explainer
    X, y : ndarray

    Returns
    -------
    xarray.DataArray
    """
    found = explainer.explanation_
    if "noise_size" not in found or "change_size" not in found:
        return found["value"]
    gain = found["value"] * found["noise_size"] * found["change_size"]
    return gain.transpose(*found["value"].dims).fillna(0.0)


def retrained_significance(
    models: Any,
    explainer: Any,
    *,
    statistic: str = "max",
    alternative: str = "two-sided",
    n_permutations: int = 199,
    alpha: float = 0.05,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: Any = None,
    verbose: int = 0,
) -> Significance:
    """Compare a mean map with those of networks that were trained, explained and averaged alike on permuted labels.

    Parameters
    ----------
    models : CrossValidatedModels
    explainer : explainer
    statistic : {"max", "total", "studentized", "clusters"}
    alternative : {"two-sided", "greater", "less"}
    n_permutations : int
    alpha : float
    random_state : int, RandomState or None
    n_jobs : int or None
    checkpoint : str, path-like or None
        Keeps what is found for permuted labels, whatever the statistic and the number of permutations.
    verbose : int

    Returns
    -------
    Significance
        With the score and its p value.

    Raises
    ------
    ValueError
        For too few permutations or arrangements of labels.
    """
    chosen = STATISTICS[statistic]
    check_permutations(n_permutations, alpha)
    if n_permutations < chosen.least:
        raise ValueError(
            f"The {statistic} statistic divides by the deviation over permutations, which {n_permutations} tell too "
            f"badly: give n_permutations of at least {chosen.least}, or statistic='max'."
        )
    if models.y.ndim != 1:
        raise ValueError(f"Labels of shape {models.y.shape} are not permuted: give one target.")
    rng, design = check_random_state(random_state), exchange(models, alpha)
    described = {**described_models(models), "explainer": explainer, "random_state": rng}
    opened = open_checkpoint(checkpoint, "retraining", described, random_state)
    run = {"n_jobs": n_jobs, "checkpoint": opened}
    side, observed = SIDES[alternative], _observed(models, explainer, rng, run)
    stacks = labelings(models, design, n_permutations, [explainer], rng)
    of_map = None if chosen.together else chosen.of(observed.gain.values[None], side, observed.gain)[0]
    scores, kept = [], []
    for whole in retrain(models, stacks, partial(_whole, explainer), verbose=verbose, **run):
        gain = whole.gain
        scores.append(whole.score)
        kept.append(gain.values if chosen.together else chosen.of(gain.values[None], side, gain).max())
    if chosen.together:
        every = chosen.of(np.stack([observed.gain.values, *kept]), side, observed.gain)
        of_map, kept = every[0], every[1:].reshape(len(kept), -1).max(axis=1)
    cells = observed.gain if chosen.by_cell else observed.gain.isel(dict.fromkeys(observed.gain.dims[1:], 0), drop=True)
    scored = {} if observed.score is None else {"score": observed.score}
    scored |= {"score_p": float(p_values(observed.score, np.array(scores)))} if scored else {}
    once = not is_shared(fold_numbers(models.folds, len(models.y)), design.strata)
    settings = {"kind": "retraining", "exchanged": design.exchanged, "exact": once, "alpha": alpha} | scored
    return significance(cells.copy(data=of_map), np.array(kept), **settings)


def exchange(models: Any, alpha: float) -> Design:
    """How labels are permuted: within folds, whose shares of the classes they made; over all where folds overlap.

    Parameters
    ----------
    models : CrossValidatedModels
    alpha : float
        Level that is to be reached.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        For too few arrangements of the labels.
    """
    codes = np.unique(models.y, return_inverse=True)[1]
    folds = fold_numbers(models.folds, len(codes))
    design = exchangeable(codes, np.zeros_like(folds) if (folds < 0).any() else folds, models.groups)
    check_arrangements(codes, design, alpha)
    return design


def _observed(models, explainer, rng, run):
    """The true labels; networks that were not kept are trained again from their seeds."""
    folds, scheme = models.folds, Scheme.of(models)
    if not folds[0].nets:
        [folds] = scheme.train([models.y], [random_seed(models.seed)], **run)
    starts = draw_starts(explainer, [scheme.n_seeds] * len(folds), rng)
    return _whole(explainer, scheme, Labeling(models.y, 0, [starts]), folds, **run)


def _whole(explainer, scheme, labeling, folds, **run):
    """Explain and score the networks of one labeling."""
    settings = {"groups": scheme.groups, "starts": labeling.starts[0], "read": gain_of, **run}
    maps = explain_folds(explainer, folds, scheme.X, labeling.y, **settings)
    gain = maps[0][0].copy(data=np.mean([np.mean([one.values for one in fold], axis=0) for fold in maps], axis=0))
    held_out = predict_held_out(folds, scheme.X)
    y = labeling.y[held_out.trials]
    return Whole(gain, None if held_out.classes is None else balanced_accuracy(y, held_out.together))
