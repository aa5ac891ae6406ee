"""What perturbed trials change: outputs of any model and, for networks, units of their layers."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from eegexplain._parallel import trial_blocks
from eegexplain.perturbation._sums import ROUNDING


def correlate_positions(x, y, constant):
    """Correlation over the last axis; `constant` where x or y does not vary by more than rounding."""
    means = [np.mean(part, axis=-1, keepdims=True, dtype=float) for part in (x, y)]
    centred = [part - mean for part, mean in zip((x, y), means, strict=True)]
    powers = [np.square(part).mean(axis=-1) for part in centred]
    varies = True
    for part, mean, power in zip((x, y), means, powers, strict=True):
        eps = np.finfo(np.result_type(np.asarray(part).dtype, np.float32)).eps
        varies = varies & (power > (ROUNDING * eps * mean[..., 0]) ** 2)
    product = (centred[0] * centred[1]).mean(axis=-1)
    return np.divide(product, np.sqrt(powers[0] * powers[1]), out=np.full(product.shape, float(constant)), where=varies)


def rounding_of(difference, old, step):
    """Change of a difference of activations by relative steps, up or down at each position as in rounding."""
    steps = np.where(np.random.default_rng(0).random(old.shape) < 0.5, -step, step)
    return np.abs(difference(old * (1 + steps), old) - difference(old, old))


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


@dataclass(frozen=True)
class Reference:
    """What perturbed trials are compared with; ``sizes`` is what rounding of everything that can change is relative to.

    The size of an output is its value; that of a unit is in the unit of the difference, which need not be the
    activation's.
    """

    outputs: np.ndarray  # (n_trials, n_outputs)
    activations: dict[str, np.ndarray]  # (n_trials, n_units, n_positions) per layer
    sizes: np.ndarray  # (n_trials, n_outputs and all units)


class OutputChanges:
    """What perturbed trials change: outputs first, then the units of each layer.

    Parameters
    ----------
    net : TorchNet or ScikitOutputs
        The fitted model.
    response : str
    layers : list of str
        Of a TorchNet; other models have none.
    difference : callable (new, old) -> array (n_trials, n_units)
        For activations ``(n_trials, n_units, n_positions)``.
    batch_size : int or None
        As `TorchNet.rows` reads it.
    """

    def __init__(self, net, response, *, layers=(), difference=mean_difference, batch_size=None):
        self.net, self.response, self.batch_size = net, response, batch_size
        self.layers, self.difference = list(layers), difference
        self.n_units = {name: net.layout(name, tell=True).n_units for name in self.layers}

    @property
    def eps(self):
        """Relative rounding of the outputs."""
        return self.net.eps

    def check_deterministic(self, X):
        """Compare two forward passes; returns the number of outputs."""
        first, second = (self.outputs(X) for _ in range(2))
        if not np.allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max()):
            raise ValueError(
                "two forward passes over the same trials give different outputs: the model is not deterministic "
                "(dropout left on in eval mode?), so that its noise would drown the perturbation's"
            )
        return first.shape[1]

    def outputs(self, X):
        """Responses ``(n_trials, n_outputs)``."""
        return self.net.outputs(X, self.response, self.batch_size)

    def gradients(self, X):
        """Yield slice, responses and their gradients per batch; only for a TorchNet."""
        return self.net.gradients(X, self.response, self.batch_size)

    def reference(self, X):
        """Return what perturbed versions of these trials are compared with."""
        outputs = self.outputs(X)
        activations = {name: [] for name in self.layers}
        if self.layers:
            for _, seen in self.net.activations(X, self.layers, self.batch_size):
                for name, activation in seen.items():
                    activations[name].append(self.net.layout(name).arranged(activation))
        activations = {name: np.concatenate(parts) for name, parts in activations.items()}
        step = ROUNDING * max(self.eps, float(np.finfo(X.dtype).eps))
        sizes = [outputs]
        for name, part in activations.items():
            sizes.append(rounding_of(partial(self._difference, name), part, step) / step)
        return Reference(outputs, activations, np.concatenate(sizes, axis=1))

    def changes(self, X, reference):
        """Change of everything for draws x trials, ``(n_draws, n_trials, n_outputs + units)``."""
        n_trials, changes = len(reference.outputs), []
        with _captured(self.net, self.layers) as seen:
            for part in trial_blocks(len(X), self.net.rows(self.batch_size)):
                trials = np.arange(part.start, part.stop) % n_trials
                change = [self.outputs(X[part]) - reference.outputs[trials]]
                for name in self.layers:
                    new = self.net.units(name, seen)
                    change.append(self._difference(name, new, reference.activations[name][trials]))
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
        from eegexplain._module import capture

        return capture(net.module, layers)
    return nullcontext({})
