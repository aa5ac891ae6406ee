"""Whom each trial is crossed with, and what trials and partners add to the outputs of their hybrids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

N_DRAWS = 10
N_MIXED = 30  # rounds of exchanges, after which a partner says nothing about the order of trials
TOLERANCE = 1e-12  # of the least squares, relative to the sizes of the outputs


def draw_partners(groups: NDArray, n_partners: int, rng: np.random.RandomState) -> NDArray:
    """Partners for every trial, none of them of its own group, each trial about equally often a partner.

    Parameters
    ----------
    groups : ndarray of int of shape (n_trials,)
        Codes; without groups, the number of each trial.
    n_partners : int
    rng : numpy.random.RandomState

    Returns
    -------
    ndarray of int of shape (n_trials, n_partners)
        Where no group holds more than a third of the trials, each trial is a partner exactly `n_partners` times.

    Raises
    ------
    ValueError
        Where the trials cannot be compared with one another: of one or two groups, each meets only the other.
    """
    most = np.bincount(groups).max()
    draw = _balanced if 3 * most <= len(groups) else _of_others  # near half, hardly any pair would link the halves
    for _ in range(N_DRAWS):  # few trials may fall apart by chance
        partners = np.column_stack([draw(groups, most, rng) for _ in range(n_partners)])
        if _connected(partners):
            return partners
    raise ValueError(
        f"The trials of {len(np.unique(groups))} groups cannot all be compared: each is crossed with trials of other "
        "groups alone. At least 3 groups are needed, none of them with nearly all trials."
    )


def _balanced(groups, most, rng):
    """One partner each, each trial once: a shift past the own group, then exchanges that keep to the rule."""
    order = np.lexsort((rng.random_sample(len(groups)), rng.permutation(groups.max() + 1)[groups]))
    partners = np.empty(len(groups), int)
    partners[order] = np.roll(order, -most)
    for _ in range(N_MIXED):
        one, other = np.array_split(rng.permutation(len(groups) // 2 * 2), 2)
        valid = (groups[partners[one]] != groups[other]) & (groups[partners[other]] != groups[one])
        one, other = one[valid], other[valid]
        partners[one], partners[other] = partners[other], partners[one].copy()
    return partners


def _of_others(groups, most, rng):
    """One partner each, where one group holds most trials: the others are partners more often."""
    partners = np.empty(len(groups), int)
    for group in np.unique(groups):
        inside, outside = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        if not len(outside):
            raise ValueError("All trials are of one group: there is no other to cross them with.")
        repeated = np.tile(outside, -(-len(inside) // len(outside)))
        partners[inside] = rng.permutation(repeated)[: len(inside)]
    return partners


def _connected(partners):
    """Whether all rows and columns hang together; else their effects are known only up to several constants."""
    n_trials = len(partners)
    rows = np.repeat(np.arange(n_trials), partners.shape[1])
    pairs = sparse.coo_matrix((np.ones(len(rows)), (rows, n_trials + partners.ravel())), (2 * n_trials,) * 2)
    _, label = connected_components(pairs, directed=False)
    used = np.concatenate([np.arange(n_trials), n_trials + np.unique(partners)])
    return len(np.unique(label[used])) == 1


@dataclass(frozen=True, eq=False)
class Effects:
    """What trials and their partners add to the outputs of hybrids.

    Parameters
    ----------
    rows : ndarray of shape (..., n_trials, n_outputs)
        The output of a trial with the cell averaged out, over partners alike for all trials.
    columns : ndarray of shape (..., n_trials, n_outputs)
        What the cell of a trial adds to the outputs of others; their mean over trials that were partners is 0. NaN for
        trials that were partners of none.
    interaction : ndarray of shape (...)
        Share of the variance of the hybrids' outputs that neither explains.
    """

    rows: NDArray
    columns: NDArray
    interaction: NDArray


def fit_effects(outputs: NDArray, partners: NDArray) -> Effects:
    """Least squares of ``outputs[..., n, k, :] = rows[..., n, :] + columns[..., partners[n, k], :]``.

    Parameters
    ----------
    outputs : ndarray of shape (..., n_trials, n_partners, n_outputs)
        Of each trial with the cell of each of its partners; of several cells at once.
    partners : ndarray of int of shape (n_trials, n_partners)

    Returns
    -------
    Effects
    """
    n_trials, n_partners = partners.shape
    times = np.bincount(partners.ravel(), minlength=n_trials)
    incidence = sparse.csr_matrix(
        (np.ones(partners.size), (np.repeat(np.arange(n_trials), n_partners), partners.ravel())), (n_trials, n_trials)
    )
    cells, n_outputs = outputs.shape[:-3], outputs.shape[-1]
    flat = np.moveaxis(outputs.reshape(-1, *partners.shape, n_outputs), 0, 2).reshape(*partners.shape, -1)
    rest = flat - flat.mean(axis=1, keepdims=True)  # rows are eliminated: what is left is a system in columns
    right = np.zeros((n_trials, flat.shape[2]))
    np.add.at(right, partners, rest)
    columns = _solve(incidence, times, right, n_partners)
    columns -= (times[:, None] * columns).sum(axis=0) / times.sum()
    rows = flat.mean(axis=1) - columns[partners].mean(axis=1)
    left = np.square(flat - rows[:, None] - columns[partners]).sum(axis=(0, 1))
    varied = np.square(flat - flat.mean(axis=(0, 1))).sum(axis=(0, 1))
    left, varied = (one.reshape(*cells, n_outputs).sum(axis=-1) for one in (left, varied))
    columns[times == 0] = np.nan
    rows, columns = (np.moveaxis(one.reshape(n_trials, *cells, n_outputs), 0, -2) for one in (rows, columns))
    return Effects(rows, columns, np.where(varied > 0, left / np.where(varied > 0, varied, 1), 0.0))


def _solve(incidence, times, right, n_partners):
    """Conjugate gradients on ``(diag(times) - incidence' incidence / n_partners) columns = right``.

    The matrix is the Laplacian of a graph: singular along the constants, which `right` has nothing of, and otherwise
    well conditioned, because partners are drawn at random.
    """
    transposed = incidence.T.tocsr()

    def applied(columns):
        return times[:, None] * columns - transposed @ (incidence @ columns) / n_partners

    scale = np.where(times > 0, times, 1)[:, None]
    columns = np.zeros_like(right)
    rest = right.copy()
    ready = rest / scale
    along, strength = ready.copy(), (rest * ready).sum(axis=0)
    goal = TOLERANCE**2 * np.maximum(strength, np.finfo(float).tiny)
    for _ in range(10 * len(right)):
        if (strength <= goal).all():
            break
        moved = applied(along)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(strength > goal, strength / (along * moved).sum(axis=0), 0.0)
        columns += step * along
        rest -= step * moved
        ready = rest / scale
        before, strength = strength, (rest * ready).sum(axis=0)
        along = ready + np.where(before > 0, strength / np.where(before > 0, before, 1), 0.0) * along
    return columns
