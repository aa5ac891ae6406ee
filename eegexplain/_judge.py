"""Whoever calibrates scores on other trials says how much they know about the label."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eegexplain._calibration import NUMBERS, Loss
from eegexplain._explanation import fold_error, population_error

UNITS = {"bit": np.log(2), "nat": 1.0}


@dataclass(frozen=True, eq=False)
class UsableInformation:
    """What scores of held-out trials say about the label, in bits or nats per trial.

    Parameters
    ----------
    value : float
        Mean loss of guessing by the frequency of the classes, less that of the calibrated scores: at most the entropy
        of the label in expectation, at most 0 in expectation for scores that do not depend on it.
    standard_error : float
        Of `value` over trials, or groups where they are given, with these networks taken for given.
    degrees_of_freedom : int
        Trials, or groups, less one.
    fold_error : float
        Of `value` over folds, whose networks differ and share training trials; NaN for a single fold.
    baseline : float
        Loss of guessing, about the entropy of the label.
    slope : float
        Mean over calibrations, each between 0 (the scores are ignored) and 1 (they are taken as they are).
    free_value : float
        The same information with slopes above 1 allowed; never tested.
    unit : {"bit", "nat"}
    fold_values : ndarray of shape (n_folds,)
    trial_values : ndarray of shape (n_trials,)
    calibrated_over : {"trials", "groups", "folds"}
        What was never split between the trials that calibrate and those that are judged; "folds" where one has fewer
        than 5 groups (or trials) of a class, too few for a calibration of its own.
    at_limit : bool
        Whether most slopes are 1: the head is underconfident, and `value` a lower bound.
    """

    value: float
    standard_error: float
    degrees_of_freedom: int
    fold_error: float
    baseline: float
    slope: float
    free_value: float
    unit: str
    fold_values: np.ndarray
    trial_values: np.ndarray
    calibrated_over: str
    at_limit: bool

    @property
    def p_value_given_networks(self) -> float:
        """One-sided p of 0 or less, from the spread over trials or groups: of these networks."""
        return one_sided_p(self.value, self.standard_error, self.degrees_of_freedom)

    @property
    def p_value(self) -> float:
        """One-sided p of 0 or less, from the spread over folds where there are several: of the whole procedure."""
        if np.isnan(self.fold_error):
            return self.p_value_given_networks
        return one_sided_p(self.value, self.fold_error, len(self.fold_values) - 1)

    @property
    def above_zero(self) -> bool:
        """Whether `p_value` is at most .05."""
        return self.p_value <= 0.05

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of `value`, from the error that `p_value` is from."""
        alone = np.isnan(self.fold_error)
        error, free = (self.standard_error, self.degrees_of_freedom) if alone else (
            self.fold_error, len(self.fold_values) - 1)  # fmt: skip
        width = float(stats.t.ppf(0.975, free) * error)
        return self.value - width, self.value + width


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Scores as a judge sees them.

    Parameters
    ----------
    losses, free_losses : ndarray of shape (..., n_trials)
        With slopes of at most 1, and with any.
    slopes : ndarray of shape (..., n_trials)
    """

    losses: NDArray
    free_losses: NDArray
    slopes: NDArray


@dataclass(frozen=True, eq=False)
class Judge:
    """Says how much scores of these trials know: the same trials calibrate whatever is judged.

    Parameters
    ----------
    targets : ndarray of shape (n_trials,)
        Codes of the classes, or numbers.
    folds : ndarray of int of shape (n_trials,)
    groups : ndarray of int of shape (n_trials,) or None
    calibrations : list of (ndarray, ndarray)
        Places of the trials that calibrate, and of those judged.
    calibrated_over : str
    loss : Loss
    unit : str
    """

    targets: NDArray
    folds: NDArray
    groups: NDArray | None
    calibrations: list
    calibrated_over: str
    loss: Loss
    unit: str

    @cached_property
    def baseline(self) -> NDArray:
        """Loss of guessing, of each trial."""
        numbers = self.loss is NUMBERS
        losses = np.empty(len(self.targets))
        nothing = np.zeros(len(losses) if numbers else (len(losses), self.targets.max() + 1))
        for inside, outside in self.calibrations:
            fitted = self.loss.hold(nothing[inside], self.targets[inside], 0.0)
            losses[outside] = self.loss.per_trial(nothing[outside], self.targets[outside], fitted)
        return losses / UNITS[self.unit]

    def calibrated(self, scores: NDArray) -> Calibrated:
        """Losses of scores after calibration on other trials.

        Parameters
        ----------
        scores : ndarray of shape (..., n_trials, n_classes) or (..., n_trials)
            Logits, or predicted numbers; of several sets, each is calibrated by itself.

        Returns
        -------
        Calibrated
        """
        sets = scores.shape[: -1 if self.loss is NUMBERS else -2]
        bounded, free, slopes = (np.empty((*sets, len(self.targets))) for _ in range(3))
        inner = (slice(None),) * len(sets)
        for inside, outside in self.calibrations:
            own, others = scores[(*inner, inside)], scores[(*inner, outside)]
            found = self.loss.fit(own, self.targets[inside])
            free[..., outside] = self.loss.per_trial(others, self.targets[outside], found)
            steep = found[0] > 1
            if steep.any():
                held = self.loss.hold(own[steep], self.targets[inside], 1.0)
                for one, other in zip(found, held, strict=True):
                    one[steep] = other
            bounded[..., outside] = self.loss.per_trial(others, self.targets[outside], found)
            slopes[..., outside] = found[0][..., None]
        unit = UNITS[self.unit]
        return Calibrated(bounded / unit, free / unit, slopes)

    def error(self, values: NDArray) -> float:
        """Standard error of a mean over trials, clustered by groups.

        Parameters
        ----------
        values : ndarray of shape (n_trials,)

        Returns
        -------
        float
        """
        return float(population_error(values - values.mean(), self.groups))

    @property
    def degrees_of_freedom(self) -> int:
        """Trials, or groups, less one."""
        return (len(self.targets) if self.groups is None else int(self.groups.max()) + 1) - 1

    def information(self, scores: NDArray) -> UsableInformation:
        """How much scores know.

        Parameters
        ----------
        scores : ndarray of shape (n_trials, n_classes) or (n_trials,)

        Returns
        -------
        UsableInformation
        """
        found = self.calibrated(scores)
        values, sizes = self.baseline - found.losses, np.bincount(self.folds)
        fold_values = np.bincount(self.folds, weights=values) / sizes
        single = len(sizes) == 1
        return UsableInformation(
            value=float(values.mean()),
            standard_error=self.error(values),
            degrees_of_freedom=self.degrees_of_freedom,
            fold_error=float("nan") if single else float(fold_error(fold_values, sizes, len(values) - sizes)),
            baseline=float(self.baseline.mean()),
            slope=float(found.slopes.mean()),
            free_value=float((self.baseline - found.free_losses).mean()),
            unit=self.unit,
            fold_values=fold_values,
            trial_values=values,
            calibrated_over=self.calibrated_over,
            at_limit=bool(np.mean(found.slopes >= 1) > 0.5),
        )


def one_sided_p(value: float, error: float, degrees_of_freedom: int) -> float:
    """One-sided p of t for a value of 0 or less.

    Parameters
    ----------
    value, error : float
    degrees_of_freedom : int

    Returns
    -------
    float
        1 for what never varies and is not above 0, NaN without an error.
    """
    if np.isnan(error) or (error == 0 and value <= 0):
        return float("nan") if np.isnan(error) else 1.0
    with np.errstate(divide="ignore"):
        return float(stats.t.sf(np.divide(value, error), degrees_of_freedom))
