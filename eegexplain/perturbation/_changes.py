"""What perturbed trials change: outputs of any model and, for networks, units of their layers."""

from contextlib import nullcontext
from functools import partial

import numpy as np

from eegexplain._module import capture
from eegexplain._parallel import trial_blocks
from eegexplain.perturbation._correlate import ROUNDING, correlate_positions, rounding_of


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


class OutputChanges:
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
        return self.net.eps

    @property
    def has_gradients(self):
        """Whether the outputs are those of a network."""
        return self.net.differentiable

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
    return nullcontext({})


def _positions(activation):
    """Activations ``(batch, units, ...)`` as ``(batch, units, n_positions)``."""
    return activation.reshape(*activation.shape[:2], -1)
