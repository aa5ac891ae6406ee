"""Training without gradients: filters and head of a log-power SyncNet from cross-spectra, ridge by cross-validation."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from eegexplain.models.syncnet._tangent import (
    WHITENING,
    SpatialFilters,
    Spectra,
    TangentSpace,
    ridge_duals,
    spatial_filters,
)

PENALTIES = (0.3, 3.0, 30.0, 300.0)
N_FOLDS = 5
LEAST_SLOPE = 0.02  # not 0: a decoder that has learnt nothing has a faint map, not an undefined one
FLOOR = 1e-4  # added to powers relative to a filter's mean power: the logarithm of a silent trial is finite
UNTESTED_SLOPE = 0.5  # where there are too few trials to hold any out


class NoPowerError(ValueError):
    """Trials without any rhythm in the range of frequencies."""


@dataclass(frozen=True)
class Calibration:
    """What held-out scores are worth: ``slope * score + intercept`` has the least `loss`."""

    slope: float
    intercept: np.ndarray  # (n_outputs,)
    loss: float


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


class ClassLoss:
    """Cross-entropy of classes; targets are indicators, for two classes of the second alone."""

    def __init__(self, n_classes):
        self.gain = 4.0 if n_classes == 2 else float(n_classes)  # logits per unit of a regression on indicators

    def calibrate(self, scores, targets):
        """Slope (common to all classes) and intercepts with the least cross-entropy.

        Targets are a little uncertain, the more so the fewer trials a class has (Platt 1999): of classes that are told
        apart without an error the slope would be infinite.
        """
        single = scores.shape[1] == 1
        if single:
            scores, targets = np.hstack([-scores / 2, scores / 2]), np.hstack([1 - targets, targets])
        counts, n_classes = targets.sum(axis=0), targets.shape[1]
        certain = (counts + 1) / (counts + 2)
        others = ((1 - certain) / (n_classes - 1) * targets).sum(axis=1, keepdims=True)
        targets = certain * targets + others * (1 - targets)
        spread = max(float(scores.std()), np.finfo(float).tiny)
        start = np.log(np.maximum(targets.mean(axis=0), 1e-6))

        def cost(parameters):
            logits = parameters[0] * scores / spread + parameters[1:]
            error = np.exp(logits - logsumexp(logits, axis=1, keepdims=True)) - targets
            loss = logsumexp(logits, axis=1) - (targets * logits).sum(axis=1)
            return loss.mean(), np.append((error * scores).sum() / spread, error.sum(axis=0)) / len(scores)

        bounds = [(LEAST_SLOPE * spread, None), *[(None, None)] * scores.shape[1]]
        found = minimize(cost, np.append(max(1.0, bounds[0][0]), start), jac=True, method="L-BFGS-B", bounds=bounds)
        intercept = found.x[1:] - found.x[1:].mean()
        return Calibration(found.x[0] / spread, intercept[1:] * 2 if single else intercept, float(found.fun))


class SquaredLoss:
    """Mean squared error of standardised numbers."""

    gain = 1.0

    def calibrate(self, scores, targets):
        """Slope common to all targets, and intercepts."""
        offset, mean = scores.mean(axis=0), targets.mean(axis=0)
        power = np.square(scores - offset).sum()
        slope = float(np.sum((scores - offset) * (targets - mean)) / power) if power > 0 else 1.0
        slope = max(slope, LEAST_SLOPE)
        intercept = mean - slope * offset
        return Calibration(slope, intercept, float(np.square(slope * scores + intercept - targets).mean()))


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

    Raises
    ------
    ValueError
        When the trials have no power in any stratum.
    """

    def __init__(self, X, strata, unit=1.0, dtype=np.float32):
        self.spectra = Spectra.of(X, strata, unit, dtype)
        power = self.spectra.stratum_power()
        if not power.max(initial=0.0) > np.finfo(dtype).eps ** 2:  # of trials with a mean square of about 1
            raise NoPowerError("the trials have no power in any stratum of frequency: there is nothing to decode")
        filled = power > np.finfo(np.float32).eps * power.max(initial=0.0)
        self.strata_weights = np.where(filled, np.where(filled, power, 1.0) ** -WHITENING, 0.0)
        self.space = TangentSpace.of(self.spectra.cross_spectra(self.strata_weights))
        self.means = self.spectra.stratum_means()

    def solve(self, targets, n_filters, folds, loss):
        """Train for targets ``(n_trials, n_outputs)``; `folds` (train, test) choose the penalty and the slope.

        The folds wrap weights, eigenvectors and head; whitening has seen all trials, but no label.
        """
        if not folds:
            found = self._filters(targets, np.arange(len(targets)), PENALTIES[1], n_filters, loss)
            known = Calibration(UNTESTED_SLOPE, loss.calibrate(*self._scores(found, targets)).intercept, np.nan)
            return _calibrated(found, known, PENALTIES[1], None)
        tried = [self._held_out(targets, n_filters, folds, loss, penalty) for penalty in PENALTIES]
        best = min(range(len(tried)), key=lambda place: tried[place].loss)
        found = self._filters(targets, np.arange(len(targets)), PENALTIES[best], n_filters, loss)
        return _calibrated(found, tried[best], PENALTIES[best], np.array([one.loss for one in tried]))

    def _filters(self, targets, trials, penalty, n_filters, loss):
        """Filters learned from some trials; their weights are in units of the response."""
        dual = ridge_duals(self.space.kernel, targets, trials, penalty)
        matrices = loss.gain * self.space.weights(dual, trials)
        return spatial_filters(matrices, self.space.whitener, self.means, self.strata_weights, n_filters)

    def _scores(self, found, targets, trials=None):
        powers = self.spectra.filter_powers(found.filters, found.stratum, trials)
        scores = found.scores(np.log(powers.astype(float) + FLOOR))
        return scores, targets if trials is None else targets[trials]

    def _held_out(self, targets, n_filters, folds, loss, penalty):
        """Calibration on all held-out trials, each scored by filters and weights that have not seen it."""
        parts = [
            self._scores(self._filters(targets, train, penalty, n_filters, loss), targets, test)
            for train, test in folds
        ]
        return loss.calibrate(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _calibrated(found, calibration, penalty, loss):
    filters = replace(found, weights=found.weights * calibration.slope)
    return ClosedForm(filters, calibration.intercept, penalty, calibration.slope, loss)


def training_folds(y, groups, seed, stratify):
    """Folds for choices inside a training set: whole groups where there are some; none with too few of anything."""
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
