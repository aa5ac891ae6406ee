"""From outputs of hybrids to information: what is lost without a cell, what is known by it alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._calibration import NUMBERS
from eegexplain._judge import Judge
from eegexplain.information._partners import Effects

UNDERCONFIDENT = (
    "The calibration wants to amplify the output: the head is underconfident, and the total a lower bound (free_total "
    "is without this limit)."
)
NOTHING = 1e-5  # of the spread of the outputs: what moves them less is rounding


@dataclass(frozen=True, eq=False)
class Lost:
    """What is lost without each cell.

    Parameters
    ----------
    values : ndarray of shape (n_cells, n_trials)
        Information, in the unit of the judge.
    effects : Effects
        Columns are the evidence of each trial for each output; all 0 where a cell moves nothing but rounding.
    """

    values: NDArray
    effects: Effects


def lost_information(judge: Judge, whole: NDArray, effects: Effects) -> Lost:
    """What is lost without cells: the loss of trials with one averaged out, less that of whole trials.

    Parameters
    ----------
    judge : Judge
    whole : ndarray of shape (n_trials, n_outputs)
        Outputs of whole trials.
    effects : Effects
        Of all cells.

    Returns
    -------
    Lost
    """
    nothing = np.nanmax(np.abs(effects.columns), axis=(1, 2), initial=0.0) <= NOTHING * whole.std()
    rows = np.where(nothing[:, None, None], whole, effects.rows)
    columns = np.where(nothing[:, None, None], 0.0, effects.columns)
    values = information(judge, whole) - information(judge, rows)
    return Lost(values, Effects(rows, columns, np.where(nothing, 0.0, effects.interaction)))


def information(judge: Judge, outputs: NDArray) -> NDArray:
    """What outputs know: the loss of guessing less theirs, calibrated.

    Parameters
    ----------
    judge : Judge
    outputs : ndarray of shape (..., n_trials, n_outputs)

    Returns
    -------
    ndarray of shape (..., n_trials)
    """
    return judge.baseline - judge.calibrated(judged_scores(judge, outputs)).losses


def judged_scores(judge: Judge, outputs: NDArray) -> NDArray:
    """What is calibrated: logits, of which log odds against the others are a multiple, or a number.

    Parameters
    ----------
    judge : Judge
    outputs : ndarray of shape (..., n_trials, n_outputs)

    Returns
    -------
    ndarray of shape (..., n_trials, n_outputs) or (..., n_trials)
    """
    if judge.loss is NUMBERS:
        return outputs[..., 0]
    n_classes = outputs.shape[-1]
    return outputs * ((n_classes - 1) / n_classes)


@dataclass(frozen=True, eq=False)
class Total:
    """Information of whole trials, as tables hold it.

    Parameters
    ----------
    variables : dict of str to float
    attrs : dict
    """

    variables: dict[str, float]
    attrs: dict[str, Any]


def total_of(judge: Judge, whole: NDArray) -> Total:
    """What `eegexplain._total.total_information` reads, and what the calibration of whole trials was.

    Parameters
    ----------
    judge : Judge
    whole : ndarray of shape (n_trials, n_outputs)

    Returns
    -------
    Total
    """
    found = judge.information(judged_scores(judge, whole))
    variables = {
        "total_value": found.value,
        "total_standard_error": found.standard_error,
        "entropy_value": found.baseline,
    }
    attrs = {
        "unit": judge.unit,
        "slope": found.slope,
        "free_total": found.free_value,
        "calibrated_over": found.calibrated_over,
        "degrees_of_freedom": judge.degrees_of_freedom,
    }
    return Total(variables, attrs | ({"note": UNDERCONFIDENT} if found.at_limit else {}))
