"""Whether networks read power, which has no sign, or waveforms, which maps of amplitude cannot show."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain.inspection import balanced_accuracy


@dataclass(frozen=True)
class Polarity:
    """Balanced accuracy of the first networks of all folds on held-out trials, and on these with their sign flipped.

    Parameters
    ----------
    kept, flipped, chance : float
    """

    kept: float
    flipped: float
    chance: float

    @classmethod
    def of(cls, folds: Iterable[Any], X: Any, y: Any, chance: float) -> "Polarity":
        """Ask the networks of some folds, each about its own held-out trials.

        Parameters
        ----------
        folds : iterable of Fold
        X : ndarray of shape (n_trials, n_channels, n_times)
        y : ndarray of shape (n_trials,)
        chance : float

        Returns
        -------
        Polarity
        """
        scores = [
            [balanced_accuracy(y[fold.test], fold.net.predict(sign * X[fold.test])) for sign in (1, -1)]
            for fold in folds
        ]
        kept, flipped = np.mean(scores, axis=0)
        return cls(float(kept), float(flipped), chance)

    @property
    def reads_waveforms(self) -> bool:
        """Whether less than half of what is decoded is left without the sign."""
        return self.flipped - self.chance < (self.kept - self.chance) / 2 and self.kept > self.chance
