"""Training without gradients: filters and head of a log-power SyncNet from cross-spectra, ridge by cross-validation."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from eegexplain.models.syncnet._calibration import Calibration
from eegexplain.models.syncnet._spectra import Spectra, middle
from eegexplain.models.syncnet._tangent import SILENT, WHITENING, SpatialFilters, TangentSpace, spatial_filters

PENALTIES = (0.3, 3.0, 30.0, 300.0)
N_FOLDS = 5
FEW = 10  # trials of a class below which weak penalties are not tried: their folds cannot tell them apart
FLOOR = 1e-4  # added to powers relative to a filter's mean power: the logarithm of a silent trial is finite
UNTESTED_SLOPE = 0.5  # where there are too few trials to hold any out


class NoPowerError(ValueError):
    """Trials without any rhythm in the range of frequencies."""


@dataclass(frozen=True)
class ClosedForm:
    """What training found: filters, and weights ``(n_outputs, n_filters)`` and intercepts of their log powers.

    ``loss`` is that of held-out trials per penalty ``(n_penalties,)``, None where none could be held out.
    """

    filters: SpatialFilters
    intercept: np.ndarray
    penalty: float
    slope: float
    loss: np.ndarray | None


class ClosedTraining:
    """Label-free part of training on some trials; any number of targets may follow.

    Parameters
    ----------
    X : array (n_trials, n_channels, n_times)
    strata : Strata
    unit : float
        Trials are divided by it.
    dtype : numpy dtype
        Precision of the spectra.

    Attributes
    ----------
    live : int array
        Trials with a power worth the name: what is silent (a recording's gap) says nothing of the others.
    n_loud : int
        Trials that were scaled down to the power of the median trial.
    sizes : array (n_channels, 1)
        What channels were divided by, on top of the unit, so that no loud channel hides the others: filters that are
        found are filters of ``X / unit / sizes``.

    Raises
    ------
    ValueError
        When the trials have no power in any stratum.
    """

    def __init__(self, X, strata, unit=1.0, dtype=np.float32):
        spectra = Spectra.of(X, strata, unit, dtype)
        moments = spectra.moments()
        self.spectra, self.n_loud = spectra.without_loud(moments.power.sum(axis=1, dtype=float))
        if self.n_loud:
            moments = self.spectra.moments()
        own = moments.power.sum(axis=1, dtype=float)
        self.live, self.sizes = np.flatnonzero(own > SILENT * middle(own)), self.spectra.sizes
        power = self.spectra.response @ moments.power.mean(axis=0, dtype=float)
        if not power.max(initial=0.0) > np.finfo(dtype).eps ** 2:  # of trials with a mean square of about 1
            raise NoPowerError("the trials have no power in any stratum of frequency: there is nothing to decode")
        filled = power > np.finfo(np.float32).eps * power.max(initial=0.0)
        self.strata_weights = np.where(filled, np.where(filled, power, 1.0) ** -WHITENING, 0.0)
        self.space = TangentSpace.of(self.spectra, moments, self.strata_weights, self.live)
        self.means = np.einsum("sf,fcd->scd", self.spectra.response, moments.cross)

    def solve(self, targets, n_filters, plan, loss):
        """Train for targets ``(n_trials, n_outputs)`` by a `FoldPlan`.

        The folds wrap weights, eigenvectors and head; whitening has seen all trials, but no label.
        """
        if not plan.folds:
            [[found]] = self._filters(targets, [plan.trials], plan.penalties[:1], n_filters, loss)
            scores = found.scores(self.log_powers(found, plan.trials))
            known = Calibration(UNTESTED_SLOPE, loss.calibrate(scores, targets[plan.trials]).intercept, np.nan)
            return _calibrated(found, known, plan.penalties[0], None)
        tried = self._held_out(targets, n_filters, plan, loss)
        best = min(range(len(tried)), key=lambda place: tried[place].loss)
        [[found]] = self._filters(targets, [plan.trials], plan.penalties[best : best + 1], n_filters, loss)
        return _calibrated(found, tried[best], plan.penalties[best], np.array([one.loss for one in tried]))

    def log_powers(self, found, trials=None):
        """What the filters read out of (some) trials, ``(n_trials, n_filters)``."""
        return np.log(self.spectra.filter_powers(found.filters, found.stratum, trials).astype(float) + FLOOR)

    def _filters(self, targets, trainings, penalties, n_filters, loss):
        """Filters learned from each set of trials with each penalty; their weights are in units of the response."""
        matrices = loss.gain * self.space.weights(targets, trainings, penalties)
        cut = (self.space.whitener, self.means, self.strata_weights, n_filters)
        return [[spatial_filters(own, *cut) for own in some] for some in matrices]

    def _held_out(self, targets, n_filters, plan, loss):
        """Calibration per penalty on all held-out trials, each scored by filters and weights that have not seen it."""
        scores, folds = [], plan.folds
        learned = self._filters(targets, [train for train, _ in folds], plan.penalties, n_filters, loss)
        for found, (_, test) in zip(learned, folds, strict=True):
            together = SpatialFilters(
                np.concatenate([one.filters for one in found], axis=1),
                np.concatenate([one.stratum for one in found]),
                np.empty(0),
            )
            powers = np.split(self.log_powers(together, test), len(found), axis=1)  # spectra are gone over once
            scores.append([one.scores(own) for one, own in zip(found, powers, strict=True)])
        held_out = np.concatenate([test for _, test in folds])
        return [loss.calibrate(np.concatenate(own), targets[held_out]) for own in zip(*scores, strict=True)]


def _calibrated(found, calibration, penalty, loss):
    filters = replace(found, weights=found.weights * calibration.slope)
    return ClosedForm(filters, calibration.intercept, penalty, calibration.slope, loss)


@dataclass(frozen=True)
class FoldPlan:
    """Trials to learn from, folds (train, test) of them that choose among penalties, and what there was too little of.

    ``rarest`` is the number of trials of the rarest class (or of all, of numbers). ``n_silent`` trials without power
    are not learned from, unless a class has no others.
    """

    trials: np.ndarray
    folds: list
    penalties: tuple
    rarest: int
    n_silent: int

    @classmethod
    def of(cls, target, live, groups, seed, classes):
        """Plan for class codes, or numbers, of which the trials `live` have power."""
        everything = np.arange(len(target))
        if classes and len(np.unique(target[live])) < len(np.unique(target)):
            live = everything
        own = target[live]
        rarest = int(np.bincount(own).min()) if classes else len(own)
        folds = training_folds(own, None if groups is None else groups[live], seed, classes)
        folds = [(live[train], live[test]) for train, test in folds]
        penalties = PENALTIES if rarest >= FEW else PENALTIES[2:]
        return cls(live, folds, penalties, rarest, len(target) - len(live))

    def warn(self, stacklevel):
        """Say what the data lack."""
        if self.n_silent:
            warnings.warn(
                f"{self.n_silent} of {len(self.trials) + self.n_silent} trials have next to no power: they are left "
                "out of training. Look for gaps in the recording.",
                stacklevel=stacklevel + 1,
            )
        if self.rarest < FEW:
            warnings.warn(
                f"training in closed form has {self.rarest} trials of the rarest class, fewer than {FEW}: its ridge is "
                "stronger for it, and what it reports on them is uncertain. Record more.",
                stacklevel=stacklevel + 1,
            )


def training_folds(y, groups, seed, stratify):
    """Folds for choices inside a training set: whole groups where there are several; none with too few of anything."""
    if groups is not None and len(np.unique(groups)) == 1:
        groups = None
    least = int(np.bincount(y).min()) if stratify else len(y)
    units = min(least, len(np.unique(groups))) if groups is not None else least
    n_folds = min(N_FOLDS, units)
    if n_folds < 2:
        return []
    if groups is None:
        splitter = StratifiedKFold if stratify else KFold
        return list(splitter(n_folds, shuffle=True, random_state=seed).split(y, y))
    if not stratify:
        return list(GroupKFold(n_folds).split(y, y, groups))
    folds = list(StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(y, y, groups))
    n_classes = len(np.unique(y))
    return [(train, test) for train, test in folds if len(test) and len(np.unique(y[train])) == n_classes]
