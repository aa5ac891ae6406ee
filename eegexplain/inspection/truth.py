"""How much of what was planted in simulated data a map found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like
from eegexplain.inspection.faithfulness import average_precision, sign_agreement


@dataclass(frozen=True)
class TruthScore:
    """Agreement of a map with a planted effect.

    Parameters
    ----------
    average_precision : float
        Of the map's largest absolute value over outputs, for informative against irrelevant cells.
    chance : float
        Average precision of a useless map: the share of informative cells.
    sign_agreement : float
        Share of informative cells, over all outputs, whose sign is that of the effect.
    """

    average_precision: float
    chance: float
    sign_agreement: float


def score_against_truth(value: ArrayLike, truth: Any) -> TruthScore:
    """Compare a map with the effect that was planted in simulated data.

    Parameters
    ----------
    value : array-like of shape (n_outputs, n_channels, n_frequencies)
        A network's map, or that of the data alone.
    truth : Bunch
        Of `eegexplain.datasets.make_oscillatory_eeg`: ``effect`` of the shape of `value`, ``role`` of each cell.
        Leakage and suppressors are neither right nor wrong and are left out.

    Returns
    -------
    TruthScore

    Raises
    ------
    ValueError
        For another shape than that of the effect, and where nothing is informative.

    Examples
    --------
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import score_against_truth
    >>> truth = make_oscillatory_eeg(4, random_state=0).truth
    >>> score_against_truth(truth.effect, truth).average_precision
    1.0
    """
    value = check_array_like("value", value, ndim="n_outputs, n_channels, n_frequencies", dtype=float)
    if value.shape != np.shape(truth.effect):
        raise ValueError(f"value must have the shape of the planted effect, {truth.effect.shape}, got {value.shape}")
    informative, known = truth.role == "informative", np.isin(truth.role, ("informative", "irrelevant"))
    signs = [sign_agreement(map_, effect, scored=informative) for map_, effect in zip(value, truth.effect, strict=True)]
    return TruthScore(
        average_precision=float(average_precision(np.abs(value).max(axis=0), informative, scored=known)),
        chance=float(informative[known].mean()),
        sign_agreement=float(np.mean(signs)),
    )
