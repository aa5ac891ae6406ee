"""Whether a cell's evidence speaks for the true labels: their permutations, largest over cells."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._exchange import exchangeable, log_arrangements, permuted_labels
from eegexplain._explanation import population_error
from eegexplain._judge import Judge

LEAST_TRIALS, LEAST_GROUPS = 20, 4
LEAST_PARTNERS = 3  # with fewer, rows and columns of hybrids cannot be told apart


@dataclass(frozen=True, eq=False)
class Tested:
    """Evidence of all cells.

    Parameters
    ----------
    evidence, errors : ndarray of shape (n_cells, n_outputs)
        In nats of log odds, with errors over trials or groups.
    p_values : ndarray of shape (n_cells,)
        One-sided, of the largest over all cells.
    """

    evidence: NDArray
    errors: NDArray
    p_values: NDArray


def check_units(y: NDArray, groups: NDArray | None, classes: bool) -> bool:
    """Refuse labels that tell the group, and say whether trials and groups are enough to be told from chance.

    Parameters
    ----------
    y : ndarray of shape (n_trials,)
    groups : ndarray of int of shape (n_trials,) or None
    classes : bool

    Returns
    -------
    bool

    Raises
    ------
    ValueError
    """
    if len(y) < 2 * LEAST_PARTNERS:
        raise ValueError(f"n_samples = {len(y)} is too few: every trial is crossed with others. Give at least 20.")
    if classes:
        names, codes = np.unique(y, return_inverse=True)
        if len(names) < 2:
            only = names.tolist()[0]
            raise ValueError(f"Information about labels needs at least 2 classes, but all trials are of {only!r}.")
        for group in () if groups is None else np.unique(groups):
            for k, name in enumerate(names.tolist()):
                if (groups[codes == k] == group).all():
                    raise ValueError(
                        f"All trials of class {name!r} are of one group: to tell the class is to tell the group."
                    )
    n_units = len(y) if groups is None else len(np.unique(groups))
    least, what = (LEAST_TRIALS, "trials") if groups is None else (LEAST_GROUPS, "groups")
    if n_units >= least:
        return True
    arrangements = ""
    if classes:
        count = np.exp(min(log_arrangements(codes, exchangeable(codes, np.zeros(len(y), int), groups)), 40.0))
        arrangements = f" Their labels have {count:.3g} arrangements within the design."
    warnings.warn(
        f"{n_units} {what} are too few to tell information from chance (at least {least} are needed): there are no p "
        f"values.{arrangements}",
        stacklevel=3,
    )
    return False


def evidence_test(
    columns: NDArray, judge: Judge, groups: NDArray | None, n_permutations: int, rng: np.random.RandomState
) -> Tested:
    """Contrast what cells say for each output between its class and the others; permute the labels.

    Parameters
    ----------
    columns : ndarray of shape (n_cells, n_trials, n_outputs)
        NaN for trials that say nothing.
    judge : Judge
    groups : ndarray of int of shape (n_trials,) or None
    n_permutations : int
    rng : numpy.random.RandomState

    Returns
    -------
    Tested
        Cells that say nothing have p values of 1.
    """
    targets = judge.targets
    names, codes = np.unique(targets, return_inverse=True)
    columns = np.nan_to_num(columns - np.nanmean(columns, axis=1, keepdims=True))
    weights = _weights(targets, columns.shape[2])
    found = np.einsum("cno,no->co", columns, weights)
    influence = columns * weights * len(targets)
    errors = np.array([[population_error(one - one.mean(), groups) for one in cell.T] for cell in influence])
    size = np.sqrt(np.square(columns).mean(axis=1).sum(axis=1))
    scaled = columns / np.where(size > 0, size, 1.0)[:, None, None]
    flat = scaled.transpose(1, 2, 0).reshape(-1, len(columns))  # trials and outputs, by cells
    design = exchangeable(codes, np.zeros_like(codes), groups)
    permuted = permuted_labels(codes, design, n_permutations, rng)
    maxima = [(_weights(names[labels], columns.shape[2]).ravel() @ flat).max() for labels in permuted]
    statistic = weights.ravel() @ flat
    reached = np.searchsorted(np.sort(maxima), statistic - 1e-9 * np.abs(statistic))
    p = (1 + n_permutations - reached) / (1 + n_permutations)
    return Tested(found, errors, np.where(size > 0, p, 1.0))


def _weights(targets, n_outputs):
    """What the trials count for each output: means of its class less means of the others; numbers: slopes."""
    if targets.dtype.kind not in "iu":
        centered = targets - targets.mean()
        return (centered / max(np.square(centered).sum(), np.finfo(float).tiny))[:, None]
    own = (targets[:, None] == np.arange(n_outputs)).astype(float)
    return own / own.sum(axis=0) - (1 - own) / (1 - own).sum(axis=0)
