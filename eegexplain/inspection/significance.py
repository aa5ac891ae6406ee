"""Which cells of a map permuted labels cannot explain: the record, and the contrast of held-out evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from eegexplain._exchange import Design, exchangeable, log_arrangements, permuted_labels
from eegexplain._levels import is_shared
from eegexplain._validation import check_array_like, check_groups, check_labels, positive_int

BLOCK = 2**22  # numbers of the statistics of permutations that are taken at once

SIDES: dict[str, Callable[[NDArray], NDArray]] = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}

DONE = {  # what each kind does, for its sentence
    "contrast": "labels of {exchanged} permuted",
    "retraining": "labels of {exchanged} permuted",
    "sign-flips": "signs of {exchanged} flipped",
}


@dataclass(frozen=True, eq=False)
class Significance:
    """A map's statistics and what permuted labels, or flipped signs, give in their place.

    Parameters
    ----------
    statistic : xarray.DataArray
        Of each cell.
    p_values : xarray.DataArray
        Of each cell, corrected for the number of cells: (1 + permutations whose maximum over all cells is as large) /
        (1 + permutations).
    null_maxima : ndarray of shape (n_permutations,)
        The largest statistic of each permutation, or flip.
    kind : {"contrast", "retraining", "sign-flips"}
    exchanged : {"trials", "groups"}
        Whose labels were permuted, or signs flipped.
    exact : bool
        Whether noise is called significant in at most `alpha` of data sets; else this is approximately so.
    alpha : float, default=0.05
        Familywise.
    score, score_p : float or None
        Balanced accuracy of held-out trials and its p value among networks that were retrained.
    """

    statistic: Any
    p_values: Any
    null_maxima: NDArray
    kind: str
    exchanged: str
    exact: bool
    alpha: float = 0.05
    score: float | None = None
    score_p: float | None = None

    @property
    def n_permutations(self) -> int:
        """How many permutations, or flips, were made."""
        return len(self.null_maxima)

    @property
    def significant(self) -> Any:
        """Mask of the cells with p values of at most `alpha`."""
        return self.p_values <= self.alpha

    @property
    def p_value(self) -> float:
        """Of the map as a whole: the smallest of its cells."""
        return float(self.p_values.min())

    def plot(self, *, ax=None) -> Any:
        """Draw the largest statistic of every permutation, and the statistics of the true labels.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        PermutationDisplay
        """
        from eegexplain.plotting import PermutationDisplay

        cells, told = self.statistic.values.ravel(), f"largest statistic of {self.statistic.size} cells ({self.kind})"
        settings = {"observed": [cells.max()], "names": [told], "p_values": [self.p_value], "cells": cells}
        return PermutationDisplay([self.null_maxima], **settings).plot(ax=ax)

    def __str__(self):
        """One paragraph: decoding first, then the cells."""
        told = "" if self.score_p is None else f"Balanced accuracy {self.score:.3f} (p = {self.score_p:.3g}). "
        return told + (
            f"{int(self.significant.sum())} of {self.p_values.size} cells significant at {self.alpha:g}, familywise "
            f"(smallest p = {self.p_value:.3g}): {self.kind}, {DONE[self.kind].format(exchanged=self.exchanged)} "
            f"{self.n_permutations} times, {'exact' if self.exact else 'approximate'}."
        )


def evidence_contrast(
    evidence: ArrayLike,
    y: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_permutations: int = 999,
    alpha: float = 0.05,
    random_state: Any = None,
) -> Significance:
    """Test whether a cell's evidence for a class is larger in held-out trials of this class than in others.

    The networks stay; the labels of trials that they never saw are permuted. What is asked is whether this cell's
    evidence separates the classes in unseen data.

    Parameters
    ----------
    evidence : array-like of shape (n_trials, n_classes, ...)
        Evidence of each held-out trial for each class, by cell: attributions, not sensitivities, which have no side
        towards the truth. Classes in sorted order; a DataArray names them along ``output``.
    y : array-like of shape (n_trials,)
        Classes.
    folds : array-like of shape (n_trials,), optional
        In which fold each trial was held out; None is one network that saw none of the trials.
    groups : array-like of shape (n_trials,), optional
        Subjects or recordings: labels are permuted within them or, where the label is theirs, between them.
    n_permutations : int, default=999
    alpha : float, default=0.05
        Familywise, over all classes and cells.
    random_state : int, RandomState or None

    Returns
    -------
    Significance

    Raises
    ------
    ValueError
        For a held-out part with one class, an `alpha` that cannot be reached, and NaN.

    Notes
    -----
    Evidence is centered in each stratum within which labels are permuted, and divided by its standard deviation over
    all trials, which no permutation changes. The statistic of a cell is its mean over the trials of the
    output's class minus that over all others; p values are those of its maximum over cells [1]_.

    For one held-out set the test is exact. Pooled over folds it is approximate: each fold's network was trained on
    labels that are held out elsewhere, which pushes noise away from the truth. Therefore it is one-sided, towards the
    truth: networks that are differences of means call .01 to .10 of noise data sets significant at .05, of a two-sided
    maximum up to .75, of a total .15 (``benchmarks/bench_significance.py``). What must hold at its level, and those
    claims, need networks that are trained again.

    References
    ----------
    .. [1] T. E. Nichols, A. P. Holmes, "Nonparametric permutation tests for functional neuroimaging", Human Brain
           Mapping 15 (2002), doi:10.1002/hbm.1058.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import evidence_contrast
    >>> rng, y = np.random.default_rng(0), np.arange(60) % 2
    >>> for_class_1 = rng.standard_normal((60, 4)) + np.outer(y, [0, 2, 0, 0])
    >>> found = evidence_contrast(np.stack([-for_class_1, for_class_1], axis=1), y, random_state=0)
    >>> found.significant.values[1]
    array([False,  True, False, False])
    """
    y = check_labels("y", y)
    classes, codes = np.unique(y, return_inverse=True)
    named = _named(evidence, classes)
    values = check_array_like("evidence", named.values, dtype=float)
    if y.ndim != 1 or len(values) != len(y):
        raise ValueError(f"evidence and y are one per trial, got {values.shape} and {y.shape}.")
    folds = np.zeros(len(y), int) if folds is None else check_groups(folds, len(y))
    groups = None if groups is None else check_groups(groups, len(y))
    check_permutations(n_permutations, alpha)
    design = exchangeable(codes, folds, groups)
    _require_both(codes, folds, design, classes)
    check_arrangements(codes, design, alpha)
    scaled = _scaled(values.reshape(*values.shape[:2], -1), design.strata)
    statistic = _contrasts(scaled, codes[None])[0]
    permuted = permuted_labels(codes, design, n_permutations, check_random_state(random_state))
    maxima = _null_maxima(scaled, permuted, n_permutations)
    exact = len(np.unique(folds)) == 1
    found = named.isel({named.dims[0]: 0}, drop=True).copy(data=statistic.reshape(values.shape[1:]))
    return significance(found, maxima, kind="contrast", exchanged=design.exchanged, exact=exact, alpha=alpha)


def significance(statistic: Any, null_maxima: NDArray, **settings: Any) -> Significance:
    """Count how many permutations reach the statistic of each cell.

    Parameters
    ----------
    statistic : xarray.DataArray
    null_maxima : ndarray of shape (n_permutations,)
    **settings : dict
        The other fields of `Significance`.

    Returns
    -------
    Significance
    """
    found = statistic.copy(data=p_values(statistic.values, null_maxima))
    return Significance(statistic, found, null_maxima, **settings)


def p_values(statistic: ArrayLike, null: NDArray) -> NDArray:
    """(1 + permutations that reach the statistic) / (1 + permutations).

    Parameters
    ----------
    statistic : array-like
    null : ndarray of shape (n_permutations,)

    Returns
    -------
    ndarray of the shape of `statistic`
    """
    values, ordered = np.asarray(statistic, dtype=float), np.sort(null)
    least = values - 1e-9 * np.abs(values)  # the same arrangement summed in another order
    return (1 + len(null) - np.searchsorted(ordered, least)) / (1 + len(null))


def check_permutations(n_permutations: int, alpha: float) -> None:
    """Refuse levels that so many permutations cannot reach.

    Parameters
    ----------
    n_permutations : int
    alpha : float

    Raises
    ------
    ValueError
    """
    positive_int("n_permutations", n_permutations)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}.")
    needed = int(np.ceil(1 / alpha - 1e-9)) - 1
    if n_permutations < needed:
        raise ValueError(
            f"No p value of {n_permutations} permutations is below {1 / (1 + n_permutations):.3g}: alpha={alpha:g} "
            f"needs n_permutations of at least {needed}."
        )


def check_arrangements(codes: NDArray, design: Design, alpha: float) -> None:
    """Refuse levels that the arrangements of labels which a design allows cannot reach.

    Parameters
    ----------
    codes : ndarray of int of shape (n_trials,)
    design : Design
    alpha : float

    Raises
    ------
    ValueError
    """
    arrangements = log_arrangements(codes, design)
    if arrangements < np.log(1 / alpha) - 1e-9:
        raise ValueError(
            f"The labels of {len(np.unique(design.units))} {design.exchanged} have {round(np.exp(arrangements))} "
            f"arrangements within folds and groups: no p value can be as small as alpha={alpha:g}. Record more "
            f"{design.exchanged}, with both classes in each fold."
        )


def _named(evidence, classes):
    """Evidence as a DataArray (trial, output, ...) whose outputs are the classes."""
    import xarray as xr

    if not isinstance(evidence, xr.DataArray):
        evidence = check_array_like("evidence", evidence, dtype=float)
        if evidence.ndim < 2 or evidence.shape[1] != len(classes):
            raise ValueError(
                f"evidence must have shape (n_trials, n_classes, ...) with {len(classes)} classes, got "
                f"{evidence.shape}."
            )
        dims = ["trial", "output", *(f"cell_{axis}" for axis in range(evidence.ndim - 2))]
        return xr.DataArray(evidence, dims=dims, coords={"output": [str(name) for name in classes]})
    outputs = [] if "output" not in evidence.dims else evidence["output"].values.astype(str).tolist()
    if sorted(outputs) != sorted(str(name) for name in classes):
        raise ValueError(
            f"Evidence is contrasted between classes: its outputs {outputs} must be those of y, {classes.tolist()}."
        )
    return evidence.transpose("trial", "output", ...).sel(output=[str(name) for name in classes])


def _require_both(codes, folds, design, classes):
    """Where labels are exchanged within folds, each must hold out several classes."""
    if len(classes) < 2:
        raise ValueError(f"Evidence is contrasted between at least 2 classes, but y has only {classes.tolist()}.")
    if is_shared(folds, design.strata):
        return
    for fold in np.unique(folds):
        held_out = np.unique(codes[folds == fold])
        if len(held_out) == 1:
            raise ValueError(
                f"Fold {fold} holds out trials of class {classes[held_out[0]].item()!r} alone: there is nothing to "
                "contrast them with. Use fewer folds, or stratified ones."
            )


def _scaled(values, strata):
    """Evidence, centered within strata and divided by its standard deviation over all trials.

    Not by that of each fold: weights that leave the folds' networks only a sign double the null's upper tail, because
    a chance difference of either sign that folds share is towards the truth of all their networks.
    """
    scaled = values.copy()
    for stratum in np.unique(strata):
        scaled[strata == stratum] -= scaled[strata == stratum].mean(axis=0)
    deviation = np.sqrt(np.square(scaled).mean(axis=0))
    alike = deviation <= 1e-12 * np.abs(values).max(axis=0)  # a cell without evidence says nothing
    return np.where(alike, 0.0, scaled / np.where(alike, 1.0, deviation))


def _contrasts(scaled, codes):
    """Mean over the trials of each output's class less that of the others: (n_permutations, n_classes, n_cells)."""
    n_trials, n_classes = scaled.shape[:2]
    found = np.empty((len(codes), n_classes, scaled.shape[2]))
    for place in range(n_classes):
        own = (codes == place).astype(float)
        count = own.sum(axis=1, keepdims=True)
        total = scaled[:, place].sum(axis=0)
        within = own @ scaled[:, place]
        found[:, place] = within / count - (total - within) / (n_trials - count)
    return found


def _null_maxima(scaled, permuted, n_permutations):
    """Largest statistic of each permutation, in blocks that fit into memory."""
    at_once = max(1, BLOCK // max(1, scaled[0].size))
    maxima = []
    while len(maxima) < n_permutations:
        block = np.array(list(islice(permuted, at_once)))
        maxima += _contrasts(scaled, block).max(axis=(1, 2)).tolist()
    return np.array(maxima)
