"""How well a network decodes held-out trials, and how well chance would."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from eegexplain._explanation import population_error


@dataclass(frozen=True)
class Decoding:
    """Held-out accuracy with its 95 % interval, chance level, and what chance stays below in 95 % of cases."""

    accuracy: float
    low: float
    high: float
    chance: float
    chance_upper: float
    n_trials: int
    n_groups: int | None

    @property
    def above_chance(self):
        """Whether the accuracy exceeds what chance reaches in 95 % of cases."""
        return self.accuracy > self.chance_upper

    @property
    def banner(self):
        """The sentence that every figure of a network at chance carries; empty above chance."""
        if self.above_chance:
            return ""
        return (
            f"This network does not decode held-out data: accuracy {self.accuracy:.2f}, and chance reaches "
            f"{self.chance_upper:.2f}. What it uses explains nothing about the classes"
        )

    def sentence(self):
        """One line for people."""
        unit = f"{self.n_groups} groups" if self.n_groups else f"{self.n_trials} trials"
        return (
            f"Held-out accuracy {self.accuracy:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}, {unit}); "
            f"chance {self.chance:.3f}, which reaches {self.chance_upper:.3f} in 95 % of cases"
        )


def balanced_accuracy(y, predicted):
    """Mean over classes of the share of their trials that were predicted right."""
    return float(np.mean([np.mean(predicted[y == name] == name) for name in np.unique(y)]))


def assess(y, predicted, groups=None):
    """Judge held-out predictions.

    Chance always names the most frequent class. Its upper limit is binomial; trials of one group (a subject) are not
    independent, so with groups the limit and the interval also allow for the spread of accuracy over groups, and the
    wider limit counts.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_trials,)
        Classes of the held-out trials, and what the network said.
    groups : ndarray of shape (n_trials,) or None

    Returns
    -------
    Decoding
    """
    correct = np.asarray(predicted == y, dtype=float)
    n_trials, accuracy = len(y), float(np.mean(predicted == y))
    chance = float(np.unique(y, return_counts=True)[1].max() / n_trials)
    upper = float(stats.binom.ppf(0.95, n_trials, chance) / n_trials)
    interval = stats.binomtest(int(correct.sum()), n_trials).proportion_ci(0.95, "wilson")
    low, high, n_groups = float(interval.low), float(interval.high), None
    if groups is not None:
        n_groups = len(np.unique(groups))
        error = float(population_error(correct - accuracy, groups))
        width = stats.t.ppf(0.975, n_groups - 1) * error
        low, high = min(low, max(0.0, accuracy - width)), max(high, min(1.0, accuracy + width))
        upper = max(upper, min(1.0, chance + stats.t.ppf(0.95, n_groups - 1) * error))
    return Decoding(accuracy, low, high, chance, float(upper), n_trials, n_groups)
