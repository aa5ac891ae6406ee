"""Usable information as a score of a search: how many bits a decoder knows, not how often it is right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier

from eegexplain._bits import usable_information
from eegexplain._judge import UNITS
from eegexplain._lazy import LazyTrials
from eegexplain._validation import check_option
from eegexplain.inspection.cross_validation import scores_of
from eegexplain.inspection.scorers import Scorer


def information_scorer(*, unit: str = "bit") -> Scorer:
    """Make a scorer of how much a decoder knows about the label of trials that it did not see.

    Parameters
    ----------
    unit : {"bit", "nat"}, default="bit"

    Returns
    -------
    callable
        ``scorer(estimator, X, y)`` for ``scoring=`` of searches and cross-validation: `estimator` is any classifier
        with ``decision_function`` or ``predict_proba``, regressor, Pipeline, or explainer around one. 0 is what
        guessing by the frequency of the classes gives, the entropy of the label the most.

    Raises
    ------
    ValueError
        From the scorer for held-out trials that lack a class, or are too few to calibrate on one another.

    Notes
    -----
    `usable_information` of the outputs: calibrated on other held-out trials of the same test part, with slopes in
    [0, 1], so that overconfidence costs nothing, confident errors do. A finer measure than accuracy where candidates
    are right equally often, and a noisier one where test parts are small: 20 trials of each class are few. Trials of
    one subject calibrate each other here; `usable_information` takes groups.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import information_scorer
    >>> eeg = make_oscillatory_eeg(n_trials=120, snr=4, random_state=0)
    >>> bits = cross_val_score(SyncNetClassifier(sfreq=eeg.sfreq), eeg.X, eeg.y, cv=3, scoring=information_scorer())
    >>> bool(bits.max() < 1)
    True
    """
    return _Information(check_option("unit", unit, tuple(UNITS)))


@dataclass(frozen=True, repr=False)
class _Information:
    unit: str

    def __repr__(self):
        return f"information_scorer(unit={self.unit!r})"

    def __call__(self, estimator: Any, X: ArrayLike, y: ArrayLike) -> float:
        trials: Any = X if isinstance(X, LazyTrials) else np.asarray(X)
        scores = scores_of(estimator, trials)
        if is_classifier(estimator):
            return usable_information(y, scores, unit=self.unit).value
        return usable_information(y, scores[:, 0], kind="predictions", unit=self.unit).value
