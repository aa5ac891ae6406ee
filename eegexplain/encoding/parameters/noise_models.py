"""Noise models as records: what a fit of parameters minimises, and the law of noise whose likelihood that is."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._validation import lookup

# Logarithms are taken of at least this: a target without residuals must not outweigh all others by infinity.
SMALLEST_LOSS = 1e-300


def sum_of_squares(residual: Any, xp: ModuleType = np) -> Any:
    """Sum the squared residuals of every target.

    Parameters
    ----------
    residual : array of shape (n_times, n_targets)
        NumPy array or torch tensor.
    xp : module
        ``numpy`` or ``torch``.

    Returns
    -------
    loss : array of shape (n_targets,)
        Sums of squares.
    """
    return (residual**2).sum(0)


@dataclass(frozen=True)
class NoiseModel:
    """What a fit minimises: a loss of each target's residuals, added over targets as the likelihood says.

    Parameters
    ----------
    name : str
        What users call it.
    formula : str
        What is minimised, with residuals r of time t and target v.
    law : str
        Name in `scipy.stats` of the noise's distribution: residuals r with log density ``-|r / s|^p / c - log s`` up to
        constants, scale s.
    loss : callable
        ``loss(residual, xp)`` -> array of shape (n_targets,): the sum of ``|r|^p``, up to a factor. Written for NumPy
        and torch, through ``xp``; residuals are (n_times, n_targets).
    own_scale : bool
        Whether each target has a scale of its own, at its best value for these residuals (profiled out). The logarithm
        of the loss is the likelihood then, so that noisy targets count less; otherwise losses are added as they are.

    Notes
    -----
    With a scale of its own, minus the log-likelihood of a target, ``n log s + sum_t |r_t / s|^p / c``, is least at
    ``s^p = p sum_t |r_t|^p / (n c)``, and there equals ``(n / p) log sum_t |r_t|^p`` up to constants.
    """

    name: str
    formula: str
    law: str
    loss: Callable
    own_scale: bool = False

    @property
    def is_least_squares(self) -> bool:
        """Whether sums of squares are all that matters of residuals: closed forms and variable projection need this."""
        return self.loss is sum_of_squares

    def cost(self, loss: Any, xp: ModuleType = np) -> Any:
        """Return what is added over targets: losses, or their logarithms.

        Parameters
        ----------
        loss : array of shape (n_targets,)
            Losses.
        xp : module
            ``numpy`` or ``torch``.

        Returns
        -------
        cost : array of shape (n_targets,)
            Summed over targets, the objective.
        """
        return xp.log(xp.clip(loss, SMALLEST_LOSS, None)) if self.own_scale else loss

    def weight(self, loss: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the derivative of the cost by the loss: how much a target's residuals count.

        Parameters
        ----------
        loss : ndarray of shape (n_targets,)
            Losses.

        Returns
        -------
        weight : ndarray of shape (n_targets,)
            Ones, or one over the loss.
        """
        return 1 / np.maximum(loss, SMALLEST_LOSS) if self.own_scale else np.ones_like(loss)


NOISE_MODELS = {
    record.name: record
    for record in (
        NoiseModel("ssq", "sum_v sum_t r_tv^2", "norm", sum_of_squares),
        NoiseModel("gaussian", "sum_v log sum_t r_tv^2", "norm", sum_of_squares, own_scale=True),
    )
}


def find_noise_model(noise_model: "str | NoiseModel") -> NoiseModel:
    """Look up a noise model; a record is taken as it is.

    Parameters
    ----------
    noise_model : str or NoiseModel
        A name of ``NOISE_MODELS``, or a record of one's own.

    Returns
    -------
    noise_model : NoiseModel
        The record.

    Raises
    ------
    ValueError
        For an unknown name; the message has the nearest one.
    """
    return noise_model if isinstance(noise_model, NoiseModel) else lookup(NOISE_MODELS, noise_model, "noise_model")
