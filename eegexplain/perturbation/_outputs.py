"""A fitted estimator as a function from trials to numbers: its outputs and, for networks, its layers."""

from functools import partial

import numpy as np
from sklearn.base import is_classifier, is_regressor

from eegexplain._module import capture
from eegexplain._parallel import trial_blocks
from eegexplain._torch import RESPONSES
from eegexplain._validation import check_option
from eegexplain.perturbation._correlate import ROUNDING, correlate_positions, rounding_of


class ScikitOutputs:
    """Outputs of any scikit-learn classifier or regressor.

    Parameters
    ----------
    estimator : fitted estimator
        With ``predict_proba`` or ``decision_function``, or a regressor.
    trial_shape : tuple of int
        As the estimator was fitted.
    convert : callable
        Makes trials what the estimator takes.
    """

    def __init__(self, estimator, trial_shape, convert):
        self.estimator, self.trial_shape, self.convert = estimator, trial_shape, convert
        self.eps = float(np.finfo(float).eps)
        if not (
            is_regressor(estimator) or hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
        ):
            raise TypeError(
                f"{type(estimator).__name__} has neither predict_proba nor decision_function and is no regressor: "
                "its outputs cannot be explained; for an SVC set probability=True or use LinearSVC"
            )

    def check_response(self, response):
        """Return `response` with "auto" resolved."""
        allowed = RESPONSES if is_classifier(self.estimator) else ("output",)
        return check_option("response", allowed[min(1, len(allowed) - 1)] if response == "auto" else response, allowed)

    def outputs(self, X, response, batch_size=None):
        """Responses ``(n_trials, n_outputs)`` for trials ``(n_trials, n_channels, n_times)``."""
        X = self.convert(X.reshape(len(X), *self.trial_shape))
        if not is_classifier(self.estimator):
            return self._double(self.estimator.predict(X)).reshape(len(X), -1)
        if hasattr(self.estimator, "predict_proba"):
            probabilities = self._double(self.estimator.predict_proba(X))
            return _RESPONSES[response](np.log(np.maximum(probabilities, np.finfo(float).tiny)))
        logits = self._double(self.estimator.decision_function(X))
        if logits.ndim == 1:
            logits = np.stack([-logits / 2, logits / 2], axis=1)
        return _RESPONSES[response](logits)

    def _double(self, values):
        """Convert to float64, and remember how coarse the values were."""
        values = np.asarray(values)
        if values.dtype.kind == "f":
            self.eps = max(self.eps, float(np.finfo(values.dtype).eps))
        return values.astype(float)


def _log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _margin(logits):
    largest = np.sort(logits, axis=1)[:, ::-1]
    others = np.where(logits == largest[:, :1], largest[:, 1:2], largest[:, :1]) if logits.shape[1] > 1 else 0
    return logits - others


_RESPONSES = {
    "logit": lambda logits: logits,
    "centered_logit": lambda logits: logits - logits.mean(axis=1, keepdims=True),
    "logprob": _log_softmax,
    "prob": lambda logits: np.exp(_log_softmax(logits)),
    "margin": _margin,
}


def mean_difference(new, old):
    """Mean over positions of the change of each unit, ``(n_trials, n_units)``."""
    return new.mean(axis=-1, dtype=float) - old.mean(axis=-1, dtype=float)


def correlation_difference(new, old):
    """Correlation over positions of new and old activations minus 1; 0 where either is constant."""
    return correlate_positions(new, old, constant=1) - 1


def power_difference(new, old):
    """Change of the mean square over positions: what a linear layer does with oscillations, whose mean is zero."""
    return np.square(new, dtype=float).mean(axis=-1) - np.square(old, dtype=float).mean(axis=-1)


DIFFERENCES = {"mean": mean_difference, "power": power_difference, "correlation": correlation_difference}


class Effects:
    """What perturbed trials change: outputs first, then the units of each layer.

    Parameters
    ----------
    net : TorchNet or ScikitOutputs
    response : str
    layers : list of str
        Only for a TorchNet.
    difference : callable (new, old) -> array (n_trials, n_units)
        For activations ``(n_trials, n_units, n_positions)``.
    batch_size : int
    """

    def __init__(self, net, response, *, layers=(), difference=mean_difference, batch_size=64):
        self.net, self.response, self.batch_size = net, response, batch_size
        self.layers, self.difference = list(layers), difference

    @property
    def eps(self):
        """Relative rounding of the outputs."""
        if isinstance(self.net, ScikitOutputs):
            return self.net.eps
        return float(np.finfo(f"float{8 * self.net.dtype.itemsize}").eps)

    @property
    def has_gradients(self):
        """Whether the outputs are those of a network."""
        return not isinstance(self.net, ScikitOutputs)

    def n_units(self, X):
        """Units per layer, seen on a few trials."""
        if not self.layers:
            return {}
        _, seen = next(self.net.activations(X, self.layers, self.batch_size))
        return {name: activation.shape[1] for name, activation in seen.items()}

    def check_deterministic(self, X):
        """Compare two forward passes; returns the number of outputs."""
        first, second = (self.net.outputs(X, self.response, self.batch_size) for _ in range(2))
        if not np.allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max()):
            raise ValueError(
                "two forward passes over the same trials give different outputs: the model is not deterministic "
                "(dropout left on in eval mode?), so that its noise would drown the perturbation's"
            )
        return first.shape[1]

    def reference(self, X):
        """Outputs ``(n_trials, n_outputs)``, activations, and sizes of everything that can change, per trial.

        Rounding is compared with these sizes. That of an output is its value; that of a unit is in the unit of the
        difference, which need not be the activation's.
        """
        outputs = self.net.outputs(X, self.response, self.batch_size)
        activations = {name: [] for name in self.layers}
        if self.layers:
            for _, seen in self.net.activations(X, self.layers, self.batch_size):
                for name, activation in seen.items():
                    activations[name].append(_positions(activation))
        activations = {name: np.concatenate(parts) for name, parts in activations.items()}
        step = ROUNDING * max(self.eps, float(np.finfo(X.dtype).eps))
        sizes = [outputs]
        for name, part in activations.items():
            sizes.append(rounding_of(partial(self._difference, name), part, step) / step)
        return outputs, activations, np.concatenate(sizes, axis=1)

    def changes(self, X, outputs, activations):
        """Change of everything for draws x trials, ``(n_draws, n_trials, n_outputs + units)``."""
        n_trials, changes = len(outputs), []
        with _captured(self.net, self.layers) as seen:
            for part in trial_blocks(len(X), self.batch_size):
                trials = np.arange(part.start, part.stop) % n_trials
                change = [self.net.outputs(X[part], self.response, self.batch_size) - outputs[trials]]
                for name in self.layers:
                    new = _positions(seen[name].pop().detach().cpu().numpy())
                    change.append(self._difference(name, new, activations[name][trials]))
                changes.append(np.concatenate(change, axis=1))
        return np.concatenate(changes).reshape(-1, n_trials, changes[0].shape[1])

    def _difference(self, name, new, old):
        change = np.asarray(self.difference(new, old), dtype=float)
        if change.shape != old.shape[:2]:
            raise ValueError(
                f"difference returned shape {change.shape} for layer {name!r}; expected one number per trial and unit, "
                f"{old.shape[:2]}"
            )
        return change


def _captured(net, layers):
    if layers:
        return capture(net.module, layers)
    import contextlib

    return contextlib.nullcontext({})


def _positions(activation):
    """Activations ``(batch, units, ...)`` as ``(batch, units, n_positions)``."""
    return activation.reshape(*activation.shape[:2], -1)
