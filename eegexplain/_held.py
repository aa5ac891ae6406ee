"""The trained module inside an estimator, and how it is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet, NeuralNetBinaryClassifier
from torch import nn


def first_output(output):
    """Return a tensor as it is, and the first part of a tuple: skorch's prediction."""
    return output[0] if isinstance(output, (tuple, list)) else output


@dataclass(frozen=True)
class HeldModule:
    """A trained module, and how to ask it.

    Attributes
    ----------
    module : torch.nn.Module
    input_shape : tuple of int
        Of one trial as the module takes it.
    emission : callable
        Says what the module emits (see `TorchNet`) from its outputs on a batch of noise.
    pick : callable
        The tensor among what the module returns.
    device : str or torch.device, optional
        Where trials go if the module has no parameter.
    nonlinearity : callable, optional
        From what the module returns to probabilities.
    """

    module: nn.Module
    input_shape: tuple[int, ...]
    emission: Callable[[torch.Tensor], str]
    pick: Callable[[Any], Any] = first_output
    device: Any = None
    nonlinearity: Callable[[torch.Tensor], torch.Tensor] | None = None


def held_module(estimator: Any, trial_shape: tuple[int, ...]) -> HeldModule:
    """Find the module of a skorch net, of a facade around one, or of a `TrainedModule`.

    Parameters
    ----------
    estimator : estimator instance
        Fitted.
    trial_shape : tuple of int
        ``(n_channels, n_times)`` or ``(n_times,)``.

    Returns
    -------
    HeldModule

    Raises
    ------
    TypeError
        For what is no torch network, naming the analysis that works without gradients.
    NotFittedError
        For one that was not fitted.
    """
    if hasattr(estimator, "_held_module"):
        return estimator._held_module(trial_shape)
    net = getattr(estimator, "net_", estimator)
    if hasattr(estimator, "_net_class"):
        check_is_fitted(estimator, "net_")
    if not isinstance(net, NeuralNet):
        raise TypeError(
            f"{type(estimator).__name__} is not a torch network (a torch module, a SyncNet facade, a skorch net, a "
            "braindecode EEGClassifier): analyses of gradients and activations need one. "
            "PerturbationCorrelator(method='sampling') works with any scikit-learn estimator."
        )
    check_is_fitted(net, "module_")
    shape = trial_shape if net is estimator else (*((1,) * (2 - len(trial_shape))), *trial_shape)
    nonlinearity = net.predict_nonlinearity if callable(net.predict_nonlinearity) else None
    return HeldModule(net.module_, shape, partial(_emission, net), device=net.device, nonlinearity=nonlinearity)


def _emission(net, probe):
    """Say what the module emits; `probe` are its outputs on a test batch."""
    criterion = net.criterion_
    if isinstance(net, NeuralNetBinaryClassifier) or isinstance(criterion, nn.BCEWithLogitsLoss):
        several = probe.ndim > 1 and probe.shape[1] > 1  # labels that do not exclude each other: a number for each
        return "values" if several else "binary_logit"
    if isinstance(criterion, nn.CrossEntropyLoss):
        return "logits"
    if not isinstance(criterion, nn.NLLLoss):
        return "probabilities" if is_classifier(net) else "values"
    if (probe >= 0).all():
        return "probabilities"
    if (probe <= 0).all():
        return "log_probabilities"
    raise ValueError(
        "The network is trained with NLLLoss but returns neither probabilities nor log-probabilities: end it with "
        "Softmax or LogSoftmax, or train it with CrossEntropyLoss."
    )
