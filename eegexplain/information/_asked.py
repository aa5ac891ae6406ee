"""Decoders as functions of hybrids: behind an affine first stage where there is one, and always as logits."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from eegexplain._bits import SMALLEST_PROBABILITY
from eegexplain._outputs import ScikitOutputs

AGREES = 1e-4  # of probabilities and those of decision values, beyond which these are no logits
COMPARED = 64


@dataclass(frozen=True, eq=False)
class Asked:
    """A decoder as a function of hybrids, which may be formed behind its first stage where that is affine.

    Parameters
    ----------
    features : callable
        From trials (n_trials, n_channels, n_times) to features (n_trials, ...), an array or tensor: affine.
    outputs : callable
        From features to outputs (n_trials, n_outputs): log odds of each class against the others (their geometric
        mean), or predicted numbers.
    """

    features: Callable[[NDArray], Any]
    outputs: Callable[[Any], NDArray]


def ask(net: Any, X: NDArray) -> Asked:
    """Make a decoder a function of hybrids.

    Parameters
    ----------
    net : TorchNet or ScikitOutputs
    X : ndarray of shape (n_trials, n_channels, n_times)
        Some of these trials are tried.

    Returns
    -------
    Asked

    Warns
    -----
    UserWarning
        For probabilities below 1e-6, which are raised to it, with their number.
    """
    if isinstance(net, ScikitOutputs):
        return Asked(np.asarray, _answers(net, np.asarray(X[:COMPARED])))
    from eegexplain._stages import affine_stage

    odds = _log_odds if net.check_response("auto") != "output" else np.asarray
    stage = affine_stage(net, X)
    if stage is not None:
        return Asked(stage.features, partial(_behind, odds, stage))
    return Asked(np.asarray, partial(_behind, odds, net))


def _answers(net, X):
    """Decision values where they are the logarithm of the odds - these never saturate -, else log probabilities."""
    if net.check_response("auto") == "output":
        return net.outputs
    if not hasattr(net.estimator, "predict_proba"):
        return partial(_behind, _log_odds, net)
    probabilities = net.of("predict_proba", X)
    if hasattr(net.estimator, "decision_function"):
        decided = _columns(net.of("decision_function", X))
        if decided.shape == probabilities.shape and np.abs(softmax(decided, axis=1) - probabilities).max() < AGREES:
            return partial(_decided, net)
    inside = (probabilities > SMALLEST_PROBABILITY).all(axis=1)
    if not inside.all():
        warnings.warn(
            f"{int((~inside).sum())} of {len(inside)} trials have a probability below {SMALLEST_PROBABILITY:g}, which "
            "is raised to it: information then depends on this limit. A calibrated classifier has no such trials.",
            stacklevel=6,
        )
    return partial(_believed, net)


# Functions of a module, not closures: they travel to workers.


def _behind(odds, net, features):
    return odds(net.outputs(features))


def _decided(net, hybrids):
    return _log_odds(_columns(net.of("decision_function", hybrids)))


def _believed(net, hybrids):
    return _log_odds(np.log(np.maximum(net.of("predict_proba", hybrids), SMALLEST_PROBABILITY)))


def _columns(decided):
    """One column per class; one decision value is the difference of two logits."""
    return decided if decided.ndim > 1 else np.stack([-decided / 2, decided / 2], axis=1)


def _log_odds(logits):
    """Of each class against the geometric mean of the others; of two classes, the log odds of the one."""
    n_classes = logits.shape[1]
    return (logits - logits.mean(axis=1, keepdims=True)) * (n_classes / (n_classes - 1))
