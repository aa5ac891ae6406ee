"""Class activation maps of a layer, on its own grid and on that of the trial."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._parallel import trial_blocks


def layer_maps(
    network: Any, layer: str, axes: tuple[int, ...], X: NDArray, response: str, batch_size: int | None
) -> Iterator[tuple[slice, NDArray]]:
    """Activations of a layer, weighted by the mean gradient of each unit and summed over units.

    Parameters
    ----------
    network : TorchNet
    layer : str
    axes : tuple of int
        Axes of the layer's output that are positions (channels, times), in this order; the batch is axis 0, all others
        are units.
    X : ndarray of shape (n_trials, n_channels, n_times)
    response : str
        Resolved: not "auto".
    batch_size : int or None

    Yields
    ------
    part : slice
    maps : ndarray of shape (n_trials, n_outputs, *lengths of axes)
    """
    import torch

    from eegexplain._torch import gradient_mode

    for part in trial_blocks(len(X), network.rows(batch_size, network.n_outputs)):
        with gradient_mode(network.module), _watched(network.module, layer) as seen:
            outputs = network.respond(network.tensor(X[part]).requires_grad_(), response)
            activation = _single(layer, seen, len(outputs))
            found = []
            for number, total in enumerate(outputs.sum(0)):
                (gradient,) = torch.autograd.grad(
                    total, activation, retain_graph=number < outputs.shape[1] - 1, allow_unused=True,
                    materialize_grads=True,
                )  # fmt: skip
                found.append(_weighted(activation.detach(), gradient, axes))
        yield part, torch.stack(found, dim=1).double().cpu().numpy()


def _weighted(activation, gradient, axes):
    """One output's map ``(n_trials, *lengths of axes)``."""
    units = tuple(axis for axis in range(1, activation.ndim) if axis not in axes)
    weights = gradient.mean(axes, keepdim=True) if axes else gradient
    total = (weights * activation).sum(units) if units else weights * activation
    return total if list(axes) == sorted(axes) else total.transpose(1, 2)


class _watched:
    """Records what a layer returns and hands on a copy: a later layer may work in place."""

    def __init__(self, module, layer):
        from eegexplain._module import find_layers

        find_layers(module, [layer])
        self.layer, self.seen = module.get_submodule(layer), []

    def __enter__(self):
        self.handle = self.layer.register_forward_hook(self._note)
        return self.seen

    def __exit__(self, *exception):
        self.handle.remove()

    def _note(self, layer, inputs, output):
        self.seen.append(output)
        return output.clone() if hasattr(output, "clone") else output


def _single(layer, seen, n_trials):
    if len(seen) != 1:
        raise ValueError(f"Layer {layer!r} runs {len(seen)} times in a forward pass: choose a layer that runs once.")
    (output,) = seen
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) < 2 or shape[0] != n_trials:
        told = f"shape {shape}" if shape else type(output).__name__
        raise ValueError(f"Layer {layer!r} returns {told}: Grad-CAM needs one tensor (batch, units, ...).")
    return output


def to_samples(field: Any, n_times: int) -> NDArray:
    """Weights that carry a layer's positions to the samples of a trial.

    A position lies in the middle of what it sees; between positions values are interpolated, before the first and
    behind the last they stay. Where what is seen has no edge, positions are spread evenly over the trial.

    Parameters
    ----------
    field : ReceptiveField
    n_times : int

    Returns
    -------
    ndarray of shape (n_units, n_times)
    """
    units, samples = np.arange(field.n_units), np.arange(n_times)
    if field.unbounded or field.stride == 0:
        middle = (units + 0.5) * n_times / field.n_units - 0.5
    else:
        middle = field.offset + field.stride * units + (field.size - 1) / 2
    return np.stack([np.interp(samples, middle, one) for one in np.eye(field.n_units)])
