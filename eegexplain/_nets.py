"""Is this estimator a network? Asked without importing torch: who has none pays nothing for it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def _is_a(thing, module, name):
    """Tell whether this is of a class that some module holds; where nobody has imported that, nothing is."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(thing, kind)


def default_dtype():
    """Return torch's default dtype as NumPy's."""
    import torch

    return np.dtype(str(torch.get_default_dtype()).removeprefix("torch."))


def unwrap(estimator):
    """Follow FrozenEstimator and fitted searches to what they hold."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "FrozenEstimator":
            estimator = estimator.estimator
        else:
            return estimator


def seen_scale(estimator):
    """Levels of the trials that a fitted network has seen: `input_scale_`, or its own scale; None where unknown."""
    held = unwrap(estimator)
    if hasattr(held, "input_scale_"):
        return held.input_scale_
    module = getattr(getattr(held, "net_", held), "module_", getattr(held, "module", None))
    scale = None if not _is_a(module, "torch.nn", "Module") else dict(module.named_buffers()).get("input_scale")
    known = scale is not None and scale.numel() == 1 and float(scale) != 1.0  # 1 is that of a module never told
    return (float(scale), float(scale)) if known else None


def check_finished(estimator):
    """Raise `KeyboardInterrupt` where training of a skorch net, bare or at the end of a pipeline, stopped mid-epoch.

    skorch swallows this exception: it is its way to end a fit early, which callbacks do between epochs. An epoch that
    has no training loss was cut off.
    """
    net = unwrap(estimator)
    while hasattr(net, "steps"):
        net = unwrap(net.steps[-1][1])
    if not _is_a(net, "skorch", "NeuralNet") or not getattr(net, "history", None):
        return
    records = any(name == "train_loss" for name, _ in getattr(net, "callbacks_", ()))
    if records and "train_loss" not in net.history[-1]:
        raise KeyboardInterrupt(
            f"Training of {type(net).__name__} was interrupted in epoch {len(net.history)}: there is no explanation "
            "of a half-trained network."
        )


def is_skorch_net(estimator):
    """Tell whether this is a bare skorch net, fitted or not (it wants arrays of its module's dtype)."""
    return _is_a(unwrap(estimator), "skorch", "NeuralNet")


def last_step(estimator):
    """Return what a Pipeline, or what holds one, ends in; other estimators unwrapped."""
    held = unwrap(estimator)
    while hasattr(held, "steps"):
        held = unwrap(held.steps[-1][1])
    return held


# Transformers of other packages that are affine maps of trials ``(n_trials, n_channels, n_times)``, along an axis;
# all are measured and verified (see `_pipelines`). Of trials ``(n_trials, n_times)`` all are taken along time.
ALONG = {"channels": -2, "times": -1}
AFFINE_STEPS = {
    **dict.fromkeys(
        (("mne", name) for name in ("Scaler", "UnsupervisedSpatialFilter", "CSP", "SPoC", "SSD", "XdawnTransformer")),
        "channels",
    ),
    **dict.fromkeys((("mne", name) for name in ("TemporalFilter", "FilterEstimator")), "times"),
    **dict.fromkeys(
        (("sklearn", name) for name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA",
                                        "IncrementalPCA", "TruncatedSVD", "FastICA", "VarianceThreshold")),
        "times",
    ),
}  # fmt: skip
_CURES = {
    "CSP": "CSP(transform_into='csp_space') gives a network trials; powers have no time.",
    "SPoC": "SPoC(transform_into='csp_space') gives a network trials; powers have no time.",
    "FunctionTransformer": "What a function does cannot be known: make it a transformer with the attribute "
    "acts_along = 'channels' or 'times', if it is an affine map along that axis.",
}


def front_steps(pipeline):
    """Steps before the last of a Pipeline, those of Pipelines inside it too.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted.

    Returns
    -------
    list of (name, step, axis)

    Raises
    ------
    TypeError
        For a step that is not known to be an affine map along channels or along time.
    """
    found = []
    for number, (name, step) in enumerate(pipeline.steps):
        step = unwrap(step)
        if hasattr(step, "steps"):
            inside = front_steps(step)
            if number < len(pipeline.steps) - 1:
                inside += _step(*step.steps[-1])
            found += [(f"{name}.{inner}", one, axis) for inner, one, axis in inside]
        elif number < len(pipeline.steps) - 1:
            found += _step(name, step)
    return found


def _step(name, step):
    """A step with the axis along which it is an affine map; none for one that passes trials on."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return []
    kind = type(step).__name__
    if kind == "FunctionTransformer" and step.func in (None, np.asarray, np.ascontiguousarray, np.float32, np.float64):
        return []
    known = (AFFINE_STEPS.get((base.__module__.split(".")[0], base.__name__)) for base in type(step).__mro__)
    along = getattr(step, "acts_along", None) or next((axis for axis in known if axis is not None), None)
    powers = getattr(step, "transform_into", "csp_space") != "csp_space"
    if along not in ALONG or powers:
        own = "A transformer of your own that is one says so by the attribute acts_along = 'channels' or 'times'."
        cure = _CURES.get(kind, own)
        raise TypeError(
            f"Step {name!r} ({kind}) of the Pipeline cannot be composed with the network: gradients and layers refer "
            "to what enters the Pipeline, by steps that are affine maps along channels or along time. "
            f"{cure} Else explain FrozenEstimator(pipeline[-1]) on pipeline[:-1].transform(X), or use "
            "PerturbationCorrelator(method='sampling')."
        )
    return [(name, step, ALONG[along])]


def is_network(estimator):
    """Tell whether a fitted estimator is a torch network: a skorch net, what holds one in ``net_``, or their mean.

    So is a Pipeline that ends in one, behind steps that can be composed with it.
    """
    held = unwrap(estimator)
    if hasattr(held, "steps"):
        try:
            front_steps(held)
        except TypeError:
            return False
        held = last_step(held)
    ensemble = together(held)
    if ensemble is not None:
        return all(map(is_network, ensemble.members))
    return _is_a(getattr(held, "net_", held), "skorch", "NeuralNet") or hasattr(held, "_held_module")


def frozen(estimator, numbers=False):
    """Return a bare torch module as a fitted estimator (see `as_estimator`), anything else as it is.

    Parameters
    ----------
    estimator : object
    numbers : bool
        Whether the module's outputs are numbers rather than those of classes.

    Returns
    -------
    estimator : object
    """
    if not _is_a(estimator, "torch.nn", "Module"):
        return estimator
    from eegexplain._trained import as_estimator

    return as_estimator(estimator, classes=False if numbers else None)


@dataclass(frozen=True)
class Together:
    """Fitted estimators that predict by a mean.

    Attributes
    ----------
    members : sequence of estimators
        Fitted.
    averaged : {"centered_logit", "prob", "output"}
        Of what the mean is taken.
    weights : sequence of float or None
        None weighs all alike.
    """

    members: Sequence[Any]
    averaged: str
    weights: Sequence[float] | None = None


def together(estimator):
    """Read what is averaged from a fitted ensemble: this package's, or scikit-learn's voting; None for all others."""
    own = getattr(estimator, "_together", None)
    if own is not None:
        return own()
    kind = type(estimator).__name__
    if kind == "VotingClassifier" and estimator.voting == "soft":
        return Together(estimator.estimators_, "prob", estimator._weights_not_none)
    if kind == "VotingRegressor":
        return Together(estimator.estimators_, "output", estimator._weights_not_none)
    return None
