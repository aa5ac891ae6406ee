"""Alignment of groups: each subject's trials are whitened by its own mean covariance and recolored to the common one.

A linear map of the channels per group, ``A_g = M^(1/2) C_g^(-1/2)``, found without labels: C_g is the mean covariance
of the group's trials, M the mean of these over the groups of training, both inside the space that the channels fill.
After it every group has the covariance M, in the unit of the trials. (He & Wu 2020,
https://doi.org/10.1109/TBME.2019.2913914; Zanini et al. 2018, https://doi.org/10.1109/TBME.2017.2742541.)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._lazy import LazyTrials
from eegexplain._levels import is_trait
from eegexplain._parallel import trial_blocks
from eegexplain._validation import check_array_like, check_group_names

LEAST_TRIALS = 10  # of a group, for a covariance to speak of
_SHRINKAGE = 0.02  # share of a covariance replaced by its mean power: a group's silent directions are not blown up
_RANK = 1e-6  # eigenvalue relative to the largest below which a dimension of the channels is empty


@dataclass(frozen=True, eq=False)
class _AlignedTrials:
    """Source of trials that are aligned when they are read, again each time: cheaper than what is then done to them."""

    trials: LazyTrials
    maps: NDArray[np.float64]  # of the groups
    codes: NDArray[np.intp]  # group of each trial

    @property
    def trial_shape(self):
        """Shape of a trial."""
        return self.trials.shape[1:]

    @property
    def dtype(self):
        """Precision of the trials."""
        return self.trials.dtype

    def read(self, places):
        """Aligned trials by number."""
        return (self.maps[self.codes[places]] @ np.asarray(self.trials[places])).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class GroupAlignment:
    """Linear maps of the channels, one per group, frozen: what a trial becomes depends on no other trial.

    Parameters
    ----------
    groups : ndarray of shape (n_groups,)
        Names, sorted.
    maps : ndarray of shape (n_groups, n_channels, n_channels)
        An aligned trial is ``maps[g] @ trial``.
    basis : ndarray of shape (n_channels, rank)
        Orthonormal, of the space that the channels of the training groups fill.
    common : ndarray of shape (rank, rank)
        Mean covariance of the groups of training in this space.
    """

    groups: NDArray[Any]
    maps: NDArray[np.float64]
    basis: NDArray[np.float64]
    common: NDArray[np.float64]

    @classmethod
    def of(cls, X, groups):
        """Take the groups of training; `groups` names one per trial."""
        names, covariances = group_covariances(X, groups)
        values, vectors = np.linalg.eigh(covariances.mean(axis=0))
        basis = vectors[:, values > _RANK * values[-1]]
        inside = _shrunk(basis.T @ covariances @ basis)
        common = inside.mean(axis=0)
        return cls(names, _maps(inside, common, basis), basis, common)

    def extended(self, X, groups):
        """The same with further groups; one that is known already is replaced."""
        names, covariances = group_covariances(X, groups)
        if (names.dtype.kind in "OSU") != (self.groups.dtype.kind in "OSU"):
            raise ValueError(
                f"Groups are named {names[:3].tolist()} here and {self.groups[:3].tolist()} in fit: name them by text "
                "or by numbers, not by both."
            )
        maps = _maps(_shrunk(self.basis.T @ covariances @ self.basis), self.common, self.basis)
        kept = ~np.isin(self.groups, names)
        names, maps = np.concatenate([self.groups[kept], names]), np.concatenate([self.maps[kept], maps])
        order = np.argsort(names, kind="stable")
        return GroupAlignment(names[order], maps[order], self.basis, self.common)

    def apply(self, X, groups):
        """Aligned trials ``(n_trials, n_channels, n_times)`` in the precision of `X`; ValueError for a new group."""
        names, codes = np.unique(groups, return_inverse=True)
        unknown = names[~np.isin(names, self.groups)]
        if len(unknown):
            raise ValueError(
                f"The groups {unknown.tolist()} have no reference: call set_reference(X, groups) with at least "
                f"{LEAST_TRIALS} of their trials first (labels are not needed)."
            )
        maps = self.maps[np.searchsorted(self.groups, names)]
        if isinstance(X, LazyTrials):
            return LazyTrials([_AlignedTrials(X, maps, codes)], np.arange(len(X)))
        aligned = np.empty(X.shape, dtype=X.dtype)
        for part in trial_blocks(len(X)):
            aligned[part] = maps[codes[part]] @ X[part]
        return aligned


def group_covariances(X, groups):
    """Names of the groups and mean covariance of their trials, each less its mean over time, read block by block.

    Raises
    ------
    ValueError
        For a group of fewer than 10 trials, or without power.
    """
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    few = {str(name): int(n) for name, n in zip(names, counts, strict=True) if n < LEAST_TRIALS}
    if few:
        told = ", ".join(f"{name} has {n}" for name, n in few.items())
        raise ValueError(
            f"Alignment needs at least {LEAST_TRIALS} trials of each group for its mean covariance, but {told}: "
            "give more trials of them, or leave these groups out."
        )
    total = np.zeros((len(names), X.shape[1], X.shape[1]))
    for part in trial_blocks(len(X)):
        block = np.asarray(X[part], dtype=float)
        block = block - block.mean(axis=-1, keepdims=True)
        np.add.at(total, codes[part], block @ block.swapaxes(-1, -2) / X.shape[-1])
    silent = names[~(np.einsum("gcc->g", total) > 0)]
    if len(silent):
        raise ValueError(f"The groups {silent.tolist()} have no power to align: their trials are constant.")
    return names, total / counts[:, None, None]


def align_training(trials, names):
    """The alignment of the groups of training, and their trials after it."""
    alignment = GroupAlignment.of(trials, names)
    return alignment, alignment.apply(trials, names)


def refuse_trait(y, groups):
    """Refuse alignment where every group has one label only: its mean covariance is the signal."""
    codes = np.unique(y, axis=0, return_inverse=True)[1].ravel()
    if is_trait(codes, groups) and len(np.unique(codes)) > 1:
        raise ValueError(
            "align='group' would take away what is to be decoded: each group has one label only, so that the mean "
            "covariance of a group, which alignment makes equal, is what tells labels apart. Use align=None."
        )


def align_groups(X: ArrayLike, groups: ArrayLike) -> NDArray[Any]:
    """Align the groups (subjects, recordings) of a data set, without labels: for other decoders, and to look at.

    Parameters
    ----------
    X : array-like of shape (n_trials, n_channels, n_times)
        Trials.
    groups : array-like of shape (n_trials,)
        Of each trial.

    Returns
    -------
    aligned : ndarray of shape (n_trials, n_channels, n_times)
        In the unit of `X`: each group whitened by its own mean covariance over channels and recolored to the mean of
        these. A group's trials depend on the other groups by the common color alone.

    Raises
    ------
    ValueError
        For a group of fewer than 10 trials, and for trials without power.

    References
    ----------
    .. [1] H. He, D. Wu, "Transfer learning for brain-computer interfaces: a Euclidean space data alignment approach",
           IEEE Transactions on Biomedical Engineering 67 (2020) 399-410, https://doi.org/10.1109/TBME.2019.2913914.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.models import align_groups
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat(["anna", "bert"], 20)
    >>> X = rng.standard_normal((40, 3, 100))
    >>> X[groups == "bert", 0] *= 10  # one amplifier had another gain there
    >>> aligned = align_groups(X, groups)
    >>> bool(abs(aligned[:20, 0].std() / aligned[20:, 0].std() - 1) < 0.1)
    True
    """
    trials = check_array_like("X", X, ndim="n_trials, n_channels, n_times")
    names = check_group_names(groups, len(trials))
    return align_training(trials, names)[1]


def _shrunk(covariances):
    """Covariances with a share replaced by their mean power in all directions of their space."""
    power = np.einsum("gcc->g", covariances) / covariances.shape[-1]
    return (1 - _SHRINKAGE) * covariances + _SHRINKAGE * power[:, None, None] * np.eye(covariances.shape[-1])


def _maps(inside, common, basis):
    """``M^(1/2) C_g^(-1/2)`` within the basis, as maps of the channels."""
    return basis @ (_power(common, 0.5) @ _power(inside, -0.5)) @ basis.T


def _power(matrices, exponent):
    """Power of symmetric positive definite matrices."""
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * np.maximum(values, np.finfo(float).tiny)[..., None, :] ** exponent) @ vectors.swapaxes(-1, -2)
